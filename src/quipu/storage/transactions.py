"""The record's connections and lock: one writer; all or nothing for what is written, one moment for what is read."""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quipu.errors import FormatError, InputError, QuipuError
from quipu.storage.connections import Connections
from quipu.storage.opening import lock

_OUTER = ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))
_INNER = ("SAVEPOINT part", "RELEASE part", ("ROLLBACK TO part", "RELEASE part"))


@contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """FormatError that names the memory, where SQLite cannot read its record."""
    try:
        yield
    except sqlite3.Error as error:
        raise FormatError(
            f"{path}: the record cannot be read ({error}); see: quipu verify {path}, and restore it from a copy"
        ) from error


class Transactions:
    """What every part of a ``Store`` builds on: a memory's folder, its connections and the writer's lock."""

    def __init__(self, path: Path, read_only: bool) -> None:
        """Nothing is opened or locked yet."""
        self.path = path
        self.read_only = read_only
        self._lock: int | None = None
        self._connections = Connections(path, read_only)
        _OPEN.add(self)

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's, for the rest of this room."""
        return self._connections.own().connection

    @property
    def writing(self) -> bool:
        """Whether this is the memory's writer."""
        return self._lock is not None

    def begin_writing(self) -> None:
        """Be the memory's writer until it is closed; the first write does it too.

        InputError where it was opened for reading only, MemoryLocked where another process writes.
        """
        if self.read_only:
            raise InputError(f"{self.path} was opened for reading only")
        with self._connections.guard:
            if self._lock is None:
                self._lock = lock(self.path)

    def version(self) -> int:
        """Changes whenever a commit, here or in another process, may have changed the pairs."""
        return self._connections.version()

    @property
    def format(self) -> int:
        """Which migrations the record has seen: a memory of an older quipu that is only read stays as it is."""
        return int(self.connection.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. Inside another one, what fails leaves nothing there either. InputError for what cannot be
        stored, QuipuError where the disk refuses.
        """
        self.begin_writing()
        inner = self.connection.in_transaction
        begin, commit, undo = _INNER if inner else _OUTER
        try:
            self.connection.execute(begin)
            yield
            self.connection.execute(commit)
        except BaseException as error:
            if self.connection.in_transaction:  # a full disk ends the transaction by itself
                for statement in undo:
                    self.connection.execute(statement)
            if isinstance(error, UnicodeEncodeError):
                raise InputError(f"{self.path}: a text holds a lone surrogate ({error}); mend it") from error
            if isinstance(error, sqlite3.IntegrityError):
                raise InputError(f"{self.path}: a record does not fit what is stored ({error})") from error
            if isinstance(error, sqlite3.Error):
                raise QuipuError(
                    f"{self.path}: nothing was written ({error}); what was stored before is kept. "
                    "Mend the cause, such as a full disk, and give the same command again"
                ) from error
            raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read inside is the memory as it was at one moment, whatever a writer does meanwhile."""
        outermost = not self.connection.in_transaction
        if outermost:
            self.connection.execute("BEGIN")
        try:
            yield
        finally:
            if outermost and self.connection.in_transaction:
                self.connection.execute("COMMIT")

    def _release(self) -> None:
        """Close every connection and let the next writer in; not usable any more."""
        self._connections.close(for_good=True)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _forked(self) -> None:
        """In a child process: connections and lock are its parent's."""
        _PARENTS.append(self._connections)
        self._connections = Connections(self.path, self.read_only)
        self._unlock()


_PARENTS: list[Connections] = []  # of a forked child, kept for ever: closing them would end the parent's log
_OPEN: weakref.WeakSet[Transactions] = weakref.WeakSet()


def _after_fork() -> None:
    for store in list(_OPEN):
        store._forked()


os.register_at_fork(after_in_child=_after_fork)
