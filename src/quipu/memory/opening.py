"""How a memory's record is opened: the connection's settings and the writer's lock."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path

from quipu.errors import FormatError, MemoryLocked
from quipu.memory.schema import FORMAT_VERSION


def connect(path: Path, *, read_only: bool, new: bool = False) -> sqlite3.Connection:
    """The record of the memory at ``path``; FormatError where it is none, or of a newer format.

    Only ``new`` makes a record where there is none: a memory whose record is lost must not open as an empty one.
    """
    file = path / "records.sqlite"
    if not new and (not file.is_file() or not file.stat().st_size):
        raise FormatError(f"{file} is missing or empty; the memory's record is gone, restore it from a copy")
    connection = None
    try:
        if read_only:
            connection = sqlite3.connect(_address(path, file), uri=True, isolation_level=None, timeout=30.0)
        else:
            connection = sqlite3.connect(file, isolation_level=None, timeout=30.0)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA foreign_keys = ON")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise FormatError(f"{file}: not a memory's record ({error})") from error
    if version > FORMAT_VERSION:
        connection.close()
        raise FormatError(f"{file} has format {version}, this quipu reads 1 to {FORMAT_VERSION}; update quipu")
    if version < 1 and not new:
        connection.close()
        raise FormatError(f"{file}: not a memory's record (it holds no format version); restore it from a copy")
    return connection


def _address(path: Path, file: Path) -> str:
    """How a reader opens the record. Where the folder cannot be written, nobody can be writing to it either."""
    log = file.with_name(file.name + "-wal")
    unchanging = not os.access(path, os.W_OK) and not (log.exists() and log.stat().st_size)
    return f"{file.resolve().as_uri()}?mode=ro{'&immutable=1' if unchanging else ''}"


def lock(path: Path) -> int:
    """The writer's lock: held until the file is closed, also when the process is killed."""
    descriptor = os.open(path / "writer.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "another process"
        os.close(descriptor)
        raise MemoryLocked(
            f"{path} is being written by process {holder}; wait for it or open the memory for reading only"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor
