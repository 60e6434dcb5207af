"""The features behind the probability of a stored pair, by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from quipu.answering.features import FEATURES, content_words, features, numbers
from quipu.records import Hit, QAPair

SUEZ = QAPair.make("When was the Suez Canal opened?", "1869", filter_score=0.75)
PANAMA = QAPair.make("When was the Panama Canal opened in 1914?", "15 August")
AGAIN = QAPair.make("In what year did the Suez Canal open?", "1869")


def hit(pair: QAPair, score: float) -> Hit:
    return Hit(pair, score, 1, "vector")


def named(
    question: str, hits: Sequence[Hit], logits: Sequence[float], best: int = 0, context: str = ""
) -> dict[str, float]:
    return dict(zip(FEATURES, features(question, hits, logits, best, context), strict=True))


def test_a_memory_of_one_pair_does_not_agree_with_itself() -> None:
    """Nothing contradicts its only pair, whatever is asked: "Who wrote Faust?" would be as sure as its own question."""
    near, far = (named("Who wrote Faust?", [hit(SUEZ, score)], [0.0])["agreement"] for score in (0.9, 0.05))
    assert near == pytest.approx(2 * np.exp(9.0) / (2 * np.exp(9.0) + 9 * np.exp(2.0))) and near > 0.99
    assert far < 0.05


def test_margins_are_over_other_answers_not_over_other_pairs() -> None:
    """Two pairs with one answer support one another: the second must not look like another answer."""
    found = named(
        "When did the Suez Canal open?", [hit(SUEZ, 0.9), hit(AGAIN, 0.88), hit(PANAMA, 0.6)], [3.0, 2.5, -1.0]
    )
    assert found["similarity"] == pytest.approx(0.9) and found["similarity_margin"] == pytest.approx(0.3)
    assert found["rerank"] == 3.0 and found["rerank_margin"] == 4.0
    same, other = np.exp(3.0 + 9.0) * 2 + np.exp(2.5 + 8.8), np.exp(-1.0 + 6.0) + 7 * np.exp(10 * 0.2)  # seven lack
    assert found["agreement"] == pytest.approx(same / (same + other))
    assert found["filter"] == 0.75 and found["unfiltered"] == 0.0


def test_names_and_numbers_on_one_side_only() -> None:
    found = named("When was the Panama Canal opened in 1915?", [hit(PANAMA, 0.97)], [0.0])
    assert found["numbers_missing"] == 1.0 and found["numbers_unasked"] == 1.0 and found["names_missing"] == 0.0
    found = named("When was the Kiel Canal opened?", [hit(SUEZ, 0.9)], [0.0])
    assert found["names_missing"] == 0.5  # Kiel of Kiel and Canal
    assert named("When was the Kiel Canal opened?", [hit(SUEZ, 0.9)], [0.0], context="Kiel")["names_missing"] == 0.0
    assert found["words_unasked"] == pytest.approx(1 / 3)  # suez of suez, canal, open
    assert found["similarity_margin"] == 0.5  # no other answer at all: .9, which says no more than .5


@pytest.mark.parametrize(
    ("asked", "feature", "value"),
    [
        ("Where was the Suez Canal opened?", "question_word", 1.0),
        ("What year was the Suez Canal opened?", "question_word", 0.0),
        ("When was the Suez Canal not opened?", "negation", 1.0),
        ("Why wasn't the Suez Canal opened?", "negation", 1.0),
        ("Was the Suez Canal opened in 1869?", "answer_asked", 1.0),
    ],
)
def test_what_a_twin_changes_shows_in_a_feature(asked: str, feature: str, value: float) -> None:
    assert named(asked, [hit(SUEZ, 0.9)], [0.0])[feature] == value


@pytest.mark.parametrize(
    ("asked", "stored", "opposite"),
    [
        ("How do I disable alerts?", "How do I enable alerts?", True),
        ("What is the smallest lake?", "What is the largest lake?", True),
        ("How far in miles?", "How far in kilometres?", True),
        ("What is the largest lake?", "What is the largest lake?", False),
        ("Is the largest lake the smallest?", "Is the smallest lake the largest?", False),  # the order says it
        ("Which lake is disabled?", "Which lake is large?", False),
    ],
)
def test_opposites_and_order(asked: str, stored: str, opposite: bool) -> None:
    found = named(asked, [hit(QAPair.make(stored, "x"), 0.9)], [0.0])
    assert found["opposites"] == float(opposite)
    turned = named("Who did Spain beat?", [hit(QAPair.make("Who beat Spain?", "Italy"), 0.9)], [0.0])
    assert turned["order"] == 1.0 and named(asked, [hit(QAPair.make(asked, "x"), 0.9)], [0.0])["order"] == 0.0


def test_words_and_numbers() -> None:
    assert numbers("1,200 of 3.5 in 1869.") == {"1200", "3.5", "1869"}
    assert content_words("The canals were opened") == content_words("canal opens")
