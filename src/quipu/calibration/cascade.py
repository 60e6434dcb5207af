"""What a cascade would say to recorded questions with given scorers, and the thresholds that suit it.

The rules are those of ``quipu.answering``: each step says the best of what it proposes, the first that is sure enough
is believed, and where none is, what they hold back is weighed together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quipu.answering.decision import held
from quipu.answering.scoring import LinearScorer, Reach
from quipu.answering.settings import CASCADE
from quipu.answering.steps.chain import FEATURES as CHAIN
from quipu.calibration.asking import Candidate, Record
from quipu.calibration.fitting import Floats, figures, reach, threshold_for
from quipu.records import Route, StepTrace
from quipu.text import normalize_answer

Scorers = Mapping[str, LinearScorer]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is said to a question were nothing held back: its probability, whether right, and by which step.

    ``given``: whether a step or all together say it at their thresholds.
    """

    probability: float
    right: bool
    given: bool
    route: str


@dataclass(frozen=True, slots=True)
class Stage:
    """The best that one step proposes: its trace, as ``quipu.answering`` makes it, and whether it is right."""

    trace: StepTrace
    best: Candidate


def route_of(record: Record) -> list[Route]:
    """The steps that a cascade takes for a question; chains of pairs only where no passages are read."""
    return [step for step in CASCADE if step in record.steps and not (step == "chain" and "passage" in record.steps)]


def best_of(record: Record, scorers: Scorers) -> Record:
    """The record with the best proposal of each step alone, by weights that stay as they are."""
    steps = {
        route: (() if made is None else (made.best,))
        for route, row in record.steps.items() for made in [stage(route, row, scorers)]
    }  # fmt: skip
    return Record(record.name, record.group, steps)


def stages(record: Record, scorers: Scorers) -> list[Stage]:
    """What each step says or holds back, until one says something; steps without a scorer are left out."""
    found: list[Stage] = []
    for route in route_of(record):
        made = stage(route, record.steps[route], scorers)
        if made is not None:
            found.append(made)
            if made.trace.text is not None:
                break
    return found


def stage(route: str, row: Sequence[Candidate], scorers: Scorers) -> Stage | None:
    """What one step says or holds back; None where it has nothing, or no scorer."""
    known = [item for item in row if item.scorer in scorers]
    if not known:
        return None
    scorer = scorers[known[0].scorer]
    scores = [scorer.score(item.features) for item in known]
    best = max(range(len(scores)), key=lambda at: (scores[at], -at))
    chosen = known[best]
    probability = scorer.probability(scores[best], after_lookup=route != "lookup")
    given = bool(chosen.text) and probability is not None and probability >= scorer.threshold
    given = given and not (chosen.scorer == "chain" and chosen.features[CHAIN.index("alone")])
    text = chosen.text or None
    return Stage(StepTrace(route, text if given else None, probability, "", 0.0, None if given else text), chosen)


def together(found: Sequence[Stage]) -> dict[str, tuple[tuple[float, ...], bool]]:
    """Of every answer that the steps hold, normalised: what weighs it, and whether it is right."""
    right = {normalize_answer(item.best.text): item.best.right for item in found}
    return {text: (features, right[text]) for text, features in held([item.trace for item in found]).items()}


def outcome(record: Record, scorers: Scorers) -> Outcome:
    """The answer of the cascade."""
    found = stages(record, scorers)
    if not found:
        return Outcome(0.0, False, False, "abstain")
    last = found[-1]
    if last.trace.text is not None:
        return Outcome(last.trace.probability or 0.0, last.best.right, True, last.trace.route)
    texts, scorer = together(found), scorers.get("cascade")
    if scorer is None or not texts or len(found) < 2:
        best = max(found, key=lambda item: item.trace.probability or 0.0)
        return Outcome(best.trace.probability or 0.0, best.best.right, False, best.trace.route)
    scores = {text: scorer.score(features) for text, (features, _) in texts.items()}
    text = max(scores, key=lambda name: scores[name])
    probability = scorer.probability(scores[text]) or 0.0
    return Outcome(probability, texts[text][1], probability >= scorer.threshold, "together")


def outcomes(records: Sequence[Record], scorers: Scorers) -> list[Outcome]:
    """The answers of the cascade to all questions."""
    return [outcome(record, scorers) for record in records]


def columns(found: Sequence[Outcome]) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
    """Probabilities, which are right, which are given."""
    return (
        np.array([item.probability for item in found]), np.array([item.right for item in found], dtype=np.bool_),
        np.array([item.given for item in found], dtype=np.bool_),
    )  # fmt: skip


def report_of(found: Sequence[Outcome]) -> dict[str, Any]:
    """How many questions, the share right were all answered, what is answered at the thresholds, and the ECE."""
    probability, right, given = columns(found)
    row = figures(probability, right, 0.5)
    row["answered"] = float(given.mean()) if len(given) else 0.0
    row["precision"] = float(right[given].mean()) if given.any() else None
    return row


def cascade_reach(records: Sequence[Record], scorers: Scorers) -> tuple[Reach, ...]:
    """What a cascade comes to whose every answer must have a probability, for probabilities that part its answers.

    As with ``min_probability``: a step's own threshold holds as well, and what a step holds back the next ones see.
    """
    parting = reach(columns(outcomes(records, scorers))[0], len(records))
    found = []
    for probability in (row.probability for row in parting):
        raised = {
            name: replace(made, threshold=probability if name == "cascade" else max(probability, made.threshold))
            for name, made in scorers.items()
        }
        said, _, given = columns(outcomes(records, raised))
        if given.any():
            found.append(Reach(probability, float(said[given].mean()), float(given.mean())))
    return tuple(found)


def lowest(found: Sequence[Outcome], precision: float) -> float | None:
    """The lowest probability from which a share ``precision`` of the answers is right; None where none is."""
    probability, right, _ = columns(found)
    return threshold_for(probability, right, precision)
