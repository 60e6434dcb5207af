"""The vectors' index: FAISS files that are derived from the record and can be lost at any time.

The files (``index_files``) cover the rows up to one. Rows after it are searched exactly and merged, and rows that are
gone are left out of every result. A writer adds new rows to the files when many have come, and trains anew when there
are several times as many as at the last training.
"""

from __future__ import annotations

import os
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quipu.storage.coded import Coded, Runs
from quipu.storage.codes import Codes, choose
from quipu.storage.index_files import IndexFiles, Part
from quipu.storage.pairs import Rows, Vectors
from quipu.storage.store import Store

_TAIL = 20_000  # uncovered rows above which large files are brought up to date (or a tenth of all)
_GONE = 0.2  # share of a part's rows that may be gone before it is made anew
_OUTGROWN = 4  # times as many rows as at the last training: cells and codes are trained anew
_FEW = 8  # questions that one thread answers sooner than several that wait for one another
_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
Ids = NDArray[np.int64]


class Index:
    """Search over a store's vectors. ``load`` takes what is on disk, ``rebuild`` makes it anew."""

    def __init__(self, store: Store) -> None:
        """Use ``load`` or ``rebuild``."""
        import faiss

        self._faiss: Any = faiss
        self._store = store
        self._covered: Part | None = None
        self._tail: Part | None = None
        self._gone: Rows = np.zeros(0, dtype=np.int64)
        self._version: int | None = None
        self._guard = threading.RLock()  # a search must not meet a part that grows
        self._files = IndexFiles(store)
        _LIVE.add(self)

    @classmethod
    def load(cls, store: Store) -> Index:
        """The index on disk where it is sound, and an exact one over everything else."""
        index = cls(store)
        index._covered = index._files.read()
        index.refresh()
        return index

    @classmethod
    def rebuild(cls, store: Store) -> Index:
        """Cover every row that is stored now, and write the files."""
        index = cls(store)
        index._build()
        index.refresh()
        return index

    @classmethod
    def bring_up_to_date(cls, store: Store) -> Index:
        """Cover what has come since, where it is worth it: in the exact range every row, above it when there are many.

        New rows join the trained cells; these are trained anew only where the memory has outgrown them.
        """
        index = cls(store)
        index._covered = index._files.read()
        index.refresh()
        covered = index._covered
        many = index._uncovered() > bound(store.count(), store.width)
        if many or (covered is not None and covered.gone > _GONE * max(1000, covered.rows.count)):
            index._grow()
            index.refresh()
        return index

    @property
    def size(self) -> int:
        """Pairs that a search can find."""
        return sum(part.rows.count - part.gone for part in (self._covered, self._tail) if part is not None)

    @property
    def exact(self) -> bool:
        """Whether every result is that of a comparison with all stored vectors."""
        return self._covered is None or not isinstance(self._covered.index, Coded)

    def refresh(self) -> None:
        """Take in what was added or removed since, by this process or another; files that a writer replaced too."""
        with self._guard:
            self._refresh()

    def _refresh(self) -> None:
        version = self._store.version()
        if version == self._version:
            return
        with self._store.snapshot():
            if self._version is not None and self._files.outdated():
                self._covered, self._tail = self._files.read(), None
            self._gone = self._store.gone()
            self._load_tail()
            for part in (self._covered, self._tail):
                if part is not None:
                    part.gone = int((part.rows.places(self._gone) >= 0).sum())
        self._version = version

    def search(self, query_vectors: Vectors, k: int) -> tuple[Ids, Vectors]:
        """Best ``k`` rows per question: ids (Q, k), scores (Q, k); -1 and -inf where fewer exist; ties by row."""
        with self._guard:
            return self._search(query_vectors, k)

    def _search(self, query_vectors: Vectors, k: int) -> tuple[Ids, Vectors]:
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

    def _best(self, part: Part, queries: Vectors, k: int) -> tuple[Ids, Vectors]:
        """At least the best ``k`` rows of a part that still exist, and every row that ties with the last of them."""
        fetch = k + 8 + min(part.gone, 256)
        while True:
            fetch = max(1, min(fetch, part.rows.count))
            self._faiss.omp_set_num_threads(_threads(len(queries)))
            scores, places = part.index.search(queries, fetch)
            rows = part.rows.rows(places)
            if part.gone:
                rows = np.where(_among(rows, self._gone), -1, rows)
            kept = np.where(rows >= 0, scores, -np.inf)
            if fetch == part.rows.count or not k:
                return rows, kept
            last = -np.sort(-kept, axis=1)[:, k - 1]
            if not np.any((last <= scores[:, -1]) & (places[:, -1] >= 0)):
                return rows, kept
            fetch *= 4

    @property
    def _last(self) -> int:
        return self._covered.rows.last if self._covered is not None else 0

    def _uncovered(self) -> int:
        return self._tail.rows.count - self._tail.gone if self._tail is not None else 0

    def _load_tail(self) -> None:
        """Rows after the covered ones, in an exact index; only those not loaded yet are read."""
        tail = self._tail
        if tail is not None:
            tail.gone = int((tail.rows.places(self._gone) >= 0).sum())
            if tail.gone > _GONE * max(1000, tail.rows.count) or tail.gone == tail.rows.count:
                tail = None
        start = tail.rows.last if tail is not None else self._last
        for rows, vectors in self._store.vectors(after_row=start):
            tail = tail or Part(self._flat(), Runs.of(np.zeros(0, dtype=np.int64)))
            tail.index.add(vectors)
            tail.rows = tail.rows.joined(rows)
        self._tail = tail

    def _flat(self) -> Any:
        faiss = self._faiss
        return faiss.IndexScalarQuantizer(self._store.width, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)

    def _grow(self) -> None:
        """The tail joins the covered rows where the cells still fit; else everything is built anew."""
        covered = self._covered
        count = self._store.count()
        fits = covered is not None and isinstance(covered.index, Coded) and count <= _OUTGROWN * covered.trained_on
        if not fits or covered is None or covered.gone > _GONE * max(1000, covered.rows.count):
            self._build()
            return
        with self._store.snapshot():
            self._covered = self._files.write_coded(covered.index.codes, covered.rows, covered.trained_on)
        self._tail = None

    def _build(self) -> None:
        """New covering files over all stored vectors."""
        self._covered = self._tail = None
        with self._store.snapshot():
            count, runs = self._store.count(), Runs.of(np.zeros(0, dtype=np.int64))
            codes = choose(count, self._store.width)
            if not codes.exact:
                self._covered = self._files.write_coded(self._trained(codes, count), runs, count)
                return
            index = self._flat()
            for rows, vectors in self._store.vectors():
                index.add(vectors)
                runs = runs.joined(rows)
        self._covered = self._files.write_exact(index, runs)

    def _trained(self, codes: Codes, count: int) -> Any:
        """Empty codes, trained on an even sample of the stored vectors."""
        faiss = self._faiss
        index = faiss.index_factory(self._store.width, codes.factory, faiss.METRIC_INNER_PRODUCT)
        step = max(1, count // codes.train_rows)
        sample = np.concatenate([vectors[::step] for _, vectors in self._store.vectors()])
        index.cp.niter = codes.rounds
        index.cp.min_points_per_centroid = 1  # FAISS would warn on stderr; ``choose`` sees to it that there are enough
        index.train(sample)
        index.nprobe = codes.probes
        return index


def _threads(questions: int) -> int:
    """How many of FAISS's threads pay: one for few questions. Those of a parent do not live in a forked child."""
    return 1 if questions <= _FEW or _forked else _CORES


def bound(count: int, width: int) -> int:
    """Uncovered rows of ``count`` above which the files are brought up to date."""
    return 0 if choose(count, width).exact else max(_TAIL, count // 10)


class Rebuilding:
    """Brings a memory's index up to date in a thread of its own, while the writer goes on adding."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread: threading.Thread | None = None
        self._problem: Exception | None = None

    def start(self) -> None:
        """Begin, unless one is under way."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="quipu index", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Until it is done. A disk that refused is said here; the pairs are stored all the same."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._problem is not None:
            problem, self._problem = self._problem, None
            raise problem

    def _work(self) -> None:
        try:
            with Store.open(self._path, read_only=True) as store:
                Index.bring_up_to_date(store)
        except Exception as error:  # said by ``wait``
            self._problem = error


def _among(rows: Rows, others: Rows) -> NDArray[np.bool_]:
    """Which of ``rows`` are in ``others``, which ascend."""
    if not len(others):
        return np.zeros(rows.shape, dtype=np.bool_)
    there: NDArray[np.bool_] = others[np.minimum(np.searchsorted(others, rows), len(others) - 1)] == rows
    return there


_forked = False
_LIVE: weakref.WeakSet[Index] = weakref.WeakSet()


def _after_fork() -> None:
    global _forked
    _forked = True
    for index in list(_LIVE):
        index._guard = threading.RLock()  # a thread that does not live here may hold it


os.register_at_fork(after_in_child=_after_fork)
