"""What every step of a build shares: the open store, models, settings, the report, and who is told of progress."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from quipu.building.outcome import BuildReport
from quipu.building.settings import GenerateSettings
from quipu.models.bundle import Models
from quipu.models.protocols import SupportsJudge, SupportsPropose, SupportsRead, SupportsWrite
from quipu.records import Answer
from quipu.settings import from_mapping
from quipu.storage.index import Rebuilding, bound
from quipu.storage.store import Store

if TYPE_CHECKING:
    from quipu.building.external import External

Progress = Callable[[dict[str, int | float | str]], None]
BEGUN_WITH = "llm"
"""Of a memory's settings: the external model that its build was begun with."""
ADDING = "adding"
"""The mark of a memory to which something is being added."""


class Builder:
    """An open store that is being added to, by the functions of this package."""

    def __init__(
        self,
        store: Store,
        models: Models,
        settings: GenerateSettings,
        progress: Progress | None,
        rebuilding: Rebuilding | None = None,
        llm: External | None = None,
    ) -> None:
        """``progress`` is told at most a few times a second; ``rebuilding`` works while pairs are added.

        ``llm``: takes over its roles from the models.
        """
        self.store, self.models, self.settings = store, models, settings
        self.report = BuildReport()
        self.llm = llm
        self._progress, self._rebuilding = progress, rebuilding
        self._total, self._uncovered = store.count(), 0
        self._told = 0.0

    def writer(self) -> SupportsWrite | SupportsPropose:
        """What writes questions."""
        return (self.llm.writer() if self.llm else None) or self.models.writer()

    def reader(self) -> SupportsRead:
        """What reads questions back."""
        return (self.llm.reader() if self.llm else None) or self.models.reader()

    def judge(self) -> SupportsJudge | None:
        """What has the last word on pairs."""
        return self.llm.judge() if self.llm else None

    def grew(self, added: int) -> None:
        """Have the index brought up to date in the background when many pairs have come."""
        self._uncovered += added
        self._total += added
        most = bound(self._total, self.store.width)  # 0 in the exact range, where the end of the build is soon enough
        if self._rebuilding is not None and 0 < most < self._uncovered:
            self._rebuilding.start()
            self._uncovered = 0

    def tell(self, **line: int | float | str) -> None:
        """Progress, at most a few times a second."""
        now = time.monotonic()
        if self._progress is not None and (now - self._told > 0.2 or "last" in line):
            self._told = now
            line.pop("last", None)
            self._progress(line)


def unfinished(store: Store) -> int:
    """How many passages have no pairs yet because a build or an addition was interrupted."""
    return 0 if is_finished(store) else store.count_to_ask()


def naming_unfinished(store: Store, answers: list[Answer]) -> list[Answer]:
    """The same answers; where one is missing and passages have no pairs yet, its reason says so."""
    if all(answer.text is not None for answer in answers) or not (waiting := unfinished(store)):
        return answers
    said = f"{waiting:,} passages have no pairs yet: give the command that was interrupted again"
    return [
        answer if answer.text is not None else replace(answer, reason=f"{answer.reason}; {said}") for answer in answers
    ]


def is_finished(store: Store) -> bool:
    """Whether the build of a memory and every later addition came to their ends."""
    return store.journal_has("finished") and not store.journal_has(ADDING)


def stored_settings(store: Store) -> GenerateSettings:
    """The settings that a memory was built with."""
    known = dict(store.manifest.get("settings", {}))
    for name in ("encoder", "writer", "reader", BEGUN_WITH):
        known.pop(name, None)
    return from_mapping(GenerateSettings, known, str(store.path / "manifest.json"))
