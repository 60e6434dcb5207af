"""The cascade takes the first step that is sure, within its budget, and says which steps it took."""

from __future__ import annotations

import time
from collections.abc import Sequence

from quipu.answering.cascade import cascade
from quipu.answering.read import FEATURES, Odds, features
from quipu.models.protocols import MemoryReading
from quipu.records import Answer, Hit, QAPair, Route


class Step:
    """Answers questions that begin with a letter it knows; the others it holds back, with a probability."""

    def __init__(self, route: Route, knows: str, probability: float = 0.2, seconds: float = 0.0) -> None:
        self.route, self.knows, self.probability, self.seconds = route, knows, probability, seconds
        self.asked: list[str] = []

    def __call__(self, questions: Sequence[str]) -> list[Answer]:
        self.asked += questions
        time.sleep(self.seconds)
        return [
            Answer(q, f"{self.route} {q}", 1.0, 0.9, (), self.route, "sure", 2.0)
            if q[0] in self.knows
            else Answer(q, None, 0.0, self.probability, (), "abstain", f"{self.route}: no", 2.0, f"maybe {self.route}")
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
    odds = Odds.of({"weights": {**dict.fromkeys(FEATURES, 0.0), "log_p": 2.0}, "bias": 1.0, "threshold": 0.5})
    assert odds is not None and odds.probability([-0.5, 1, 0, 0.5, 0.8, 0.6, 0]) == 0.5
    assert Odds.of(None) is None
