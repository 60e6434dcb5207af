"""Questions that a page asks and answers itself, told by their marks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from quipu.corpus.readers import Block
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


def in_blocks(blocks: Iterable[Block]) -> list[Block]:
    """The same blocks, with paragraphs, items and questions parted where ``Q:`` or ``A:`` begins a line."""
    found: list[Block] = []
    asked = False
    for block in blocks:
        if block.kind not in ("paragraph", "item", "question"):
            found.append(block)
        else:
            lines = ((block.line, line) for line in block.text.split("\n"))
            for kind, part in parted(lines, asked=asked, kind=block.kind):
                text = "\n".join(line for _, line in part)
                found.append(replace(block, text=text, kind=kind, level=block.level if kind == block.kind else 0))
        asked = found[-1].kind == "question"
    return found
