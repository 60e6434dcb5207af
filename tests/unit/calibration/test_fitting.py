"""The helper that fits every scorer: it finds the weights, says what is true, and refuses too few labels."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from quipu.calibration.fitting import (
    Candidates,
    best_precision,
    figures,
    fit_odds,
    fit_scorer,
    out_of_fold,
    probabilities,
    reach,
    threshold_for,
)
from quipu.errors import InputError

NAMES = ("a", "b", "c")
MODELS = {"e": "1"}


def synthetic(count: int, seed: int = 0) -> Candidates:
    """One candidate per question, right with a probability that is the logistic function of 2 a - b."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((count, 3))
    truth = 1 / (1 + np.exp(-(2.0 * rows[:, 0] - 1.0 * rows[:, 1])))
    return Candidates(rows, rng.random(count) < truth, np.arange(count))


def ranked(count: int, seed: int = 1) -> Candidates:
    """Four candidates per question; that with the highest ``a`` is right nine times of ten."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(4 * count, 3))
    right = np.zeros(4 * count, dtype=bool)
    for at in range(count):
        right[4 * at + features[4 * at : 4 * at + 4, 0].argmax()] = rng.random() < 0.9
    return Candidates(features, right, np.repeat(np.arange(count), 4))


def test_the_best_candidate_of_each_question_by_hand() -> None:
    """The first of equals; questions in order, whatever the order of their candidates."""
    data = Candidates(
        np.array([[1.0], [3.0], [3.0], [2.0]]), np.array([True, False, True, False]), np.array([1, 0, 0, 1])
    )
    assert data.best([1.0]).tolist() == [1, 3] and data.best([-1.0]).tolist() == [1, 0]
    kept = data.of_questions(np.array([False, True]))
    assert kept.owner.tolist() == [1, 1] and kept.right.tolist() == [True, False]


def test_the_fit_finds_the_weights_and_says_what_is_true() -> None:
    data, fresh = synthetic(3000), synthetic(3000, 1)
    made = fit_scorer(data, NAMES, MODELS)
    assert made.odds is not None and made.features == NAMES and made.models == MODELS
    weights = np.array(made.weights) * made.odds.slope
    assert weights == pytest.approx([2.0, -1.0, 0.0], abs=0.2) and made.odds.shift == pytest.approx(0.0, abs=0.15)
    said, right = probabilities(made, fresh)
    bins = np.array_split(np.argsort(said), 10)
    assert max(abs(said[part].mean() - right[part].mean()) for part in bins) < 0.08
    assert figures(said, right, 0.5)["ece"] < 0.05 and figures(said, right, 0.5)["precision"] > 0.75
    knots = np.array(made.odds.curve)
    assert np.all(np.diff(knots[:, 0]) > 0) and np.all(np.diff(knots[:, 1]) >= 0)


def test_candidates_are_ordered_by_what_is_right() -> None:
    made = fit_scorer(ranked(300), NAMES, MODELS)
    said, right = probabilities(made, ranked(300, 2))
    assert made.weights[0] > 5 * abs(made.weights[1]) and right.mean() > 0.85
    assert said.mean() == pytest.approx(0.9, abs=0.05)


def test_no_question_is_predicted_by_a_fit_that_saw_it() -> None:
    """Labels by chance: a fit that saw its questions would seem to know something."""
    rng = np.random.default_rng(3)
    data = Candidates(rng.standard_normal((200, 40)), rng.random(200) < 0.5, np.arange(200))
    raw, right = out_of_fold(data, (), again=[str(at) for at in range(40)])
    assert len(raw) == 200 and right.sum() == data.right.sum()
    assert abs(np.corrcoef(raw, right)[0, 1]) < 0.2


def test_few_labels_bend_what_is_known_and_too_few_are_refused() -> None:
    base = fit_scorer(synthetic(3000), NAMES, MODELS)
    bent = fit_scorer(synthetic(100, 2), NAMES, MODELS, base=base)
    assert bent.weights == base.weights and bent.odds != base.odds
    assert fit_scorer(synthetic(3000, 4), NAMES, MODELS, base=base).weights != base.weights
    with pytest.raises(InputError, match="too few"):
        fit_scorer(synthetic(30), NAMES, MODELS)
    many = synthetic(100)
    with pytest.raises(InputError, match="5 of them"):
        fit_scorer(Candidates(many.features, np.ones(100, dtype=bool), many.owner), NAMES, MODELS)
    assert fit_odds(synthetic(100), (2.0, -1.0, 0.0)).curve == ()  # too few for a curve


def test_the_threshold_by_hand() -> None:
    """Of the surest four three are right, of five four: at 80 % five are answered, at 90 % none of at least four."""
    given, right = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4]), np.array([1, 1, 0, 1, 1, 0], dtype=bool)
    assert threshold_for(given, right, 0.8, least=4) == 0.5
    assert threshold_for(given, right, 0.9, least=4) is None
    assert threshold_for(given, right, 0.9, least=1) == 0.8
    assert best_precision(given, right, least=4) == 0.8 and best_precision(given, right, least=1) == 1.0
    tied = np.array([0.9] * 6)
    assert threshold_for(tied, right, 0.6, least=1) == 0.9 and threshold_for(tied, right, 0.7, least=1) is None
    found = figures(given, right, 0.6)
    assert (found["answered"], found["precision"]) == (pytest.approx(4 / 6), 0.75)


def test_what_thresholds_come_to_by_hand() -> None:
    """Of five questions four have answers, two of them equally probable: no threshold parts the two."""
    found = reach(np.array([0.8, 0.4, 0.9, 0.8]), questions=5, points=4)
    rows = [(0.9, 0.9, 0.2), (0.8, 2.5 / 3, 0.6), (0.4, 2.9 / 4, 0.8)]
    assert [tuple(row) for row in found] == [pytest.approx(row) for row in rows]
    assert reach(np.array([]), questions=3) == () and len(reach(np.linspace(0.1, 0.9, 1000), 1000)) == 40
