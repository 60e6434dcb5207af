"""Headings that are no more than bold: short paragraphs, all in bold, that stand over others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from quipu.corpus.readers import Block
from quipu.corpus.readers.layout import may_head

_LOWEST = 6


def with_bold_headings(blocks: Sequence[Block]) -> list[Block]:
    """The same blocks; a bold paragraph that could be a heading is one, a level below the heading that it stands under.

    It must stand over something that is not bold, so that a page, a list of names or an address in bold is none, and
    it must not end as a sentence does or lead to what follows with a colon.
    """
    found: list[Block] = []
    level = 0  # of the last heading that says so itself
    for at, block in enumerate(blocks):
        below = blocks[at + 1] if at + 1 < len(blocks) else block
        if block.kind == "heading":
            level = block.level
        elif (
            block.bold and block.kind == "paragraph" and not below.bold and below.kind not in ("heading", "note")
            and may_head(block.text) and block.text[-1] not in ":!" and "\n" not in block.text
        ):  # fmt: skip
            block = replace(block, kind="heading", level=min(level + 1, _LOWEST))
        found.append(replace(block, bold=False))
    return found
