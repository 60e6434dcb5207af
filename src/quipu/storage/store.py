"""The record: documents, passages, pairs, their words and their vectors, in one SQLite file.

One writer, held by a lock on ``writer.lock``; any number of readers. A pair, its words and its vector are committed in
one transaction. synchronous=FULL: a commit is on the disk when it returns, at about a millisecond a batch.
"""

from __future__ import annotations

import os
import re
import sqlite3
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from quipu.errors import FormatError, InputError, QuipuError
from quipu.records import Origin, QAPair, Span, Verdict
from quipu.storage.connections import Connections
from quipu.storage.journal import Journal
from quipu.storage.manifest import (
    REENCODING,
    is_whole,
    manifest_stamp,
    read_manifest,
    replace_manifest,
    write_manifest,
)
from quipu.storage.opening import connect, lock
from quipu.storage.outline import Outlines
from quipu.storage.schema import FORMAT_VERSION, differences, list_gone, migrate
from quipu.storage.texts import Texts
from quipu.storage.words import match_expression
from quipu.text import normalize_answer

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]

_RECORD = "records.sqlite"
_BEGINNINGS = {"writer.lock", "manifest.json.tmp", *(_RECORD + end for end in ("", "-journal", "-wal", "-shm"))}
_LARGEST = float(np.finfo(np.float16).max)
_PAIR = "id, question, answer, document, start, end, origin, generator, generator_score, filter_score, line"


class Store(Texts, Journal):
    """A memory's folder, open. Use ``create`` or ``open``; it is a context manager."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        """Open an existing folder: FormatError where it is none, or one that must not be written to.

        Usable from any thread, and after a fork. The writer's lock is taken by the first write; at once only where the
        record of an older quipu is brought forward: MemoryLocked where another process writes.
        """
        self.path = path
        self.read_only = read_only
        self._sight(read_manifest(path))
        self._lock: int | None = None
        self._connections = Connections(path, read_only)
        try:
            if not read_only:
                if self.format < FORMAT_VERSION or self._names_an_older_format():
                    self.begin_writing()
                    migrate(self._db, str(path), self.index_passages)
                    self._connections.close()  # what is written next must be signed
                    if self._names_an_older_format():
                        self.note("format", FORMAT_VERSION)
                if foreign := next(differences(self._db), None):
                    raise FormatError(
                        f"{path}/records.sqlite: {foreign}; nothing is written to it. Restore it from a copy, or make "
                        f"a new one: quipu export {path} FILE, quipu import FILE"
                    )
            self._pair = _PAIR if self.format >= 5 else _PAIR.replace("line", "NULL")
        except BaseException:
            self._connections.close()
            self._unlock()
            raise
        _OPEN.add(self)

    @property
    def _db(self) -> sqlite3.Connection:  # type: ignore[override]
        return self._connections.own().connection

    @property
    def _outlines(self) -> Outlines:  # type: ignore[override]
        return self._connections.own().outlines

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

    def _forked(self) -> None:
        """In a child process: connections and lock are its parent's."""
        _PARENTS.append(self._connections)
        self._connections = Connections(self.path, self.read_only)
        self._unlock()

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
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connections.close(for_good=True)
        self._unlock()

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

    # pairs ------------------------------------------------------------------------------------------------------

    def add(
        self,
        pairs: Sequence[QAPair],
        keys: Vectors,
        key_texts: Sequence[str],
        verdicts: Sequence[Verdict] = (),
        verdict_documents: Sequence[str | None] | None = None,
        verdict_passages: Sequence[str | None] | None = None,
    ) -> list[str]:
        """Pairs with their key vectors (n, width) and key texts, in one transaction; the ids that were new."""
        keys = np.asarray(keys, dtype=np.float32).reshape(len(pairs), -1 if len(pairs) else self.width)
        if len(pairs) != len(key_texts) or (len(pairs) and keys.shape[1] != self.width):
            raise FormatError(
                f"{self.path}: {len(pairs)} pairs, {len(key_texts)} key texts and keys of {keys.shape} do not fit a "
                f"memory of width {self.width}"
            )
        if not (np.abs(keys) <= _LARGEST).all():  # also False for NaN
            raise FormatError(f"{self.path}: a key vector holds a number that 16 bits cannot; nothing was added")
        halves = keys.astype(np.float16)
        added = []
        with self.transaction():
            for pair, vector, key_text in zip(pairs, halves, key_texts, strict=True):
                # OR IGNORE would use up a row number for each pair that is there already
                if self._db.execute("SELECT 1 FROM pairs WHERE id = ?", (pair.id,)).fetchone():
                    continue
                place = (pair.span.start, pair.span.end) if pair.span else (None, None)
                cursor = self._db.execute(
                    f"INSERT INTO pairs ({_PAIR}, key_text, normal) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                    (pair.id, pair.question, pair.answer, pair.document_id, *place, pair.origin, pair.generator,
                     pair.generator_score, pair.filter_score, pair.line, key_text,
                     normalized(pair.question, pair.answer)),
                )  # fmt: skip
                key = cursor.lastrowid, vector.tobytes()
                self._db.execute("INSERT INTO vectors (row, vector) VALUES (?, ?)", key)
                added.append(pair.id)
            self.add_verdicts(verdicts, verdict_documents, verdict_passages)
        return added

    def remove(self, *, document: str | None = None, pair: str | None = None) -> int:
        """Remove a document (by id, source or file) with all that came from it, or one pair; how many pairs went."""
        if (document is None) == (pair is None):
            raise InputError("remove takes a document or a pair, one of the two")
        before = self.count()
        with self.transaction():
            if pair is not None:
                if not self._db.execute("DELETE FROM pairs WHERE id = ?", (pair,)).rowcount:
                    raise InputError(f"{self.path} has no pair {pair!r}")
                self._db.execute("DELETE FROM verdicts WHERE pair = ?", (pair,))
                self._db.execute("DELETE FROM feedback WHERE pair = ?", (pair,))
            elif document is not None:
                found = self.find_documents(document)
                if not found:
                    raise InputError(f"{self.path} has no document {document!r}; `quipu documents` lists them")
                for document_id in found:
                    self._db.execute("DELETE FROM pairs WHERE document = ?", (document_id,))  # fires the word triggers
                    self._db.execute("DELETE FROM documents WHERE id = ?", (document_id,))
        return before - self.count()

    def pair(self, pair_id: str) -> QAPair:
        """The pair; InputError where there is none."""
        row = self._db.execute(f"SELECT {self._pair} FROM pairs WHERE id = ?", (pair_id,)).fetchone()
        if row is None:
            raise InputError(f"{self.path} has no pair {pair_id!r}")
        return _pair(row)

    def pairs(self, after_row: int = 0) -> Iterator[tuple[int, QAPair]]:
        """Every pair with its row number, in order, streamed."""
        while True:
            found = self._db.execute(
                f"SELECT row, {self._pair} FROM pairs WHERE row > ? ORDER BY row LIMIT 1024", (after_row,)
            ).fetchall()
            for row in found:
                after_row = row[0]
                yield row[0], _pair(row[1:])
            if not found:
                return

    def pairs_by_rows(self, rows: Sequence[int]) -> list[QAPair | None]:
        """The pairs of these rows, None where one is gone (or the row is -1)."""
        wanted = [int(row) for row in rows]
        found: dict[int, QAPair] = {}
        for start in range(0, len(wanted), 900):
            part = wanted[start : start + 900]
            marks = ",".join("?" * len(part))
            for row in self._db.execute(f"SELECT row, {self._pair} FROM pairs WHERE row IN ({marks})", part):
                found[row[0]] = _pair(row[1:])
        return [found.get(row) for row in wanted]

    def key_texts(self, pair_ids: Sequence[str]) -> dict[str, str]:
        """What the keys of these pairs were made of, by id."""
        found: dict[str, str] = {}
        for first in range(0, len(pair_ids), 500):
            some = pair_ids[first : first + 500]
            marks = ",".join("?" * len(some))
            found |= dict(self._db.execute(f"SELECT id, key_text FROM pairs WHERE id IN ({marks})", some).fetchall())
        return found

    def key_text(self, pair_id: str) -> str:
        """The text that the pair's key vector was made from."""
        row = self._db.execute("SELECT key_text FROM pairs WHERE id = ?", (pair_id,)).fetchone()
        return str(row[0]) if row else ""

    def question_answer_exists(self, question: str, answer: str) -> str | None:
        """Id of a stored pair with the same normalised question and answer."""
        row = self._db.execute("SELECT id FROM pairs WHERE normal = ?", (normalized(question, answer),)).fetchone()
        return str(row[0]) if row else None

    def answered_in_document(self, question: str) -> str | None:
        """Id of a pair with which a document itself answers this question."""
        asked = normalize_answer(question)
        rows = self._db.execute(
            "SELECT id, question FROM pairs WHERE normal > ? AND normal < ? AND origin = 'document'",
            (f"{asked} ", f"{asked}!"),  # "!" is next to the space between question and answer
        )
        return next((str(pair_id) for pair_id, known in rows if normalize_answer(known) == asked), None)

    def asked_alike(self, pair: QAPair, until_row: int) -> list[str]:
        """Ids of pairs up to a row that ask what ``pair`` asks, from the same document or none, of the same origin."""
        asked = normalize_answer(pair.question)
        rows = self._db.execute(
            "SELECT id, question FROM pairs WHERE normal > ? AND normal < ? AND document IS ? AND origin = ?"
            " AND row <= ?",
            (f"{asked} ", f"{asked}!", pair.document_id, pair.origin, until_row),
        )
        return [str(pair_id) for pair_id, known in rows if normalize_answer(known) == asked and pair_id != pair.id]

    def last_row(self) -> int:
        """The highest row number of a pair, 0 where there is none."""
        return int(self._db.execute("SELECT coalesce(max(row), 0) FROM pairs").fetchone()[0])

    def count(self) -> int:
        """Pairs in the memory."""
        return int(self._db.execute("SELECT count(*) FROM pairs").fetchone()[0])

    def counts(self) -> dict[str, int]:
        """Documents, passages, pairs and verdicts."""
        return {
            table: int(self._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
            for table in ("documents", "passages", "pairs", "verdicts")
        }

    # search -----------------------------------------------------------------------------------------------------

    def search_words(self, question: str, k: int) -> tuple[Rows, Vectors]:
        """Best ``k`` rows by BM25 over question, answer and key text: rows (k,), scores (k,), padded -1 and -inf."""
        rows = np.full(k, -1, dtype=np.int64)
        scores = np.full(k, -np.inf, dtype=np.float32)
        expression = match_expression(self._db, question)
        if expression:
            found = self._db.execute(
                "SELECT rowid, rank FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?", (expression, k)
            ).fetchall()
            found.sort(key=lambda item: (item[1], item[0]))
            for at, (row, rank) in enumerate(found):
                rows[at], scores[at] = row, -rank
        return rows, scores

    def vectors(self, after_row: int = 0, batch: int = 8192) -> Iterator[tuple[Rows, Vectors]]:
        """Stored vectors as float32 in batches of rows, in order: rows (n,), vectors (n, width)."""
        while found := self._db.execute(
            "SELECT row, vector FROM vectors WHERE row > ? ORDER BY row LIMIT ?", (after_row, batch)
        ).fetchall():
            after_row = found[-1][0]
            rows = np.array([row for row, _ in found], dtype=np.int64)
            data = b"".join(vector for _, vector in found)
            if len(data) != 2 * self.width * len(found):
                raise FormatError(f"{self.path}: a stored vector has the wrong length; run: quipu verify {self.path}")
            yield rows, np.frombuffer(data, dtype=np.float16).reshape(-1, self.width).astype(np.float32)

    def replace_vectors(
        self, make: Callable[[Sequence[str]], Vectors], name: str, digest: str, batch: int = 2048
    ) -> None:
        """New keys of the stored key texts, by another encoder: ``make`` turns texts (n,) into vectors (n, width).

        All in one transaction. The manifest says that it is under way, so that a memory whose keys are of one encoder
        and whose manifest names another cannot open; the same call again mends it.
        """
        self.note(REENCODING, {"name": name, "sha256": digest})
        (self.path / "index.json").unlink(missing_ok=True)  # else one of the former keys stays, if this is killed
        after = 0
        with self.transaction():
            while found := self._db.execute(
                "SELECT row, key_text FROM pairs WHERE row > ? ORDER BY row LIMIT ?", (after, batch)
            ).fetchall():
                vectors = np.asarray(make([text for _, text in found]), dtype=np.float32).astype(np.float16)
                if vectors.shape[1] != self.width:
                    raise InputError(f"{self.path} holds keys of width {self.width}, {name} makes {vectors.shape[1]}")
                rows = [(vector.tobytes(), row) for (row, _), vector in zip(found, vectors, strict=True)]
                self._db.executemany("UPDATE vectors SET vector = ? WHERE row = ?", rows)
                after = found[-1][0]
            marked = self._db.execute("SELECT id, question FROM feedback").fetchall()
            for first in range(0, len(marked), batch):
                some = marked[first : first + batch]
                vectors = np.asarray(make([text for _, text in some]), dtype=np.float32).astype(np.float16)
                rows = [(vector.tobytes(), mark) for (mark, _), vector in zip(some, vectors, strict=True)]
                self._db.executemany("UPDATE feedback SET vector = ? WHERE id = ?", rows)
        self.models = {name: digest}
        self.note("models", self.models, forget=(REENCODING, "calibration"))

    def vector(self, row: int) -> Vectors | None:
        """The stored vector of a row (width,), None where there is none of that width."""
        found = self._db.execute("SELECT vector FROM vectors WHERE row = ?", (row,)).fetchone()
        if found is None or len(found[0]) != 2 * self.width:
            return None
        return np.frombuffer(found[0], dtype=np.float16).astype(np.float32)

    def rows(self) -> Rows:
        """Every row number that holds a pair, in order."""
        # the narrow table's index, not the wide rows of the vectors; as one text, which is read three times faster
        query = "SELECT group_concat(row) FROM (SELECT row FROM pairs INDEXED BY pairs_by_document)"
        listed = self._db.execute(query).fetchone()[0]
        return np.sort(np.array(listed.split(","), dtype=np.int64)) if listed else np.zeros(0, dtype=np.int64)

    def gone(self) -> Rows:
        """Row numbers that held a pair once, in order."""
        if self.format >= 2:
            found = self._db.execute("SELECT row FROM gone ORDER BY row").fetchall()
            return np.array([row for (row,) in found], dtype=np.int64)
        rows = self.rows()
        return np.setdiff1d(np.arange(1, (int(rows[-1]) if len(rows) else 0) + 1, dtype=np.int64), rows)

    def is_gone(self, row: int) -> bool:
        """Whether a row that was given out holds no pair any more."""
        return self._db.execute("SELECT 1 FROM pairs WHERE row = ?", (row,)).fetchone() is None

    def version(self) -> int:
        """Changes whenever a commit, here or in another process, may have changed the pairs."""
        return self._connections.version()

    def compact(self) -> None:
        """Rebuild words and index, vacuum, empty the write-ahead log: no removed byte stays in any file.

        QuipuError where a reader keeps the log from being emptied.
        """
        from quipu.storage.index import Index

        self.begin_writing()
        for name in ("index.faiss.tmp", "index.json.tmp", "manifest.json.tmp"):  # of a process that was killed
            (self.path / name).unlink(missing_ok=True)
        try:
            self._db.execute("INSERT INTO words (words) VALUES ('rebuild')")
            self._db.execute("INSERT INTO words (words) VALUES ('optimize')")
            with self.transaction():
                self.index_passages()
                list_gone(self._db)
            self._db.execute("VACUUM")
            busy = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.OperationalError as error:
            raise QuipuError(f"{self.path} could not be compacted ({error}); nothing is lost, try again") from error
        Index.rebuild(self)
        if busy:
            raise QuipuError(
                f"{self.path}: another process is reading, so removed bytes remain in records.sqlite-wal; "
                "close it and compact again"
            )

    @property
    def connection(self) -> sqlite3.Connection:
        """For the rest of this room (verify)."""
        return self._db

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _pair(row: Sequence[Any]) -> QAPair:
    span = Span(row[4], row[5]) if row[4] is not None else None
    origin = cast(Origin, row[6])
    return QAPair(row[0], row[1], row[2], row[3], span, origin, row[7], row[8], row[9], row[10])


def normalized(question: str, answer: str) -> str:
    """By which pairs with the same question and answer are known for duplicates."""
    return re.sub(r"\s+", " ", f"{normalize_answer(question)}\x1f{normalize_answer(answer) or answer.strip()}")


_PARENTS: list[Connections] = []  # of a forked child, kept for ever: closing them would end the parent's log
_OPEN: weakref.WeakSet[Store] = weakref.WeakSet()


def _after_fork() -> None:
    for store in list(_OPEN):
        store._forked()


os.register_at_fork(after_in_child=_after_fork)


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
