"""What a cascade says to recorded questions, against the answers of a real one and by hand."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("sklearn")

from quipu.answering.decision import COMBINED_FEATURES
from quipu.answering.scoring import LinearScorer, Odds
from quipu.answering.steps.chain import FEATURES as CHAIN
from quipu.calibration.asking import Candidate, Record
from quipu.calibration.cascade import Outcome, cascade_reach, lowest, outcome, report_of, route_of, stage, together


def scorer(name: str, threshold: float, after: Odds | None = None) -> LinearScorer:
    """One feature; its value is the log-odds."""
    return LinearScorer((name,), (1.0,), Odds(1.0, 0.0), threshold, after)


def candidate(step: str, text: str, log_odds: float, right: bool = False) -> Candidate:
    return Candidate(step, text, (log_odds,), right)


def weighed(**weights: float) -> LinearScorer:
    """Of all steps together: weights by the names of ``COMBINED_FEATURES``, zero for the others."""
    values = dict.fromkeys(COMBINED_FEATURES, 0.0) | weights
    return LinearScorer(tuple(values), tuple(values.values()), Odds(1.0, 0.0), 0.6)


SCORERS = {"lookup": scorer("lookup", 0.9), "passage": scorer("passage", 0.8, Odds(1.0, -1.0))}


def test_the_first_step_that_is_sure_enough_is_believed() -> None:
    sure = Record("set", "g", {"lookup": (candidate("lookup", "1869", 3.0, True),), "passage": ()})
    assert outcome(sure, SCORERS) == Outcome(pytest.approx(1 / (1 + math.exp(-3.0))), True, True, "lookup")
    unsure = Record(
        "set", "g", {
            "lookup": (candidate("lookup", "1869", 1.0),),
            "passage": (candidate("passage", "1914", 1.0), candidate("passage", "1870", 3.0, True)),
        },
    )  # fmt: skip
    found = outcome(unsure, SCORERS)  # 3 less 1, by the odds of what lookup leaves open
    assert found == Outcome(pytest.approx(1 / (1 + math.exp(-2.0))), True, True, "passage")


def test_what_no_step_says_is_weighed_together() -> None:
    one, other = candidate("lookup", "the canal", 1.0, True), candidate("passage", "Canal", 1.0, True)
    record = Record("set", "g", {"lookup": (one,), "passage": (other,)})
    scorers = {**SCORERS, "cascade": weighed(lookup_holds=1.0, passage_holds=1.5, passage_logit=1.0)}
    assert outcome(record, scorers) == Outcome(pytest.approx(1 / (1 + math.exp(-2.5))), True, True, "together")
    assert outcome(record, SCORERS).given is False, "without such weights nothing is said"
    apart = Record(
        "set", "g", {"lookup": record.steps["lookup"], "passage": (candidate("passage", "a ship", 1.0),)}
    )  # fmt: skip
    found = together([made for step in ("lookup", "passage") if (made := stage(step, apart.steps[step], SCORERS))])
    names = dict(zip(COMBINED_FEATURES, found["canal"][0], strict=True))
    assert found["canal"][1] and names["lookup_logit"] == pytest.approx(1.0)
    assert names["passage_holds"] == 0.0 and names["passage_against"] == pytest.approx(0.0)


def test_chains_of_one_pair_say_nothing_and_are_followed_without_passages_only() -> None:
    alone = tuple(float(name == "alone") for name in CHAIN)
    link = LinearScorer(CHAIN, tuple(5.0 * (name == "alone") for name in CHAIN), Odds(1.0, 0.0), 0.5)
    made = stage("chain", (Candidate("chain", "1869", alone, True),), {"chain": link})
    assert made is not None and made.trace.text is None and made.trace.held == "1869"
    assert route_of(Record("s", "g", {"lookup": (), "read": (), "chain": ()})) == ["lookup", "read", "chain"]
    assert route_of(Record("s", "g", {"lookup": (), "passage": (), "hops": (), "chain": ()})) == [
        "lookup", "passage", "hops",
    ]  # fmt: skip


def test_figures_by_hand() -> None:
    """Four questions: .9 right and given, .8 wrong and given, .4 right, .1 wrong; one bin holds each."""
    rows = [(0.9, True, True), (0.8, False, True), (0.4, True, False), (0.1, False, False)]
    found = [Outcome(p, right, given, "lookup") for p, right, given in rows]
    row = report_of(found)
    assert (row["questions"], row["right"], row["answered"], row["precision"]) == (4, 0.5, 0.5, 0.5)
    assert row["ece"] == pytest.approx((0.1 + 0.8 + 0.6 + 0.1) / 4)
    assert lowest(10 * found[:1] + 10 * [Outcome(0.7, True, True, "read")], 0.9) == 0.7
    assert lowest(found, 0.9) is None, "too few answers to say so"


def test_a_raised_threshold_sends_questions_on_to_the_next_step() -> None:
    """Lookup says .95 to one question and .92 to another, which the passage would answer with .98.

    From .95 on the second is answered by the passage: both are given, with .95 and .98. A count of what is said at the
    usual thresholds would promise .95 alone.
    """

    def said(*log_odds: float) -> Record:
        steps = zip(("lookup", "passage"), log_odds, strict=False)
        return Record("set", "g", {step: (candidate(step, "x", value),) for step, value in steps})

    def odds(probability: float) -> float:
        return math.log(probability / (1 - probability))

    found = cascade_reach([said(odds(0.95)), said(odds(0.92), odds(0.98) + 1.0)], SCORERS)
    assert [tuple(row) for row in found] == [
        pytest.approx((0.95, (0.95 + 0.98) / 2, 1.0)), pytest.approx((0.92, (0.95 + 0.92) / 2, 1.0)),
    ]  # fmt: skip
