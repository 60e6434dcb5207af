"""Spans that the rules mark: whole, in the right place, and only once."""

from __future__ import annotations

import random
import time

import pytest

from quipu.generate.answers import by_rule, candidates, join
from quipu.records import Candidate, Span


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


def test_candidates_are_each_said_once_and_no_more_than_wanted() -> None:
    """Two candidates that read the same get the same question, and one of them another fact's place."""
    text = "The Suez Canal opened in 1869. Suez canal toll: 10 francs in 1869, 12 in 1870."
    for limit in range(1, 12):
        found = candidates([text, ""], None, limit=limit)
        assert len(found[0]) <= limit and found[1] == []
        normal = [item.text.lower().removeprefix("the ") for item in found[0]]
        assert len(set(normal)) == len(normal)


def test_the_learned_ones_fill_what_the_rules_leave() -> None:
    """Where the rules find little, places stay empty that the model had good answers for."""
    learned = [Candidate(Span(n, n + 1), f"learned {n}", 1.0 - n / 100, "learned") for n in range(40)]
    ruled = [Candidate(Span(50, 54), "1869", 0.5, "date"), Candidate(Span(60, 63), "...", 0.9, "name")]
    kept = join(learned, ruled, 25)
    assert len(kept) == 25 and [item.text for item in kept].count("1869") == 1
    assert all(item.text != "..." for item in kept)  # says nothing
    assert [item.text for item in join(learned, ruled, 1)] == ["learned 0"]
    assert [item.text for item in join([], ruled, 5)] == ["1869"]
