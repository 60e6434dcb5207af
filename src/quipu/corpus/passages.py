"""Documents to passages: windows of about 100 words that end where a sentence ends, by offsets into the document."""

from __future__ import annotations

import re
from collections.abc import Sequence

import sentencex

from quipu.records import Document, Passage, Span

WORDS = 100
LONGEST = 150  # words; a longer sentence is cut at white space
HEADING_WORDS = 10  # at most
HEADINGS_IN_A_ROW = 2  # more short paragraphs in a row are a list
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


def sentence_at(text: str, start: int) -> str:
    """The sentence in which the character ``start`` stands; the whole text where it stands in none."""
    return next((text[span.start : span.end] for span in sentences(text) if span.start <= start < span.end), text)


def split(document: Document, *, words: int = WORDS) -> list[Passage]:
    """Passages in order: every character that is not white space belongs to exactly one.

    A window closes at the sentence end nearest to ``words`` words, or at a paragraph's end once it holds 60 % of them.
    A heading at its end opens the next window, to which it belongs.
    """
    text = document.text
    pieces = []
    for span in sentences(text):
        pieces += _cut(text, span, LONGEST)
    passages: list[Passage] = []
    window: list[Span] = []
    count = 0
    for piece in pieces:
        size = _words(text, piece)
        if window:
            ends_paragraph = _PARAGRAPH.search(text, window[-1].end, piece.start) is not None
            overshoot = count + size - words > words - count
            if (overshoot and count + size > words) or (ends_paragraph and count >= 0.6 * words) or count >= words:
                kept = len(window) - (_headings_at_end(text, window, piece) if ends_paragraph else 0)
                passages.append(Passage.make(document, Span(window[0].start, window[kept - 1].end)))
                window = window[kept:]
                count = sum(_words(text, item) for item in window)
        window.append(piece)
        count += size
    if window:
        passages.append(Passage.make(document, Span(window[0].start, window[-1].end)))
    return passages


def heading_before(text: str) -> str:
    """The last heading of a text, "" where it has none: a short paragraph without a mark at its end, not in a list."""
    found = ""
    row: list[str] = []
    for paragraph in filter(None, (item.strip() for item in _PARAGRAPH.split(text))):
        if is_heading(paragraph):
            row.append(paragraph)
            continue
        if 0 < len(row) <= HEADINGS_IN_A_ROW:
            found = row[-1]
        row = []
    return row[-1] if 0 < len(row) <= HEADINGS_IN_A_ROW else found


def is_heading(paragraph: str) -> bool:
    """Whether a paragraph is as short as a heading, on one line, and ends like one."""
    last = paragraph[-1:]
    return (
        0 < len(paragraph.split()) <= HEADING_WORDS
        and "\n" not in paragraph
        and (last.isalnum() or last in ")”’\"'")
        and any(letter.isalpha() for letter in paragraph)
    )


def _headings_at_end(text: str, window: Sequence[Span], following: Span) -> int:
    """How many pieces at the end of a window are headings of what follows; never all of them."""
    count, start = 0, following.start
    for piece in reversed(window[1:]):
        before = window[len(window) - count - 2]
        alone = _PARAGRAPH.search(text, piece.end, start) and _PARAGRAPH.search(text, before.end, piece.start)
        if not alone or not is_heading(text[piece.start : piece.end]):
            break
        count, start = count + 1, piece.start
    return count if count <= HEADINGS_IN_A_ROW else 0


def _words(text: str, span: Span) -> int:
    return len(_WORD.findall(text, span.start, span.end))


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
