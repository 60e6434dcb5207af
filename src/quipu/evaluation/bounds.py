"""What a run of load gave, and the bounds that it had to keep to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

from quipu.evaluation.load import Came
from quipu.text import finite

Figures = dict[str, float | int | None]
BUSY = (429, 503, 504)
"""What a server answers that will not take a question now."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A number that is to be at most ``limit``, or at least. Infinite where nothing came that could be measured."""

    name: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def reached(self) -> bool:
        """Whether it holds."""
        if not math.isfinite(self.value):
            return False
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def to_json(self) -> dict[str, Any]:
        """Its fields, and whether it holds."""
        shown = {"name": self.name, "value": self.value, "limit": self.limit}
        return {**finite(shown), "at_least": self.at_least, "reached": self.reached}


@dataclass(frozen=True, slots=True)
class Run:
    """What one run gave."""

    name: str
    figures: Figures
    bounds: tuple[Bound, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return {"name": self.name, "figures": self.figures, "bounds": [bound.to_json() for bound in self.bounds]}


def summary(came: Sequence[Came], seconds: float) -> Figures:
    """Counts, rate and times of the answers that were given (status 200); percentiles in milliseconds."""
    good = sorted(item.milliseconds for item in came if item.status == 200)
    cuts = quantiles(good, n=100, method="inclusive") if len(good) > 1 else good * 99
    busy = sorted(item.milliseconds for item in came if item.status == 429)
    return {
        "asked": len(came), "answered": len(good),
        "refused": sum(item.status in BUSY for item in came),
        "errors": sum(item.status not in (200, *BUSY) for item in came),
        "answers_per_second": len(good) / seconds,
        "p50_ms": cuts[49] if cuts else None, "p99_ms": cuts[98] if cuts else None,
        "refused_at_once_p99_ms": busy[int(0.99 * (len(busy) - 1))] if busy else None,
    }  # fmt: skip


def sound(found: Figures, *, all_answered: bool = False) -> tuple[Bound, ...]:
    """No error, and where all are to be answered no refusal."""
    kinds = ("errors", "refused") if all_answered else ("errors",)
    return tuple(Bound(kind, number(found[kind]), 0) for kind in kinds)


def number(value: float | None) -> float:
    """Infinite where there is none, so that no bound holds."""
    return math.inf if value is None else value


def ratio(value: float | None, by: float | None) -> float:
    """How many times ``by``; infinite where one of them is not there."""
    return number(value) / by if by else math.inf
