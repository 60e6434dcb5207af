"""EM, F1, recall and their errors, against values worked by hand and the official SQuAD formula said again."""

import collections
import math
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quipu.errors import InputError
from quipu.evaluation import metrics


def official_normalize(text: str) -> str:
    """SQuAD's evaluation script, said again: lower, remove punctuation, remove articles, fix white space."""
    text = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def official_f1(gold: str, said: str) -> float:
    """SQuAD 2.0's compute_f1, said again."""
    gold_tokens, said_tokens = official_normalize(gold).split(), official_normalize(said).split()
    same = sum((collections.Counter(gold_tokens) & collections.Counter(said_tokens)).values())
    if not gold_tokens or not said_tokens:
        return float(gold_tokens == said_tokens)
    if same == 0:
        return 0.0
    precision, recall = same / len(said_tokens), same / len(gold_tokens)
    return 2 * precision * recall / (precision + recall)


VOCABULARY = ["the", "Suez", "canal", "1869", "a", "An", "canal,", "(Egypt)", "-", "can't"]
WORDS = st.lists(st.sampled_from(VOCABULARY)).map(" ".join)


@given(st.lists(WORDS, min_size=1, max_size=3), WORDS)
def test_em_and_f1_agree_with_the_official_formula(answers: list[str], said: str) -> None:
    """A slip in normalisation would shift every figure of every table by a little, and nobody would see it."""
    assert metrics.exact_match(said, answers) == max(
        float(official_normalize(answer) == official_normalize(said)) for answer in answers
    )
    assert metrics.best_f1(said, answers) == pytest.approx(max(official_f1(answer, said) for answer in answers))


@pytest.mark.parametrize(
    ("said", "answers", "em", "f1"),
    [
        ("The Suez Canal", ["Suez canal."], 1.0, 1.0),
        ("Suez", ["Suez Canal"], 0.0, 2 / 3),  # precision 1, recall 1/2
        ("in November 1869", ["17 November 1869"], 0.0, 2 / 3),  # 2 of 3 each way
        ("Panama", ["Suez Canal"], 0.0, 0.0),
        ("Ferdinand", ["Napoleon", "Ferdinand de Lesseps"], 0.0, 0.5),  # the best of two: p 1, r 1/3
    ],
)
def test_em_and_f1_by_hand(said: str, answers: list[str], em: float, f1: float) -> None:
    """The table's two main columns, on numbers small enough to check in the head."""
    assert metrics.exact_match(said, answers) == em
    assert metrics.best_f1(said, answers) == pytest.approx(f1)


def test_recall_counts_the_first_accepted_answer() -> None:
    """An off-by-one in the rank would make recall@1 read as recall@2."""
    ranks = [
        metrics.first_hit(["1859", "1869"], ["1869"]),
        metrics.first_hit(["The Suez Canal", "Panama"], ["suez canal"]),
        metrics.first_hit(["Panama"], ["Suez"]),
    ]
    assert ranks == [2, 1, None]
    assert metrics.recall_at(1, ranks) == pytest.approx(1 / 3)
    assert metrics.recall_at(2, ranks) == pytest.approx(2 / 3)
    with pytest.raises(InputError, match="k >= 1"):
        metrics.recall_at(0, ranks)


def test_a_passage_holds_whole_words_only() -> None:
    """Without word ends, every passage with "1869" would hold the answer "186"."""
    assert metrics.passage_holds("It was opened in 1869, by the Empress.", ["the empress"])
    assert not metrics.passage_holds("It was opened in 1869.", ["186"])
    assert not metrics.passage_holds("It was opened in 1869.", ["the"])


def test_errors_of_means() -> None:
    """A wrong standard error makes noise look like progress: 25 % of 100 has one of 4.33 points."""
    score = metrics.mean_score("EM", [1.0] * 25 + [0.0] * 75, scale=100)
    assert (score.value, score.n) == (25.0, 100)
    assert score.stderr == pytest.approx(100 * math.sqrt(0.25 * 0.75 / 100))
    values = [0.0, 0.5, 1.0, 0.25] * 50
    mean = sum(values) / 200
    textbook = math.sqrt(sum((value - mean) ** 2 for value in values) / 200) / math.sqrt(200)
    assert metrics.bootstrap_error(values) == pytest.approx(textbook, rel=0.1)
    assert metrics.bootstrap_error(values) == metrics.bootstrap_error(values)


def test_percentiles_and_latencies() -> None:
    """p95 taken of the wrong end would hide slow questions; the warm-up question must not be counted."""
    assert metrics.percentile([5.0, 1.0, 3.0, 2.0, 4.0], 0.5) == 3.0
    assert metrics.percentile([float(i) for i in range(101)], 0.95) == 95.0
    ticks = iter([0.0, 0.002, 0.010, 0.015])
    asked: list[str] = []
    times = metrics.latencies(asked.append, ["Who dug it?", "When?"], lambda: next(ticks))
    assert asked == ["Who dug it?", "Who dug it?", "When?"]
    assert times == pytest.approx([2.0, 5.0])


def test_well_formed_means_four_of_five() -> None:
    """Labels are rounded decimals: 0.8 must count as four of five, or a fifth of the set changes sides."""
    given = [0.8, 0.6, 1.0, 0.0]
    predicted = [0.9, 0.7, 0.7, 0.1]
    assert metrics.threshold_accuracy(predicted, given, threshold=0.8) == 0.75
    assert metrics.threshold_accuracy(predicted, given, threshold=0.5) == 1.0
    assert metrics.threshold_accuracy(predicted, given, threshold=0.5, given_threshold=0.8) == 0.75
    with pytest.raises(InputError, match="2 predictions for 4 labels"):
        metrics.threshold_accuracy(predicted[:2], given, threshold=0.5)


def test_risk_and_coverage_by_hand() -> None:
    """Four answers, the surest wrong: risk 1, 1/2, 1/3, 1/4 as more are answered; the area is their mean."""
    coverage, risk = metrics.risk_coverage([0.9, 0.8, 0.7, 0.1], [False, True, True, True])
    assert coverage == [0.25, 0.5, 0.75, 1.0] and risk == pytest.approx([1.0, 1 / 2, 1 / 3, 1 / 4])
    assert metrics.aurc([0.9, 0.8, 0.7, 0.1], [False, True, True, True]) == pytest.approx(
        (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4
    )
    # equal probabilities are answered together: their order must not flatter
    assert (
        metrics.risk_coverage([0.5, 0.5], [True, False])[1]
        == metrics.risk_coverage([0.5, 0.5], [False, True])[1]
        == [0.5, 0.5]
    )
    assert metrics.aurc([], []) == 0.0


def test_calibration_error_by_hand() -> None:
    """Two bins of two: |0.15 - 0| and |0.85 - 0.5|, weighed alike."""
    error = metrics.expected_calibration_error([0.1, 0.2, 0.8, 0.9], [False, False, True, False], bins=2)
    assert error == pytest.approx((0.15 + 0.35) / 2)
    assert metrics.expected_calibration_error([1.0, 1.0, 0.0], [True, True, False]) == 0.0
    with pytest.raises(InputError):
        metrics.expected_calibration_error([0.1], [])
