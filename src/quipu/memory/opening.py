"""How a memory's record is opened: the connection's settings and the writer's lock."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path

from quipu.errors import FormatError, MemoryLocked
from quipu.memory.schema import FORMAT_VERSION


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """The record of the memory at ``path``; FormatError where it is none, or of a newer format."""
    file = path / "records.sqlite"
    try:
        if read_only:
            if not file.is_file():
                raise FormatError(f"{file} is missing; the memory's record is gone")
            connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
        else:
            connection = sqlite3.connect(file, isolation_level=None, timeout=30.0)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA foreign_keys = ON")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error as error:
        raise FormatError(f"{file}: not a memory's record ({error})") from error
    if version > FORMAT_VERSION or (read_only and version == 0):
        connection.close()
        raise FormatError(f"{file} has format {version}, this quipu reads 1 to {FORMAT_VERSION}; update quipu")
    return connection


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
