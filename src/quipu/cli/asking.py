"""Who answers ``quipu ask``: a memory in a folder, or one that a server answers for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from quipu.cli.terminal import remark
from quipu.errors import InputError

if TYPE_CHECKING:
    from quipu.client import Service
    from quipu.memory import Memory
    from quipu.models.remote.settings import LlmSettings
    from quipu.records import Answer

_NOTHING = "there is no answer to mark as right or wrong: the memory gave none"
Told = tuple["Answer", int]
"""An answer, and over how many questions its milliseconds are a mean."""


class Asker(Protocol):
    """Answers questions with the options of the command line."""

    @property
    def name(self) -> str:
        """By what the user called it."""

    @property
    def longest(self) -> int:
        """Characters that a question may have."""

    def ask(self, questions: Sequence[str]) -> list[Told]:
        """Answers, in order, of at most 64 questions."""

    def mark(self, right: bool) -> None:
        """Remember what the user says of the last answer; InputError where there was none."""


@contextmanager
def asker(
    place: str,
    settings: Mapping[str, Any],
    options: dict[str, Any],
    llm: LlmSettings | None = None,
    also: Sequence[Path] = (),
) -> Iterator[Asker]:
    """For the folder or the URL that the user named. ``options``: of ``Memory.ask_many``, with ``precision``.

    ``also``: folders of memories that are asked together with it.
    """
    if place.startswith(("http://", "https://")):
        if llm is not None:
            raise InputError("a server asks no external model; name the folder of the memory")
        from quipu.client import Service

        if also:
            raise InputError("--also is for memories in folders; a server's memories are asked one by one")
        if settings:
            raise InputError("--set is for a memory in a folder; a server's memory keeps its settings where it is")
        with Service(place) as service:
            yield _Remote(service, options)
        return
    import quipu

    folders = [Path(place), *also] if also else Path(place)
    with quipu.open(folders, read_only=True, settings=settings, llm=llm) as memory:
        if (precision := options.pop("precision")) is not None:
            promise = memory.promised(precision, options["method"], rerank=options["rerank"])
            options["min_probability"] = promise.probability
            remark(promise.text())
        yield _Local(memory, options)


@dataclass(slots=True)
class _Local:
    memory: Memory
    options: Mapping[str, Any]
    last: Answer | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        return str(self.memory.path)

    @property
    def longest(self) -> int:
        from quipu.text import LONGEST_QUESTION

        return LONGEST_QUESTION

    def ask(self, questions: Sequence[str]) -> list[Told]:
        answers = self.memory.ask_many(questions, **self.options)
        self.last = answers[-1]
        return [(answer, len(questions)) for answer in answers]

    def mark(self, right: bool) -> None:
        import quipu

        if self.last is None:
            raise InputError(_NOTHING)
        memory = self.memory
        if len(memory.store.members) > 1:
            raise InputError("of several memories, mark the answer in the one that its source names: quipu feedback")
        with quipu.open(memory.path, encoder=memory.models.encoder()) as writer:  # locked only for this long
            writer.mark(self.last, right)


@dataclass(slots=True)
class _Remote:
    service: Service
    options: Mapping[str, Any]
    longest: int = field(default=2_000, init=False)
    last: str | None = field(default=None, init=False)
    """The id of the last answer, None where it was none."""

    @property
    def name(self) -> str:
        return self.service.url

    def ask(self, questions: Sequence[str]) -> list[Told]:
        from quipu.client import answer_of

        rows = self.service.ask(questions, self.options)
        told = [(answer_of(row), row.get("asked_together", 1)) for row in rows]
        self.last = None if rows[-1]["text"] is None else rows[-1].get("answer_id")
        return told

    def mark(self, right: bool) -> None:
        if self.last is None:
            raise InputError(_NOTHING)
        self.service.judge(self.last, "right" if right else "wrong")
