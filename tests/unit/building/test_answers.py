"""Spans that the rules mark: whole, in the right place, and only once."""

from __future__ import annotations

import random
import time

import pytest

from quipu.building.answers import by_rule, candidates, choose
from quipu.corpus.passages import statements_of
from quipu.records import Candidate, Document, Passage, Span


@pytest.mark.parametrize(
    ("text", "kind", "answer"),
    [
        ("It grew by about 5% in 1914.", "number", "5%"),
        ("It cost $3.5 million then.", "number", "$3.5 million"),
        ("It held 53,402 men.", "number", "53,402"),
        ("It is 12 square kilometres large.", "number", "12 square kilometres"),
        ("It took twenty-five years.", "number", "twenty-five years"),
        ("It opened on May 5, 1869.", "date", "May 5, 1869"),
        ("The 1914–18 war.", "date", "1914–18"),
        ("The late 19th century.", "date", "late 19th century"),
        ("Then John J. Pershing came.", "name", "John J. Pershing"),
        ("The U.S. lost.", "name", "U.S."),
        ("It lies in the U.S. of today.", "name", "U.S."),
        ("The Bank of England failed.", "name", "Bank of England"),
        ("In Paris it rained.", "name", "Paris"),
        ("He met Lesseps.", "name", "Lesseps"),
        ("He wrote “Hamlet” there.", "quoted", "Hamlet"),
        ('He was 6\'2" tall, and said "no" often.', "quoted", "no"),
        ("The NATO met.", "acronym", "NATO"),
        ("It is rich in the annual floods of the river.", "phrase", "the annual floods"),
    ],
)
def test_answers_are_marked_whole(text: str, kind: str, answer: str) -> None:
    """ "5" of "5%" and "Pershing" of "John J. Pershing" are half answers that every later step takes for whole ones."""
    assert answer in {item.text for item in by_rule(text) if item.extractor == kind}


def test_marks_between_two_quotations_are_no_quotation() -> None:
    """With straight quotes an odd one turns all that follow inside out."""
    found = {item.text for item in by_rule('A 6\'2" man said "no" and then "yes" .') if item.extractor == "quoted"}
    assert found == {"no", "yes"}


def test_every_span_is_the_text_that_it_names() -> None:
    """The answer that is stored is cut out by the span: white space or a mark at its end is shown to people."""
    rng = random.Random(5)
    parts = [
        "The",
        "Suez",
        "canal",
        "1869",
        ",",
        ".",
        '"',
        "“",
        "”",
        "$",
        "5",
        "%",
        "-",
        "U.S.",
        "of",
        "and",
        "\n",
        "é",
        "(",
        ")",
    ]
    for _ in range(400):
        text = "".join(rng.choice(parts) + rng.choice(["", " ", "  "]) for _ in range(25))
        for item in by_rule(text):
            answer = text[item.span.start : item.span.end]
            assert item.text == answer == answer.strip() != ""


def test_a_page_of_anything_is_marked_in_time() -> None:
    """A rule that backtracks would hang a build on one strange file."""
    began = time.process_time()
    for unit in ("a", "of the ", "A. ", '"', "1,", "a-", "Ab ", "A B. ", "the abc ", "1 million ", "(“"):
        by_rule(unit * (60_000 // len(unit)))
    assert time.process_time() - began < 5


def spans(text: str, *words: str) -> list[Candidate]:
    """Learned candidates, best first, each at the first place of its words."""
    return [
        Candidate(Span(text.index(word), text.index(word) + len(word)), word, -float(order), "learned")
        for order, word in enumerate(words)
    ]


def whole(text: str) -> Passage:
    """All of a document as one passage."""
    return Passage.make(Document.make("m", "m", text), Span(0, len(text)))


def chosen(text: str, learned: list[Candidate], ruled: list[Candidate], limit: int) -> list[Candidate]:
    return choose(text, statements_of(whole(text)), learned, ruled, limit)


def test_candidates_are_no_more_than_wanted() -> None:
    """A passage with more candidates than were asked for would slow the whole build down."""
    text = "The Suez Canal opened in 1869. Its toll was 10 francs in 1871, 12 in 1870."
    for limit in range(1, 12):
        found = candidates([whole(text), whole("")], None, limit=limit)
        assert len(found[0]) <= limit and found[1] == []
        assert len({item.span for item in found[0]}) == len(found[0])


def test_learned_spans_come_first_and_rules_fill_what_they_leave() -> None:
    """Where the extractor finds little, places stay empty that a rule has a date for."""
    text = "Lesseps dug the canal from Suez northwards until 1869."
    learned = spans(text, "northwards", "the canal")
    found = chosen(text, learned, by_rule(text), 3)
    assert [item.text for item in found] == ["northwards", "the canal", "1869"]
    assert [item.text for item in chosen(text, learned, by_rule(text), 1)] == ["northwards"]
    assert [item.text for item in chosen(text, [], by_rule(text), 1)] == ["1869"]


def test_one_of_two_nested_spans_is_asked_about() -> None:
    """ "1869" and "in 1869" get the same question: a second one costs as much as the first and brings nothing."""
    text = "The Suez Canal was opened on 17 November 1869 by the French engineer Ferdinand de Lesseps."
    found = chosen(text, spans(text, "17 November 1869", "on 17 November 1869", "1869", "engineer"), [], 5)
    assert [item.text for item in found] == ["17 November 1869", "engineer"]
    names = chosen(text, spans(text, "Lesseps", "Ferdinand de Lesseps", "The Suez Canal", "Suez"), [], 5)
    assert [item.text for item in names] == ["Lesseps", "The Suez Canal"]
    apart = chosen(text, spans(text, "French engineer", "French", "engineer Ferdinand"), [], 5)
    assert [item.text for item in apart] == ["French engineer", "French", "engineer Ferdinand"]  # other questions


def test_every_sentence_gets_some() -> None:
    """A long first sentence could take all places, and nobody would ever ask about the last one."""
    text = "Suez, Akaba, Aden, Perim and Berbera are ports of one sea. Tea grows in Assam."
    found = chosen(text, spans(text, "Suez", "Akaba", "Aden", "Perim", "Berbera", "Tea", "Assam"), [], 5)
    assert [item.text for item in found] == ["Suez", "Akaba", "Tea", "Aden", "Assam"]


def test_no_span_crosses_the_end_of_a_sentence() -> None:
    """An answer of one sentence's end and the next one's beginning is nobody's answer."""
    text = "It opened in Egypt. The toll was 10 francs."
    found = chosen(text, spans(text, "Egypt. The toll", "Egypt", "10 francs"), [], 5)
    assert [item.text for item in found] == ["Egypt", "10 francs"]


def test_the_same_words_are_asked_about_where_another_thing_is_said() -> None:
    """The second 1869 answers another question; the third stands in a sentence that repeats the first."""
    text = "The canal was opened in 1869. Aida was not ready in 1869. The canal was opened in 1869. It was 1870."
    found = chosen(text, spans(text, "1869", "1870"), [], 9)
    places = [(item.span.start, item.text) for item in found]
    assert places == [(24, "1869"), (95, "1870"), (52, "1869")]
    assert all(text[item.span.start : item.span.end] == item.text for item in found)
    inside = "The 1869 opening. The 18690 others."
    assert len(chosen(inside, spans(inside, "1869"), [], 9)) == 1  # part of a longer word is another word


def test_headings_are_not_asked_about() -> None:
    """ "Care" above a section of a manual is the answer to no question."""
    text = "Care\n\nGrease the piston every six months."
    found = chosen(text, spans(text, "Care", "six months"), [], 5)
    assert [item.text for item in found] == ["six months"]
    assert [item.text for item in chosen("Care", spans("Care", "Care"), [], 5)] == ["Care"]  # there is nothing else
