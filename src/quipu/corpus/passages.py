"""Documents to passages: windows of about 100 words that end where a sentence ends, by offsets into the document.

What is known of a document's structure decides: a heading opens a passage and never ends one, rows of tables and blocks
of code stay whole, a list stays with what introduces it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from quipu.language.sentences import paragraphs, sentences, trimmed
from quipu.records import BlockKind, Document, Mark, Passage, Span

WORDS = 100
LONGEST = 150  # words; a longer sentence is cut at white space
LONGEST_WHOLE = 400  # words of a row or a block of code, which else is cut at the end of a line
SECTION = 20  # words from which a section is a passage of its own
HEADING_WORDS = 10  # at most
QUESTION_WORDS = 40  # at most
HEADINGS_IN_A_ROW = 2  # more short paragraphs in a row are a list
INTRODUCING = 4  # headings, questions and lines that end with a colon that go with what follows, at most
_WORD = re.compile(r"\S+")
_LINE = re.compile(r"[^\r\n]+")
_WHOLE: frozenset[BlockKind] = frozenset(["heading", "question", "term", "row", "code"])  # one sentence each
_LISTED: frozenset[BlockKind] = frozenset(["item", "row", "code"])  # what a line that ends with a colon introduces


def sentences_of(passage: Passage) -> list[Span]:
    """The sentences of a passage, as offsets into its text; a heading, a row and a block of code are one each."""
    return [span for _, span in _sentences_by_block(passage)]


def statements_of(passage: Passage) -> list[Span]:
    """The sentences of a passage that say something: all but headings, questions and terms that are explained.

    All of them where there is nothing else.
    """
    every = _sentences_by_block(passage)
    if passage.marks:
        said = [span for mark, span in every if mark is None or not (mark.over or mark.kind == "term")]
    else:
        said = [span for _, span in every if not is_heading(passage.text[span.start : span.end])]
    return said or [span for _, span in every]


def asks(text: str) -> bool:
    """Whether a block is a question: one that ends with its mark, of three words or more and not too many."""
    plain = text.rstrip(" \"'”’)*")
    return plain.endswith("?") and 3 <= len(_WORD.findall(plain)) <= QUESTION_WORDS


def structured(document: Document) -> Document:
    """The document with marks for all its text; where none of them is a heading, what looks like one becomes one.

    So do questions that stand alone or as the first line of a paragraph, where there are several.
    """
    text = document.text
    marks: list[Mark] = []
    end = 0
    for mark in (*document.marks, Mark(Span(len(text), len(text)))):
        marks += [Mark(span) for span in paragraphs(text, Span(end, max(end, mark.span.start)))]
        if mark.span.start < mark.span.end:
            marks.append(mark)
        end = max(end, mark.span.end)
    if not any(mark.over for mark in marks):
        marks = _with_headings(text, _with_questions(text, marks))
    return replace(document, marks=tuple(marks))


def split(document: Document, *, words: int = WORDS) -> list[Passage]:
    """Passages in order: every character that is not white space belongs to exactly one.

    A window closes at the sentence end nearest to ``words`` words, at a block's end once it holds 60 % of them, or
    before a heading or a question once it holds ``SECTION`` words. Headings, questions, terms and lines that introduce
    a list go with what follows.
    """
    document = structured(document)
    passages: list[Passage] = []
    window: list[_Unit] = []
    count = 0
    for unit in _units(document):
        if window:
            last = window[-1]
            overshoot = count + unit.size - words > words - count and count + unit.size > words
            full = overshoot or (last.closes and count >= 0.6 * words) or count >= words
            if full or (unit.opens and unit.mark.over and not last.mark.over and count >= SECTION):
                kept = len(window) - _introducing(document.text, window, unit)
                passages.append(Passage.make(document, Span(window[0].span.start, window[kept - 1].span.end)))
                window = window[kept:]
                count = sum(item.size for item in window)
        window.append(unit)
        count += unit.size
    if window:
        passages.append(Passage.make(document, Span(window[0].span.start, window[-1].span.end)))
    return passages


def is_heading(paragraph: str) -> bool:
    """Whether a paragraph is as short as a heading, on one line, and ends like one."""
    last = paragraph[-1:]
    return (
        0 < len(paragraph.split()) <= HEADING_WORDS
        and "\n" not in paragraph
        and (last.isalnum() or last in ")”’\"'")
        and any(letter.isalpha() for letter in paragraph)
    )


@dataclass(frozen=True, slots=True)
class _Unit:
    """A sentence or a whole block, of ``size`` words: what a passage is made of."""

    span: Span
    mark: Mark
    size: int
    opens: bool  # its block begins with it
    closes: bool


def _units(document: Document) -> Iterator[_Unit]:
    text = document.text
    for mark in document.marks:
        inside = text[mark.span.start : mark.span.end]
        if mark.kind in _WHOLE:
            pieces = _cut(text, mark.span, LONGEST_WHOLE, _LINE)
        else:
            spans = (span.shifted(mark.span.start) for span in sentences(inside))
            pieces = [piece for span in spans for piece in _cut(text, span, LONGEST, _WORD)]
        for at, piece in enumerate(pieces):
            size = len(_WORD.findall(text, piece.start, piece.end))
            yield _Unit(piece, mark, size, at == 0, at == len(pieces) - 1)


def _introducing(text: str, window: Sequence[_Unit], following: _Unit) -> int:
    """How many units at the end of a window introduce what follows; never all of them."""
    count = 0
    for unit in reversed(window[1:]):
        whole = unit.opens and unit.closes
        leads = unit.closes and text[unit.span.end - 1] == ":" and following.mark.kind in _LISTED
        if not (leads or (whole and (unit.mark.over or unit.mark.kind == "term"))):
            break
        count, following = count + 1, unit
    return count if count <= INTRODUCING else 0


def _with_headings(text: str, marks: Sequence[Mark]) -> list[Mark]:
    """Short paragraphs that end like headings become ones; several in a row are a list, the last heads nothing."""
    likely = [mark.kind == "paragraph" and is_heading(text[mark.span.start : mark.span.end]) for mark in marks]
    likely[-1:] = [False] * len(likely[-1:])
    found = list(marks)
    starts = [at for at, (before, here) in enumerate(pairwise([False, *likely])) if here and not before]
    for start in starts:
        end = likely.index(False, start)
        if end - start <= HEADINGS_IN_A_ROW:
            found[start:end] = [replace(mark, kind="heading", level=1) for mark in marks[start:end]]
    return found


def _with_questions(text: str, marks: Sequence[Mark]) -> list[Mark]:
    """Paragraphs and first lines that ask become questions; one alone is rhetoric."""
    found: list[Mark] = []
    count = 0
    for mark in marks:
        line = _LINE.match(text, mark.span.start, mark.span.end)
        if mark.kind != "paragraph" or line is None or not asks(line.group()):
            found.append(mark)
            continue
        count += 1
        asked = Span(mark.span.start, mark.span.start + len(line.group().rstrip()))
        found.append(replace(mark, span=asked, kind="question"))
        rest = trimmed(text, line.end(), mark.span.end)
        found += [replace(mark, span=rest)] if rest is not None else []
    return found if count > 1 else list(marks)


def _sentences_by_block(passage: Passage) -> list[tuple[Mark | None, Span]]:
    """The sentences of a passage, each with its block where the passage has any."""
    text, begin = passage.text, passage.span.start
    if not passage.marks:
        return [(None, span) for span in sentences(text)]
    found: list[tuple[Mark | None, Span]] = []
    for mark in passage.marks:
        start, end = max(0, mark.span.start - begin), min(len(text), mark.span.end - begin)
        if mark.kind in _WHOLE:
            span = trimmed(text, start, end)
            found += [(mark, span)] if span is not None else []
        else:
            found += [(mark, span.shifted(start)) for span in sentences(text[start:end])]
    return found


def _cut(text: str, span: Span, longest: int, parts: re.Pattern[str]) -> list[Span]:
    """What has more than ``longest`` words in pieces of about that many: words, or lines that are themselves cut."""
    if len(_WORD.findall(text, span.start, span.end)) <= longest:
        return [span]
    found: list[Span] = []
    size = longest
    for match in parts.finditer(text, span.start, span.end):
        piece = trimmed(text, *match.span())
        if piece is None:
            continue
        words = len(_WORD.findall(text, piece.start, piece.end))
        if words > longest:
            found += _cut(text, piece, longest, _WORD)
            size = longest
        elif size + words > longest:
            found.append(piece)
            size = words
        else:
            found[-1] = Span(found[-1].start, piece.end)
            size += words
    return found
