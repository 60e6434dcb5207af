"""What a build or an addition did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from quipu.corpus import Skipped
from quipu.records.shown import Shown
from quipu.syncing import Changes


@dataclass(slots=True)
class BuildReport(Shown):
    """What a build or an addition did. asked = kept + all of ``dropped``, for generated pairs."""

    documents: int = 0
    passages: int = 0
    pairs: int = 0
    replaced: int = 0
    """Ready pairs that gave way to one with the same question and another answer, from the same place."""
    asked: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    skipped: list[Skipped] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """What readers passed over, by kind ("picture", "hidden file")."""
    languages: Counter[str] = field(default_factory=Counter)
    """Files that are mostly not English, by language."""
    files: int = 0
    """Files that were read to their end, new and changed ones."""
    unchanged: int = 0
    """Files that were known as they are."""
    moved: list[tuple[str, str]] = field(default_factory=list)
    """Files that were renamed or moved: the former name and the name now."""
    removed: list[str] = field(default_factory=list)
    """Files that were forgotten, because they are gone."""
    gone: list[str] = field(default_factory=list)
    """Known files that are gone and still answered from."""
    unanswered: int = 0
    """Passages about which an external model said nothing: the next addition asks again."""
    remarks: list[str] = field(default_factory=list)
    seconds: float = 0.0
    changed: bool = False

    def note(self, changes: Changes) -> None:
        """Take over what a look at the files found."""
        self.unchanged += changes.unchanged
        self.skipped += changes.skipped
        self.left_out.update(changes.left_out)
        self.gone += [file.name for file in changes.gone]
        self.remarks += changes.remarks

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary; ``pairs`` and ``passages`` are those of this run."""
        return {
            "documents": self.documents, "passages": self.passages, "pairs": self.pairs, "replaced": self.replaced,
            "asked": self.asked, "kept": self.kept, "dropped": dict(self.dropped),
            "skipped": [{"name": item.name, "reason": item.reason} for item in self.skipped],
            "left_out": dict(self.left_out), "languages": dict(self.languages),
            "files": self.files, "unchanged": self.unchanged,
            "moved": [list(names) for names in self.moved], "removed": self.removed, "gone": self.gone,
            "unanswered": self.unanswered,
            "remarks": self.remarks,
            "seconds": round(self.seconds, 3),
            "passages_per_second": round(self.passages / self.seconds, 2) if self.seconds else 0.0,
        }  # fmt: skip
