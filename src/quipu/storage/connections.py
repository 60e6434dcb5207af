"""A record's connections: each thread has its own, and a child process none of its parent's."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass, field
from pathlib import Path

from quipu.errors import InputError
from quipu.storage import digests
from quipu.storage.opening import connect
from quipu.storage.outline import Outlines
from quipu.storage.schema import FORMAT_VERSION

_MANY = 16  # connections from which on those of threads that have ended are closed


@dataclass(slots=True)
class OwnConnection:
    """That of one thread, and what it has seen."""

    connection: sqlite3.Connection
    outlines: Outlines = field(default_factory=Outlines)
    seen: tuple[int, int] | None = None


class Connections:
    """Opened when a thread first needs one."""

    def __init__(self, path: Path, read_only: bool) -> None:
        """Of the memory at ``path``."""
        self._path, self._read_only = path, read_only
        self._of: dict[int, OwnConnection] = {}
        self._closed = False
        self._version = 0
        self.guard = threading.RLock()

    def own(self) -> OwnConnection:
        """This thread's; InputError where the memory was closed."""
        found = self._of.get(threading.get_ident())
        return found if found is not None else self._opened()

    def version(self) -> int:
        """Changes whenever a thread sees another record than before."""
        own = self.own()
        now = int(own.connection.execute("PRAGMA data_version").fetchone()[0]), own.connection.total_changes
        with self.guard:
            if now != own.seen:
                own.seen = now
                self._version += 1
            return self._version

    def close(self, *, for_good: bool = False) -> None:
        """All of them; a new one is opened when it is needed, unless ``for_good``."""
        with self.guard:
            self._closed = for_good
            for own in self._of.values():
                own.connection.close()
            self._of.clear()

    def _opened(self) -> OwnConnection:
        with self.guard:
            if self._closed:
                raise InputError(f"{self._path} was closed; open it again")
            if len(self._of) >= _MANY:
                alive = {thread.ident for thread in threading.enumerate()}
                for ident in [ident for ident in self._of if ident not in alive]:
                    self._of.pop(ident).connection.close()
            connection = connect(self._path, read_only=self._read_only)
            if not self._read_only and connection.execute("PRAGMA user_version").fetchone()[0] == FORMAT_VERSION:
                digests.keep(connection)
            own = self._of[threading.get_ident()] = OwnConnection(connection)
            return own
