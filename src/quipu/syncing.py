"""What a memory lacks of files and folders: new and changed files, moved ones, and known ones that are gone.

Only looked at, nothing is changed here. A file is known by its real path. It is unchanged where its size and time are,
or its bytes' SHA-256; it was moved where a known file that is gone had its bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from quipu.corpus import SUFFIXES, FolderRead, FoundFile, Skipped, find_files, on_disk
from quipu.errors import InputError, ReadError
from quipu.storage.files import KnownFile, free_name, known_files
from quipu.storage.store import Store

MAX_DELETE = "20%"
_SETTLED = 2.0  # seconds between a change and a reading after which the same size and time mean the same bytes
_LIMIT = re.compile(r"\s*(\d{1,12})\s*(%?)\s*")


@dataclass(frozen=True, slots=True)
class Changed:
    """A file to read, named as it will be shown; ``known`` is what was read of it before, None of a new one."""

    found: FoundFile
    known: KnownFile | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """A known file that stands elsewhere now; ``found`` is named as it will be shown."""

    known: KnownFile
    found: FoundFile


@dataclass(slots=True)
class Changes:
    """What is to be done. ``same``: files whose bytes are known, as they are now, where size or time differ."""

    new: list[Changed] = field(default_factory=list)
    changed: list[Changed] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)
    same: list[KnownFile] = field(default_factory=list)
    gone: list[KnownFile] = field(default_factory=list)
    unchanged: int = 0
    below: int = 0
    """Known files that stand in the folders, or stood there."""
    skipped: list[Skipped] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether anything is to be read or moved."""
        return bool(self.new or self.changed or self.moved)

    def check_deletions(self, most: str | int) -> None:
        """InputError where more files are gone than ``most`` allows: a number, or a percentage, rounded up."""
        allowed = _allowed(most, self.below)
        if len(self.gone) > allowed:
            raise InputError(
                f"{len(self.gone):,} of {self.below:,} known files are gone, more than --max-delete {most} allows "
                f"({allowed:,}); nothing was done. Where they are gone for good, give --max-delete {len(self.gone)}"
            )

    def to_json(self) -> dict[str, Any]:
        """Names only: a plain dictionary."""
        return {
            "new": [item.found.name for item in self.new],
            "changed": [item.found.name for item in self.changed],
            "moved": [[item.known.name, item.found.name] for item in self.moved],
            "gone": [item.name for item in self.gone],
            "unchanged": self.unchanged,
            "skipped": [{"name": item.name, "reason": item.reason} for item in self.skipped],
            "left_out": dict(self.left_out),
            "remarks": self.remarks,
        }


def survey(store: Store, paths: Sequence[str | Path], *, strict: bool = False, name: str | None = None) -> Changes:
    """Compare files and folders with what the memory knows. ``name``: how the one file is shown, not as its path.

    A folder that cannot be listed, or holds nothing although files of it are known (an unmounted disk), has no file
    that is gone. InputError for a path that is missing; with ``strict`` ReadError for anything that cannot be read.
    """

    def skip(item: Skipped) -> None:
        if strict:
            raise ReadError(f"{item.name}: {item.reason}")
        changes.skipped.append(item)

    changes = Changes()
    found: dict[str, FoundFile] = {}
    folders: list[FolderRead] = []
    for item in find_files(paths):
        if isinstance(item, FoundFile):
            found[item.path] = item if name is None else replace(item, name=name)
        elif isinstance(item, FolderRead):
            folders.append(item)
            changes.left_out.update(item.left_out)
        else:
            skip(item)
    known = {file.path: file for file in known_files(store)}
    changes.gone = _gone(known, found, folders, changes)
    changes.below = len(changes.gone) + sum(path in known for path in found)
    sources = _sources(known, found)
    sizes = {file.size for files in sources.values() for file in files}
    taken = {file.name: file.path for file in known.values()}
    for path, file in found.items():
        if _compare(changes, file, known.get(path), sources, sizes, taken):
            continue
        if _kind(path) in SUFFIXES:
            changes.new.append(Changed(_named(changes, file, None, taken)))
        else:
            skip(Skipped(file.name, f"unknown kind of file ({_kind(file.name) or 'no suffix'})"))
    moved = {item.known.path for item in changes.moved}
    changes.gone = [file for file in changes.gone if file.path not in moved]
    return changes


def _compare(
    changes: Changes,
    found: FoundFile,
    known: KnownFile | None,
    sources: dict[str, list[KnownFile]],
    sizes: set[int],
    taken: dict[str, str],
) -> bool:
    """Put one file where it belongs, if it is known or was moved; False for a new one. ``sizes``: of ``sources``."""
    try:
        status = found.file.stat()
        size, modified = status.st_size, status.st_mtime_ns
        if known is not None and (known.size, known.modified) == (size, modified) and _settled(known):
            changes.unchanged += 1
            return True
        same_size = size in sizes or (known is not None and known.size == size)
        digest = sha256_of_file(found.file) if same_size else None
    except OSError:  # its reader says why
        digest = None
    if known is not None and digest is not None and digest == known.sha256:
        changes.unchanged += 1
        changes.same.append(replace(known, size=size, modified=modified))
        return True
    candidates = [file for file in sources.get(digest or "", []) if _kind(file.path) == _kind(found.path)]
    if candidates:
        former = next((item for item in candidates if Path(item.name).name == Path(found.name).name), candidates[0])
        sources[former.sha256].remove(former)
        taken.pop(former.name)
        changes.moved.append(Moved(former, _named(changes, found, known, taken)))
        return True
    if known is not None:
        changes.changed.append(Changed(replace(found, name=known.name), known))
    return known is not None


def _named(changes: Changes, found: FoundFile, known: KnownFile | None, taken: dict[str, str]) -> FoundFile:
    """The file under the name by which it is shown; a remark where that is not the one that it was given."""
    name = known.name if known is not None else free_name(found.path, found.name, taken)
    if name != found.name and known is None:
        changes.remarks.append(f"{found.name} is shown as {name}: by that name {taken[found.name]} is known already")
    taken[name] = found.path
    return replace(found, name=name)


def _gone(
    known: dict[str, KnownFile], found: dict[str, FoundFile], folders: Sequence[FolderRead], changes: Changes
) -> list[KnownFile]:
    """Known files below the folders that are not there any more, as far as that can be told."""
    gone: dict[str, KnownFile] = {}
    for folder in folders:
        above = folder.path.rstrip(os.sep) + os.sep
        missing = [
            file for path, file in known.items()
            if path.startswith(above) and path not in found and vanished(path)
            and not any(path.startswith(unread.rstrip(os.sep) + os.sep) for unread in folder.unread)
        ]  # fmt: skip
        if missing and not any(path.startswith(above) for path in found):
            changes.remarks.append(
                f"{folder.name} holds no file, and {_files(len(missing))} of it {_are(len(missing))} known: nothing is "
                "removed, for the disk may be missing; to forget one: quipu remove MEMORY --document FILE"
            )
        else:
            gone.update((file.path, file) for file in missing)
    return list(gone.values())


def _sources(known: dict[str, KnownFile], found: dict[str, FoundFile]) -> dict[str, list[KnownFile]]:
    """Known files that are gone, wherever they stood, by their bytes: what a new file may have been."""
    sources: dict[str, list[KnownFile]] = {}
    for path, file in known.items():
        if file.sha256 and path not in found and vanished(path):
            sources.setdefault(file.sha256, []).append(file)
    return sources


def file_times(paths: Sequence[str | Path]) -> dict[str, tuple[int, int]] | None:
    """Size and time of every file, by path: equal as long as nothing seems to have changed. None where it fails."""
    times = {}
    try:
        for item in find_files(paths):
            if isinstance(item, FoundFile):
                with suppress(OSError):
                    status = item.file.stat()
                    times[item.path] = status.st_size, status.st_mtime_ns
    except InputError:
        return None
    return times


class Watch:
    """Says when files are to be synced: first of all, when one changed and rests since, and every so many seconds."""

    def __init__(self, paths: Sequence[str | Path], every: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``every`` and the clock in seconds."""
        self._paths, self._every, self._clock = paths, every, clock
        self._seen: dict[str, tuple[int, int]] | None = None
        self._synced: dict[str, tuple[int, int]] | None = None
        self._began = False
        self._last = 0.0

    def due(self) -> bool:
        """Look at the files, once."""
        times, now = file_times(self._paths), self._clock()
        rest = times == self._seen and times != self._synced
        due = not self._began or now - self._last >= self._every or rest
        self._seen = times
        if due:
            self._last = now
        return due

    def done(self) -> None:
        """What was seen last is synced."""
        self._synced, self._began = self._seen, True


def vanished(path: str) -> bool:
    """Whether there is surely no file of this name; not, where a folder above it cannot be entered or read."""
    try:
        os.lstat(on_disk(path))
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def sha256_of_file(path: Path) -> str:
    """Of a file's bytes, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def state_of(path: str, size: int, modified: int) -> Literal["", "changed", "missing"]:
    """What became of a known file since it was read, by its size in bytes and its time in nanoseconds.

    Nothing of what is no file: a data set's path is no real one.
    """
    if not os.path.isabs(path):
        return ""
    try:
        status = on_disk(path).stat()
    except OSError:
        return "missing"
    return "" if (status.st_size, status.st_mtime_ns) == (size, modified) else "changed"


def _settled(file: KnownFile) -> bool:
    """Whether the file was read well after it was last written, so that a later change has another time."""
    return file.modified / 1e9 + _SETTLED < datetime.fromisoformat(file.read).timestamp()


def _kind(path: str) -> str:
    return Path(path).suffix.lower()


def check_limit(most: str | int) -> None:
    """InputError where ``most`` is neither a number of files nor a percentage."""
    _allowed(most, 0)


def _allowed(most: str | int, below: int) -> int:
    match = _LIMIT.fullmatch(str(most))
    if match is None or (match.group(2) and int(match.group(1)) > 100):
        raise InputError(f"--max-delete takes a number of files or a percentage such as {MAX_DELETE}, not {most!r}")
    number = int(match.group(1))
    return -(-below * number // 100) if match.group(2) else number


def _files(count: int) -> str:
    return f"{count:,} file{'s' if count != 1 else ''}"


def _are(count: int) -> str:
    return "are" if count != 1 else "is"
