"""The record: documents, passages, pairs, their words and their vectors, in one SQLite file.

One writer, held by a lock on ``writer.lock``; any number of readers. A pair, its words and its vector are committed in
one transaction. synchronous=FULL: a commit is on the disk when it returns, at about a millisecond a batch.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from quipu.errors import FormatError, InputError
from quipu.records import Answer
from quipu.storage.manifest import is_whole, manifest_stamp, read_manifest, replace_manifest, write_manifest
from quipu.storage.opening import connect, lock
from quipu.storage.pairs import Pairs
from quipu.storage.schema import FORMAT_VERSION, differences, migrate

_RECORD = "records.sqlite"
_BEGINNINGS = {"writer.lock", "manifest.json.tmp", *(_RECORD + end for end in ("", "-journal", "-wal", "-shm"))}


class Store(Pairs):
    """A memory's folder, open. Use ``create`` or ``open``; it is a context manager."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        """Open an existing folder: FormatError where it is none, or one that must not be written to.

        Usable from any thread, and after a fork. The writer's lock is taken by the first write; at once only where the
        record of an older quipu is brought forward: MemoryLocked where another process writes.
        """
        super().__init__(path, read_only)
        self._sight(read_manifest(path))
        try:
            if not read_only:
                if self.format < FORMAT_VERSION or self._names_an_older_format():
                    self.begin_writing()
                    migrate(self.connection, str(path), self.index_passages)
                    self._connections.close()  # what is written next must be signed
                    if self._names_an_older_format():
                        self.note("format", FORMAT_VERSION)
                if foreign := next(differences(self.connection), None):
                    raise FormatError(
                        f"{path}/records.sqlite: {foreign}; nothing is written to it. Restore it from a copy, or make "
                        f"a new one: quipu export {path} FILE, quipu import FILE"
                    )
            self._open_record()
        except BaseException:
            self._release()
            raise

    @property
    def members(self) -> tuple[Store, ...]:
        """This one; of several that are asked together all of them."""
        return (self,)

    def named(self, answer: Answer) -> Answer:
        """The answer as it is; of several memories, its sources named by theirs."""
        return answer

    def home(self, document_id: str | None = None, pair_id: str | None = None) -> Store:
        """The store that holds a document or a pair: this one, or one of several that are asked together."""
        return self

    def reread_manifest(self) -> bool:
        """Take in a manifest that another process has written since; whether there was one."""
        if manifest_stamp(self.path) == self._stamp:
            return False
        self._sight(read_manifest(self.path))
        return True

    def _sight(self, manifest: dict[str, Any]) -> None:
        self._stamp = manifest_stamp(self.path)
        self.manifest = manifest
        self.width = int(manifest["width"])
        self.models: dict[str, str] = dict(manifest["models"])

    def _names_an_older_format(self) -> bool:
        """Whether the manifest is not yet as the record is: they are two files."""
        return "digest" not in self.manifest or int(self.manifest["format"]) < FORMAT_VERSION

    @classmethod
    def create(
        cls, path: Path, *, width: int, models: Mapping[str, str], settings: Mapping[str, Any] | None = None
    ) -> Store:
        """A new, empty memory; InputError where something else is in the way."""
        path = Path(path)
        if path.exists() and (not path.is_dir() or any(file.name not in _BEGINNINGS for file in path.iterdir())):
            raise InputError(f"{path} exists and is no memory; choose another name or remove it")
        path.mkdir(parents=True, exist_ok=True)
        held = lock(path)
        try:
            if _holds_pairs(path / _RECORD):
                raise InputError(
                    f"{path} holds a memory that lost its manifest.json; restore it from a copy, or name another folder"
                )
            for name in _BEGINNINGS - {"writer.lock"}:  # of a creation that was killed before it wrote the manifest
                (path / name).unlink(missing_ok=True)
            connection = connect(path, read_only=False, new=True)
            migrate(connection, str(path))
            connection.close()
            write_manifest(path, width=width, models=models, settings=settings or {})
        finally:
            os.close(held)
        store = cls(path, read_only=False)
        store.begin_writing()
        return store

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Store:
        """An existing memory."""
        return cls(Path(path), read_only=read_only)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Fold the write-ahead log into the file and let the next writer in; not usable any more."""
        if self._lock is not None:
            with suppress(sqlite3.Error):  # a full disk: what is committed stays in the log, which is read with it
                self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._release()

    def note(self, key: str, value: Any, forget: Sequence[str] = ()) -> None:
        """Keep ``value`` under ``key`` in the manifest, without what it held under the keys of ``forget``.

        InputError where the memory was opened for reading, FormatError where the manifest was changed by others.
        """
        self.begin_writing()
        manifest = read_manifest(self.path)  # another process may have written it since
        if "digest" in manifest and not is_whole(manifest):
            raise FormatError(
                f"{self.path / 'manifest.json'} is not as quipu wrote it; restore it from a copy, or take its line "
                '"digest" out to have it as it is'
            )
        kept = {name: known for name, known in manifest.items() if name not in forget}
        self._sight(replace_manifest(self.path, {**kept, key: value}))

    def counts(self) -> dict[str, int]:
        """Documents, passages, pairs and verdicts."""
        return {
            table: int(self.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
            for table in ("documents", "passages", "pairs", "verdicts")
        }


def _holds_pairs(file: Path) -> bool:
    """Whether a record without a manifest is more than the beginning of one: it holds documents or pairs."""
    if not file.is_file():
        return False
    connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
    try:
        return any(connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in ("documents", "pairs"))
    except sqlite3.Error:  # no tables yet
        return False
    finally:
        connection.close()
