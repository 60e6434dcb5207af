"""Files to documents to passages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from quipu.corpus.files import FileRead, FolderRead, FoundFile, Skipped, find_files, on_disk
from quipu.corpus.isolation import Worker
from quipu.corpus.limits import Limits, current
from quipu.corpus.readers import SUFFIXES
from quipu.errors import ReadError
from quipu.records import Document

__all__ = [
    "SUFFIXES", "FileRead", "FolderRead", "FoundFile", "Limits", "Skipped", "find_files", "on_disk", "read_documents",
    "read_files",
]  # fmt: skip


def read_files(
    found: Iterable[FoundFile | FolderRead | Skipped], *, strict: bool = False, limits: Limits | None = None
) -> Iterator[Document | Skipped | FileRead | FolderRead]:
    """The documents of what ``find_files`` gives, in its order, each file's ``FileRead`` behind them.

    The readers run in a process of their own within ``limits``, by default those of ``limits.use``. With ``strict`` the
    first thing that cannot be read raises ReadError with its name.
    """
    with Worker(limits or current()) as worker:
        for item in found:
            for made in worker.read(item) if isinstance(item, FoundFile) else (item,):
                if strict and isinstance(made, Skipped):
                    raise ReadError(f"{made.name}: {made.reason}")
                yield made


def read_documents(
    paths: Sequence[str | Path], *, strict: bool = False, limits: Limits | None = None
) -> Iterator[Document | Skipped]:
    """The documents of files and folders, one at a time; what cannot be read comes as ``Skipped``.

    With ``strict`` the first of those raises ReadError, with the file's name.
    """
    for item in read_files(find_files(paths), strict=strict, limits=limits):
        if isinstance(item, Document | Skipped):
            yield item
