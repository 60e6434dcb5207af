"""Which answer and which place a pair gets when the question was read back."""

from __future__ import annotations

import pytest

from quipu.building.readback import settle
from quipu.models.protocols import Reading
from quipu.records import Span

TEXT = "The canal was opened on 17 November 1869 by Said, a tower 133 metres high, of stone or of wood."


def span(words: str) -> Span:
    return Span(TEXT.index(words), TEXT.index(words) + len(words))


def read(words: str) -> Reading:
    place = span(words)
    return Reading(place.start, place.end, words, 5.0, 0.9, 0.01)


@pytest.mark.parametrize(
    ("asked", "answer", "kept", "agreement"),
    [
        ("1869", "17 November 1869", "17 November 1869", 0.8),  # F1 .5, but one is a part of the other
        ("17 November 1869", "1869", "1869", 0.8),
        ("17 November 1869", "on 17 November 1869", "17 November 1869", 1.0),  # a preposition adds nothing
        ("133 metres", "133 metres high", "133 metres high", 0.8),
        ("Said", "stone", "stone", 0.0),
        ("133 metres high", "133 metres high, of", "133 metres high", 0.86),  # cut off
        ("canal", "The canal was opened", "canal", 0.5),  # a sentence's beginning says more than the phrase is
    ],
)
def test_the_reader_sets_the_extent(asked: str, answer: str, kept: str, agreement: float) -> None:
    """The whole date is the better answer to "When was it opened?", wherever the question came from."""
    found = settle(TEXT, span(asked), read(answer))
    assert (found.answer, TEXT[found.span.start : found.span.end]) == (kept, kept)
    assert found.agreement == pytest.approx(agreement, abs=0.07) and not found.generated


def test_a_whole_sentence_read_back_leaves_the_span() -> None:
    """An answer that holds the one asked about agrees with it; but nobody wants a sentence for an answer."""
    found = settle(TEXT, span("133 metres"), read("a tower 133 metres high, of stone or of wood"))
    assert found.answer == "a tower 133 metres high, of stone or of wood" and found.agreement == 0.8
    long = "17 November 1869 by Said, a tower 133 metres high, of stone or of wood"
    found = settle(TEXT, span("1869"), read(long))
    assert found.answer == "1869" and found.span == span("1869") and found.agreement == 0.8


def test_a_dollar_is_a_dollar() -> None:
    """ "US$1,000" and "$1,000" are one price, though no word of them is the same."""
    text = "The prize is US$1,000 for each."
    asked = Span(text.index("$"), text.index(" for"))
    found = settle(text, asked, Reading(text.index("US"), text.index(" for"), "US$1,000", 5.0, 0.9))
    assert found.agreement == 1.0 and found.answer == "$1,000"


def test_words_that_stand_nowhere_leave_the_span() -> None:
    """An answer without a place cannot be shown in its document."""
    found = settle(TEXT, span("1869"), Reading(-1, -1, "in the year 1869", 5.0, 0.9, 0.01))
    assert found.answer == "1869" and found.generated and found.agreement == pytest.approx(0.5)


def test_the_same_words_elsewhere_are_another_place() -> None:
    """The pair's evidence is the sentence that the reader read, not the one that the writer saw."""
    text = "It rained in 1869. The canal was opened in 1869."
    second = text.rindex("1869")
    found = settle(text, Span(text.index("1869"), text.index("1869") + 4), Reading(second, second + 4, "1869", 5, 0.9))
    assert found.span == Span(second, second + 4) and found.agreement == 1.0
