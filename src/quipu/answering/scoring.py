"""From features to a probability: the weights of every step, fitted together and kept in one file.

A step proposes answers with features. A ``LinearScorer`` orders them and says how probable the best one is. All scorers
that were fitted together are a ``Calibration``: the file ``steps.json`` beside the models that ship, or a memory's own
in its manifest. A scorer serves only the models that it was fitted for.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from quipu.errors import FormatError

FORMAT = 1
ORDERING = ("where", "rerank")  # scorers of what is looked at first; the others say how probable an answer is
Curve = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Odds:
    """The probability of a question's best candidate, from its score.

    Log-odds are ``slope`` * score + ``shift``; ``curve`` ((raw probability, probability), ascending) bends what they
    give.
    """

    slope: float
    shift: float
    curve: Curve = ()

    def raw(self, score: float) -> float:
        """Before the curve."""
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, self.slope * score + self.shift))))

    def probability(self, score: float) -> float:
        """That the candidate is right."""
        return _interpolated(self.raw(score), self.curve) if self.curve else self.raw(score)

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return {"slope": self.slope, "shift": self.shift, "curve": [list(knot) for knot in self.curve]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Odds:
        """What ``to_json`` gave; ValueError, KeyError or TypeError where it is something else."""
        curve = tuple((float(left), float(right)) for left, right in value["curve"])
        made = cls(float(value["slope"]), float(value["shift"]), curve)
        if not all(map(math.isfinite, (made.slope, made.shift, *sum(curve, ())))):
            raise ValueError("odds hold a number that is not finite")
        return made


class Reach(NamedTuple):
    """What answering from a ``probability`` on comes to over the questions that a scorer was fitted on.

    ``precision``: the share of right answers to expect, the mean probability of what is answered; ``answered``: the
    share of the questions that this leaves.
    """

    probability: float
    precision: float
    answered: float


@dataclass(frozen=True, slots=True)
class LinearScorer:
    """Weights over named features: which candidate is best, and by ``odds`` how probable it is.

    Without odds a scorer only orders candidates. Below ``threshold`` an answer is held back. ``after_lookup``: the odds
    of questions that the steps before it leave open, whose answers are less probable. ``reach``: what other thresholds
    come to, the highest first; of the scorer "cascade" for a whole cascade. Empty where nobody has counted.
    """

    features: tuple[str, ...]
    weights: tuple[float, ...]
    odds: Odds | None = None
    threshold: float = 0.5
    after_lookup: Odds | None = None
    models: Mapping[str, str] = field(default_factory=dict)  # name -> sha256: scores of other models do not compare
    reach: tuple[Reach, ...] = ()

    def score(self, features: Sequence[float]) -> float:
        """Higher is better."""
        return math.fsum(weight * value for weight, value in zip(self.weights, features, strict=True))

    def probability(self, score: float, *, after_lookup: bool = False) -> float | None:
        """That a best candidate with this score is right; None where no probability was fitted."""
        odds = self.after_lookup if after_lookup and self.after_lookup is not None else self.odds
        return None if odds is None else odds.probability(score)

    def logit(self, score: float) -> float:
        """Log-odds of a candidate with this score; the score itself where no odds were fitted."""
        return score if self.odds is None else self.odds.slope * score + self.odds.shift

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, weights by the names of their features."""
        return {
            "weights": dict(zip(self.features, self.weights, strict=True)), "threshold": self.threshold,
            "odds": None if self.odds is None else self.odds.to_json(),
            "after_lookup": None if self.after_lookup is None else self.after_lookup.to_json(),
            "models": dict(self.models), "reach": [[round(value, 6) for value in row] for row in self.reach],
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: Mapping[str, Any], name: str) -> LinearScorer:
        """What ``to_json`` gave; ValueError, KeyError or TypeError where it is something else."""
        odds, after = (None if value[key] is None else Odds.from_json(value[key]) for key in ("odds", "after_lookup"))
        made = cls(
            tuple(map(str, value["weights"])), tuple(float(weight) for weight in value["weights"].values()), odds,
            float(value["threshold"]), after, {str(model): str(digest) for model, digest in value["models"].items()},
            tuple(Reach(*map(float, row)) for row in value.get("reach", ())),
        )  # fmt: skip
        if not all(map(math.isfinite, (*made.weights, made.threshold, *sum(made.reach, ())))):
            raise ValueError(f"the scorer {name} holds a number that is not finite")
        return made


def unfitted(**weights: float) -> LinearScorer:
    """A scorer that orders candidates by given weights and knows no probability."""
    return LinearScorer(tuple(weights), tuple(weights.values()))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Scorers by name, fitted together; ``floor``: no step gives an answer that is less probable than this."""

    scorers: Mapping[str, LinearScorer]
    fitted_on: str
    target_precision: float | None = None
    floor: float = 0.0

    def scorer(self, name: str, features: Sequence[str], models: Mapping[str, str]) -> LinearScorer | None:
        """The scorer of this name; None where it was fitted for other models or on other features."""
        found = self.scorers.get(name)
        if found is None or found.features != tuple(features):
            return None
        return found if set(found.models.values()) == set(models.values()) else None

    @property
    def threshold(self) -> float | None:
        """The lowest probability at which any answer is given; None where no probability is fitted."""
        known = [made.threshold for name, made in self.scorers.items() if name not in ORDERING and made.odds]
        return max(self.floor, min(known)) if known else None

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return {
            "format": FORMAT, "fitted_on": self.fitted_on, "target_precision": self.target_precision,
            "floor": self.floor,
            "scorers": {name: scorer.to_json() for name, scorer in self.scorers.items()},
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: Mapping[str, Any], where: str) -> Calibration:
        """What ``to_json`` gave; FormatError, with ``where`` it stands, where it is something else."""
        try:
            if value["format"] != FORMAT:
                raise ValueError(f"it has format {value['format']!r}, this quipu reads {FORMAT}")
            target, floor = value["target_precision"], float(value["floor"])
            if not math.isfinite(floor):
                raise ValueError("its floor is not finite")
            scorers = {str(name): LinearScorer.from_json(item, name) for name, item in value["scorers"].items()}
            return cls(scorers, str(value["fitted_on"]), None if target is None else float(target), floor)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise FormatError(f"{where}: not a calibration ({error}); run: quipu calibrate MEMORY") from error

    def write(self, path: Path) -> None:
        """To a file."""
        path.write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")


@functools.cache
def bundled(path: Path) -> Calibration | None:
    """The calibration in a file; None where there is none."""
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FormatError(f"{path}: not JSON ({error}); install quipu again") from error
    return Calibration.from_json(value, str(path))


def _interpolated(raw: float, curve: Curve) -> float:
    """The height of a curve of straight lines at ``raw``; its ends' heights beyond them."""
    if raw <= curve[0][0]:
        return curve[0][1]
    for (left, low), (right, high) in pairwise(curve):
        if raw <= right:
            return high if right <= left else low + (high - low) * (raw - left) / (right - left)
    return curve[-1][1]
