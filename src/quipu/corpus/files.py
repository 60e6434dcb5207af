"""Which files are read: folders walked in sorted order, one identity for one real file, what is left out named."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quipu.errors import InputError

_MEMORY = ("records.sqlite", ("manifest.json", "writer.lock"))  # the first, and one of the others
_ESCAPED = re.compile(rb"\\x([89a-f][0-9a-f])")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, a folder, or a row of a file that gave no document, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to read. ``path``: its identity, the real path; ``name``: how it is shown, links followed.

    Both are Unicode: a byte of a name that is not UTF-8 is written ``\\xff``; ``file`` is what the system knows.
    """

    path: str
    name: str
    file: Path


@dataclass(frozen=True, slots=True)
class FileRead:
    """Comes after the documents of a file.

    Only where ``complete`` is true was the file read to its end, so that what it no longer holds may be forgotten.
    ``size`` in bytes, ``modified`` in nanoseconds, ``sha256`` of its bytes ("" where they could not be read).
    ``left_out``: how many things were not read, by kind. ``language``: a name where most of the text is not English.
    """

    path: str
    name: str
    complete: bool
    size: int = 0
    modified: int = 0
    sha256: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    language: str | None = None


@dataclass(frozen=True, slots=True)
class FolderRead:
    """Comes after the files of a folder that was asked for. ``path`` is the real one.

    ``unread``: real paths of folders below it that could not be listed; of their files nothing is known.
    ``left_out``: how many things in it were passed over without a word, by kind ("hidden file").
    """

    path: str
    name: str
    unread: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)


def find_files(paths: Sequence[str | Path]) -> Iterator[FoundFile | FolderRead | Skipped]:
    """Every file of ``paths``, none twice; InputError for one that is missing, cannot be listed, or is a memory.

    Hidden names, memories and what is no regular file are left out and counted; links are followed to files only.
    """
    seen: set[str] = set()
    for path in map(Path, paths):
        for item in _files(path):
            if isinstance(item, FoundFile):
                if item.path in seen:
                    continue
                seen.add(item.path)
            yield item


def on_disk(path: str) -> Path:
    """The inverse of the names that ``FoundFile`` and ``FileRead`` show: what the system knows a file by."""
    if not os.path.lexists(path) and _ESCAPED.search(encoded := path.encode()):
        path = os.fsdecode(_ESCAPED.sub(lambda match: bytes([int(match.group(1), 16)]), encoded))
    return Path(path)


def is_memory(folder: str | Path) -> bool:
    """Whether a folder is a memory of quipu, a finished one or not."""
    first, others = _MEMORY
    return os.path.exists(os.path.join(folder, first)) and any(
        os.path.exists(os.path.join(folder, other)) for other in others
    )


def shown(path: str | Path) -> str:
    """A path as Unicode text."""
    return named(Path(path).as_posix())


def named(text: str) -> str:
    """A name of the system as Unicode text: of bytes that are none, their numbers."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def _files(path: Path) -> Iterator[FoundFile | FolderRead | Skipped]:
    name = shown(path)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise InputError(f"{name}: no such file or folder") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: cannot be read ({_reason(error)})") from error
    if stat.S_ISREG(mode):
        yield _found(path, path.parent)
    elif not stat.S_ISDIR(mode):
        raise InputError(f"{name}: neither a file nor a folder")
    elif is_memory(path):
        raise InputError(f"{name}: a memory, not a folder of documents")
    else:
        yield from _walk(path, name)


def _walk(top: Path, name: str) -> Iterator[FoundFile | FolderRead | Skipped]:
    left_out: Counter[str] = Counter()
    failed: list[OSError] = []
    for root, folders, names in os.walk(top, followlinks=False, onerror=failed.append):
        kept = []
        for folder in sorted(folders):
            path = Path(root, folder)
            if folder.startswith("."):
                left_out["hidden folder"] += 1
            elif path.is_symlink():
                yield Skipped(shown(path), "a link to a folder, not followed")
            elif not is_memory(path):
                kept.append(folder)
        folders[:] = kept
        for file in sorted(names):
            path = Path(root, file)
            if file.startswith("."):
                left_out["hidden file"] += 1
                continue
            try:
                regular = stat.S_ISREG(path.stat().st_mode)
            except OSError as error:
                dangling = path.is_symlink() and isinstance(error, FileNotFoundError)
                yield Skipped(shown(path), "a link to nothing" if dangling else _reason(error))
                continue
            if regular:
                yield _found(path, top)
            else:
                left_out["device or pipe"] += 1
    for fault in failed:
        if fault.filename == os.fspath(top):
            raise InputError(f"{name}: cannot be listed ({_reason(fault)})")
        yield Skipped(shown(fault.filename), f"cannot be listed ({_reason(fault)})")
    unread = tuple(shown(os.path.realpath(fault.filename)) for fault in failed)
    yield FolderRead(shown(os.path.realpath(top)), name, unread, dict(left_out))


def _found(file: Path, top: Path) -> FoundFile:
    """``file``, or what it is a link to, named from ``top`` where it stands in it."""
    real = os.path.realpath(file)
    if file.is_symlink():
        above = os.path.realpath(top)
        inside = real.startswith(above.rstrip(os.sep) + os.sep)
        file = top / os.path.relpath(real, above) if inside else Path(real)
    return FoundFile(shown(real), shown(file), file)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
