"""Questions about lists: what a code or a name in them means, what a step of them is, who is what.

"7 — the licence has expired" under "Exit codes" tells what exit code 7 means; "1. Switch off the mains." is step 1;
"Owners: Dana Whitlock (hardware), Emeka Obi (firmware)" says whose part is what.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from quipu.records import Document, Mark, QAPair, Span

TERM_WORDS = 4  # of what a list explains, at most
HEADING_WORDS = 3  # of a heading that says what the terms are
_EXPLAINED = re.compile(r"(?P<term>[^\s:—–-][^:—–]{0,40}?)(?:\s+[—–-]\s+|:\s+)(?P<text>\S.*)", re.DOTALL)
_STEP = re.compile(r"(?P<number>\d{1,3})[.)]\s+(?P<text>\S.*)", re.DOTALL)
_NAME = r"[A-Z][\w.’'-]*(?: (?:[A-Z][\w.’'-]*|de|van|von|der|la|el|al))*"
_PARTS = re.compile(rf"(?P<name>{_NAME}) \((?P<part>[^()\d][^()]{{1,40}})\)")
_ROLE = re.compile(rf"(?P<role>[A-Z][\w-]*(?: [\w-]+){{0,2}}): (?={_NAME} \()")


def list_pairs(document: Document) -> list[QAPair]:
    """The pairs in the order of the document's lists."""
    made: list[QAPair] = []
    heading = ""
    for is_item, run in groupby(document.marks, key=lambda mark: mark.kind == "item"):
        marks = list(run)
        if is_item:
            made += _of_list(document, marks, heading)
            continue
        for mark in marks:
            if mark.over:
                heading = " ".join(document.text[mark.span.start : mark.span.end].split())
            elif mark.kind == "paragraph":
                made += _parts(document, mark)
    return made


def _of_list(document: Document, marks: Sequence[Mark], heading: str) -> Iterator[QAPair]:
    text = document.text
    outer = [mark for mark in marks if mark.level <= 1]
    steps = [_STEP.fullmatch(text, mark.span.start, mark.span.end) for mark in outer]
    numbers = [int(step["number"]) for step in steps if step is not None]
    of = f" of {heading}" if heading and not heading.endswith("?") else ""
    if len(outer) > 1 and numbers == list(range(1, len(outer) + 1)):
        for number, step in zip(numbers, steps, strict=True):
            if step is not None:
                yield _pair(document, f"What is step {number}{of}?", step)
        return
    found = [match for mark in outer if (match := _EXPLAINED.fullmatch(text, mark.span.start, mark.span.end))]
    terms = {match["term"].casefold() for match in found}
    if len(found) < 2 or len(found) < len(outer) or len(terms) < len(found):
        return
    what = _singular(heading) if len(heading.split()) <= HEADING_WORDS else ""
    for match in found:
        if len(match["term"].split()) <= TERM_WORDS:
            yield _pair(document, f"What does {what} {match['term']} mean?".replace("  ", " "), match)


def _parts(document: Document, mark: Mark) -> Iterator[QAPair]:
    """ "Owners: Li Na (cloud), ..." -> "Who is the owner of cloud?"; one name in brackets alone is a remark."""
    role = _ROLE.match(document.text, mark.span.start, mark.span.end)
    if role is None:
        return
    found = list(_PARTS.finditer(document.text, role.end(), mark.span.end))
    if len(found) > 1:
        for match in found:
            question = f"Who is the {_singular(role['role'])} of {match['part']}?"
            yield _pair(document, question, match, "name")


def _pair(document: Document, question: str, match: re.Match[str], part: str = "text") -> QAPair:
    span = Span(*match.span(part))
    answer = " ".join(match[part].split())
    return QAPair.make(
        question, answer, document_id=document.id, span=span, origin="document", generator="list"
    )  # fmt: skip


def _singular(words: str) -> str:
    """ "Exit codes" -> "exit code"."""
    words = words[:1].lower() + words[1:] if words[1:2].islower() else words
    return words[:-1] if words.endswith("s") and not words.endswith("ss") else words
