"""Questions that a page asks and answers itself, told by their marks."""

from __future__ import annotations

import re
from collections.abc import Iterable

from quipu.records import BlockKind

Line = tuple[int | None, str]
"""A line's number in the file, and its text."""

_QUESTION = re.compile(r"(?:(?:Q|Question)[ ]?\d{0,3}[:)]|Q\d{0,3}\.(?=.*\?))[ \t]*(?=\S)", re.IGNORECASE)
_ANSWER = re.compile(r"(?:A|Answer)[ ]?\d{0,3}[:).][ \t]*(?=\S)", re.IGNORECASE)


def parted(
    lines: Iterable[Line], *, asked: bool = False, kind: BlockKind = "paragraph"
) -> list[tuple[BlockKind, list[Line]]]:
    """The lines of a paragraph, parted where ``Q:`` or ``A:`` begins one; the marks themselves are left out.

    An answer's mark counts only behind a question: ``asked`` says that one stands right above the paragraph. Lines
    that are no question have the ``kind``.
    """
    found: list[tuple[BlockKind, list[Line]]] = []
    for number, line in lines:
        mark = _QUESTION.match(line)
        if mark:
            found.append(("question", [(number, line[mark.end() :])]))
            asked = True
            continue
        mark = _ANSWER.match(line) if asked else None
        if mark:
            found.append((kind, [(number, line[mark.end() :])]))
            asked = False
        elif found:
            found[-1][1].append((number, line))
        else:
            found.append((kind, [(number, line)]))
    return found
