"""Sources that a person can follow: file, page, line and headings, and the id that ``quipu why`` needs."""

from __future__ import annotations

import pytest

from quipu.building.wording import understood
from quipu.cli.ask import described
from quipu.places import located
from quipu.records import Answer, Document, Evidence, Mark, NearestSentence, Passage, QAPair, Span

TEXT = "Safety\n\nValves\n\nClose them at night."
MARKS = (
    Mark(Span(0, 6), "heading", 1, 3, None), Mark(Span(8, 14), "heading", 2, 3, None),
    Mark(Span(16, 36), "paragraph", 0, 3, None),
)  # fmt: skip


@pytest.mark.parametrize(
    ("known", "shown"),
    [
        ({"title": "Pump", "page": 3, "headings": ("Safety", "Valves")}, "m.pdf, page 3, Pump > Safety > Valves"),
        ({"title": "Safety", "headings": ("Safety",), "line": 7, "start": 1, "end": 4}, "m.pdf, line 7, Safety"),
        ({"start": 1, "end": 4}, "m.pdf, characters 1-4"),
        ({}, "m.pdf"),
    ],
)
def test_a_source_in_words(known: dict[str, object], shown: str) -> None:
    """Characters of the extracted text help nobody who opens a PDF."""
    assert located("m.pdf", **known) == shown  # type: ignore[arg-type]


def answered(text: str | None = "at night", pair: QAPair | None = None) -> Answer:
    document = Document.make("m.pdf", "Pump", TEXT, None, MARKS)
    passage = Passage.make(document, Span(0, len(TEXT)))
    evidence = Evidence(pair, passage, Span(27, 35), 0.9, "m.pdf", "at night")
    return Answer("When?", text, 0.9, 0.8, (evidence,), "lookup", "stored", 1.0)


def test_an_answer_names_its_pair_and_place() -> None:
    """``why`` needs an id that nothing printed; the page is in the file's own count."""
    pair = QAPair.make("When are the valves closed?", "at night", origin="generated")
    lines = described(answered(pair=pair))
    assert lines[1] == f"    asked as  When are the valves closed? [{pair.id[:12]}]"
    assert lines[2:] == [
        "    quote     Close them »at night«.", "    source    m.pdf, page 3, Pump > Safety > Valves",
    ]  # fmt: skip


def test_garbled_questions_are_not_shown() -> None:
    """ "What do i do?" helps nobody; what a person wrote is shown as it is."""
    assert not understood("What do i do?") and not understood("When did he close them?")
    assert understood("Who leads the US team?") and understood("When are the valves closed?")
    written = QAPair.make("What do i do?", "at night", origin="generated")
    assert "What do" not in "\n".join(described(answered(pair=written)))
    assert "What do" in "\n".join(described(answered(pair=QAPair.make("What do i do?", "at night", origin="document"))))


def test_a_refusal_shows_the_sentence_that_may_answer() -> None:
    """It was right in 17 of 32 wrong refusals."""
    nearest = NearestSentence("Close them at night.", "m.pdf", "Pump", 16, 36, 3, None, ("Safety", "Valves"))
    refused = Answer("When?", None, 0.1, 0.2, (), "abstain", "not sure", 1.0, nearest=nearest)
    assert described(refused)[1:] == [
        "    perhaps   Close them at night.", "    source    m.pdf, page 3, Pump > Safety > Valves",
    ]  # fmt: skip


def test_a_pair_of_a_file_shows_the_file_and_its_line() -> None:
    """ "source none" cannot be corrected."""
    pair = QAPair.make("Who pays?", "the town", document_id="p", origin="imported", line=7)
    answer = Answer("Who?", "the town", 1, 0.9, (Evidence(pair, None, None, 1, "p.csv"),), "lookup", "stored", 1.0)
    assert described(answer)[-1] == "    source    p.csv, line 7"
    assert answer.to_json()["evidence"][0]["line"] == 7
