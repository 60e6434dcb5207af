"""What is measured: examples of questions with their answers, and figures."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Example:
    """A question with its accepted answers: what training and evaluation read, from every format alike."""

    id: str
    question: str
    answers: tuple[str, ...]
    passages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """One measured figure."""

    metric: str
    value: float
    n: int
    stderr: float | None = None
    higher_is_better: bool = True

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return asdict(self)
