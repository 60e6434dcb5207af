"""Files to documents to passages."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from quipu.corpus.readers import SUFFIXES, Bad, Block, reader_for
from quipu.errors import InputError, ReadError
from quipu.records import Document, Mark, Span
from quipu.text import is_unicode

__all__ = ["SUFFIXES", "Skipped", "files_of", "read_documents"]

BETWEEN = "\n\n"  # two blocks of a document


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, or a row of one, that gave no document, and why."""

    name: str
    reason: str


def files_of(paths: Sequence[str | Path]) -> Iterator[Path]:
    """Every file, folders walked in sorted order, hidden names left out, none twice; InputError for a missing path."""
    seen: set[str] = set()
    for path in map(Path, paths):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        found = [path] if path.is_file() else _walk(path)
        for file in found:
            real = os.path.realpath(file)
            if real not in seen:
                seen.add(real)
                yield file


def read_documents(paths: Sequence[str | Path], *, strict: bool = False) -> Iterator[Document | Skipped]:
    """The documents of files and folders, one at a time; what cannot be read comes as ``Skipped``.

    With ``strict`` the first of those raises ReadError, with the file's name.
    """
    for file in files_of(paths):
        name = file.as_posix()
        for item in _read(file, name):
            if strict and isinstance(item, Skipped):
                raise ReadError(f"{item.name}: {item.reason}")
            yield item


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and (Path(root) / name).is_file():
                yield Path(root) / name


def _read(file: Path, name: str) -> Iterator[Document | Skipped]:
    reader = reader_for(file)
    if reader is None:
        yield Skipped(name, f"unknown kind of file ({file.suffix or 'no suffix'})")
        return
    try:
        if file.stat().st_size == 0:
            raise ReadError("empty")
        for item in reader(file):
            source = f"{name}#{item.part}" if item.part else name
            if isinstance(item, Bad):
                yield Skipped(source, item.reason)
                continue
            text, marks = _joined(item.blocks)
            if not text:
                yield Skipped(source, "no text")
            elif not is_unicode(item.title + text + source):
                yield Skipped(source.encode(errors="replace").decode(), "no Unicode text (half of a character pair)")
            else:
                yield Document.make(source, item.title, text, {**item.metadata, "file": name}, marks)
    except ReadError as error:
        yield Skipped(name, str(error))
    except OSError as error:
        yield Skipped(name, error.strerror or type(error).__name__)


def _joined(blocks: Sequence[Block]) -> tuple[str, list[Mark]]:
    """Blocks as one text, an empty line between two, and where each stands in it."""
    texts: list[str] = []
    marks: list[Mark] = []
    start = 0
    for block in blocks:
        text = block.text.strip()
        if not text:
            continue
        marks.append(Mark(Span(start, start + len(text)), block.kind, block.level, block.page, block.line))
        texts.append(text)
        start += len(text) + len(BETWEEN)
    return BETWEEN.join(texts), marks
