"""Twins and paraphrases by rule, the suite's promises, and the bar of ``quipu eval twins`` by hand."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from tests.handmade import WordEncoder

from quipu.answering.scoring import Calibration, LinearScorer
from quipu.answering.steps.lookup import FEATURES
from quipu.errors import InputError
from quipu.evaluation.tasks.twins import by_probability, by_retriever, by_words, evaluate, rows
from quipu.evaluation.twins.rules import any_twin, names_of, paraphrase, twin
from quipu.evaluation.twins.suite import Templates, TwinItem, read, suite
from quipu.language.english import FUNCTION_WORDS


@pytest.mark.parametrize(
    ("kind", "question", "made"),
    [
        ("negation", "Which ports were open?", "Which ports were not open?"),
        ("negation", "What can the drone do?", "What can't the drone do?"),
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


def test_the_suite_is_as_large_as_it_says_and_every_item_is_whole() -> None:
    """A slot that was not filled, or a twin that is a paraphrase again, would be measured as if it were a question."""
    train, test = suite("train"), suite("test")
    kinds = Counter(item.kind for item in test)
    assert len(test) == 1500 and len(kinds) == 16 and min(kinds.values()) == 90 and kinds["roles"] == 150
    assert {item.kind for item in train} == set(kinds)
    for item in (*train, *test):
        asked = [item.question, *item.same, *item.twins]
        assert len(set(asked)) == len(asked) >= 4, item
        assert not set("{}|/") & set("".join(asked) + item.answer), item
        assert all(text[0].isupper() and text.endswith("?") for text in asked), item
    assert len({item.question for item in test}) == 1500
    assert suite("test", seed=0) == test and suite("test", seed=1) != test


def test_nothing_of_the_test_part_is_in_training() -> None:
    """A template, a name or a verb seen in training would let a scorer remember instead of read."""
    train, test = read("train"), read("test")
    assert not _values(train) & _values(test)
    assert not {item.question for item in suite("train", fills=30)} & {item.question for item in suite(fills=30)}
    for kind, lines in test.kinds.items():
        for line in lines:
            own = _words(line)
            for other in train.kinds[kind]:
                assert len(own & _words(other)) < max(1.0, 0.5 * len(own | _words(other))), (line, other)


def _values(part: Templates) -> set[str]:
    """Everything that fills a slot, in small letters; of two halves each one."""
    values = (value for some in part.slots.values() for value in some)
    return {half.lower() for value in values for half in ((value,) if isinstance(value, str) else value)}


def _words(line: str) -> set[str]:
    """What a stored question and its twin say of their own: neither slots nor function words."""
    stored, *_, twin = line.split("|")
    return set(re.findall(r"[a-z]+", re.sub(r"\{.*?\}", " ", f"{stored} {twin}").lower())) - FUNCTION_WORDS


def test_the_bar_lets_the_wanted_share_of_paraphrases_pass() -> None:
    """Ten paraphrases with scores 1..10 and twins with scores 0.5..9.5: at 80 % the bar is 3, and 7 twins pass it."""
    items = [TwinItem("date" if n < 5 else "unit", "t", f"{n}", "a", (f"same {n}",), (f"twin {n}",)) for n in range(10)]

    def score(asked: Sequence[str], stored: Sequence[TwinItem]) -> np.ndarray:
        return np.array([int(text.split()[1]) + (1.0 if text.startswith("same") else 0.5) for text in asked])

    (report,) = evaluate(items, {"hand": score}, coverage=0.8)
    assert report["coverage"].value == 80.0 and report["false hits"].value == 70.0
    assert report["date"].value == 40.0 and report["unit"].value == 100.0 and report.settings["bar"] == 3.0
    assert [row[0] for row in rows([report])] == ["false hits", "date", "unit"] and rows([report])[2][
        1
    ] == "100.0 ± 0.0"
    assert by_words(["same 1"], [items[1]]).tolist() == [pytest.approx(2 / 3)]
    with pytest.raises(InputError, match="coverage"):
        evaluate(items, {"hand": score}, coverage=0.0)


def test_the_probability_is_that_of_the_stored_pair_alone() -> None:
    """Of two features: the score of the search, and a tenth of what the verifier says of question and stored pair."""
    weights = tuple({"similarity": 1.0, "verified": 0.1}.get(name, 0.0) for name in FEATURES)
    calibration = Calibration({"lookup": LinearScorer(FEATURES, weights)}, "by hand")
    item = TwinItem("date", "t", "When was the canal opened?", "1869", (), ())

    def verified(asked: Sequence[str], stored: Sequence[TwinItem]) -> np.ndarray:
        return np.array([-20.0 if text == "Who sank?" else 3.0 for text in asked])

    score = by_probability(calibration, by_retriever(WordEncoder()), verified)
    same, reworded, other = score([item.question, "The canal was opened when?", "Who sank?"], [item] * 3)
    assert same == pytest.approx(1.8)  # the stored question itself counts as 8, whatever the verifier says
    assert reworded == pytest.approx(1.3) and other < 0.6 - 0.8  # log-odds count as -8 at least
