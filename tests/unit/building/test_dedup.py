"""Which of two alike pairs stays, and which pairs are not alike at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from quipu.building.dedup import ALIKE, deduplicate
from quipu.records import QAPair, Span, Verdict


def pair(
    question: str, answer: str, start: int | None = None, *, filtered: float | None = 0.5, written: float | None = -1.0,
    document: str | None = "d",
) -> QAPair:  # fmt: skip
    span = None if start is None else Span(start, start + len(answer))
    made = QAPair.make(question, answer, document_id=document, span=span, generator_score=written)
    return replace(made, filter_score=filtered)


def run(pairs: list[QAPair], directions: list[list[float]] | None = None, known: str | None = None) -> list[Verdict]:
    keys = np.array(directions or np.eye(len(pairs)), dtype=np.float32)
    return deduplicate(pairs, keys / np.linalg.norm(keys, axis=1, keepdims=True), lambda *_: known)


def test_verdicts_come_in_the_order_of_the_pairs() -> None:
    """The ranking is inside only: verdicts in its order would be those of other pairs."""
    pairs = [pair(f"When was it, {n}?", f"18{n}", 10 * n, filtered=n / 10) for n in range(6)]
    assert [verdict.pair_id for verdict in run(pairs)] == [item.id for item in pairs]
    assert all(verdict.kept and verdict.stage == "dedup" for verdict in run(pairs))
    assert deduplicate([], np.zeros((0, 4), dtype=np.float32), lambda *_: None) == []


@pytest.mark.parametrize(
    ("left", "right", "stays"),
    [
        ({"filtered": 0.9, "written": -3.0}, {"filtered": 0.2, "written": -0.1}, 0),
        ({"filtered": 0.2}, {"filtered": 0.9}, 1),
        ({"filtered": 0.5, "written": -2.0}, {"filtered": 0.5, "written": -1.0}, 1),
        ({}, {}, 0),
        ({"filtered": None, "written": None}, {"filtered": 0.1}, 1),
    ],
)
def test_the_pair_that_the_reader_is_surest_of_stays(
    left: dict[str, float], right: dict[str, float], stays: int
) -> None:
    """Kept by chance, the worse of two questions stands for the fact from then on."""
    pairs = [pair("When was it opened?", "1869", 10, **left), pair("when was it opened", "1869", 40, **right)]
    verdicts = run(pairs)
    assert [verdict.kept for verdict in verdicts] == [stays == 0, stays == 1]
    assert verdicts[1 - stays].because_of == pairs[stays].id
    assert verdicts[1 - stays].reason == "same question and answer"


def test_only_questions_about_overlapping_spans_are_paraphrases() -> None:
    """ "When did it open?" of two canals in one document is alike to the letter, and neither may go."""
    cosine = [[1.0, 0.0], [ALIKE + 0.01, (1 - (ALIKE + 0.01) ** 2) ** 0.5]]
    near = [pair("When was it opened?", "in 1869", 10), pair("In what year did it open?", "1869", 13, filtered=0.4)]
    assert [verdict.kept for verdict in run(near, cosine)] == [True, False]
    apart = [pair("When was it opened?", "1869", 10), pair("In what year did it open?", "1869", 90, filtered=0.4)]
    assert [verdict.kept for verdict in run(apart, cosine)] == [True, True]
    touching = [pair("When was it opened?", "1869", 10), pair("What came?", "1870", 14, filtered=0.4)]
    assert [verdict.kept for verdict in run(touching, cosine)] == [True, True]
    elsewhere = [near[0], pair("In what year did it open?", "1869", 13, filtered=0.4, document="e")]
    assert [verdict.kept for verdict in run(elsewhere, cosine)] == [True, True]
    less = [[1.0, 0.0], [ALIKE - 0.01, (1 - (ALIKE - 0.01) ** 2) ** 0.5]]
    assert [verdict.kept for verdict in run(near, less)] == [True, True]


def test_of_two_answers_to_one_question_close_by_the_better_stays() -> None:
    """Whoever asks gets one of the two; far apart the question may mean another thing, and both are needed."""
    pairs = [pair("Who founded it?", "Lesseps", 10, filtered=0.4), pair("Who founded the it?", "Negrelli", 50)]
    verdicts = run(pairs, [[1, 0], [0, 1]])
    assert [verdict.kept for verdict in verdicts] == [False, True]
    assert (verdicts[0].reason, verdicts[0].because_of) == ("same question with another answer", pairs[1].id)
    far = [pairs[0], pair("Who founded it?", "Negrelli", 5000)]
    assert [verdict.kept for verdict in run(far, [[1, 0], [1, 0]])] == [True, True]
    other = [pairs[0], pair("Who found it?", "Negrelli", 50), pair("When founded it?", "1855", 60)]
    assert all(verdict.kept for verdict in run(other, [[1, 0], [0, 1], [0, 1]]))


def test_a_pair_is_no_double_of_itself() -> None:
    """A batch that is done again finds its own pairs in the memory: dropping them would empty the memory."""
    alone = pair("When was it opened?", "1869", 10)
    assert run([alone], known=alone.id)[0].kept
    other = run([alone], known="other")[0]
    assert not other.kept and other.because_of == "other"


def test_what_was_dropped_drops_nothing() -> None:
    """A chain of paraphrases must not take the last one's fact away with a pair that is itself gone."""
    pairs = [
        pair("When did it open?", "in the year 1869", 10, filtered=0.9),
        pair("When did the canal open?", "the year 1869", 13, filtered=0.8),
        pair("When did the canal open to ships?", "1869", 22, filtered=0.7),
    ]
    step = float(np.arccos(ALIKE + 0.01))
    directions = [[np.cos(step * n), np.sin(step * n)] for n in range(3)]
    assert [verdict.kept for verdict in run(pairs, directions)] == [True, False, True]
