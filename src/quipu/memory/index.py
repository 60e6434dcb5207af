"""The vectors' index: a FAISS file that is derived from the record and can be lost at any time.

``index.faiss`` covers the rows that ``index.json`` beside it lists, with the file's sha256; rows after the last of them
are searched exactly and merged, and rows that are gone are left out of every result.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from quipu.errors import QuipuError
from quipu.memory.codes import Codes, choose
from quipu.memory.guard import bound_faiss, is_ours, read_json, rows_of
from quipu.memory.store import Rows, Store, Vectors

_TAIL = 20_000  # uncovered rows above which a writer's refresh rebuilds the file (or a tenth of the covered ones)
_GONE = 0.2  # share of a part's rows that may be gone before it is made anew
_COMPARED = 16  # rows whose vectors are compared with the record's whenever the file is loaded
Ids = NDArray[np.int64]


@dataclass(slots=True)
class _Part:
    """A FAISS index and the row of each of its places, ascending; ``gone`` of them are not in the record any more."""

    index: Any
    rows: Rows
    gone: int = 0


class Index:
    """Search over a store's vectors. ``load`` takes what is on disk, ``rebuild`` makes it anew."""

    def __init__(self, store: Store) -> None:
        """Use ``load`` or ``rebuild``."""
        import faiss

        self._faiss: Any = faiss
        self._store = store
        self._covered: _Part | None = None
        self._tail: _Part | None = None
        self._alive: Rows = np.zeros(0, dtype=np.int64)
        self._version: tuple[int, int] | None = None

    @classmethod
    def load(cls, store: Store) -> Index:
        """The index on disk where it is sound, and an exact one over everything else."""
        index = cls(store)
        index._covered = index._read()
        index.refresh()
        return index

    @classmethod
    def rebuild(cls, store: Store) -> Index:
        """Cover every row that is stored now, and write the file."""
        index = cls(store)
        index._build()
        index.refresh()
        return index

    @property
    def size(self) -> int:
        """Pairs that a search can find."""
        return len(self._alive)

    @property
    def exact(self) -> bool:
        """Whether every result is that of a comparison with all stored vectors."""
        return self._covered is None or not hasattr(self._covered.index, "refine_index")

    def refresh(self) -> None:
        """Take in what was added or removed since, by this process or another."""
        version = self._store.version()
        if version == self._version:
            return
        with self._store.snapshot():
            self._alive = self._store.rows(known=self._alive)
            tail = len(self._alive) - int(np.searchsorted(self._alive, self._last, side="right"))
            covered = self._covered
            if covered is not None:
                covered.gone = len(covered.rows) - int(_among(covered.rows, self._alive).sum())
            of = len(covered.rows) if covered is not None else 0
            many = tail > max(_TAIL, of // 10) or (covered is not None and covered.gone > _GONE * max(1000, of))
            if many and not self._store.read_only:
                self._build()
            self._load_tail()
        self._version = version

    def search(self, query_vectors: Vectors, k: int) -> tuple[Ids, Vectors]:
        """Best ``k`` rows a question: ids (Q, k), scores (Q, k); -1 and -inf where fewer exist; ties by row."""
        count = len(query_vectors)
        ids = np.full((count, k), -1, dtype=np.int64)
        scores = np.full((count, k), -np.inf, dtype=np.float32)
        queries = np.ascontiguousarray(query_vectors, dtype=np.float32)
        parts = [self._best(part, queries, k) for part in (self._covered, self._tail) if part is not None]
        if not parts or not k or not count:
            return ids, scores
        all_rows = np.concatenate([rows for rows, _ in parts], axis=1)
        all_scores = np.concatenate([found for _, found in parts], axis=1)
        for at in range(count):
            order = np.lexsort((all_rows[at], -all_scores[at]))
            order = order[all_rows[at][order] >= 0][:k]
            ids[at, : len(order)], scores[at, : len(order)] = all_rows[at][order], all_scores[at][order]
        return ids, scores

    def _best(self, part: _Part, queries: Vectors, k: int) -> tuple[Ids, Vectors]:
        """At least the best ``k`` rows of a part that still exist, and every row that ties with the last of them."""
        fetch = k + 8 + min(part.gone, 256)
        while True:
            fetch = max(1, min(fetch, len(part.rows)))
            scores, places = part.index.search(queries, fetch)
            rows = np.where(places >= 0, part.rows[places], -1)
            if part.gone:
                rows = np.where(_among(rows, self._alive), rows, -1)
            kept = np.where(rows >= 0, scores, -np.inf)
            if fetch == len(part.rows) or not k:
                return rows, kept
            last = -np.sort(-kept, axis=1)[:, k - 1]
            if not np.any((last <= scores[:, -1]) & (places[:, -1] >= 0)):
                return rows, kept
            fetch *= 4

    @property
    def _last(self) -> int:
        return int(self._covered.rows[-1]) if self._covered is not None else 0

    def _load_tail(self) -> None:
        """Rows after the covered ones, in an exact index; only those not loaded yet are read."""
        wanted = self._alive[np.searchsorted(self._alive, self._last, side="right") :]
        tail = self._tail
        if tail is not None:
            tail.gone = len(tail.rows) - int(_among(tail.rows, wanted).sum())
            if tail.gone > _GONE * max(1000, len(tail.rows)) or not len(wanted):
                tail = None
        start = int(tail.rows[-1]) if tail is not None else self._last
        if len(wanted) and wanted[-1] > start:
            part = tail or _Part(self._flat(), np.zeros(0, dtype=np.int64))
            found = [part.rows]
            for rows, vectors in self._store.vectors(after_row=start):
                part.index.add(vectors)
                found.append(rows)
            part.rows = np.concatenate(found)
            tail = part if len(part.rows) else None
        self._tail = tail

    def _flat(self) -> Any:
        faiss = self._faiss
        return faiss.IndexScalarQuantizer(self._store.width, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)

    def _build(self) -> None:
        """A new covering index over all stored vectors, written to the folder."""
        self._covered = self._tail = None
        with self._store.snapshot():
            count = self._store.count()
            codes = choose(count, self._store.width)
            index = self._flat() if codes.exact else self._trained(codes, count)
            found = [np.zeros(0, dtype=np.int64)]
            for rows, vectors in self._store.vectors():
                index.add(vectors)
                found.append(rows)
            if index.ntotal:
                self._covered = _Part(index, np.concatenate(found))
        self._write()

    def _trained(self, codes: Codes, count: int) -> Any:
        """An empty index, trained on an even sample of the stored vectors."""
        faiss = self._faiss
        index = faiss.index_factory(self._store.width, codes.factory, faiss.METRIC_INNER_PRODUCT)
        step = max(1, count // codes.train_rows)
        sample = np.concatenate([vectors[::step] for _, vectors in self._store.vectors()])
        index.train(sample)
        faiss.extract_index_ivf(index).nprobe = codes.probes
        index.k_factor = 8
        return index

    def _write(self) -> None:
        """Write the file; QuipuError where the disk refuses. The pairs do not depend on it."""
        folder = self._store.path
        try:
            self._write_files(folder)
        except (OSError, RuntimeError) as error:  # FAISS raises RuntimeError for a failed write
            for name in ("index.faiss.tmp", "index.json.tmp"):
                (folder / name).unlink(missing_ok=True)
            raise QuipuError(
                f"{folder}: the pairs are stored, but index.faiss could not be written "
                f"({getattr(error, 'strerror', None) or 'no room on the disk, or no right to write'}); "
                f"make room, then: quipu verify {folder} --repair"
            ) from error

    def _write_files(self, folder: Path) -> None:
        """The file first, then the sidecar that makes it valid."""
        sidecar, file = folder / "index.json", folder / "index.faiss"
        sidecar.unlink(missing_ok=True)
        if self._covered is None:
            file.unlink(missing_ok=True)
            return
        temporary = folder / "index.faiss.tmp"
        self._faiss.write_index(self._covered.index, str(temporary))
        with temporary.open("rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        os.replace(temporary, file)
        rows = self._covered.rows
        listing = {"sha256": digest, "rows": len(rows), "last_row": int(rows[-1]), "runs": _runs(rows)}
        (folder / "index.json.tmp").write_text(json.dumps(listing) + "\n", encoding="utf-8")
        os.replace(folder / "index.json.tmp", sidecar)

    def _read(self) -> _Part | None:
        """The file on disk, if it is the one that the sidecar names and holds the record's vectors; else None.

        It is hashed and read through one descriptor, so that a writer who replaces it in between is not read unhashed.
        """
        folder = self._store.path
        try:
            listing = read_json(folder / "index.json")
            size = (folder / "index.faiss").stat().st_size
            rows = rows_of(listing, size // (2 * self._store.width))
            with (folder / "index.faiss").open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != listing["sha256"]:
                    return None
                file.seek(0)
                bound_faiss(self._faiss, size)
                index = self._deserialised(file)
            sound = is_ours(self._faiss, index, self._store.width, len(rows))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RuntimeError, MemoryError):
            return None
        part = _Part(index, rows)
        return part if sound and np.all(np.diff(rows) > 0) and not any(self._strangers(part, _COMPARED)) else None

    def _deserialised(self, file: BinaryIO) -> Any:
        reader = self._faiss.PyCallbackIOReader(file.read, 1 << 22)
        return self._faiss.read_index(self._faiss.BufferedIOReader(reader, 1 << 22))

    def _strangers(self, part: _Part, most: int | None = None) -> Iterator[int]:
        """Rows up to the last covered one that the index lacks or whose vector is not the stored one.

        ``most`` rows, evenly spaced, or all.
        """
        rows = self._store.rows()
        rows = rows[: np.searchsorted(rows, part.rows[-1], side="right")]
        yield from rows[~_among(rows, part.rows)].tolist()
        exact = getattr(part.index, "refine_index", part.index)
        for row in rows[:: max(1, len(rows) // most)].tolist() if most else rows.tolist():
            stored = self._store.vector(row)
            place = min(int(np.searchsorted(part.rows, row)), len(part.rows) - 1)
            if stored is None or not np.array_equal(exact.reconstruct(place), stored):
                yield row


def problems_of_the_index(store: Store) -> Iterator[str]:
    """What is wrong with the file on disk, every vector compared (for verify).

    Nothing where there is no sidecar: nobody uses the file then, and a writer that is killed leaves it so.
    """
    if not (store.path / "index.json").exists():
        return
    index = Index(store)
    part = index._read()
    if part is None:
        yield "not the file that was written, or made of other pairs"
        return
    for row in index._strangers(part):
        yield f"row {row} has another vector than the record"
        return


def _among(rows: Rows, others: Rows) -> NDArray[np.bool_]:
    """Which of ``rows`` are in ``others``, which ascend."""
    if not len(others):
        return np.zeros(rows.shape, dtype=np.bool_)
    there: NDArray[np.bool_] = others[np.minimum(np.searchsorted(others, rows), len(others) - 1)] == rows
    return there


def _runs(rows: Rows) -> list[list[int]]:
    """Ascending rows as half-open runs: [1, 2, 3, 7] is [[1, 4], [7, 8]]."""
    breaks = np.flatnonzero(np.diff(rows) != 1)
    firsts = rows[np.concatenate(([0], breaks + 1))]
    lasts = rows[np.concatenate((breaks, [len(rows) - 1]))]
    return [[int(first), int(last) + 1] for first, last in zip(firsts, lasts, strict=True)]
