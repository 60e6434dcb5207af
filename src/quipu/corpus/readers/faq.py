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
    """The lines of a paragraph, parted where ``Q:`` or ``A:`` begins one.

    An answer's mark counts only behind a question: ``asked`` says that one stands right above the paragraph. Lines
    that are no question have the ``kind``.
    """
    found: list[tuple[BlockKind, list[Line]]] = []
    for number, line in lines:
        if _QUESTION.match(line):
            found.append(("question", []))
            asked = True
        elif not found or (asked and _ANSWER.match(line)):
            found.append((kind, []))
            asked = asked and not _ANSWER.match(line)
        found[-1][1].append((number, line))
    return found
