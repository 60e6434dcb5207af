"""The record's connection: all or nothing for what is written, one moment for what is read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quipu.errors import FormatError, InputError, QuipuError

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
    """What every part of a ``Store`` builds on."""

    path: Path
    read_only: bool
    _db: sqlite3.Connection

    def begin_writing(self) -> None:
        """Be the memory's writer."""
        raise NotImplementedError

    @property
    def format(self) -> int:
        """Which migrations the record has seen: a memory of an older quipu that is only read stays as it is."""
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. Inside another one, what fails leaves nothing there either. InputError for what cannot be
        stored, QuipuError where the disk refuses.
        """
        self.begin_writing()
        inner = self._db.in_transaction
        begin, commit, undo = _INNER if inner else _OUTER
        try:
            self._db.execute(begin)
            yield
            self._db.execute(commit)
        except BaseException as error:
            if self._db.in_transaction:  # a full disk ends the transaction by itself
                for statement in undo:
                    self._db.execute(statement)
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
        outermost = not self._db.in_transaction
        if outermost:
            self._db.execute("BEGIN")
        try:
            yield
        finally:
            if outermost and self._db.in_transaction:
                self._db.execute("COMMIT")
