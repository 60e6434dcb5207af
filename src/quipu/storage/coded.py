"""The large index: cells of 4-bit codes in memory, exact vectors in a mapped file.

FAISS IVF with product quantisation (fast scan) proposes places; their vectors are read from ``vectors.f16`` beside it,
which is mapped, not loaded: the pages belong to the system's cache, and several processes share one copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]

PROPOSED = 160  # places that are scored exactly, at least
TIMES_K = 4


class Coded:
    """Both halves behind the calls of a FAISS index that ``Index`` uses; places count from 0 as they were added."""

    def __init__(self, codes: Any, vectors: NDArray[np.float16]) -> None:
        """codes: a trained FAISS index of ``len(vectors)`` places; vectors (n, width): the mapped file."""
        self.codes, self.vectors = codes, vectors
        self.d: int = codes.d

    @property
    def ntotal(self) -> int:
        """Places."""
        return int(self.codes.ntotal)

    def search(self, queries: Vectors, k: int) -> tuple[Vectors, NDArray[np.int64]]:
        """Best ``k`` places a question by exact inner product, of those that the codes propose; -1 where fewer."""
        k = min(k, self.ntotal)
        _, proposed = self.codes.search(queries, min(self.ntotal, max(PROPOSED, TIMES_K * k)))
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        places = np.full((len(queries), k), -1, dtype=np.int64)
        for at, row in enumerate(proposed):
            found = np.sort(row[row >= 0])  # in the order of the file
            exact = self.vectors[found].astype(np.float32) @ queries[at]
            order = np.lexsort((found, -exact))[:k]
            places[at, : len(order)], scores[at, : len(order)] = found[order], exact[order]
        return scores, places

    def reconstruct(self, place: int) -> Vectors:
        """The stored vector of a place (width,)."""
        return np.asarray(self.vectors[place], dtype=np.float32)


def mapped(path: Path, count: int, width: int) -> NDArray[np.float16]:
    """The first ``count`` vectors of the file; ValueError where it is shorter."""
    if path.stat().st_size < 2 * count * width:
        raise ValueError(f"{path} is too short")
    vectors: NDArray[np.float16] = np.memmap(path, dtype=np.float16, mode="r", shape=(count, width))
    return vectors


@dataclass(frozen=True, slots=True)
class Runs:
    """The rows of an index's places, ascending, as half-open runs: a few bytes where a list would take eight a pair."""

    firsts: Rows
    begins: Rows  # the place of each run's first row
    count: int

    @classmethod
    def of(cls, rows: Rows) -> Runs:
        """Runs of ascending rows: 1, 2, 3, 7 are [1, 4) and [7, 8)."""
        if not len(rows):
            return cls(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), 0)
        begins = np.concatenate(([0], np.flatnonzero(np.diff(rows) != 1) + 1))
        return cls(rows[begins], begins.astype(np.int64), len(rows))

    @classmethod
    def parsed(cls, runs: Any) -> Runs:
        """Of a list of [first, end) pairs; ValueError where they overlap, descend or hold more than a file can."""
        pairs = np.array(runs, dtype=np.int64).reshape(-1, 2)
        lengths = pairs[:, 1] - pairs[:, 0]
        if (lengths <= 0).any() or (pairs[:, 0] < 0).any() or (pairs[1:, 0] <= pairs[:-1, 1] - 1).any():
            raise ValueError("runs of rows must ascend")
        if pairs.size and int(pairs[-1, 1]) >= 1 << 40:
            raise ValueError("a row number is too large")
        begins = np.concatenate(([0], np.cumsum(lengths)[:-1])) if len(pairs) else np.zeros(0, dtype=np.int64)
        return cls(pairs[:, 0], begins.astype(np.int64), int(lengths.sum()))

    def listed(self) -> list[list[int]]:
        """What ``parsed`` reads."""
        ends = self.firsts + np.diff(np.append(self.begins, self.count))
        return [[int(first), int(end)] for first, end in zip(self.firsts, ends, strict=True)]

    def joined(self, rows: Rows) -> Runs:
        """With more rows after the last."""
        more = Runs.of(rows)
        if not self.count or not more.count:
            return self if self.count else more
        adjoining = int(more.firsts[0]) == self.last + 1
        keep = slice(1, None) if adjoining else slice(None)
        return Runs(
            np.concatenate([self.firsts, more.firsts[keep]]),
            np.concatenate([self.begins, more.begins[keep] + self.count]),
            self.count + more.count,
        )

    @property
    def last(self) -> int:
        """The last row; 0 where there is none."""
        return int(self.firsts[-1] + self.count - 1 - self.begins[-1]) if self.count else 0

    def rows(self, places: NDArray[np.int64]) -> Rows:
        """The row of each place; -1 stays -1."""
        if not self.count:
            return np.full(places.shape, -1, dtype=np.int64)
        run = np.maximum(np.searchsorted(self.begins, places, side="right") - 1, 0)
        return np.where(places < 0, -1, self.firsts[run] + places - self.begins[run])

    def places(self, rows: Rows) -> NDArray[np.int64]:
        """The place of each row; -1 where it has none."""
        if not self.count:
            return np.full(rows.shape, -1, dtype=np.int64)
        run = np.searchsorted(self.firsts, rows, side="right") - 1
        place = self.begins[np.maximum(run, 0)] + rows - self.firsts[np.maximum(run, 0)]
        ends = np.append(self.begins[1:], self.count)
        return np.where((run >= 0) & (place < ends[np.maximum(run, 0)]), place, -1)

    def all(self) -> Rows:
        """Every row, in order."""
        return self.rows(np.arange(self.count, dtype=np.int64))
