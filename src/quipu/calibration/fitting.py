"""One way to fit the scorer of any step: weights that order candidates, odds of the best, a monotone curve.

A logistic regression over all candidates gives the weights; a second one, of one feature, the odds of each question's
best candidate; isotonic regression over out-of-fold predictions bends them. Every fold holds whole questions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quipu.answering.scoring import Curve, LinearScorer, Odds, Reach
from quipu.errors import InputError, MissingExtra
from quipu.evaluation.metrics import expected_calibration_error

FOLDS = 5
LEAST = 40  # questions
ENOUGH = 150  # right and wrong answers each for weights of their own; below, only known ones are bent
_KNOTS = 24
_STIFF = (10.0, 4.0)  # of a scale and a shift of log-odds: standard deviations of about .3 and .5 before any question
_FLATTEST = 0.05  # slope of odds: a score that says nothing must not turn around

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a step proposed for labelled questions: features (n, F), whether right (n,), the question of each (n,)."""

    features: Floats
    right: Flags
    owner: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Sequence[tuple[Sequence[float], bool, int]], width: int) -> Candidates:
        """From (features, right, question) of each candidate; ``width`` features."""
        return cls(
            np.array([row[0] for row in rows], dtype=np.float64).reshape(-1, width),
            np.array([row[1] for row in rows], dtype=np.bool_), np.array([row[2] for row in rows], dtype=np.int64),
        )  # fmt: skip

    def best(self, weights: Sequence[float]) -> NDArray[np.int64]:
        """The row of each question's best candidate, the first of equals, by question."""
        scores = self.features @ np.array(weights)
        order = np.lexsort((-scores, self.owner))
        first = np.append(True, self.owner[order][1:] != self.owner[order][:-1]) if len(order) else np.zeros(0, bool)
        return np.asarray(order[first], dtype=np.int64)

    def of_questions(self, wanted: Flags) -> Candidates:
        """Those of the questions for which ``wanted`` (by number) is true."""
        rows = wanted[self.owner]
        return Candidates(self.features[rows], self.right[rows], self.owner[rows])


def fit_scorer(
    data: Candidates,
    names: Sequence[str],
    models: Mapping[str, str],
    *,
    base: LinearScorer | None = None,
    enough: int = ENOUGH,
    threshold: float = 0.5,
    seed: int = 0,
    curve: bool = True,
    keep_level: bool = False,
) -> LinearScorer:
    """A scorer of labelled candidates; without ``curve`` in less time, and less exact. ``keep_level``: see ``bent``.

    With fewer than ``enough`` right or wrong answers the weights of ``base``, where there is one, stay, and its odds
    are bent. InputError where there are too few questions, or all are right or all wrong.
    """
    questions = np.unique(data.owner)
    right = _right_questions(data)
    if len(questions) < LEAST or right < 5 or len(questions) - right < 5:
        raise InputError(
            f"{len(questions)} questions with {right} right answers are too few to calibrate on: {LEAST} are needed, "
            "5 of them answered right and 5 wrong"
        )
    if base is not None and base.odds is not None and min(right, len(questions) - right) < enough:
        odds = bent_by(base.odds, data, base.weights, keep_level=keep_level)
        return replace(base, odds=odds, threshold=threshold, after_lookup=None, models=dict(models))
    made = _weights(data, names)
    odds = fit_odds(data, made.weights, seed=seed, again=names, curve=curve)
    return replace(made, odds=odds, threshold=threshold, after_lookup=None, models=dict(models))


def bent_by(odds: Odds, data: Candidates, weights: Sequence[float], *, keep_level: bool = False) -> Odds:
    """``bent`` by the best candidate of each question."""
    return bent(odds, _scores(data, weights), data.right[data.best(weights)], keep_level=keep_level)


def bent(odds: Odds, scores: Floats, right: Flags, *, keep_level: bool = False) -> Odds:
    """Odds moved towards what labelled best candidates say, no further than their number allows.

    The log-odds that ``odds`` gives become a * log-odds + b. A priori a is about 1 and b about 0 (``_STIFF``), so that
    few questions change little. ``keep_level``: how many of the questions are right says nothing, since somebody chose
    it; right and wrong ones are weighed so that ``odds`` is true on average, and only how well they are told apart
    counts.
    """
    said = np.array([odds.probability(score) for score in scores.tolist()])
    given, truth, a, b = _log_odds(said), right.astype(np.float64), 1.0, 0.0
    weights = np.ones(len(said))
    if keep_level and 0 < right.mean() < 1:
        weights = np.where(right, said.mean() / right.mean(), (1.0 - said.mean()) / (1.0 - right.mean()))
    stiff_a, stiff_b = _STIFF
    for _ in range(50):  # Newton's method; the sum is convex
        p = 1.0 / (1.0 + np.exp(-np.clip(a * given + b, -30.0, 30.0)))
        spread, miss = weights * p * (1.0 - p), weights * (p - truth)
        slope = np.array([given @ miss + stiff_a * (a - 1.0), miss.sum() + stiff_b * b])
        curve = np.array([
            [spread @ given**2 + stiff_a, spread @ given], [spread @ given, spread.sum() + stiff_b]
        ])  # fmt: skip
        step = np.linalg.solve(curve, slope)
        a, b = max(_FLATTEST, float(a - step[0])), float(b - step[1])
        if np.abs(step).max() < 1e-9:
            break
    knots = odds.curve or tuple((at / _KNOTS, at / _KNOTS) for at in range(_KNOTS + 1))
    moved = 1.0 / (1.0 + np.exp(-(a * _log_odds(np.array([height for _, height in knots])) + b)))
    return replace(odds, curve=tuple(zip((left for left, _ in knots), moved.tolist(), strict=True)))


def _log_odds(probabilities: Floats) -> Floats:
    """Of probabilities, which count as .001 to .999."""
    inside = np.clip(probabilities, 1e-3, 1.0 - 1e-3)
    return np.asarray(np.log(inside / (1.0 - inside)), dtype=np.float64)


def fit_odds(
    data: Candidates, weights: Sequence[float], *, seed: int = 0, again: Sequence[str] | None = None,
    curve: bool = True,
) -> Odds:  # fmt: skip
    """Odds of the best candidates by given weights, with a ``curve`` where there are questions enough for one.

    ``again``: the features' names; the weights were fitted on the same data, so the curve is drawn through predictions
    of weights that are fitted again without the fold that they predict.
    """
    slope, shift = _logistic(_scores(data, weights), data.right[data.best(weights)])
    questions = np.unique(data.owner)
    if not curve or len(questions) < 4 * LEAST:
        return Odds(slope, shift)
    raw, right = out_of_fold(data, weights, seed=seed, again=again)
    return Odds(slope, shift, _curve(raw, right))


def out_of_fold(
    data: Candidates, weights: Sequence[float], *, seed: int = 0, again: Sequence[str] | None = None
) -> tuple[Floats, Flags]:
    """Raw probabilities of the best candidate of each question by a fit that has not seen it, and which are right."""
    fold = _folds(data, seed)
    raw: list[float] = []
    right: list[bool] = []
    for number in range(FOLDS):
        test = fold[data.owner] == number
        train, held = (Candidates(data.features[some], data.right[some], data.owner[some]) for some in (~test, test))
        own = weights if again is None else _weights(train, again).weights
        slope, shift = _logistic(_scores(train, own), train.right[train.best(own)])
        odds = Odds(slope, shift)
        raw += [odds.raw(score) for score in _scores(held, own).tolist()]
        right += held.right[held.best(own)].tolist()
    return np.array(raw), np.array(right, dtype=np.bool_)


def probabilities(scorer: LinearScorer, data: Candidates, *, after_lookup: bool = False) -> tuple[Floats, Flags]:
    """Of each question's best candidate, by question: its probability (0 where none was fitted), whether right."""
    rows = data.best(scorer.weights)
    scores = (data.features[rows] @ np.array(scorer.weights)).tolist()
    found = [scorer.probability(score, after_lookup=after_lookup) or 0.0 for score in scores]
    return np.array(found), data.right[rows]


def threshold_for(given: Floats, right: Flags, precision: float, least: int = 20) -> float | None:
    """The lowest threshold above which a share ``precision`` of the answers is right, over ``least`` answers or more.

    None where no threshold reaches it.
    """
    ranked, share = _by_probability(given, right)
    ends = np.append(ranked[1:] != ranked[:-1], True)  # a threshold takes all of equal probability or none
    fits = np.flatnonzero((share >= precision) & ends & (np.arange(1, len(ranked) + 1) >= least))
    return float(ranked[fits[-1]]) if len(fits) else None


def best_precision(given: Floats, right: Flags, least: int = 20) -> float:
    """The highest share of right answers that a threshold reaches over ``least`` answers or more."""
    _, share = _by_probability(given, right)
    return float(share[min(least, len(share)) - 1 :].max()) if len(share) else 0.0


def reach(given: Floats, questions: int, points: int = 40) -> tuple[Reach, ...]:
    """What answering from each of about ``points`` probabilities on comes to, by the probabilities themselves.

    ``given``: of the best answers; ``questions``: that were asked, those without any answer too. The probabilities are
    calibrated, so their mean is the precision to expect, also where somebody chose how many questions are right.
    """
    ranked = np.sort(given)[::-1]
    mean = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    found: dict[float, Reach] = {}
    for count in np.unique(np.linspace(len(ranked) / points, len(ranked), points).round().astype(int)).tolist():
        last = int(np.searchsorted(-ranked, -ranked[count - 1], side="right")) if count else 0  # with all equal ones
        if last and ranked[last - 1] > 0.0:
            at = float(ranked[last - 1])
            found[at] = Reach(at, float(mean[last - 1]), last / questions)
    return tuple(found.values())


def _by_probability(given: Floats, right: Flags) -> tuple[Floats, Floats]:
    """Probabilities from the highest on, and the share of right answers down to each."""
    order = np.argsort(-given, kind="stable")
    return given[order], np.cumsum(right[order]) / np.arange(1, len(order) + 1)


def figures(given: Floats, right: Flags, threshold: float) -> dict[str, Any]:
    """How many questions, the share right and their mean probability; answered at the threshold, right among these.

    The calibration error of few questions is mostly chance: of 150 in 15 bins about .1 even where all is true.
    """
    sure = given >= threshold
    return {
        "questions": len(given), "right": float(right.mean()) if len(right) else 0.0,
        "probability": float(given.mean()) if len(given) else 0.0,
        "answered": float(sure.mean()) if len(sure) else 0.0,
        "precision": float(right[sure].mean()) if sure.any() else None,
        "ece": expected_calibration_error(given.tolist(), right.tolist()),
    }  # fmt: skip


def _weights(data: Candidates, names: Sequence[str]) -> LinearScorer:
    """Weights by logistic regression over all candidates."""
    scale = data.features.std(axis=0)
    scale = np.where(scale < 1e-6, 1.0, scale)
    mean = data.features.mean(axis=0)
    model = _regression(1.0, (data.features - mean) / scale, data.right)
    return LinearScorer(tuple(names), tuple((model.coef_[0] / scale).tolist()))


def _logistic(scores: Floats, right: Flags) -> tuple[float, float]:
    """Slope and shift of the log-odds of being right."""
    spread = float(scores.std()) or 1.0
    model = _regression(100.0, scores[:, None] / spread, right)
    return max(_FLATTEST, float(model.coef_[0, 0]) / spread), float(model.intercept_[0])


def _scores(data: Candidates, weights: Sequence[float]) -> Floats:
    """Of each question's best candidate."""
    return np.asarray(data.features[data.best(weights)] @ np.array(weights), dtype=np.float64)


def _folds(data: Candidates, seed: int) -> NDArray[np.int64]:
    """The fold of each question by its number; every fold has its share of the questions with a right candidate."""
    fold = np.zeros(int(data.owner.max()) + 1, dtype=np.int64)
    shuffled = np.random.default_rng(seed).permutation(np.unique(data.owner))
    known = np.isin(shuffled, data.owner[data.right])
    ordered = np.concatenate([shuffled[known], shuffled[~known]])
    fold[ordered] = np.arange(len(ordered)) % FOLDS
    return fold


def _right_questions(data: Candidates) -> int:
    """Questions that have a right candidate."""
    return len(np.unique(data.owner[data.right]))


def _curve(raw: Floats, right: Flags) -> Curve:
    """A monotone curve through bins of equal mass, by isotonic regression; few knots, so that it stays smooth."""
    from sklearn.isotonic import IsotonicRegression

    order = np.argsort(raw, kind="stable")
    bins = np.array_split(order, max(5, min(_KNOTS, len(raw) // 25)))
    xs = np.array([raw[part].mean() for part in bins])
    # a bin is never wholly right or wrong: one more of each, weighed as a fifth of an answer
    ys = np.array([(right[part].sum() + 0.2 * right.mean()) / (len(part) + 0.2) for part in bins])
    smooth = IsotonicRegression(y_min=0.0, y_max=1.0).fit(xs, ys, sample_weight=[len(part) for part in bins])
    values = smooth.predict(xs)
    knots = [(0.0, float(values[0])), *zip(xs.tolist(), values.tolist(), strict=True), (1.0, float(values[-1]))]
    kept = [knots[0]]
    for knot in knots[1:]:
        if knot[0] > kept[-1][0]:
            kept.append(knot)
    return tuple(kept)


def _regression(strength: float, features: Floats, right: Flags) -> Any:
    """A fitted logistic regression; on one thread, since so small a fit is slower on many."""
    try:
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise MissingExtra("calibrating needs scikit-learn: pip install 'quipu-qa[eval]'") from error
    with threadpool_limits(1):
        return LogisticRegression(C=strength, max_iter=2000).fit(features, right)
