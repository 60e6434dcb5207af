"""Answers find their place in the passage."""

import pytest

from quipu.models.lm.locate import locate
from quipu.records import Span

TEXT = "Ada met Bo in Paris. Later Bo left Paris for Rome, where the U.S. mission stood. The Normans came in 1066."


@pytest.mark.parametrize(
    ("answer", "question", "found"),
    [
        ("Ada", "", "Ada"),
        ("paris", "Where did Ada meet Bo?", "Paris"),
        ("the  u.s. mission", "", "the U.S. mission"),
        ("U S mission", "", "U.S. mission"),
        ("Norman", "", None),  # part of a word
        ("ormans came", "", "Normans came"),  # the model left out the first letter
        ("106", "", None),
        ("Lisbon", "", None),
        ("", "", None),
        ("...", "", None),
    ],
)
def test_whole_words(answer: str, question: str, found: str | None) -> None:
    span = locate(TEXT, answer, question)
    assert (TEXT[span.start : span.end] if span else None) == found


def test_of_several_places_the_one_beside_the_questions_words() -> None:
    text = "Paris is old. " + "Nothing much happens here for a very long while. " * 5 + "Bo left Paris by train."
    assert locate(text, "Paris", "Which city did Bo leave by train?") == Span(
        text.rindex("Paris"), text.rindex("Paris") + 5
    )
    assert locate(text, "Paris", "") == Span(0, 5)


def test_signs_of_patterns_are_text() -> None:
    assert locate("It costs $5 (net).", "$5 (net)") == Span(9, 17)
