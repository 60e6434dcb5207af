"""The fit of all steps from records that are made by rule: it finds what is true, and thresholds that suit it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")

from quipu.answering.answerer import SCORERS
from quipu.answering.scoring import Calibration, Odds
from quipu.calibration.asking import Candidate, Record, read_records
from quipu.calibration.cascade import columns, outcomes, report_of
from quipu.calibration.fitting import bent
from quipu.calibration.questions import Labelled
from quipu.calibration.scorers import Fit, Goals, chosen, cross_validated, fit, fit_ordering
from quipu.errors import InputError
from quipu.evaluation.metrics import expected_calibration_error


def uses(name: str) -> Mapping[str, str]:
    return {"model": f"hash of {'a' if name == 'lookup' else 'b'}"}


def features(name: str, **values: float) -> tuple[float, ...]:
    return tuple(values.get(feature, 0.0) for feature in SCORERS[name].features)


def records(count: int, seed: int = 0, name: str = "set") -> list[Record]:
    """Lookup is right with the logistic function of its similarity, reading with that of its log-probability.

    What is right says "right", so that steps that are right agree.
    """
    rng = np.random.default_rng(seed)
    made = []
    for at in range(count):
        one, two, three = rng.normal(0.0, 2.0, 3)
        right, read, other = rng.random(3) < 1 / (1 + np.exp(-np.array([one, two + 1.0, three])))
        steps = {
            "lookup": (
                Candidate("lookup", "right" if right else "a", features("lookup", similarity=one), bool(right)),
            ),
            "passage": (
                Candidate("passage", "right" if read else "b", features("passage", log_p=two), bool(read)),
                Candidate("passage", "c", features("passage", log_p=two - 3.0), False),
            ),
            "read": (Candidate("read", "right" if other else "d", features("read", log_p=three), bool(other)),),
            "where": (
                Candidate("where", "", features("where", bm25=3.0), at % 5 > 0),
                Candidate("where", "", features("where", bm25=float(rng.normal())), False),
            ),
        }  # fmt: skip
        made.append(Record(name, f"{name} {at // 4}", steps))
    return made


def test_all_steps_are_fitted_and_say_what_is_true() -> None:
    train, fresh = records(900), records(900, 1)
    ordering = fit_ordering(train, uses)
    assert set(ordering) == {"where"} and ordering["where"].weights[3] > 0
    made, reached = fit(train, ordering, uses, Goals(0.85, choose=True), fitted_on="numbers")
    assert set(made.scorers) == {"where", "lookup", "passage", "read", "cascade"}
    assert made.scorers["lookup"].models == {"model": "hash of a"}
    assert made.scorer("lookup", SCORERS["lookup"].features, {"model": "another"}) is None
    assert made.scorers["passage"].after_lookup is not None and made.scorers["lookup"].after_lookup is None
    assert reached is not None and made.threshold == pytest.approx(reached)
    row = report_of(outcomes(fresh, made.scorers))
    assert row["precision"] == pytest.approx(0.85, abs=0.04) and row["answered"] > 0.4 and row["ece"] < 0.06
    wanted = min(found for found in made.scorers["cascade"].reach if found.precision >= 0.9)
    raised = {
        name: replace(scorer, threshold=max(wanted.probability, scorer.threshold) if name != "cascade" else wanted[0])
        for name, scorer in made.scorers.items()
    }
    promise = report_of(outcomes(fresh, raised))
    assert promise["precision"] == pytest.approx(0.9, abs=0.04), "what is promised is kept on other questions"
    assert promise["answered"] == pytest.approx(wanted.answered, abs=0.06)
    alone = np.mean([record.steps["passage"][0].right for record in fresh])
    assert row["right"] > alone + 0.05, "three steps together know more than the best of them"
    again = Calibration.from_json(made.to_json(), "here")
    assert outcomes(fresh[:50], again.scorers) == outcomes(fresh[:50], made.scorers)


def test_a_precision_out_of_reach_keeps_the_thresholds() -> None:
    """Labels by chance: no threshold is right nine times of ten."""
    rng = np.random.default_rng(5)
    blind = [
        Record(item.name, item.group, {"lookup": (Candidate("lookup", "x", row.features, bool(rng.random() < 0.3)),)})
        for item in records(300) for row in item.steps["lookup"]
    ]  # fmt: skip
    before = dict.fromkeys(SCORERS, 0.25)
    made, reached = fit(blind, {}, uses, Goals(0.9, before), fitted_on="chance")
    assert reached is None and made.scorers["lookup"].threshold == 0.25
    with pytest.raises(InputError, match="too few"):
        fit(blind[:30], {}, uses, Goals(), fitted_on="few")


def test_a_precision_is_promised_of_questions_that_were_not_fitted_on() -> None:
    """Twenty numbers by chance beside the one that counts seem to tell the questions apart that they were fitted on."""
    rng = np.random.default_rng(8)

    def noisy(count: int) -> list[Record]:
        found = []
        for at, row in enumerate(rng.normal(size=(count, len(SCORERS["lookup"].features)))):
            right = bool(rng.random() < 1 / (1 + np.exp(-row[0])))
            found.append(Record("set", f"{at}", {"lookup": (Candidate("lookup", "x", tuple(row), right),)}))
        return found

    train, fresh = noisy(240), noisy(4000)
    before = dict.fromkeys(SCORERS, 0.0)
    kept = {}
    for unseen in (False, True):
        made, reached = fit(train, {}, uses, Goals(0.75, before, unseen=unseen), fitted_on="chance")
        assert reached is not None
        kept[unseen] = report_of(outcomes(fresh, made.scorers))["precision"]
    assert kept[False] < kept[True] and abs(kept[True] - 0.75) < abs(kept[False] - 0.75)


def test_thresholds_are_those_that_answer_most_rightly() -> None:
    """Lookup is not to be believed early where a reading is nearly always right."""
    made = [
        Record(item.name, item.group, {**item.steps, "passage": (
            Candidate("passage", "right", item.steps["passage"][0].features, at % 10 > 0),)})
        for at, item in enumerate(records(400))
    ]  # fmt: skip
    tried = chosen(Fit(made, uses))
    assert tried["lookup"] >= 0.8 and tried["lookup"] == tried["lookup_reranked"]


def test_what_is_cross_validated_is_measured_on_other_groups() -> None:
    """Groups of four; figures of unseen groups are near those of fresh records."""
    data = records(500)
    found = cross_validated(data, uses, dict.fromkeys(SCORERS, 0.6))
    assert len(found) == 500
    probability, right, _ = columns(found)
    assert expected_calibration_error(probability.tolist(), right.tolist()) < 0.08


def test_bending_odds_by_hand() -> None:
    """A thousand questions that are right half the time, said to be .9: their odds end near .5; three move little."""
    odds = Odds(1.0, 0.0)
    scores = np.full(1000, float(np.log(9.0)))
    assert odds.probability(scores[0]) == pytest.approx(0.9)
    right = np.arange(1000) % 2 == 0
    assert bent(odds, scores, right).probability(scores[0]) == pytest.approx(0.5, abs=0.05)
    assert bent(odds, scores[:3], right[:3]).probability(scores[0]) > 0.75
    same = bent(odds, np.array([float(np.log(3.0))] * 400), np.arange(400) % 4 > 0)
    assert same.probability(float(np.log(3.0))) == pytest.approx(0.75, abs=0.01)
    kept = bent(odds, scores, right, keep_level=True)
    assert kept.probability(scores[0]) == pytest.approx(0.9, abs=0.01), "how many are right was chosen"
    knots = np.array(same.curve)
    assert np.all(np.diff(knots[:, 1]) >= 0)


def test_records_survive_a_line_that_was_cut(tmp_path: Path) -> None:
    import json

    made = records(3)
    lines = [json.dumps(item.to_json()) for item in made]
    path = tmp_path / "records.jsonl"
    path.write_text("\n".join([*lines[:2], lines[2][:40]]))
    assert [item.group for item in read_records(path)] == ["set 0", "set 0"]
    assert read_records(path)[0].steps["lookup"][0].right == made[0].steps["lookup"][0].right
    assert read_records(tmp_path / "none.jsonl") == []


def test_what_counts_as_right() -> None:
    short = Labelled("When?", ("17 November 1869", "1869"))
    assert short.right("the 1869") and not short.right("in 1869") and short.stands_in("It was opened in 1869.")
    assert not Labelled("When?", ()).right("1869") and not Labelled("When?", ()).stands_in("1869")
