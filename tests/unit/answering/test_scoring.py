"""Scores, odds and curves by hand, and what a calibration file must hold."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from quipu.answering.scoring import Calibration, LinearScorer, Odds, Reach, bundled, unfitted
from quipu.errors import FormatError

MODELS = {"words": "abc", "reader": "def"}
REACH = (Reach(0.9, 0.95, 0.2), Reach(0.4, 0.7, 0.6))
SCORER = LinearScorer(("a", "b"), (2.0, -1.0), Odds(1.5, -0.5), 0.4, Odds(1.0, -2.0), MODELS, REACH)


def test_a_score_becomes_a_probability() -> None:
    """By hand: 2 * .5 - 1 * .25 = .75; log-odds 1.5 * .75 - .5 = .625, after lookup .75 - 2 = -1.25."""
    assert SCORER.score((0.5, 0.25)) == pytest.approx(0.75)
    assert SCORER.probability(0.75) == pytest.approx(1 / (1 + math.exp(-0.625)))
    assert SCORER.probability(0.75, after_lookup=True) == pytest.approx(1 / (1 + math.exp(1.25)))
    assert replace(SCORER, after_lookup=None).probability(0.75, after_lookup=True) == SCORER.probability(0.75)
    assert SCORER.logit(0.75) == pytest.approx(0.625)
    order = unfitted(a=2.0, b=-1.0)
    assert order.score((0.5, 0.25)) == 0.75 and order.probability(0.75) is None and order.logit(0.75) == 0.75


def test_a_curve_bends_the_raw_probability() -> None:
    """Between its knots in a straight line: raw .5 is .2, halfway between .5 and 1 it is .4."""
    bent = Odds(1.0, 0.0, ((0.0, 0.1), (0.5, 0.2), (1.0, 0.6)))
    assert bent.raw(0.0) == 0.5 and bent.probability(0.0) == pytest.approx(0.2)
    assert bent.probability(math.log(3)) == pytest.approx(0.4)  # raw .75
    assert bent.probability(-99.0) == pytest.approx(0.1) and bent.probability(99.0) == pytest.approx(0.6)


def test_a_scorer_serves_only_the_models_and_features_that_it_was_fitted_for() -> None:
    made = Calibration({"read": SCORER}, "by hand")
    assert made.scorer("read", ("a", "b"), {"another name": "abc", "reader": "def"}) is SCORER
    assert made.scorer("read", ("a", "b"), {"words": "abc"}) is None
    assert made.scorer("read", ("b", "a"), MODELS) is None and made.scorer("chain", ("a", "b"), MODELS) is None


def test_a_calibration_survives_its_file_and_nothing_else_passes_for_one(tmp_path: Path) -> None:
    made = Calibration({"read": SCORER, "where": unfitted(x=1.0)}, "by hand", 0.9, 0.3)
    made.write(tmp_path / "steps.json")
    assert bundled(tmp_path / "steps.json") == made and bundled(tmp_path / "none.json") is None
    plain = made.to_json()
    old = json.loads(json.dumps(plain))
    del old["scorers"]["read"]["reach"], old["scorers"]["where"]["reach"]
    assert Calibration.from_json(old, "here").scorers["read"] == replace(SCORER, reach=())

    def with_scorer(**changes: object) -> dict[str, object]:
        return {**plain, "scorers": {"read": {**SCORER.to_json(), **changes}}}

    for broken in (
        {}, [], {**plain, "format": 99}, {**plain, "floor": "nan"}, {**plain, "scorers": [1]},
        with_scorer(weights={"a": "heavy"}), with_scorer(weights={"a": math.inf}), with_scorer(odds={"slope": 1.0}),
        with_scorer(models=None), with_scorer(reach=[[0.5, 0.5]]), with_scorer(reach=[[0.5, math.nan, 0.5]]),
        with_scorer(odds={"slope": 1.0, "shift": 0.0, "curve": [[0.0]]}),
    ):  # fmt: skip
        with pytest.raises(FormatError, match="not a calibration"):
            Calibration.from_json(json.loads(json.dumps(broken)), "here")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(FormatError, match="install"):
        bundled(tmp_path / "bad.json")
