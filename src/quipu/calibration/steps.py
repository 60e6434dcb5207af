"""Fit the scorers of all steps on labelled questions over memories.

Look-up first; then, step by step, what the others propose, with odds of their own for the questions that look-up leaves
open; last the weights that put together what no step alone is sure of. A question without accepted answers has no right
candidate: questions about what a memory does not hold teach the steps to hold back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

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
from quipu.records import Example, Route, StepTrace
from quipu.text import exact_match

BATCH = 64
THRESHOLD = 0.5
Report = Callable[[dict[str, Any]], None]
Asked = Sequence[tuple[Memory, Sequence[Example]]]


@dataclass(slots=True)
class Fitting:
    """A fit under way: what is asked, the scorers so far, and of each step what it proposed for each question."""

    asked: Asked
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
        return [example for _, examples in self.asked for example in examples]

    def propose(self, route: Route, *, rerank: bool = False, after_lookup: bool = False) -> list[list[Proposal]]:
        """What a step proposes for every question, with the scorers fitted so far."""
        found: list[list[Proposal]] = []
        for memory, examples in self.asked:
            answerer = memory.answerer
            before = answerer.calibrations
            answerer.calibrations = (Calibration(self.scorers, "under way"), *before)
            try:
                for first in range(0, len(examples), BATCH):
                    questions = [example.question for example in examples[first : first + BATCH]]
                    found += answerer.propose(route, questions, rerank=rerank, after_lookup=after_lookup)
            finally:
                answerer.calibrations = before
        return found

    def candidates(self, found: Sequence[Sequence[Proposal]], name: str, width: int) -> Candidates:
        """What was proposed for the scorer of this name, with whether it is an accepted answer."""
        examples = self.examples
        rows = [
            (item.features, bool(exact_match(item.text, examples[at].answers)), at)
            for at, row in enumerate(found) for item in row if item.scorer == name
        ]  # fmt: skip
        return Candidates.of(rows, width)

    def fit(self, name: str, data: Candidates) -> LinearScorer:
        """The scorer of this name, of candidates; kept and reported."""
        answerer = self.asked[0][0].answerer
        known = None if self.base is None else self.base.scorers.get(name)
        features = answerer.features(name)
        base = known if known is not None and known.features == features else None
        made = fit_scorer(data, features, answerer.uses(name), base=base, seed=self.seed)
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
    asked: Asked,
    *,
    fitted_on: str,
    base: Calibration | None = None,
    rerank: bool = False,
    target_precision: float | None = None,
    thresholds: Mapping[str, float] | None = None,
    seed: int = 0,
    report: Report = lambda line: None,
) -> Calibration:
    """Scorers of every step that the memories can take, of questions with accepted answers.

    ``rerank``: look-up is fitted with the reranker as well, and the steps after it follow the look-up with it. With few
    questions the weights of ``base`` are only bent. A step with too few right or wrong answers stays without a scorer.
    Thresholds are set for ``target_precision``; where that is not reached, or is None, those of ``thresholds`` stay
    (.5 for others: what is given is more likely right than wrong).
    """
    work = Fitting(asked, base, target_precision, thresholds or {}, seed, report)
    answerer = asked[0][0].answerer
    for reranked in (False, True) if rerank else (False,):
        name = scorer_name(reranked)
        found = work.propose("lookup", rerank=reranked)
        work.fit(name, work.candidates(found, name, len(answerer.features(name))))
        work.proposed["lookup"] = found
    open_ = ~_given(work, "lookup", scorer_name(rerank), after_lookup=False)
    work.report({"open after look-up": int(open_.sum()), "questions": len(open_)})
    for route, names in answerer.later().items():
        if any(memory.answerer.missing(route) for memory, _ in asked):
            continue
        found = work.propose(route)
        for name in names:
            _fit_after_lookup(work, name, work.candidates(found, name, len(answerer.features(name))), open_)
        work.proposed[route] = found
    _fit_combined(work)
    return Calibration(work.scorers, fitted_on)


def _fit_after_lookup(work: Fitting, name: str, data: Candidates, open_: Any) -> None:
    """A step's scorer, with odds of their own for the questions that look-up leaves open."""
    try:
        made = work.fit(name, data)
    except InputError as error:
        work.report({"scorer": name, "not fitted": str(error)})
        return
    left = data.of_questions(open_)
    best = left.right[left.best(made.weights)] if len(left.owner) else np.zeros(0, dtype=np.bool_)
    if min(int(best.sum()), int((~best).sum())) < 10:
        return
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
    try:
        work.fit("cascade", Candidates.of(rows, len(COMBINED_FEATURES)))
    except InputError as error:
        work.report({"scorer": "cascade", "not fitted": str(error)})


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


def _given(work: Fitting, route: Route, name: str, *, after_lookup: bool) -> Any:
    """Which questions (by number) a step answers."""
    scorer = work.scorers[name]
    found = np.zeros(len(work.examples), dtype=np.bool_)
    for at, row in enumerate(work.proposed[route]):
        for item in row:
            probability = scorer.probability(scorer.score(item.features), after_lookup=after_lookup)
            found[at] |= probability is not None and probability >= scorer.threshold
    return found


def with_threshold(calibration: Calibration, thresholds: Mapping[str, float], **changes: Any) -> Calibration:
    """The calibration with other thresholds of some scorers."""
    scorers = {
        name: replace(scorer, threshold=thresholds.get(name, scorer.threshold))
        for name, scorer in calibration.scorers.items()
    }
    return replace(calibration, scorers=scorers, **changes)
