"""Questions that a document answers itself: FAQ headings, "Q:" and "A:", terms with their definitions, tables, lists.

They need no model: the answer is what stands there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from quipu.corpus.cells import cell_pairs
from quipu.corpus.listed import list_pairs
from quipu.corpus.passages import QUESTION_WORDS, asks
from quipu.language.sentences import sentences
from quipu.records import Document, Mark, QAPair, Span

LONGEST = 150  # words of an answer; what is longer ends with the last block or sentence that fits
TERM_WORDS = 8  # at most
_NUMBERED = re.compile(
    r"^(?:(?:\d{1,3}|[A-Za-z]|[IVX]{1,5})(?:\.\d{1,3})*[.):]|[-–—•#]|\d{1,3}(?:(?:\.\d{1,3})+|(?=\s+[A-Z][a-z])))\s+"
)
_MARKER = re.compile(
    r"(?:(?m:^)[ \t]*(?P<first>Q(?:uestion)?|A(?:nswer)?)[ .]?\d{0,3}\s?[:.)]|"
    r"(?<=\s)(?P<inner>Q(?:uestion)?|A(?:nswer)?)[ .]?\d{0,3}\s?:)\s+(?=\S)"
)
_WORD = re.compile(r"\w+")


def ready_pairs(document: Document) -> list[QAPair]:
    """The pairs in order; the answer is what stands at its span, white space folded, of at most ``LONGEST`` words.

    The document must be ``structured``. Of two pairs with the same question at one place, the marked one stays.
    """
    marked = list(_marked(document))
    taken = {at for item in marked for at in range(item.first, item.last + 1)}
    found = [*marked, *_under_questions(document, taken), *_defined(document, taken)]
    made: dict[str, QAPair] = {}
    for item in sorted(found, key=lambda item: item.answer):
        answer = " ".join(document.text[item.answer.start : item.answer.end].split())
        if _WORD.search(answer) and _WORD.search(item.question):
            pair = QAPair.make(item.question, answer, document_id=document.id, span=item.answer, origin="document")
            made.setdefault(pair.id, pair)
    return [*made.values(), *cell_pairs(document), *list_pairs(document)]


@dataclass(frozen=True, slots=True)
class _Found:
    """A question and its answer, in the blocks ``first`` to ``last`` of a document."""

    question: str
    answer: Span
    first: int
    last: int


def _under_questions(document: Document, taken: set[int]) -> Iterator[_Found]:
    """Headings and other blocks that ask, with what stands below, until a table, or a heading as high or question."""
    marks, text = document.marks, document.text
    for at, mark in enumerate(marks):
        question = _folded(text, mark.span)
        if at in taken or not mark.over or not asks(question):
            continue
        end = at + 1
        while end < len(marks) and end not in taken and marks[end].kind != "row":
            if marks[end].over and (marks[end].over <= mark.over or asks(_folded(text, marks[end].span))):
                break
            end += 1
        answer = _fitting(text, [item.span for item in marks[at + 1 : end]])
        if answer is not None:
            yield _Found(_NUMBERED.sub("", question), answer, at, end - 1)


def _marked(document: Document) -> Iterator[_Found]:
    """ "Q:" with the "A:" that follows; a last answer takes the list or the code behind it along."""
    marks, text = document.marks, document.text
    found = [
        (match, at)
        for at, mark in enumerate(marks)
        if mark.kind not in ("code", "row")
        for match in _MARKER.finditer(text, mark.span.start, mark.span.end)
    ]
    for place, ((asked, at), (said, block)) in enumerate(pairwise(found)):
        question = Span(asked.end(), min(said.start(), marks[at].span.end))
        if _letter(asked) != "Q" or _letter(said) != "A" or block > at + 1 or question.end <= question.start:
            continue
        following = found[place + 2] if place + 2 < len(found) else None
        if following is not None and following[1] == block:
            spans, last = [Span(said.end(), following[0].start())], block
        else:
            last = _last_of_answer(marks, block, None if following is None else following[1])
            spans = [Span(said.end(), marks[block].span.end), *(mark.span for mark in marks[block + 1 : last + 1])]
        answer, words = _fitting(text, spans), _folded(text, question)
        if answer is not None and len(words.split()) <= QUESTION_WORDS:
            yield _Found(words, answer, at, last)


def _letter(marker: re.Match[str]) -> str:
    return (marker["first"] or marker["inner"])[0]


def _last_of_answer(marks: Sequence[Mark], block: int, following: int | None) -> int:
    """The last block of an answer that begins in ``block``; ``following``: where the next marker stands."""
    last = block
    while last + 1 < len(marks) and not marks[last + 1].over:
        if marks[last + 1].kind == "row":
            return last
        if following is None and marks[last + 1].kind not in ("item", "code"):
            break
        last += 1
        if following is not None and last == following:
            return following - 1
    reaches = following is None or following == last + 1
    if reaches:
        return last
    # a heading stands between: of what stands before it only a list or code belongs to the answer for sure
    return _last_of_answer(marks, block, None)


def _defined(document: Document, taken: set[int]) -> Iterator[_Found]:
    """Terms with their definitions; a term that asks is a question already."""
    marks, text = document.marks, document.text
    at = 0
    while at < len(marks):
        terms = _run(marks, at, "term")
        end = _run(marks, terms, "definition")
        if terms > at and end > terms and at not in taken:
            answer = _fitting(text, [mark.span for mark in marks[terms:end]])
            for mark in marks[at:terms]:
                term = _folded(text, mark.span).rstrip(" :")
                question = term if asks(term) else f"What is {term}?"
                if answer is not None and (asks(term) or 0 < len(term.split()) <= TERM_WORDS):
                    yield _Found(question, answer, at, end - 1)
        at = max(at + 1, end if terms > at else at)


def _run(marks: Sequence[Mark], at: int, kind: str) -> int:
    """Behind the blocks of a kind that begin at ``at``."""
    while at < len(marks) and marks[at].kind == kind:
        at += 1
    return at


def _fitting(text: str, spans: Sequence[Span]) -> Span | None:
    """From the first block to the last that fits into ``LONGEST`` words; of a first one too long, its sentences."""
    end, count = None, 0
    for span in spans:
        pieces = [span]
        if end is None and len(text[span.start : span.end].split()) > LONGEST:
            pieces = [item.shifted(span.start) for item in sentences(text[span.start : span.end])]
        for piece in pieces:
            count += len(text[piece.start : piece.end].split())
            if count > LONGEST and end is not None:
                break
            end = piece.end
        if count > LONGEST:
            break
    if end is None:
        return None
    start = spans[0].start
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end) if start < end else None


def _folded(text: str, span: Span) -> str:
    return " ".join(text[span.start : span.end].split())
