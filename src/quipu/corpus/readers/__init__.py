"""One reader a format: a file in, ``Extract`` out, streamed where the format allows it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quipu.records import BlockKind


@dataclass(frozen=True, slots=True)
class Block:
    """One paragraph as a person sees it: a heading, an item of a list, a row of a table in words, a whole code block.

    ``level``: of a heading, 1 the highest; of an item, 1 the outermost. ``page`` and ``line`` count from 1 and are
    those of the file, None where it has none. ``bold``: all of it is set in bold, while a reader works on it.
    """

    text: str
    kind: BlockKind = "paragraph"
    level: int = 0
    page: int | None = None
    line: int | None = None
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Extract:
    """What a reader finds: blocks in the order of the page, with their title.

    ``part`` names a row or a part of the file, "" is the whole file. ``left_out``: how many things were not read, by
    kind ("picture", "hidden text"); a person is told.
    """

    title: str
    blocks: tuple[Block, ...]
    part: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bad:
    """A part of a file that cannot be read, and why; the rest of the file goes on."""

    part: str
    reason: str


Reader = Callable[[Path], Iterator[Extract | Bad]]
_READERS = {
    ".txt": "plain", ".text": "plain", ".md": "markdown", ".markdown": "markdown", ".mdx": "markdown",
    ".html": "html", ".htm": "html", ".xhtml": "html", ".pdf": "pdf", ".docx": "docx", ".jsonl": "json_lines",
    ".ndjson": "json_lines", ".csv": "tables", ".tsv": "tables",
}  # fmt: skip
SUFFIXES = tuple(_READERS)


def reader_for(path: Path) -> Reader | None:
    """The reader of the file's suffix, loaded when first needed; None where no reader knows it."""
    name = _READERS.get(path.suffix.lower())
    if name is None:
        return None
    reader: Reader = importlib.import_module(f"quipu.corpus.readers.{name}").read
    return reader
