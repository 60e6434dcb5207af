"""The cascade takes the first step that is sure, within its budget, and says which steps it took."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

import pytest

from quipu.answering.cascade import FEATURES as HELD
from quipu.answering.cascade import cascade, held
from quipu.answering.linear import Line
from quipu.answering.read import FEATURES, features
from quipu.models.protocols import MemoryReading
from quipu.records import Answer, Hit, QAPair, Route, Tried


class Step:
    """Answers questions that begin with a letter it knows; the others it holds back, with a probability."""

    def __init__(self, route: Route, knows: str, probability: float = 0.2, seconds: float = 0.0) -> None:
        self.route, self.knows, self.probability, self.seconds = route, knows, probability, seconds
        self.asked: list[str] = []
        self.says = f"maybe {route}"

    def __call__(self, questions: Sequence[str]) -> list[Answer]:
        self.asked += questions
        time.sleep(self.seconds)
        return [
            Answer(q, f"{self.route} {q}", 1.0, 0.9, (), self.route, "sure", 2.0)
            if q[0] in self.knows
            else Answer(q, None, 0.0, self.probability, (), "abstain", f"{self.route}: no", 2.0, self.says)
            for q in questions
        ]


def test_later_steps_see_only_what_is_open() -> None:
    first, second, third = Step("lookup", "a"), Step("read", "ab"), Step("span", "c")
    said = cascade(["a?", "b?", "c?", "d?"], [("lookup", first), ("read", second), ("span", third)])
    assert [answer.text for answer in said] == ["lookup a?", "read b?", "span c?", None]
    assert (first.asked, second.asked, third.asked) == (["a?", "b?", "c?", "d?"], ["b?", "c?", "d?"], ["c?", "d?"])
    assert [step.route for step in said[1].tried] == ["lookup", "read"] and said[1].milliseconds == 4.0
    assert said[3].reason == "lookup: no"
    assert [step.held for step in said[3].tried] == ["maybe lookup", "maybe read", "maybe span"]


def test_what_was_held_back_comes_out_where_all_is_wanted() -> None:
    steps = [("lookup", Step("lookup", "", 0.2)), ("read", Step("read", "", 0.4)), ("span", Step("span", "", 0.3))]
    (answer,) = cascade(["x?"], steps, least=0.0)  # type: ignore[arg-type]
    assert (answer.text, answer.route, answer.probability) == ("maybe read", "read", 0.4)
    (none,) = cascade(["x?"], steps, least=0.5)  # type: ignore[arg-type]
    assert none.text is None and none.route == "abstain"


def test_an_answer_below_the_wanted_probability_goes_on_to_the_next_step() -> None:
    """Each step is .9 sure of what it knows."""
    steps = [("lookup", Step("lookup", "a")), ("read", Step("read", "a"))]
    (given,) = cascade(["a?"], steps, least=0.9)  # type: ignore[arg-type]
    assert (given.text, given.route) == ("lookup a?", "lookup") and len(given.tried) == 1
    (none,) = cascade(["a?"], steps, least=0.95)  # type: ignore[arg-type]
    assert none.text is None and none.route == "abstain" and none.reason == "less probable than 0.95"
    assert [step.held for step in none.tried] == ["lookup a?", "read a?"]


def test_nothing_is_asked_where_there_is_no_question() -> None:
    assert cascade([], [("lookup", Step("lookup", "a"))]) == []


def test_no_step_is_looked_for_before_it_is_needed() -> None:
    looked: list[str] = []

    def steps() -> Iterator[tuple[Route, Step]]:
        for route, knows in (("lookup", "a"), ("read", "b"), ("span", "")):
            looked.append(route)
            yield route, Step(route, knows)  # type: ignore[arg-type, misc]

    cascade(["a?"], steps(), together=lambda: pytest.fail("nothing is open"))
    assert looked == ["lookup"]
    cascade(["a?", "b?"], steps())
    assert looked == ["lookup", "lookup", "read"]


def test_no_step_begins_when_the_budget_is_spent() -> None:
    second = Step("read", "x")
    (answer,) = cascade(["x?"], [("lookup", Step("lookup", "", seconds=0.02)), ("read", second)], budget_ms=10)
    assert answer.text is None and not second.asked
    (answer,) = cascade(["x?"], [("lookup", Step("lookup", "", seconds=0.02)), ("read", second)], budget_ms=1000)
    assert answer.text == "read x?"


def test_features_and_odds_of_a_reading_by_hand() -> None:
    pairs = [QAPair.make("When was it opened?", "1869"), QAPair.make("Who dug it?", "Lesseps")]
    hits = [
        Hit(pair, score, rank, "vector") for rank, (pair, score) in enumerate(zip(pairs, (0.8, 0.6), strict=True), 1)
    ]
    found = dict(zip(FEATURES, features("Who dug the canal?", hits, MemoryReading("lesseps", -0.5, 1)), strict=True))
    assert found == {"log_p": -0.5, "stored": 1.0, "first": 0.0, "share": 0.5, "similarity": 0.8, "own_similarity": 0.6,
                     "asked": 0.0}  # fmt: skip
    unsure = MemoryReading("Lesseps", -99.0, None)
    other = dict(zip(FEATURES, features("What did Lesseps do?", hits, unsure), strict=True))
    assert other["log_p"] == -12.0 and other["asked"] == 1.0
    weights = {**dict.fromkeys(FEATURES, 0.0), "log_p": 2.0}
    odds = Line.of({"weights": weights, "slope": 2.0, "shift": 2.0, "threshold": 0.5}, FEATURES, "readings")
    assert odds.score([-0.5, 1, 0, 0.5, 0.8, 0.6, 0]) == -1.0 and odds.probability(-1.0) == 0.5


def test_steps_that_hold_the_same_answer_confirm_each_other() -> None:
    steps = [
        (name, Step(name, "", p))  # type: ignore[arg-type]
        for name, p in (("lookup", 0.4), ("read", 0.3), ("passage", 0.3))
    ]
    steps[1][1].says = steps[2][1].says = "the Same"
    weights = {name: 1.0 if name.endswith("logit") else 2.0 * name.endswith("holds") for name in HELD}
    together = Line.of({"weights": weights, "slope": 1.0, "shift": -1.5, "threshold": 0.6}, HELD, "held answers")
    (answer,) = cascade(["x?"], steps, together=lambda: together)  # type: ignore[arg-type]
    # By hand: look-up alone 2 + log(2/3) = 1.59; "same" 4 + 2 log(3/7) = 2.31, log-odds 0.81, p = .69 over .6.
    assert (answer.text, answer.route, answer.reason) == ("the Same", "read", "read and passage agree")
    assert answer.probability is not None and abs(answer.probability - 0.691) < 0.001
    strict = Line(together.weights, 1.0, -1.5, 0.7)
    assert cascade(["x?"], steps, together=lambda: strict)[0].text is None  # type: ignore[arg-type]
    assert cascade(["x?"], steps, least=0.8, together=lambda: together)[0].text is None  # type: ignore[arg-type]
    (below,) = cascade(["x?"], steps, least=0.6, together=lambda: strict)  # type: ignore[arg-type]
    assert (below.text, below.probability) == (answer.text, answer.probability)
    steps[1][1].says = "another"
    easy = Line(together.weights, 1.0, -1.5, 0.5)
    (alone,) = cascade(["x?"], steps, together=lambda: easy)  # type: ignore[arg-type]
    assert (alone.text, alone.reason) == ("maybe lookup", "more probable than what the other steps found")


def test_what_steps_hold_as_numbers() -> None:
    def step(route: str, held: str, p: float | None) -> Tried:
        return Tried(route, None, p, "", 0.0, held)

    found = held([step("lookup", "The sea", 0.5), step("read", "sea", 0.2), step("passage", "a lake", 0.8)])
    assert list(found) == ["sea", "lake"]
    assert found["sea"] == pytest.approx((1, 0, 0, 1, math.log(0.25), 0, 0, 0, 0, 0, 0, math.log(4)))
    assert found["lake"] == pytest.approx((0, 0, 0, 0, 0, math.log(0.25), 0, 0, 0, 1, math.log(4), 0))
    assert held([step("lookup", "x", None), step("read", "", 0.3)]) == {}
