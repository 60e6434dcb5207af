"""Where an answer of an external model stands in the passage: word for word, or but for case and white space."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from quipu.records import Span


def place(text: str, answer: str, sentence: Span | None = None) -> Span | None:
    """The characters of ``text`` that are the answer, as whole words; None where it does not stand there.

    Exactly first, then without regard to Unicode composition, case and white space. An occurrence in ``sentence`` goes
    before any other, and else the first.
    """
    answer = answer.strip()
    if not answer:
        return None
    for occurrences in (_exact, _aligned):
        if found := list(occurrences(text, answer)):
            inside = [span for span in found if sentence and sentence.start <= span.start < sentence.end]
            return (inside or found)[0]
    return None


def _exact(text: str, answer: str) -> Iterator[Span]:
    at = text.find(answer)
    while at >= 0:
        span = Span(at, at + len(answer))
        if _whole(text, span):
            yield span
        at = text.find(answer, at + 1)


def _aligned(text: str, answer: str) -> Iterator[Span]:
    letters, places = _normal(text)
    wanted = _normal(answer)[0].strip()
    at = letters.find(wanted) if wanted else -1
    while at >= 0:
        end = at + len(wanted)
        span = Span(places[at].start, places[end - 1].end)
        if _whole(text, span):
            yield span
        at = letters.find(wanted, at + 1)


def _normal(text: str) -> tuple[str, Sequence[Span]]:
    """The text composed (NFC), folded, with single spaces; and for each of its letters where it comes from."""
    letters: list[str] = []
    places: list[Span] = []
    at = 0
    while at < len(text):
        end = at + 1
        if text[at].isspace():
            while end < len(text) and text[end].isspace():
                end += 1
            folded = " "
        else:
            while end < len(text) and unicodedata.combining(text[end]):
                end += 1
            folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text[at:end]).casefold())
        letters += folded
        places += [Span(at, end)] * len(folded)
        at = end
    return "".join(letters), places


def _whole(text: str, span: Span) -> bool:
    """Whether the span begins and ends where words do: "art" does not stand in "party"."""
    left = span.start > 0 and text[span.start - 1].isalnum() and text[span.start].isalnum()
    right = span.end < len(text) and text[span.end].isalnum() and text[span.end - 1].isalnum()
    return not left and not right
