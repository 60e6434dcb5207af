"""Documents to passages: windows of about 100 words that end where a sentence ends, by offsets into the document."""

from __future__ import annotations

import re

import sentencex

from quipu.records import Document, Passage, Span

WORDS = 100
LONGEST = 150  # words; a longer sentence is cut at white space
_PARAGRAPH = re.compile(r"(?:\r?\n|\r)[ \t]*(?:\r?\n|\r)\s*")
_WORD = re.compile(r"\S+")


def sentences(text: str) -> list[Span]:
    """Sentences and headings, trimmed of white space; a blank line always ends one. Offsets into ``text``."""
    found = []
    start = 0
    for gap in [*_PARAGRAPH.finditer(text), None]:
        end = gap.start() if gap else len(text)
        if end > start:
            paragraph = text[start:end]
            for item in sentencex.get_sentence_boundaries("en", paragraph):
                span = _trimmed(text, start + item["start_index"], start + item["end_index"])
                if span is not None:
                    found.append(span)
        start = gap.end() if gap else end
    return found


def split(document: Document, *, words: int = WORDS) -> list[Passage]:
    """Passages in order: every character that is not white space belongs to exactly one.

    A window closes at the sentence end nearest to ``words`` words, or at a paragraph's end once it holds 60 % of them.
    """
    pieces = []
    for span in sentences(document.text):
        pieces += _cut(document.text, span, LONGEST)
    passages: list[Passage] = []
    first: Span | None = None
    last: Span | None = None
    count = 0
    for piece in pieces:
        size = len(_WORD.findall(document.text, piece.start, piece.end))
        if first is not None and last is not None:
            ends_paragraph = _PARAGRAPH.search(document.text, last.end, piece.start) is not None
            overshoot = count + size - words > words - count
            if (overshoot and count + size > words) or (ends_paragraph and count >= 0.6 * words) or count >= words:
                passages.append(Passage.make(document, Span(first.start, last.end)))
                first, count = None, 0
        first = first or piece
        last = piece
        count += size
    if first is not None and last is not None:
        passages.append(Passage.make(document, Span(first.start, last.end)))
    return passages


def _trimmed(text: str, start: int, end: int) -> Span | None:
    """The span without white space at its ends, or None where there is nothing else."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end) if start < end else None


def _cut(text: str, span: Span, longest: int) -> list[Span]:
    """A sentence of more than ``longest`` words in pieces of that many."""
    marks = list(_WORD.finditer(text, span.start, span.end))
    if len(marks) <= longest:
        return [span]
    return [
        Span(marks[at].start(), marks[min(at + longest, len(marks)) - 1].end()) for at in range(0, len(marks), longest)
    ]
