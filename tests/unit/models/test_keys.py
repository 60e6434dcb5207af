"""The text of a key: the question, and the sentence that asks for the answer."""

from __future__ import annotations

import pytest

from quipu.models.keys import cloze, key_text, question_word


@pytest.mark.parametrize(
    ("sentence", "answer", "expected"),
    [
        ("Someone built one canal.", "one", "Someone built what canal."),
        ("The 1919 treaty had 19 pages.", "19", "The 1919 treaty had how many pages."),
        ("Everyone knows Verne; the Vernes read him.", "Verne", "Everyone knows what; the Vernes read him."),
        ("It cost $5 million.", "$5 million", "It cost how much."),
        ("THE SUEZ CANAL IS LONG.", "Suez Canal", "THE what IS LONG."),
        ("İstanbul lies on the Bosphorus.", "bosphorus", "İstanbul lies on the what."),
        ("The rate (3.5 per cent) fell.", "3.5 per cent", "The rate (how many) fell."),
        ("Pre-dynastic kings ruled.", "dynastic", "Pre-what kings ruled."),
        ("The steamships left.", "ship", "The steamwhats left."),
        ("Glass is made of sand.", "lime", "Glass is made of sand."),
        ("Glass is made of sand.", "", "Glass is made of sand."),
    ],
)
def test_the_answer_is_replaced_where_it_is_a_word_of_its_own(sentence: str, answer: str, expected: str) -> None:
    """A key that still holds the answer, and a torn word instead, is near to the wrong questions."""
    assert cloze(sentence, answer) == expected


@pytest.mark.parametrize(
    ("answer", "before", "after", "expected"),
    [
        ("17 November 1869", "opened on ", ".", "when"),
        ("the 1860s", "in ", ".", "when"),
        ("19th century", "in the ", ".", "when"),
        ("193", "is ", " kilometres long", "how many"),
        ("about 77 men", "held ", ".", "how many"),
        ("£4,000,000", "for ", ".", "how much"),
        ("Egypt", "The canal is in ", ".", "where"),
        ("Hague", "signed in the ", ".", "where"),
        ("Ferdinand de Lesseps", "dug by ", ".", "who"),
        ("Lesseps", "", " founded the company", "who"),
        ("Suez", "The port of ", " is old", "what"),
        ("sand and lime", "made of ", ".", "what"),
        ("the war that began in the spring of 1914", "", "", "what"),
    ],
)
def test_the_question_word_fits_the_answer(answer: str, before: str, after: str, expected: str) -> None:
    """Questions say "when" and "who": a key that says "what" of a date is further from them than its neighbours."""
    assert question_word(answer, before, after) == expected


def test_each_kind_of_key_holds_what_it_says() -> None:
    """The encoder was trained on one kind; a key of another kind is compared by the same arithmetic."""
    asked = ("When was it opened?", "1869", "The canal was opened in 1869.", "Suez Canal")
    assert key_text(*asked, kind="question") == "Suez Canal: When was it opened?"
    assert key_text(*asked, kind="cloze") == "Suez Canal: The canal was opened in when."
    assert key_text(*asked, kind="both") == "Suez Canal: When was it opened? The canal was opened in when."
    assert key_text(*asked) == key_text(*asked, kind="both")


@pytest.mark.parametrize("kind", ["both", "cloze", "question"])
def test_a_pair_without_a_sentence_is_its_question(kind: str) -> None:
    """Imported pairs have no sentence: what stood in for it would be the same in all of them."""
    assert key_text("Who wrote Aida?", "Verdi", "", "Opera", kind) == "Who wrote Aida?"  # type: ignore[arg-type]


def test_a_title_of_known_words_is_left_out_in_any_case_and_with_any_article() -> None:
    """The words of the title would count twice, for some pairs of a document and not for others."""
    sentence = "The Suez Canal was opened in 1869."
    assert key_text("When?", "1869", sentence, "the suez canal!", "cloze") == "The Suez Canal was opened in when."
    assert key_text("When?", "1869", sentence, "Suez Canal Company", "cloze").startswith("Suez Canal Company: ")
    assert key_text("When?", "1869", sentence, "1869", "cloze").startswith("1869: ")  # the cloze has lost this word
