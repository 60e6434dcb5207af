"""What is said of an answer that was found: objections from its own place, and the words that make it true."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from quipu.answering.decision import Bar, decide
from quipu.answering.proposal import PassageSpan, Proposal
from quipu.answering.saying import OBJECTED, complete, objection
from quipu.answering.scoring import LinearScorer, Odds
from quipu.records import Answer, Document, Elsewhere, Evidence, Passage, QAPair, Span
from quipu.storage.store import Store

TEXT = (
    "The lamp was made by Nora Quill. The gate opens at 6:00 and closes at 21:30. Crane A must not lift more than "
    "4 tonnes. Halls C and D open at 90 and 260 guests, respectively. Later Nora moved to Dresk."
)
DOCUMENT = Document.make("rules.txt", "Rules", f"Site\n\n{TEXT}")
PASSAGE = Passage.make(DOCUMENT, Span(6, 6 + len(TEXT)))  # offsets of passage and document differ
SURE = LinearScorer(("log_p",), (1.0,), Odds(1.0, 4.0), 0.5)


def place(text: str, last: bool = False) -> Span:
    start = DOCUMENT.text.rindex(text) if last else DOCUMENT.text.index(text)
    return Span(start, start + len(text))


def found(question: str, text: str, last: bool = False, held: bool = False) -> Answer:
    span = place(text, last)
    pair = QAPair.make(question, text, document_id=DOCUMENT.id, span=span)
    evidence = (Evidence(pair, PASSAGE, span, 0.9, "rules.txt", text),)
    said, kept = (None, text) if held else (text, None)
    return Answer(question, said, 0.9, 0.9, evidence, "abstain" if held else "lookup", "", 1.0, held=kept)


@pytest.mark.parametrize("held", [False, True])
def test_an_answer_and_its_place_grow_together(held: bool) -> None:
    """A quote that is not what the evidence marks sends a person to the wrong words."""
    answer = complete(found("How much does crane A lift?", "4 tonnes", held=held))
    assert (answer.held if held else answer.text) == "not lift more than 4 tonnes"
    span = answer.evidence[0].span
    assert span is not None and DOCUMENT.text[span.start : span.end] == "not lift more than 4 tonnes"
    assert answer.evidence[0].quote == "not lift more than 4 tonnes" and not answer.generated


def test_what_others_say_instead_is_completed_too() -> None:
    """The answer with its unit beside another source's without looks like a difference of kind."""
    plain, other = found("When does the gate open?", "6:00"), found("How much does crane A lift?", "4 tonnes")
    item = Elsewhere("4 tonnes", other.evidence[0])
    answer = complete(replace(plain, question="How much does crane A lift?", elsewhere=(item,)))
    assert answer.text == "6:00" and answer.elsewhere[0].text == "not lift more than 4 tonnes"
    assert answer.elsewhere[0].evidence.quote == "not lift more than 4 tonnes"


def test_an_item_that_is_put_together_is_marked() -> None:
    """ "90 guests" stands nowhere; "260 guests" does."""
    first = complete(found("What do you need to open hall C?", "90 and 260 guests"))
    assert (first.text, first.generated, first.evidence[0].quote) == ("90 guests", True, "90")
    last = complete(found("What do you need to open hall D?", "90"))
    assert (last.text, last.generated, last.evidence[0].quote) == ("260 guests", False, "260 guests")


def test_a_whole_name_from_elsewhere_is_a_place_more() -> None:
    """The sentence that answers stays the evidence; the one that names her in full is shown beside it."""
    answer = complete(found("Who moved to Dresk?", "Nora", last=True))
    assert answer.text == "Nora Quill" and not answer.generated
    assert [item.quote for item in answer.evidence] == ["Nora", "Nora Quill"]
    assert answer.evidence[0].span == place("Nora", last=True) and answer.evidence[1].pair is None


def test_what_stands_nowhere_is_left_alone() -> None:
    """An answer that was generated, compared or imported has no place that speaks for or against it."""
    plain = found("When does the gate close?", "6:00")
    assert objection(plain.question, "6:00", plain.evidence) and complete(plain) is plain
    for evidence in ((), (Evidence(None, PASSAGE, None, 0.9),), (Evidence(None, None, None, 0.9),)):
        assert not objection(plain.question, "6:00", evidence)
    assert not objection(plain.question, "at six", plain.evidence)
    assert complete(found("Who moved to Dresk?", "Dresk")).text == "Dresk"


def test_what_its_place_speaks_against_gives_way_or_is_improbable(tmp_path: Path) -> None:
    """Log-odds by hand: -.1 + 4 gives p = .98, whatever the clause says; .1 is the most that an objection leaves."""
    store = Store.create(tmp_path / "m", width=2, models={})
    store.add_documents([DOCUMENT], [PASSAGE])

    def proposal(text: str, log_p: float) -> Proposal:
        start = TEXT.index(text)
        return Proposal("passage", text, (log_p,), (PassageSpan(PASSAGE.id, start, start + len(text)),))

    question = "When does the gate close?"
    both = [proposal("6:00", -0.1), proposal("21:30", -0.5)]
    answer = decide("passage", question, both, SURE, store, Bar())
    assert answer.text == "21:30" and answer.probability == pytest.approx(0.9707, abs=1e-4)
    alone = decide("passage", question, both[:1], SURE, store, Bar())
    assert (alone.text, alone.held, alone.probability) == (None, "6:00", OBJECTED) and "opens" in alone.reason
    assert decide("passage", question, both[:1], SURE, store, Bar(0.0)).text == "6:00"
    assert decide("passage", "When does the gate open?", both, SURE, store, Bar()).text == "6:00"
