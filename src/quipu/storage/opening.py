"""How a memory's record is opened: the connection's settings and the writer's lock."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path

from quipu.errors import FormatError, MemoryLocked, QuipuError
from quipu.storage import digests
from quipu.storage.schema import FORMAT_VERSION, strangers

MAPPED = 1 << 40  # bytes of the record that SQLite may map: a row that was not read before costs a fault, not a copy


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
            connection = _reader(file)
        else:
            connection = sqlite3.connect(file, isolation_level=None, timeout=30.0, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA mmap_size = {MAPPED}")
        if read_only:  # a writer's schema is compared whole with what quipu makes; its triggers write the word index
            connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        # SQLite's own substr() and length() end at a NUL character, which a text may hold
        connection.create_function("piece", 3, lambda text, start, end: text[start:end], deterministic=True)
        connection.create_function("letters", 1, len, deterministic=True)
        digests.register(connection)
        foreign = strangers(connection)
    except (sqlite3.Error, UnicodeDecodeError) as error:  # SQLite quotes what it cannot read
        if connection is not None:
            connection.close()
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise QuipuError(f"{file} cannot be opened ({error}); make room on the disk and try again") from error
        raise FormatError(f"{file}: not a memory's record ({error})") from error
    if version > FORMAT_VERSION:
        connection.close()
        raise FormatError(f"{file} has format {version}, this quipu reads 1 to {FORMAT_VERSION}; update quipu")
    if foreign:
        connection.close()
        raise FormatError(
            f"{file} holds {', '.join(foreign[:3])}, which no quipu made and which could do anything when it is read "
            "or written; take the memory from where you trust it, or drop that with the sqlite3 program"
        )
    if version < 1 and not new:
        connection.close()
        raise FormatError(f"{file}: not a memory's record (it holds no format version); restore it from a copy")
    return connection


def _reader(file: Path) -> sqlite3.Connection:
    """A connection that cannot write. Beside a record in a folder that it cannot write either, SQLite needs the files
    of a running writer; where there are none (a read-only disk), the record is read as one that does not change.
    """
    address = f"{file.resolve().as_uri()}?mode=ro"
    log = file.with_name(file.name + "-wal")
    connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=30.0, check_same_thread=False)
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        if os.access(file.parent, os.W_OK) or (log.exists() and log.stat().st_size):
            raise
        connection = sqlite3.connect(f"{address}&immutable=1", uri=True, isolation_level=None, check_same_thread=False)
    return connection


def lock(path: Path) -> int:
    """The writer's lock: held until the file is closed, also when the process is killed."""
    descriptor = os.open(path / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
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
