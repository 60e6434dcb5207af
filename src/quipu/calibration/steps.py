"""Fit the scorers of all steps on labelled questions over memories.

First what puts passages and pairs in order, and look-up; then, step by step, what the others propose, with odds of
their own for the questions that look-up leaves open; last the weights that put together what no step alone is sure of.
A question without accepted answers has no right candidate: questions about what a memory does not hold teach the steps
to hold back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from quipu.answering.answerer import CASCADE, SCORERS
from quipu.answering.decision import COMBINED_FEATURES, held
from quipu.answering.proposal import Proposal
from quipu.answering.scoring import Calibration, LinearScorer
from quipu.answering.steps.lookup import scorer_name
from quipu.api import Memory
from quipu.calibration.fitting import (
    Candidates,
    Flags,
    Floats,
    best_precision,
    figures,
    fit_odds,
    fit_scorer,
    probabilities,
    threshold_for,
)
from quipu.errors import InputError
from quipu.evaluation.metrics import passage_holds
from quipu.records import Example, QAPair, Route, StepTrace
from quipu.text import exact_match

BATCH = 32
THRESHOLD = 0.5  # what is given is more likely right than wrong
Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """Labelled questions of one memory; ``without``: a pair for each that is left out of all searches, or nothing."""

    memory: Memory
    examples: Sequence[Example]
    without: Sequence[QAPair | None] = ()


@dataclass(slots=True)
class Fitting:
    """A fit under way: what is asked, the scorers so far, and of each step what it proposed for each question."""

    asked: Sequence[Asked]
    base: Calibration | None
    target_precision: float | None
    thresholds: Mapping[str, float]
    seed: int
    report: Report
    scorers: dict[str, LinearScorer] = field(default_factory=dict)
    proposed: dict[Route, list[list[Proposal]]] = field(default_factory=dict)

    @property
    def examples(self) -> list[Example]:
        """All questions, in order."""
        return [example for item in self.asked for example in item.examples]

    def missing(self, name: str) -> bool:
        """Whether a memory cannot take the step."""
        return any(item.memory.answerer.missing(name) for item in self.asked)

    def propose(self, name: str, *, rerank: bool = False) -> list[list[Proposal]]:
        """What a step proposes for every question, with the scorers fitted so far."""
        found: list[list[Proposal]] = []
        for item in self.asked:
            answerer = item.memory.answerer
            before = answerer.calibrations
            answerer.calibrations = (Calibration(self.scorers, "under way"), *before)
            try:
                for first in range(0, len(item.examples), BATCH):
                    part = slice(first, first + BATCH)
                    questions = [example.question for example in item.examples[part]]
                    found += answerer.propose(name, questions, rerank=rerank, without=item.without[part])
            finally:
                answerer.calibrations = before
        return found

    def candidates(self, found: Sequence[Sequence[Proposal]], name: str) -> Candidates:
        """What was proposed for the scorer of this name, labelled: an accepted answer, or a passage that holds one."""
        right = passage_holds if name == "where" else exact_match
        examples = self.examples
        rows = [
            (item.features, bool(right(item.text, examples[at].answers)), at)
            for at, row in enumerate(found) for item in row if item.scorer == name
        ]  # fmt: skip
        return Candidates.of(rows, len(SCORERS[name].features))

    def fit(self, name: str, data: Candidates) -> LinearScorer | None:
        """The scorer of this name, of candidates, kept and reported; None where there are too few right or wrong."""
        known = None if self.base is None else self.base.scorers.get(name)
        features = SCORERS[name].features
        base = known if known is not None and known.features == features else None
        try:
            made = fit_scorer(data, features, self.asked[0].memory.answerer.uses(name), base=base, seed=self.seed)
        except InputError as error:
            self.report({"scorer": name, "not fitted": str(error)})
            return None
        return self.keep(name, made, *probabilities(made, data))

    def keep(self, name: str, made: LinearScorer, given: Floats, right: Flags, note: str = "") -> LinearScorer:
        """Keep a scorer with the threshold for the wanted precision, where it is reached, else the one it had."""
        before = self.thresholds.get(name, THRESHOLD)
        wanted = None if self.target_precision is None else threshold_for(given, right, self.target_precision)
        made = replace(made, threshold=before if wanted is None else wanted)
        self.scorers[name] = made
        line = {"scorer": name + note, **figures(given, right, made.threshold), "threshold": made.threshold}
        if self.target_precision is not None:
            line |= {"reached": wanted is not None, "best_precision": best_precision(given, right)}
        self.report(line)
        return made


def fit_steps(
    asked: Sequence[Asked],
    *,
    fitted_on: str,
    base: Calibration | None = None,
    rerank: bool = False,
    target_precision: float | None = None,
    thresholds: Mapping[str, float] | None = None,
    seed: int = 0,
    report: Report = lambda line: None,
) -> Calibration:
    """Scorers of every step that all the memories can take, of questions with accepted answers.

    ``rerank``: look-up is fitted with the reranker as well. With few questions the weights of ``base`` are only bent. A
    step with too few right or wrong answers stays without a scorer; for look-up that is an InputError. Thresholds are
    set for ``target_precision``; where that is not reached, or is None, those of ``thresholds`` stay (``THRESHOLD``
    for others).
    """
    work = Fitting(asked, base, target_precision, thresholds or {}, seed, report)
    for name in ("where", *(("rerank",) if rerank else ())):
        if not work.missing(name):
            work.fit(name, work.candidates(work.propose(name, rerank=rerank), name))
    for reranked in (True, False) if rerank else (False,):
        name = scorer_name(reranked)
        work.proposed["lookup"] = work.propose("lookup", rerank=reranked)
        if work.fit(name, work.candidates(work.proposed["lookup"], name)) is None:
            raise InputError(
                "there are too few questions, or too few of them answered right or wrong, to fit look-up on"
            )
    open_ = ~_given(work)
    report({"questions": len(open_), "open after look-up": int(open_.sum())})
    for route in CASCADE[1:]:
        if not work.missing(route):
            work.proposed[route] = found = work.propose(route)
            for name in dict.fromkeys(item.scorer for row in found for item in row):
                _fit_after_lookup(work, name, work.candidates(found, name), open_)
    _fit_combined(work)
    return Calibration(work.scorers, fitted_on, target_precision)


def _fit_after_lookup(work: Fitting, name: str, data: Candidates, open_: Flags) -> None:
    """A step's scorer, with odds of their own for the questions that look-up leaves open."""
    made = work.fit(name, data)
    left = data.of_questions(open_)
    if made is None or not len(left.owner):
        return
    best = left.right[left.best(made.weights)]
    if min(int(best.sum()), int((~best).sum())) >= 10:
        made = replace(made, after_lookup=fit_odds(left, made.weights, seed=work.seed))
        work.keep(name, made, *probabilities(made, left, after_lookup=True), note=", after look-up")


def _fit_combined(work: Fitting) -> None:
    """Weights of what the steps hold back, from questions that none of them answers."""
    rows: list[tuple[tuple[float, ...], bool, int]] = []
    for at, example in enumerate(work.examples):
        traces = [
            trace for route, found in work.proposed.items() if (trace := _trace(work, route, found[at])) is not None
        ]
        if not any(trace.text for trace in traces):
            rows += [
                (features, bool(exact_match(text, example.answers)), at) for text, features in held(traces).items()
            ]
    work.fit("cascade", Candidates.of(rows, len(COMBINED_FEATURES)))


def _trace(work: Fitting, route: Route, row: Sequence[Proposal]) -> StepTrace | None:
    """What a step would say to a question in a cascade; None where it has nothing, or no scorer."""
    known = [item for item in row if item.scorer in work.scorers]
    if not known:
        return None
    scorer = work.scorers[known[0].scorer]
    scores = [scorer.score(item.features) for item in known]
    best = max(range(len(scores)), key=lambda at: (scores[at], -at))
    probability = scorer.probability(scores[best], after_lookup=route != "lookup")
    text = known[best].text
    given = probability is not None and probability >= scorer.threshold
    return StepTrace(route, text if given else None, probability, "", 0.0, None if given else text)


def _given(work: Fitting) -> Flags:
    """Which questions, by number, look-up answers."""
    traces = [_trace(work, "lookup", row) for row in work.proposed["lookup"]]
    return np.array([trace is not None and trace.text is not None for trace in traces], dtype=np.bool_)
