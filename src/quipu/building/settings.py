"""The numbers and choices of a build."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from quipu.building.answers import LIMIT
from quipu.errors import SettingsError
from quipu.models.keys import KeyKind

Filter = Literal["local", "global"]
Ambiguous = Literal["drop", "mark"]


@dataclass(frozen=True, slots=True)
class GenerateSettings:
    """How pairs are made; stored in the memory's manifest."""

    candidates_per_passage: int = LIMIT
    questions_per_passage: int | None = None  # None: one for every candidate
    top_p: float | None = None  # None: greedy; 0.6 where several questions are asked about one span
    seed: int = 0
    pair_threshold: float = 0.4  # least probability that a pair of the language model is good
    agreement: float = 0.5  # of the span that it asked about and its own answer: token F1, or one holds the other
    filter_threshold: float = 0.6  # token F1 of another reader's answer and the pair's
    filter: Filter = "local"  # "global": the finished memory's passages are asked too
    ambiguous: Ambiguous = "drop"  # what becomes of a pair that another passage answers otherwise
    key_kind: KeyKind = "both"
    batch: int = 16  # passages per transaction; the language model decodes about four at a time on each core

    def __post_init__(self) -> None:
        if self.questions_per_passage is not None and self.questions_per_passage < 1:
            raise SettingsError(f"questions per passage must be 1 or more, not {self.questions_per_passage}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise SettingsError(f"top_p must be above 0 and at most 1, not {self.top_p}")
        if self.filter not in ("local", "global") or self.ambiguous not in ("drop", "mark"):
            raise SettingsError(
                f"the filter is local or global and ambiguous pairs are dropped (drop) or marked (mark), "
                f"not {self.filter!r} and {self.ambiguous!r}"
            )
        for name in ("pair_threshold", "agreement", "filter_threshold"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"{name} must be from 0 to 1, not {getattr(self, name)}")
        if self.candidates_per_passage < 1 or self.batch < 1:
            raise SettingsError("candidates per passage and the batch must be 1 or more")

    def to_json(self) -> dict[str, int | float | str | None]:
        """A plain dictionary."""
        return asdict(self)

    @property
    def per_span(self) -> int:
        """Questions about one span: several only where more are wanted than a passage has candidates."""
        return -(-(self.questions_per_passage or 1) // self.candidates_per_passage)
