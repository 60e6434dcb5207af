"""From a wanted precision to a threshold, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from quipu.answering.precision import Promise, promised
from quipu.answering.scoring import Calibration, LinearScorer, Odds, Reach, unfitted
from quipu.errors import InputError

CURVE = ((0.0, 0.1), (1.0, 0.92))  # no answer is more probable than .92
REACH = (Reach(0.9, 0.96, 0.1), Reach(0.7, 0.9, 0.3), Reach(0.5, 0.8, 0.5))
COUNTED = LinearScorer(("a",), (1.0,), Odds(1.0, 0.0, CURVE), reach=REACH)


def asked(precision: float, calibrations: Sequence[Calibration], name: str = "lookup") -> Promise:
    return promised(precision, name, calibrations, lambda item, name: item.scorers.get(name), "notes.quipu")


def test_the_least_probability_that_keeps_the_promise() -> None:
    """.7 leaves three tenths of the questions, of which nine tenths are right; .9 would hold back too much."""
    own = Calibration({"lookup": COUNTED}, "300 questions about itself")
    assert asked(0.85, [own]) == Promise(0.85, 0.7, 0.3, "300 questions about itself")
    assert asked(0.9, [own]).probability == 0.7 and asked(0.91, [own]).probability == 0.9
    said = asked(0.85, [own]).text()
    assert said == "a precision of 0.85: answers of probability 0.70 or more, 30% of 300 questions about itself"
    shipped = Calibration({"lookup": replace(COUNTED, reach=(Reach(0.2, 0.99, 1.0),))}, "what ships")
    assert asked(0.85, [own, shipped]).fitted_on == "300 questions about itself"
    assert asked(0.85, [Calibration({}, "nothing"), shipped]).probability == 0.2


def test_where_nobody_has_counted_each_answer_is_as_probable() -> None:
    """A calibration of an older quipu: answers of .9 and more are right nine times of ten at least."""
    old = Calibration({"lookup": replace(COUNTED, reach=()), "where": unfitted(x=1.0)}, "old questions")
    assert asked(0.9, [old]) == Promise(0.9, 0.9, None, "old questions")
    assert "quipu calibrate" in asked(0.9, [old]).text()
    with pytest.raises(InputError, match=r"0\.95 is out of reach, the surest answers reach 0\.92"):
        asked(0.95, [old])


def test_of_a_cascade_every_step_can_be_the_surest() -> None:
    """The weights of all steps together reach .92, a step alone more; passages that are only ordered do not count."""
    sure = LinearScorer(("a",), (1.0,), Odds(1.0, 0.0, ((0.0, 0.1), (1.0, 0.97))))
    old = Calibration({"cascade": replace(COUNTED, reach=()), "lookup": sure, "where": sure}, "old")
    assert asked(0.95, [old], "cascade").probability == 0.95
    with pytest.raises(InputError, match=r"reach 0\.92"):
        asked(0.95, [Calibration({"cascade": replace(COUNTED, reach=()), "where": sure}, "old")], "cascade")


def test_what_is_no_precision_or_cannot_be_reached_is_refused() -> None:
    own = Calibration({"lookup": COUNTED}, "itself")
    for precision in (0.0, -1.0, 1.01, float("nan")):
        with pytest.raises(InputError, match="more than 0"):
            asked(precision, [own])
    with pytest.raises(InputError, match=r"notes.quipu: a precision of 0\.97 is out of reach.*reach 0\.96"):
        asked(0.97, [own])
    with pytest.raises(InputError, match="no probability for read"):
        asked(0.5, [own], "read")
