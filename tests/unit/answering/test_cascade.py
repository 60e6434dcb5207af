"""The cascade takes the first step that is sure, within its budget, and says which steps it took."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import pytest

from quipu.answering.cascade import Budget, cascade
from quipu.answering.decision import COMBINED_FEATURES, Bar
from quipu.answering.scoring import LinearScorer, Odds
from quipu.records import Answer, Route

OWN = Bar()


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
    first, second, third = Step("lookup", "a"), Step("read", "ab"), Step("passage", "c")
    said = cascade(["a?", "b?", "c?", "d?"], [("lookup", first), ("read", second), ("passage", third)], OWN)
    assert [answer.text for answer in said] == ["lookup a?", "read b?", "passage c?", None]
    assert (first.asked, second.asked, third.asked) == (["a?", "b?", "c?", "d?"], ["b?", "c?", "d?"], ["c?", "d?"])
    assert [step.route for step in said[1].tried] == ["lookup", "read"] and said[1].milliseconds == 4.0
    assert said[3].reason == "lookup: no"
    assert [step.held for step in said[3].tried] == ["maybe lookup", "maybe read", "maybe passage"]


def test_what_was_held_back_comes_out_where_all_is_wanted() -> None:
    steps = [
        ("lookup", Step("lookup", "", 0.2)),
        ("read", Step("read", "", 0.4)),
        ("passage", Step("passage", "", 0.3)),
    ]
    (answer,) = cascade(["x?"], steps, Bar(0.0))  # type: ignore[arg-type]
    assert (answer.text, answer.route, answer.probability) == ("maybe read", "read", 0.4)
    (none,) = cascade(["x?"], steps, Bar(0.5))  # type: ignore[arg-type]
    assert none.text is None and none.route == "abstain"
    assert (none.held, none.probability, none.reason) == ("maybe read", 0.4, "read: no")  # the most probable


def test_an_answer_below_the_wanted_probability_goes_on_to_the_next_step() -> None:
    """Each step is .9 sure of what it knows."""
    steps = [("lookup", Step("lookup", "a")), ("read", Step("read", "a"))]
    (given,) = cascade(["a?"], steps, Bar(0.9))  # type: ignore[arg-type]
    assert (given.text, given.route) == ("lookup a?", "lookup") and len(given.tried) == 1
    (none,) = cascade(["a?"], steps, Bar(0.95))  # type: ignore[arg-type]
    assert none.text is None and none.route == "abstain" and none.reason == "less probable than 0.95"
    assert [step.held for step in none.tried] == ["lookup a?", "read a?"]


def test_nothing_is_asked_where_there_is_no_question() -> None:
    assert cascade([], [("lookup", Step("lookup", "a"))], OWN) == []


def test_no_step_is_looked_for_before_it_is_needed() -> None:
    looked: list[str] = []

    def steps() -> Iterator[tuple[Route, Step]]:
        for route, knows in (("lookup", "a"), ("read", "b"), ("passage", "")):
            looked.append(route)
            yield route, Step(route, knows)  # type: ignore[arg-type, misc]

    cascade(["a?"], steps(), OWN, scorer=lambda: pytest.fail("nothing is open"))
    assert looked == ["lookup"]
    cascade(["a?", "b?"], steps(), OWN)
    assert looked == ["lookup", "lookup", "read"]


def test_no_step_begins_when_the_budget_is_spent() -> None:
    second = Step("read", "x")
    slow = [("lookup", Step("lookup", "", seconds=0.02)), ("read", second)]
    (answer,) = cascade(["x?"], slow, OWN, Budget(10))  # type: ignore[arg-type]
    assert answer.text is None and not second.asked
    (answer,) = cascade(["x?"], slow, OWN, Budget(1000))  # type: ignore[arg-type]
    assert answer.text == "read x?"


def test_no_step_begins_that_will_not_end_within_the_budget() -> None:
    """A budget of 20 ms took 162: only what was spent was compared with it. A cheaper step after it may still fit."""
    dear, cheap = Step("passage", "x"), Step("chain", "x")
    steps = [("lookup", Step("lookup", "")), ("passage", dear), ("chain", cheap)]
    (answer,) = cascade(["x?"], steps, OWN, Budget(90, {"passage": 150, "chain": 20}))  # type: ignore[arg-type]
    assert answer.text == "chain x?" and not dear.asked
    (answer,) = cascade(["x?"], steps, OWN, Budget(900, {"passage": 150, "chain": 20}))  # type: ignore[arg-type]
    assert answer.text == "passage x?"


def test_steps_that_hold_the_same_answer_confirm_each_other() -> None:
    steps = [
        (name, Step(name, "", p))  # type: ignore[arg-type]
        for name, p in (("lookup", 0.4), ("read", 0.3), ("passage", 0.3))
    ]
    steps[1][1].says = steps[2][1].says = "the Same"
    weights = tuple(1.0 if name.endswith("logit") else 2.0 * name.endswith("holds") for name in COMBINED_FEATURES)

    def ask(bar: Bar, threshold: float) -> Answer:
        scorer = LinearScorer(COMBINED_FEATURES, weights, Odds(1.0, -1.5), threshold)
        return cascade(["x?"], steps, bar, scorer=lambda: scorer)[0]  # type: ignore[arg-type]

    answer = ask(OWN, 0.6)
    # By hand: lookup alone 2 + log(2/3) = 1.59; "same" 4 + 2 log(3/7) = 2.31, log-odds 0.81, p = .69 over .6.
    assert (answer.text, answer.route, answer.reason) == ("the Same", "read", "read and passage agree")
    assert answer.probability is not None and abs(answer.probability - 0.691) < 0.001
    assert ask(OWN, 0.7).text is None and ask(Bar(0.8), 0.6).text is None and ask(Bar(None, 0.7), 0.6).text is None
    below = ask(Bar(0.6), 0.7)
    assert (below.text, below.probability) == (answer.text, answer.probability)
    steps[1][1].says = "another"
    alone = ask(OWN, 0.5)
    assert (alone.text, alone.reason) == ("maybe lookup", "more probable than what the other steps found")
