"""The vectors' index: a FAISS file that is derived from the record and can be lost at any time.

``index.faiss`` covers the rows up to a number that stands in ``index.json`` beside it, with the file's sha256; rows
after it are searched exactly and merged, and rows that are gone are left out of every result.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quipu.memory.codes import Codes, choose
from quipu.memory.store import Rows, Store, Vectors

_TAIL = 20_000  # uncovered rows above which a writer's refresh rebuilds the file
Ids = NDArray[np.int64]


class Index:
    """Search over a store's vectors. ``load`` takes what is on disk, ``rebuild`` makes it anew."""

    def __init__(self, store: Store) -> None:
        """Use ``load`` or ``rebuild``."""
        import faiss

        self._faiss = faiss
        self._store = store
        self._covered: Any = None  # the FAISS index, or None
        self._covered_rows: Rows = np.zeros(0, dtype=np.int64)
        self._covered_gone = 0
        self._tail: Any = None
        self._tail_rows: Rows = np.zeros(0, dtype=np.int64)
        self._alive: Rows = np.zeros(0, dtype=np.int64)
        self._version: tuple[int, int] | None = None

    @classmethod
    def load(cls, store: Store) -> Index:
        """The index on disk where it is sound, and an exact one over everything else."""
        index = cls(store)
        index._read()
        index.refresh()
        return index

    @classmethod
    def rebuild(cls, store: Store) -> Index:
        """Cover every row that is stored now, and write the file."""
        index = cls(store)
        index._build()
        index._write()
        index.refresh()
        return index

    @property
    def size(self) -> int:
        """Pairs that a search can find."""
        return len(self._alive)

    @property
    def exact(self) -> bool:
        """Whether every result is that of a comparison with all stored vectors."""
        return self._covered is None or choose(len(self._covered_rows), self._store.width).exact

    def refresh(self) -> None:
        """Take in what was added or removed since, by this process or another."""
        version = self._store.version()
        if version == self._version:
            return
        self._alive = self._store.rows()
        covered = len(self._covered_rows) - self._still_there(self._covered_rows)
        self._covered_gone = covered
        if not self._store.read_only and (
            self._tail_size() > _TAIL or covered > 0.2 * max(1000, len(self._covered_rows))
        ):
            self._build()
            self._write()
        self._load_tail()
        self._version = version

    def search(self, query_vectors: Vectors, k: int) -> tuple[Ids, Vectors]:
        """Best ``k`` rows a question: ids (Q, k), scores (Q, k); -1 and -inf where fewer exist; ties by row."""
        count = len(query_vectors)
        ids = np.full((count, k), -1, dtype=np.int64)
        scores = np.full((count, k), -np.inf, dtype=np.float32)
        parts = []
        queries = np.ascontiguousarray(query_vectors, dtype=np.float32)
        gone = min(self._covered_gone, 2048)
        for index, rows, extra in ((self._covered, self._covered_rows, gone), (self._tail, self._tail_rows, 0)):
            if index is not None and len(rows):
                # a few more than k, so that ties at the edge are settled by row and not by FAISS
                found, places = index.search(queries, min(len(rows), k + extra + 8))
                parts.append((np.where(places >= 0, rows[places], -1), np.where(places >= 0, found, -np.inf)))
        if not parts or k == 0:
            return ids, scores
        all_rows = np.concatenate([rows for rows, _ in parts], axis=1)
        all_scores = np.concatenate([found for _, found in parts], axis=1)
        if gone:
            there = np.isin(all_rows, self._alive)
            all_rows, all_scores = np.where(there, all_rows, -1), np.where(there, all_scores, -np.inf)
        for at in range(count):
            order = np.lexsort((all_rows[at], -all_scores[at]))[:k]
            order = order[all_rows[at][order] >= 0]
            ids[at, : len(order)], scores[at, : len(order)] = all_rows[at][order], all_scores[at][order]
        return ids, scores

    def _still_there(self, rows: Rows) -> int:
        return int(np.isin(rows, self._alive, assume_unique=True).sum())

    def _tail_size(self) -> int:
        last = int(self._covered_rows[-1]) if len(self._covered_rows) else 0
        return len(self._alive) - int(np.searchsorted(self._alive, last, side="right"))

    def _load_tail(self) -> None:
        """Rows after the covered ones, in an exact index; only those not loaded yet are read."""
        last = int(self._covered_rows[-1]) if len(self._covered_rows) else 0
        wanted = self._alive[np.searchsorted(self._alive, last, side="right") :]
        known = self._tail_rows
        if len(known) and (len(wanted) < len(known) or not np.array_equal(wanted[: len(known)], known)):
            self._tail, self._tail_rows = None, np.zeros(0, dtype=np.int64)
        start = int(self._tail_rows[-1]) if len(self._tail_rows) else last
        if len(wanted) == len(self._tail_rows):
            return
        if self._tail is None:
            self._tail = self._flat()
        parts = [self._tail_rows]
        for rows, vectors in self._store.vectors(after_row=start):
            self._tail.add(vectors)
            parts.append(rows)
        self._tail_rows = np.concatenate(parts)

    def _flat(self) -> Any:
        faiss = self._faiss
        return faiss.IndexScalarQuantizer(self._store.width, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)

    def _build(self) -> None:
        """A new covering index over all stored vectors, trained on an even sample where it needs training."""
        rows = self._store.rows()
        self._tail, self._tail_rows = None, np.zeros(0, dtype=np.int64)
        self._covered, self._covered_rows, self._covered_gone = None, np.zeros(0, dtype=np.int64), 0
        if not len(rows):
            return
        codes = choose(len(rows), self._store.width)
        index = self._flat() if codes.exact else self._trained(codes, len(rows))
        for _, vectors in self._store.vectors():
            index.add(vectors)
        self._covered, self._covered_rows = index, rows

    def _trained(self, codes: Codes, count: int) -> Any:
        faiss = self._faiss
        index = faiss.index_factory(self._store.width, codes.factory, faiss.METRIC_INNER_PRODUCT)
        step = max(1, count // codes.train_rows)
        sample = np.concatenate([vectors[::step] for _, vectors in self._store.vectors()])
        index.train(sample)
        faiss.extract_index_ivf(index).nprobe = codes.probes
        index.k_factor = 8
        return index

    def _write(self) -> None:
        """The file first, then the sidecar that makes it valid."""
        folder = self._store.path
        sidecar, file = folder / "index.json", folder / "index.faiss"
        sidecar.unlink(missing_ok=True)
        if self._covered is None:
            file.unlink(missing_ok=True)
            return
        temporary = folder / "index.faiss.tmp"
        self._faiss.write_index(self._covered, str(temporary))
        digest = _digest(temporary)
        os.replace(temporary, file)
        listing = {"sha256": digest, "rows": len(self._covered_rows), "last_row": int(self._covered_rows[-1]),
                   "rows_sha256": _rows_digest(self._covered_rows)}  # fmt: skip
        (folder / "index.json.tmp").write_text(json.dumps(listing) + "\n", encoding="utf-8")
        os.replace(folder / "index.json.tmp", sidecar)

    def _read(self) -> None:
        """The file on disk, if it is the one that the sidecar names and covers rows that the store still has.

        A file that covers removed rows is not used: which rows it covers cannot be told any more. Its rows are then
        searched exactly until a writer rebuilds it.
        """
        folder = self._store.path
        try:
            listing = json.loads((folder / "index.json").read_text(encoding="utf-8"))
            last, count = int(listing["last_row"]), int(listing["rows"])
            if _digest(folder / "index.faiss") != listing["sha256"]:
                return
        except (OSError, ValueError, KeyError, TypeError):
            return
        rows = self._store.rows()
        rows = rows[rows <= last]
        if len(rows) != count or _rows_digest(rows) != listing.get("rows_sha256"):
            return
        index = self._faiss.read_index(str(folder / "index.faiss"))
        if index.ntotal == count and index.d == self._store.width:
            self._covered, self._covered_rows = index, rows


def index_is_sound(store: Store) -> bool:
    """Whether the file on disk is the one that was written (for verify).

    An index of older rows, as a killed removal leaves it, is sound: it is not used, and the next writer replaces it.
    """
    try:
        listing = json.loads((store.path / "index.json").read_text(encoding="utf-8"))
        return bool(_digest(store.path / "index.faiss") == listing["sha256"])
    except FileNotFoundError:
        return not (store.path / "index.json").exists()
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rows_digest(rows: Rows) -> str:
    return hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()
