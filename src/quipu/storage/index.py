"""The vectors' index: FAISS files that are derived from the record and can be lost at any time.

``index.faiss`` covers the rows that ``index.json`` beside it lists, with the file's sha256; above the exact range
``vectors.f16`` holds their vectors (see ``coded``). Rows after the last of them are searched exactly and merged, and
rows that are gone are left out of every result. A writer adds new rows to the files when many have come, and trains
anew when there are several times as many as at the last training.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from quipu.errors import QuipuError
from quipu.storage.coded import Coded, Runs, mapped
from quipu.storage.codes import Codes, choose
from quipu.storage.guard import bound_faiss, is_coded, is_flat, read_json, runs_of
from quipu.storage.store import Rows, Store, Vectors

_TAIL = 20_000  # uncovered rows above which large files are brought up to date (or a tenth of all)
_GONE = 0.2  # share of a part's rows that may be gone before it is made anew
_OUTGROWN = 4  # times as many rows as at the last training: cells and codes are trained anew
_COMPARED = 16  # rows whose vectors are compared with the record's whenever the file is loaded
_VECTORS = "vectors.f16"
_FEW = 8  # questions that one thread answers sooner than several that wait for one another
_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
Ids = NDArray[np.int64]


@dataclass(slots=True)
class _Part:
    """An index and the row of each of its places; ``gone`` of them are not in the record any more."""

    index: Any
    rows: Runs
    gone: int = 0
    trained_on: int = 0


class Index:
    """Search over a store's vectors. ``load`` takes what is on disk, ``rebuild`` makes it anew."""

    def __init__(self, store: Store) -> None:
        """Use ``load`` or ``rebuild``."""
        import faiss

        self._faiss: Any = faiss
        self._store = store
        self._covered: _Part | None = None
        self._tail: _Part | None = None
        self._gone: Rows = np.zeros(0, dtype=np.int64)
        self._version: int | None = None
        self._guard = threading.RLock()  # a search must not meet a part that grows
        self._stamp: tuple[int, int] | None = None
        _LIVE.add(self)

    @classmethod
    def load(cls, store: Store) -> Index:
        """The index on disk where it is sound, and an exact one over everything else."""
        index = cls(store)
        index._covered = index._read()
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
        index._covered = index._read()
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
            if self._version is not None and self._outdated():
                self._covered, self._tail = self._read(), None
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

    def _best(self, part: _Part, queries: Vectors, k: int) -> tuple[Ids, Vectors]:
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
            tail = tail or _Part(self._flat(), Runs.of(np.zeros(0, dtype=np.int64)))
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
            self._add_coded(covered.index.codes, covered.rows, covered.trained_on, self._last)

    def _build(self) -> None:
        """New covering files over all stored vectors."""
        self._covered = self._tail = None
        with self._store.snapshot():
            count = self._store.count()
            codes = choose(count, self._store.width)
            if not codes.exact:
                (self._store.path / _VECTORS).unlink(missing_ok=True)  # a reader that maps it keeps what it has
                self._add_coded(self._trained(codes, count), Runs.of(np.zeros(0, dtype=np.int64)), count, 0)
                return
            index, runs = self._flat(), Runs.of(np.zeros(0, dtype=np.int64))
            for rows, vectors in self._store.vectors():
                index.add(vectors)
                runs = runs.joined(rows)
            if index.ntotal:
                self._covered = _Part(index, runs)
        self._write(index if self._covered is not None else None, runs, 0)
        (self._store.path / _VECTORS).unlink(missing_ok=True)

    def _add_coded(self, codes: Any, runs: Runs, trained_on: int, after_row: int) -> None:
        """Add the vectors after ``after_row`` to codes and mapped file, and write."""
        path = self._store.path / _VECTORS
        try:
            with path.open("r+b" if runs.count else "wb") as file:
                file.seek(2 * self._store.width * runs.count)
                file.truncate()
                for rows, vectors in self._store.vectors(after_row=after_row):
                    codes.add(vectors)
                    file.write(vectors.astype(np.float16).tobytes())
                    runs = runs.joined(rows)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._refused(error) from error
        self._write(codes, runs, trained_on)
        self._covered = _Part(Coded(codes, mapped(path, runs.count, self._store.width)), runs, 0, trained_on)
        self._tail = None

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

    def _write(self, index: Any, runs: Runs, trained_on: int) -> None:
        """Write the file; QuipuError where the disk refuses. The pairs do not depend on it."""
        folder = self._store.path
        try:
            self._write_files(folder, index, runs, trained_on)
        except (OSError, RuntimeError) as error:  # FAISS raises RuntimeError for what it cannot write
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> QuipuError:
        folder = self._store.path
        for name in ("index.faiss.tmp", "index.json.tmp"):
            (folder / name).unlink(missing_ok=True)
        return QuipuError(
            f"{folder}: the pairs are stored, but index.faiss could not be written "
            f"({getattr(error, 'strerror', None) or 'no room on the disk, or no right to write'}); "
            f"make room, then: quipu verify {folder} --repair"
        )

    def _write_files(self, folder: Path, index: Any, runs: Runs, trained_on: int) -> None:
        """The file first, then the sidecar that makes it valid."""
        sidecar, file = folder / "index.json", folder / "index.faiss"
        sidecar.unlink(missing_ok=True)
        if index is None:
            file.unlink(missing_ok=True)
            return
        temporary = folder / "index.faiss.tmp"
        with temporary.open("wb+") as written:  # not by its name, which need not be UTF-8
            self._faiss.write_index(index, self._faiss.PyCallbackIOWriter(written.write, 1 << 22))
            written.seek(0)
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        os.replace(temporary, file)
        listing = {"sha256": digest, "rows": runs.count, "last_row": runs.last, "runs": runs.listed()}
        if trained_on:
            listing["trained_on"] = trained_on
        (folder / "index.json.tmp").write_text(json.dumps(listing) + "\n", encoding="utf-8")
        os.replace(folder / "index.json.tmp", sidecar)
        self._stamp = _stamp(sidecar)

    def _outdated(self) -> bool:
        """Whether another process has replaced the files since they were read."""
        stamp = _stamp(self._store.path / "index.json")
        return stamp is not None and stamp != self._stamp

    def _read(self) -> _Part | None:
        """The files on disk, if they are those that the sidecar names and hold the record's vectors; else None.

        The first is hashed and read through one descriptor, so that a writer who replaces it in between is not read
        unhashed. The mapped vectors are compared with the record's in a few places here, in all by ``verify``.
        """
        folder, width = self._store.path, self._store.width
        self._stamp = _stamp(folder / "index.json")
        try:
            listing = read_json(folder / "index.json")
            trained_on = int(listing.get("trained_on", 0))
            size = (folder / "index.faiss").stat().st_size
            held = (folder / _VECTORS).stat().st_size if trained_on else size
            runs = runs_of(listing, held // (2 * width))
            with (folder / "index.faiss").open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != listing["sha256"]:
                    return None
                file.seek(0)
                bound_faiss(self._faiss, size)
                index = self._deserialised(file)
            if trained_on:
                sound = is_coded(self._faiss, index, width, runs.count)
                index = Coded(index, mapped(folder / _VECTORS, runs.count, width))
            else:
                sound = is_flat(self._faiss, index, width, runs.count)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RuntimeError, MemoryError):
            return None
        part = _Part(index, runs, 0, trained_on)
        return part if sound and not any(self._strangers(part, _COMPARED)) else None

    def _deserialised(self, file: BinaryIO) -> Any:
        reader = self._faiss.PyCallbackIOReader(file.read, 1 << 22)
        return self._faiss.read_index(self._faiss.BufferedIOReader(reader, 1 << 22))

    def _strangers(self, part: _Part, most: int | None = None) -> Iterator[int]:
        """Rows up to the last covered one that the index lacks or whose vector is not the stored one.

        ``most`` rows, evenly spaced over the covered ones, or all.
        """
        if most is None:
            rows = self._store.rows()
            rows = rows[: np.searchsorted(rows, part.rows.last, side="right")]
            yield from rows[part.rows.places(rows) < 0].tolist()
        else:
            rows = part.rows.rows(np.unique(np.linspace(0, part.rows.count - 1, most).astype(np.int64)))
        for row, place in zip(rows.tolist(), part.rows.places(rows).tolist(), strict=True):
            stored = self._store.vector(row)
            if stored is None and self._store.is_gone(row):
                continue
            if stored is None or place < 0 or not np.array_equal(part.index.reconstruct(place), stored):
                yield row


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


def problems_of_the_index(store: Store) -> Iterator[str]:
    """What is wrong with the files on disk, every vector compared (for verify).

    Nothing where there is no sidecar: nobody uses the files then, and a writer that is killed leaves it so.
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


def _stamp(sidecar: Path) -> tuple[int, int] | None:
    try:
        found = sidecar.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


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
