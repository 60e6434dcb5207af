"""One reader a format: a file in, ``Extract`` out, streamed where the format allows it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Extract:
    """What a reader finds: text with its title; ``part`` names a row or a part of the file, "" is the whole file."""

    title: str
    text: str
    part: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bad:
    """A part of a file that cannot be read, and why; the rest of the file goes on."""

    part: str
    reason: str


Reader = Callable[[Path], Iterator[Extract | Bad]]
_READERS = {
    ".txt": "plain", ".text": "plain", ".md": "markdown", ".markdown": "markdown", ".html": "html", ".htm": "html",
    ".xhtml": "html", ".pdf": "pdf", ".docx": "docx", ".jsonl": "tables", ".tsv": "tables",
}  # fmt: skip
SUFFIXES = tuple(_READERS)


def reader_for(path: Path) -> Reader | None:
    """The reader of the file's suffix, loaded when first needed; None where no reader knows it."""
    name = _READERS.get(path.suffix.lower())
    if name is None:
        return None
    reader: Reader = importlib.import_module(f"quipu.corpus.readers.{name}").read
    return reader
