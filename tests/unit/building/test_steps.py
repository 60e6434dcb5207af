"""The four steps from a passage to its pairs, each by hand-worked values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.handmade import NumberReader, NumberWriter, WordEncoder

from quipu.building.answers import by_rule
from quipu.building.consistency import local_filter, well_formed
from quipu.building.dedup import deduplicate
from quipu.building.pipeline import generate
from quipu.building.settings import GenerateSettings
from quipu.models.protocols import Reading
from quipu.records import Document, Passage, QAPair, Span
from quipu.text import normalize_answer

TEXT = (
    "The Suez Canal was opened on 17 November 1869. Ferdinand de Lesseps dug it for 10 years, and it cost $100 million."
)


def rules(text: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for item in by_rule(text):
        found.setdefault(item.extractor, set()).add(item.text)
        assert text[item.span.start : item.span.end] == item.text
    return found


def test_rules_find_names_dates_and_numbers() -> None:
    """What no rule and no model marks is never asked about, so its fact cannot be found."""
    found = rules(TEXT)
    assert {"17 November 1869", "1869"} <= found["date"]
    assert {"10 years", "$100 million"} <= found["number"]
    assert {"Suez Canal", "Ferdinand de Lesseps"} <= found["name"]
    assert "The Suez Canal" not in found["name"]
    assert "the nineteenth century" not in found and "19th century" in rules("It began in the 19th century.")["date"]
    assert "annual floods" in rules("the annual floods of the river bring silt")["phrase"]


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("When was the canal opened?", "kept"),
        ("Was it long ago?", "kept"),
        ("Canal when?", "shorter than three words"),
        ("The canal of Suez?", "no question word"),
        ("What is the the canal?", "repeats itself"),
        ("What is of the canal of the canal?", "repeats itself"),
        ("What happened in 1869 there?", "holds its own answer"),
    ],
)
def test_what_is_no_question_is_dropped_with_its_reason(question: str, reason: str) -> None:
    """A stutter that reaches the memory is shown to people as what they asked."""
    assert well_formed(QAPair.make(question, "in 1869")).reason == reason


def test_the_reader_must_find_the_same_answer() -> None:
    """Without the filter half of the pairs answer another question than the one they show."""

    class Canned:
        name = "canned"
        asked: list[str]

        def read(self, questions: list[str], passages: list[str]) -> list[Reading]:
            self.asked = list(questions)
            answers = {"When?": ("17 November 1869", 3.0), "Who?": ("the company", 2.0), "Where?": ("Egypt", -1.0)}
            return [Reading(0, 1, answers[q][0], answers[q][1], 0.7) for q in questions]

    pairs = [
        QAPair.make(q, a)
        for q, a in (("When?", "November 1869"), ("Who?", "Lesseps"), ("Where?", "Egypt"), ("When?", "1870"))
    ]
    reader = Canned()
    verdicts = [verdict for verdict, _ in local_filter(pairs, [TEXT] * 4, reader, threshold=0.6)]
    assert [verdict.reason for verdict in verdicts] == [
        "kept", "reader answered otherwise", "reader found no answer", "reader answered otherwise",
    ]  # fmt: skip
    assert verdicts[1].because_of == "the company" and verdicts[0].score == 0.7
    assert reader.asked == ["When?", "Who?", "Where?"]  # the same question on the same passage is read once


def test_the_best_of_equal_pairs_stays() -> None:
    """Duplicates crowd the hits of a question and hide the other candidates."""

    def pair(question: str, answer: str, start: int, score: float) -> QAPair:
        span = Span(start, start + len(answer))
        return replace(QAPair.make(question, answer, document_id="d", span=span), filter_score=score)

    pairs = [
        pair("When was it opened?", "1869", 10, 0.5),
        pair("When was it opened?", "in 1869", 7, 0.9),  # overlaps the first, same question
        pair("When was it opened?", "1869", 90, 0.4),  # elsewhere, but the same question and answer
        pair("What year was it?", "1869", 10, 0.3),  # another question about the first span
    ]
    directions = np.eye(3, dtype=np.float32)[[0, 0, 0, 1]]
    verdicts = deduplicate(pairs, directions, lambda question, answer: None)
    assert [verdict.reason for verdict in verdicts] == [
        "same question about the same span", "kept", "kept", "kept",
    ]  # fmt: skip
    known = deduplicate(pairs[3:], directions[3:], lambda question, answer: "stored")
    assert known[0].reason == "same question and answer" and known[0].because_of == "stored"


def test_the_report_adds_up_and_spans_are_the_documents() -> None:
    """Pairs that vanish without a verdict cannot be explained; spans of the passage would point into nothing."""
    text = "Preface. The ship left the port in 1841. Aboard it were some 77 men and 20 guns."
    document = Document.make("d.txt", "Log", text)
    passage = Passage.make(document, Span(9, len(document.text)))
    writer = NumberWriter()
    made = generate(
        [passage], extractor=writer, writer=writer, reader=NumberReader(), encoder=WordEncoder(),
        settings=GenerateSettings(), is_known=lambda question, answer: None,
    )  # fmt: skip
    final = {}
    for verdict in made.verdicts:
        final[verdict.pair_id] = verdict.kept
    assert made.asked == len(final) and sum(final.values()) == len(made.pairs) == len(made.key_texts)
    assert {"1841", "77"} <= {pair.answer for pair in made.pairs}
    for pair in made.pairs:
        assert pair.span and normalize_answer(document.text[pair.span.start : pair.span.end]) == normalize_answer(
            pair.answer
        )
    assert len(made.verdicts) == len(made.verdict_documents)
    few = GenerateSettings(questions_per_passage=2)
    made = generate(
        [passage], extractor=writer, writer=writer, reader=NumberReader(), encoder=WordEncoder(), settings=few,
        is_known=lambda question, answer: None,
    )  # fmt: skip
    assert made.asked == 2
