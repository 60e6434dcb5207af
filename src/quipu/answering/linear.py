"""A line of fitted weights over named features: which candidate is best, and how probable it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quipu.errors import FormatError


@dataclass(frozen=True, slots=True)
class Line:
    """A candidate's score is ``weights`` . features; its log-odds, if it is the best, ``slope`` . score + ``shift``.

    Below ``threshold`` an answer is held back.
    """

    weights: tuple[float, ...]
    slope: float
    shift: float
    threshold: float

    @classmethod
    def of(cls, content: Mapping[str, Any], features: Sequence[str], what: str) -> Line:
        """From a model's listing, weights in the order of ``features``; FormatError where it is something else."""
        try:
            weights = tuple(float(content["weights"][name]) for name in features)
            return cls(weights, float(content["slope"]), float(content["shift"]), float(content["threshold"]))
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"the weights of {what} are not whole ({error!r}); fit them again") from error

    def score(self, features: Sequence[float]) -> float:
        """Higher is better."""
        return sum(weight * value for weight, value in zip(self.weights, features, strict=True))

    def probability(self, score: float) -> float:
        """Of a best candidate with this score."""
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, self.slope * score + self.shift))))
