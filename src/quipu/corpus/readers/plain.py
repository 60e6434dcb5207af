"""Plain text in any encoding, streamed: a file longer than a million characters comes in parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from quipu.corpus.encoding import decoded
from quipu.corpus.readers import Bad, Block, Extract

PART = 1_000_000  # characters


def read(path: Path) -> Iterator[Extract | Bad]:
    """One extract, or numbered parts that end at paragraph ends (else at line ends)."""
    title = title_of(path)
    number, held = 0, ""
    for block in decoded(path):
        held += block
        while len(held) > PART:
            cut = max(held.rfind("\n\n", PART // 2, PART) + 2, 0)
            cut = cut if cut > 1 else held.rfind("\n", PART // 2, PART) + 1
            cut = cut if cut > 0 else PART
            number += 1
            yield Extract(title, paragraphs(held[:cut]), f"part-{number}", {"part": number})
            held = held[cut:]
    if number == 0:
        yield Extract(title, paragraphs(held))
    elif held.strip():
        yield Extract(title, paragraphs(held), f"part-{number + 1}", {"part": number + 1})


def title_of(path: Path) -> str:
    """A file's name as a title."""
    return path.stem.replace("_", " ").strip()


def paragraphs(text: str) -> tuple[Block, ...]:
    """The paragraphs of a text: what stands between empty lines."""
    return tuple(Block(part) for part in re.split(r"\n[ \t\r]*\n\s*", text) if part.strip())
