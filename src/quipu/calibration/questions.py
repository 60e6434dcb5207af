"""Labelled questions of a memory: what counts as a right answer, and what is left out of the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quipu.errors import InputError
from quipu.evaluation.metrics import passage_holds
from quipu.facade import Memory
from quipu.records import Example, QAPair
from quipu.text import exact_match


@dataclass(frozen=True, slots=True)
class Labelled:
    """A question with its accepted answers; none: the memory does not answer it.

    ``group``: the document or story that it is about; figures are measured on groups that nothing was fitted on.
    ``without``: a stored pair that is left out of all searches, with everything of its document.
    """

    question: str
    answers: tuple[str, ...]
    group: str = ""
    without: QAPair | None = None

    def right(self, text: str) -> bool:
        """Whether an answer is accepted."""
        return bool(exact_match(text, self.answers))

    def stands_in(self, passage: str) -> bool:
        """Whether a passage holds an accepted answer."""
        return passage_holds(passage, self.answers)


@dataclass(frozen=True, slots=True)
class Asked:
    """Questions that one memory is asked. ``name``: of the set, for reports."""

    memory: Memory
    questions: Sequence[Labelled]
    name: str = ""


def labelled(examples: Sequence[Example]) -> list[Labelled]:
    """Examples as labelled questions; InputError where there are none."""
    if not examples:
        raise InputError("there are no questions to calibrate on")
    return [Labelled(item.question, item.answers, item.id) for item in examples]
