"""Plain text in any encoding, streamed: a file longer than a million characters comes in parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from quipu.corpus.encoding import decoded
from quipu.corpus.readers import Bad, Block, Extract
from quipu.corpus.readers.pages import blocks_on_pages

PART = 1_000_000  # characters
_SUBJECT = re.compile(r"(?:Subject|Betreff):\s*(?:(?:Re|Fwd?|AW|WG)\s*:\s*)*(.*)", re.IGNORECASE)


def read(path: Path) -> Iterator[Extract | Bad]:
    """One extract, or numbered parts that end at paragraph ends (else at line ends, else at spaces).

    The title is a heading with which the text begins, a mail's subject, else the file's name. Lines that stand at the
    head or foot of its pages are notes at the end.
    """
    title, line, page = "", 1, 1
    for number, (text, last) in enumerate(_parts(path), 1):
        found = blocks_on_pages(text, line, page)
        blocks, left_out = found.blocks, {"repeated header or footer": found.taken} if found.taken else {}
        title = title or _title(blocks) or title_of(path)
        line += text.count("\n")
        page += found.breaks
        if number == 1 and last:
            yield Extract(title, blocks, left_out=left_out)
        elif blocks or number == 1:
            yield Extract(title, blocks, f"part-{number}", {"part": number}, left_out)


def title_of(path: Path) -> str:
    """A file's name as a title."""
    return path.stem.replace("_", " ").strip()


def _parts(path: Path) -> Iterator[tuple[str, bool]]:
    """The text in parts, with whether one is the last."""
    held = ""
    for block in decoded(path):
        held += block
        while len(held) > PART:
            ends = (held.rfind(mark, PART // 2, PART) + len(mark) for mark in ("\n\n", "\n", " "))
            cut = next((end for end in ends if end > PART // 2), PART)
            yield held[:cut], False
            held = held[cut:]
    yield held, True


def _title(blocks: tuple[Block, ...]) -> str:
    if blocks and blocks[0].kind == "heading":
        return blocks[0].text
    subject = next((found for block in blocks[:10] if (found := _SUBJECT.match(block.text))), None)
    return subject[1].strip() if subject else ""
