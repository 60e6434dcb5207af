"""Where the sentences of an English text begin and end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import sentencex

from quipu.records import Span

LONGEST_PART = 4000  # characters of a paragraph in which sentences are found at once
_PARAGRAPH = re.compile(r"(?:\r?\n|\r)[ \t]*(?:\r?\n|\r)\s*")


def sentences(text: str) -> list[Span]:
    """Sentences and headings, trimmed of white space; a blank line always ends one. Offsets into ``text``."""
    found = []
    for paragraph in paragraphs(text, Span(0, len(text))):
        for part in _parts(text, paragraph):
            for item in sentencex.get_sentence_boundaries("en", text[part.start : part.end]):
                span = trimmed(text, part.start + item["start_index"], part.start + item["end_index"])
                if span is not None:
                    found.append(span)
    return found


def _parts(text: str, paragraph: Span) -> Iterator[Span]:
    """A long paragraph in parts that end where a sentence seems to, else at white space.

    Finding sentences takes time quadratic in the number of quotes that are opened and not closed.
    """
    start = paragraph.start
    while paragraph.end - start > LONGEST_PART:
        least, most = start + LONGEST_PART // 2, start + LONGEST_PART
        ends = max(text.rfind(mark, least, most) for mark in (". ", "? ", "! "))
        cut = ends + 2 if ends >= 0 else max(text.rfind(" ", least, most), text.rfind("\n", least, most)) + 1 or most
        yield Span(start, cut)
        start = cut
    yield Span(start, paragraph.end)


def sentence_at(text: str, bounds: Sequence[Span], start: int) -> str:
    """Of the sentences ``bounds`` the one in which ``start`` stands; the whole text where it stands in none."""
    return next((text[span.start : span.end] for span in bounds if span.start <= start < span.end), text)


def paragraphs(text: str, within: Span) -> Iterator[Span]:
    """Stretches between blank lines, trimmed of white space."""
    start = within.start
    for gap in [*_PARAGRAPH.finditer(text, within.start, within.end), None]:
        span = trimmed(text, start, gap.start() if gap else within.end)
        if span is not None:
            yield span
        start = gap.end() if gap else within.end


def trimmed(text: str, start: int, end: int) -> Span | None:
    """The span without white space at its ends, or None where there is nothing else."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end) if start < end else None
