"""What rewrites a whole memory: compacting it, and keys by another encoder."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

import numpy as np

from quipu.errors import InputError, QuipuError
from quipu.storage.index import Index
from quipu.storage.manifest import REENCODING
from quipu.storage.pairs import Vectors
from quipu.storage.schema import list_gone
from quipu.storage.store import Store


def compact(store: Store) -> None:
    """Rebuild words and index, vacuum, empty the write-ahead log: no removed byte stays in any file.

    QuipuError where a reader keeps the log from being emptied.
    """
    store.begin_writing()
    for name in ("index.faiss.tmp", "index.json.tmp", "manifest.json.tmp"):  # of a process that was killed
        (store.path / name).unlink(missing_ok=True)
    try:
        store.connection.execute("INSERT INTO words (words) VALUES ('rebuild')")
        store.connection.execute("INSERT INTO words (words) VALUES ('optimize')")
        with store.transaction():
            store.index_passages()
            list_gone(store.connection)
        store.connection.execute("VACUUM")
        busy = store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.OperationalError as error:
        raise QuipuError(f"{store.path} could not be compacted ({error}); nothing is lost, try again") from error
    Index.rebuild(store)
    if busy:
        raise QuipuError(
            f"{store.path}: another process is reading, so removed bytes remain in records.sqlite-wal; "
            "close it and compact again"
        )


def replace_vectors(
    store: Store, make: Callable[[Sequence[str]], Vectors], name: str, digest: str, batch: int = 2048
) -> None:
    """New keys of the stored key texts, by another encoder: ``make`` turns texts (n,) into vectors (n, width).

    All in one transaction. The manifest says that it is under way, so that a memory whose keys are of one encoder
    and whose manifest names another cannot open; the same call again mends it.
    """
    store.note(REENCODING, {"name": name, "sha256": digest})
    (store.path / "index.json").unlink(missing_ok=True)  # else one of the former keys stays, if this is killed
    after = 0
    with store.transaction():
        while found := store.connection.execute(
            "SELECT row, key_text FROM pairs WHERE row > ? ORDER BY row LIMIT ?", (after, batch)
        ).fetchall():
            vectors = np.asarray(make([text for _, text in found]), dtype=np.float32).astype(np.float16)
            if vectors.shape[1] != store.width:
                raise InputError(f"{store.path} holds keys of width {store.width}, {name} makes {vectors.shape[1]}")
            rows = [(vector.tobytes(), row) for (row, _), vector in zip(found, vectors, strict=True)]
            store.connection.executemany("UPDATE vectors SET vector = ? WHERE row = ?", rows)
            after = found[-1][0]
        marked = store.connection.execute("SELECT id, question FROM feedback").fetchall()
        for first in range(0, len(marked), batch):
            some = marked[first : first + batch]
            vectors = np.asarray(make([text for _, text in some]), dtype=np.float32).astype(np.float16)
            rows = [(vector.tobytes(), mark) for (mark, _), vector in zip(some, vectors, strict=True)]
            store.connection.executemany("UPDATE feedback SET vector = ? WHERE id = ?", rows)
        store.note("models", {name: digest}, forget=(REENCODING, "calibration"))
