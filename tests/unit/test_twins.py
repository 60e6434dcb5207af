"""Twins and paraphrases by rule, the suite's promises, and the bar of ``quipu eval twins`` by hand."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from quipu.errors import InputError
from quipu.evaluation.tasks.twins import by_words, evaluate
from quipu.evaluation.twins.rules import KINDS, any_twin, names_of, paraphrase, twin
from quipu.evaluation.twins.suite import TwinItem, suite


@pytest.mark.parametrize(
    ("kind", "question", "made"),
    [
        ("negation", "Which ports were open?", "Which ports were not open?"),
        ("negation", "What can the drone do?", "What can the drone not do?"),
        ("negation", "Which ports were not open?", "Which ports were open?"),
        ("antonym", "How do I enable alerts?", "How do I disable alerts?"),
        ("comparative", "Largest lake of Kenya?", "Smallest lake of Kenya?"),
        ("roles", "Who beat Spain in 1998?", "Who did Spain beat in 1998?"),
        ("roles", "Who did Spain beat in 1998?", "Who beat Spain in 1998?"),
        ("roles", "How far is it from Rome to Bari?", "How far is it from Bari to Rome?"),
        ("entity", "Where does Verdi rest?", "Where does Wagner rest?"),
        ("unit", "How long is it in miles?", "How long is it in kilometres?"),
    ],
)
def test_a_twin_changes_what_is_asked(kind: str, question: str, made: str) -> None:
    found = {twin(question, kind, random.Random(seed), ["Wagner"]) for seed in range(40)}
    assert made in found and question not in found


def test_numbers_dates_and_places_change_and_nothing_else_does() -> None:
    rng = random.Random(1)
    for _ in range(50):
        date = twin("Who won the cup of 1998?", "date", rng)
        assert date is not None and date.startswith("Who won the cup of ") and "1998" not in date
        number = twin("What is on page 12?", "number", rng)
        assert number is not None and number.startswith("What is on page ") and number != "What is on page 12?"
        place = twin("Which museum in Oslo is free?", "place", rng)
        assert place is not None and place.endswith(" is free?") and "Oslo" not in place
    assert twin("What is on page 12?", "date", rng) is None and twin("Why?", "entity", rng, ["Verdi"]) is None


@pytest.mark.parametrize(
    ("question", "made"),
    [
        ("Who wrote Faust?", "Faust was written by whom?"),
        ("When was the canal opened?", "In what year was the canal opened?"),
        ("Who won the cup in 1998?", "In 1998, who won the cup?"),
        ("What is the capital of Peru?", "What is Peru's capital?"),
        ("When was the canal opened?", "The canal was opened when?"),
        ("How many ships sank?", "What number of ships sank?"),
    ],
)
def test_a_paraphrase_asks_for_the_same(question: str, made: str) -> None:
    assert made in {paraphrase(question, random.Random(seed), 1) for seed in range(300)}


def test_names_leave_out_the_first_word() -> None:
    assert names_of("When did Queen Victoria visit the Isle of Wight?") == ["Queen Victoria", "Isle of Wight"]
    assert any_twin("Why?", random.Random(0)) is None


def test_the_suite_is_large_and_its_parts_share_nothing() -> None:
    """A template or a name seen in training would let a scorer remember instead of read."""
    train, test = suite("train"), suite("test")
    assert len(test) >= 600 and len({item.kind for item in test}) >= 10
    assert set(Counter(item.kind for item in test)) <= set(KINDS)
    assert not {item.template for item in train} & {item.template for item in test}
    assert not {item.question for item in train} & {item.question for item in test}
    for item in (*train, *test):
        asked = [item.question, *item.same, *item.twins]
        assert len(set(asked)) == len(asked) >= 4 and "{" not in "".join(asked) + item.answer, item
    assert suite("test", seed=0) == test and suite("test", seed=1) != test


def test_the_bar_lets_the_wanted_share_of_paraphrases_pass() -> None:
    """Ten paraphrases with scores 1..10 and twins with scores 0.5..9.5: at 80 % the bar is 3, and 7 twins pass it."""
    items = [TwinItem("date" if n < 5 else "unit", "t", f"{n}", "a", (f"same {n}",), (f"twin {n}",)) for n in range(10)]

    def score(asked: Sequence[str], stored: Sequence[TwinItem]) -> np.ndarray:
        return np.array([int(text.split()[1]) + (1.0 if text.startswith("same") else 0.5) for text in asked])

    (report,) = evaluate(items, {"hand": score}, coverage=0.8)
    assert report["coverage"].value == 80.0 and report["false hits"].value == 70.0
    assert report["date"].value == 40.0 and report["unit"].value == 100.0 and report.settings["bar"] == 3.0
    assert by_words(["same 1"], [items[1]]).tolist() == [pytest.approx(2 / 3)]
    with pytest.raises(InputError, match="coverage"):
        evaluate(items, {"hand": score}, coverage=0.0)
