"""Fit the scorers of all steps on recorded questions, and the thresholds that suit them together.

What puts passages and pairs in order comes first, since the steps look at what it puts first. Then each step has its
weights, and two kinds of odds: for a question that only this step is asked, and for one that all steps before it left
open. Last come the weights of what the steps hold back together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from quipu.answering.answerer import SCORERS
from quipu.answering.decision import COMBINED_FEATURES
from quipu.answering.scoring import ORDERING, Calibration, LinearScorer, Odds
from quipu.calibration.asking import Record
from quipu.calibration.cascade import (
    Outcome,
    best_of,
    cascade_reach,
    columns,
    lowest,
    outcomes,
    report_of,
    stage,
    together,
)
from quipu.calibration.fitting import (
    ENOUGH,
    Candidates,
    Flags,
    bent_by,
    best_precision,
    figures,
    fit_odds,
    fit_scorer,
    probabilities,
    reach,
)
from quipu.errors import InputError
from quipu.records import Route

THRESHOLD = 0.5  # what is said is more likely right than wrong
GRID = (0.5, 0.65, 0.8, 0.9)  # of thresholds that are tried
FEW = 10  # right and wrong answers each to questions that are left open, without which they have no odds of their own
_RARE = ("compare", "compare_read")  # few questions compare, and what is said to them is mostly right
_SPARED = 0.005  # share of right answers that may be lost for questions to end at an earlier step
_WAYS: tuple[tuple[Route, ...], ...] = (("lookup", "passage", "read", "hops"), ("lookup", "read", "chain"))
Report = Callable[[dict[str, Any]], None]
Uses = Callable[[str], Mapping[str, str]]  # the models (name -> sha256) whose scores the scorer of a name weighs


@dataclass(frozen=True, slots=True)
class Goals:
    """``precision``: how often what is said must be right; None keeps the thresholds of ``before``.

    ``before``: thresholds by scorer, of which those for ``precision`` are at least as high; ``choose``: find
    thresholds by which the steps together answer the most questions rightly, instead of ``before``. ``unseen``: the
    threshold for ``precision`` is that of questions by scorers that were fitted on other groups; by their own they seem
    more often right than they are.
    """

    precision: float | None = None
    before: Mapping[str, float] | None = None
    choose: bool = False
    unseen: bool = False


class Fit:
    """The scorers of records. Weights are fitted once, odds for every choice of thresholds."""

    def __init__(
        self, records: Sequence[Record], uses: Uses, *, base: Calibration | None = None, enough: int = ENOUGH,
        seed: int = 0, report: Report = lambda line: None, keep_level: bool = False,
    ) -> None:  # fmt: skip
        """``base``: scorers whose odds are only bent where fewer than ``enough`` answers are right or wrong.

        ``keep_level``: see ``quipu.calibration.fitting.bent``.
        """
        self._keep_level = keep_level
        self.records, self._uses, self._base, self._enough, self._seed = list(records), uses, base, enough, seed
        self._report = report
        self.data = {name: self._candidates(name) for name in SCORERS if name not in (*ORDERING, "cascade")}
        self.alone = {name: made for name, data in self.data.items() if (made := self.one(name, data)) is not None}
        self.best = [best_of(record, self.alone) for record in self.records]

    def one(self, name: str, data: Candidates, *, curve: bool = True) -> LinearScorer | None:
        """The scorer of this name; None where there are too few questions, right or wrong."""
        if not len(data.owner):
            return None  # nor is it asked what models there are: that would load them
        features, models = SCORERS[name].features, self._uses(name)
        try:
            return fit_scorer(
                data, features, models, base=self._known(name), enough=self._enough, seed=self._seed, curve=curve,
                keep_level=self._keep_level,
            )  # fmt: skip
        except InputError as error:
            if name in _RARE:
                return rare(SCORERS[name].unfitted, data, models)
            self._report({"scorer": name, "not fitted": str(error)})
            return None

    def _known(self, name: str) -> LinearScorer | None:
        """What is bent where there are few questions."""
        return None if self._base is None else self._base.scorer(name, SCORERS[name].features, self._uses(name))

    def _odds(self, made: LinearScorer, known: Odds | None, left: Candidates, curve: bool) -> Odds | None:
        """Odds for the questions ``left`` open; None where they are too few. ``known``: what is bent."""
        right = left.right[left.best(made.weights)]
        few = min(int(right.sum()), int((~right).sum()))
        if few < FEW:
            return None
        if known is not None and few < self._enough:
            return bent_by(known, left, made.weights, keep_level=self._keep_level)
        return fit_odds(left, made.weights, seed=self._seed, curve=curve)

    def staged(self, thresholds: Mapping[str, float], *, curve: bool = True) -> dict[str, LinearScorer]:
        """All scorers with these thresholds, and odds for what earlier steps leave open at them."""
        scorers = {name: replace(made, threshold=thresholds.get(name, THRESHOLD)) for name, made in self.alone.items()}
        left_open: list[Flags] = []
        for way in _WAYS:
            open_ = np.ones(len(self.best), dtype=np.bool_)
            for route in way:
                if route != "lookup":
                    self._after(scorers, route, open_, curve)
                for at in np.flatnonzero(open_):
                    made = stage(route, self.best[at].steps.get(route, ()), scorers)
                    open_[at] = made is None or made.trace.text is None
            left_open.append(open_)
        passages = np.array(["passage" in record.steps for record in self.records], dtype=np.bool_)
        open_ = np.where(passages, left_open[0], left_open[1])
        self._together(scorers, open_, thresholds.get("cascade", THRESHOLD), curve)
        return scorers

    def _after(self, scorers: dict[str, LinearScorer], route: Route, open_: Flags, curve: bool) -> None:
        """Odds of the scorers of a step for the questions that are open."""
        for name in _names(self.records, route):
            made = scorers.get(name)
            if made is None or made.after_lookup is not None:
                continue
            known = self._known(name)
            bends = known is not None and known.weights == made.weights
            before = known.after_lookup or known.odds if known is not None and bends else None
            odds = self._odds(made, before, self.data[name].of_questions(open_), curve)
            kept = known.after_lookup if known is not None and bends else None
            scorers[name] = replace(made, after_lookup=odds or kept)

    def _together(self, scorers: dict[str, LinearScorer], open_: Flags, threshold: float, curve: bool) -> None:
        """Weights of what the steps find, from all questions; their odds from those that no step answers."""
        silent = {name: replace(made, threshold=2.0) for name, made in scorers.items()}
        rows: list[tuple[tuple[float, ...], bool, int]] = []
        for at, record in enumerate(self.best):
            way = _WAYS[0] if "passage" in record.steps else _WAYS[1]
            found = [made for step in way if (made := stage(step, record.steps.get(step, ()), silent)) is not None]
            if len(found) > 1:
                rows += [(features, right, at) for features, right in together(found).values()]
        data = Candidates.of(rows, len(COMBINED_FEATURES))
        whole = self.one("cascade", data, curve=curve)
        if whole is None:
            return
        known = self._known("cascade")
        bends = known is not None and known.weights == whole.weights
        before = known.odds if known is not None and bends else None
        odds = self._odds(whole, before, data.of_questions(open_), curve) or before or whole.odds
        scorers["cascade"] = replace(whole, odds=odds, threshold=threshold)

    def _candidates(self, name: str) -> Candidates:
        rows = [
            (item.features, item.right, at)
            for at, record in enumerate(self.records) for row in record.steps.values() for item in row
            if item.scorer == name
        ]  # fmt: skip
        return Candidates.of(rows, len(SCORERS[name].features))


def rare(plain: LinearScorer, data: Candidates, models: Mapping[str, str]) -> LinearScorer:
    """Of proposals that few questions have: one probability for all, as if one more had been right and one wrong."""
    right = data.right[data.best(plain.weights)]
    share = (right.sum() + 1.0) / (len(right) + 2.0)
    return replace(plain, odds=Odds(0.0, float(np.log(share / (1.0 - share)))), models=dict(models))


def fit_ordering(
    records: Sequence[Record], uses: Uses, *, report: Report = lambda line: None
) -> dict[str, LinearScorer]:
    """The scorers of what steps look at first, as far as there are questions enough."""
    made: dict[str, LinearScorer] = {}
    for name in ORDERING:
        rows = [
            (item.features, item.right, at)
            for at, record in enumerate(records) for item in record.steps.get(name, ())
        ]  # fmt: skip
        if not rows:
            continue
        features, models = SCORERS[name].features, uses(name)
        data = Candidates.of(rows, len(features))
        try:
            made[name] = fit_scorer(data, features, models)
        except InputError as error:
            report({"scorer": name, "not fitted": str(error)})
            continue
        report({"scorer": name, **figures(*probabilities(made[name], data), THRESHOLD)})
    return made


def fit(
    records: Sequence[Record],
    ordering: Mapping[str, LinearScorer],
    uses: Uses,
    goals: Goals,
    *,
    fitted_on: str,
    base: Calibration | None = None,
    enough: int = ENOUGH,
    seed: int = 0,
    report: Report = lambda line: None,
    keep_level: bool = False,
) -> tuple[Calibration, float | None]:
    """Scorers of every step that the records speak of, and the probability from which ``goals.precision`` holds.

    The latter is None where no threshold reaches it; then the thresholds are those without a wish for precision.
    ``keep_level``: the questions were chosen so that some are right and some wrong; see ``fitting.bent``. InputError
    where lookup cannot be fitted: there are too few questions, or all are answered right or all wrong.
    """
    work = Fit(records, uses, base=base, enough=enough, seed=seed, report=report, keep_level=keep_level)
    if not any(name.startswith("lookup") for name in work.alone):
        raise InputError("there are too few questions, or too few of them answered right or wrong, to fit lookup on")
    thresholds = chosen(work, report) if goals.choose else dict(goals.before or {})
    scorers = work.staged(thresholds)
    reached = None
    if goals.precision is not None:
        found = cross_validated(records, uses, thresholds, seed=seed) if goals.unseen else outcomes(work.best, scorers)
        reached = lowest(found, goals.precision)
    if reached is not None:
        thresholds = {name: max(reached, thresholds.get(name, THRESHOLD)) for name in SCORERS} | {"cascade": reached}
        scorers = work.staged(thresholds)
    scorers = with_reach(work, scorers)
    for name, made in scorers.items():
        if name in work.data:
            report({"scorer": name, **figures(*probabilities(made, work.data[name]), made.threshold),
                    "threshold": made.threshold})  # fmt: skip
    wanted = goals.precision if reached is not None else None
    return Calibration(dict(ordering) | scorers, fitted_on, wanted), reached


def with_reach(work: Fit, scorers: Mapping[str, LinearScorer]) -> dict[str, LinearScorer]:
    """The scorers, each with what other thresholds would come to over the questions that it was fitted on."""
    found = {}
    for name, made in scorers.items():
        known = (
            cascade_reach(work.best, scorers)
            if name == "cascade"
            else reach(probabilities(made, work.data[name])[0], len(work.records))
        )
        found[name] = replace(made, reach=known)
    return found


def chosen(work: Fit, report: Report = lambda line: None) -> dict[str, float]:
    """Thresholds of lookup and of the steps after it by which the most questions are answered rightly.

    Of choices that are nearly as good the lowest, which answers early.
    """
    tried: dict[tuple[float, float], float] = {}
    for first, later in product(GRID, GRID):
        _, right, _ = columns(outcomes(work.best, work.staged(_thresholds(first, later), curve=False)))
        tried[first, later] = float(right.mean())
    best = max(tried.values())
    kept = min((pair for pair, share in tried.items() if share >= best - _SPARED), key=lambda pair: (sum(pair), pair))
    report({"right at best": best, "lookup from": kept[0], "other steps from": kept[1], "right": tried[kept]})
    return _thresholds(*kept)


def cross_validated(
    records: Sequence[Record], uses: Uses, thresholds: Mapping[str, float], *, folds: int = 5, seed: int = 0
) -> list[Outcome]:
    """The outcome of each record by scorers that were fitted on other groups; thresholds as given."""
    groups = sorted({record.group for record in records})
    order = np.random.default_rng(seed).permutation(len(groups))
    fold = {groups[at]: number % folds for number, at in enumerate(order.tolist())}
    found: dict[int, Outcome] = {}
    for number in range(folds):
        train = [record for record in records if fold[record.group] != number]
        test = [at for at, record in enumerate(records) if fold[record.group] == number]
        scorers = Fit(train, uses, seed=seed).staged(thresholds)
        found.update(zip(test, outcomes([records[at] for at in test], scorers), strict=True))
    return [found[at] for at in range(len(records))]


def possible(records: Sequence[Record], scorers: Mapping[str, LinearScorer]) -> float:
    """The highest share of right answers that a threshold reaches."""
    probability, right, _ = columns(outcomes(records, scorers))
    return best_precision(probability, right)


def by_set(records: Sequence[Record], found: Sequence[Outcome]) -> list[dict[str, Any]]:
    """The figures of each set of questions, and of all."""
    names = list(dict.fromkeys(record.name for record in records))
    rows = [
        {"set": name, **report_of([item for record, item in zip(records, found, strict=True) if record.name == name])}
        for name in names
    ]
    return [*rows, {"set": "all", **report_of(found)}]


def _thresholds(first: float, later: float) -> dict[str, float]:
    return {name: first if name.startswith("lookup") else later for name in SCORERS}


def _names(records: Sequence[Record], route: Route) -> list[str]:
    """The scorers that a step's proposals name."""
    return list(dict.fromkeys(item.scorer for record in records for item in record.steps.get(route, ())))
