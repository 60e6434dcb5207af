"""Questions to hits: by vectors, by words, or by both with one fused score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from quipu.errors import InputError
from quipu.models.protocols import Keys
from quipu.records import Hit, Via
from quipu.storage.index import Index
from quipu.storage.joined import JoinedIndex
from quipu.storage.store import Store

Method = Literal["vector", "words", "both"]
SEARCH: Method = "vector"  # how answering retrieves
RANK_CONSTANT = 60  # of reciprocal-rank fusion: score = sum of 1 / (60 + rank)
DEPTH = 50  # hits of each kind that are fused, at least


def retrieve(
    questions: Sequence[str], vectors: Keys | None, store: Store, index: Index | JoinedIndex, k: int,
    method: Method = "vector",
) -> list[list[Hit]]:  # fmt: skip
    """The best ``k`` stored pairs for each question, best first, ties by row.

    vectors (Q, D) may be None for "words". The score is the inner product, BM25, or the fused rank score.
    """
    if method not in ("vector", "words", "both"):
        raise InputError(f"the search method must be vector, words or both, not {method!r}")
    depth = max(k, DEPTH) if method == "both" else k
    ranked: list[list[tuple[int, float, Via]]] = [[] for _ in questions]
    if method != "words" and vectors is not None:
        ids, scores = index.search(vectors, depth)
        for at in range(len(questions)):
            ranked[at] = [
                (int(row), float(score), "vector") for row, score in zip(ids[at], scores[at], strict=True) if row >= 0
            ]
    if method != "vector":
        for at, question in enumerate(questions):
            rows, bm25 = store.search_words(question, depth)
            found: list[tuple[int, float, Via]] = [
                (int(row), float(score), "words") for row, score in zip(rows, bm25, strict=True) if row >= 0
            ]
            ranked[at] = fuse(ranked[at], found) if method == "both" else found
    best = [row[:k] for row in ranked]
    pairs = iter(store.pairs_by_rows([item[0] for row in best for item in row]))
    hits: list[list[Hit]] = []
    for row in best:
        line: list[Hit] = []
        for _, score, via in row:
            pair = next(pairs)
            if pair is not None:
                line.append(Hit(pair, score, len(line) + 1, via))
        hits.append(line)
    return hits


def fuse(
    by_vector: Sequence[tuple[int, float, Via]], by_words: Sequence[tuple[int, float, Via]]
) -> list[tuple[int, float, Via]]:
    """Reciprocal-rank fusion of two ranked lists of (row, score, via); ties by row."""
    scores: dict[int, float] = {}
    via: dict[int, Via] = {}
    for ranked in (by_vector, by_words):
        for rank, (row, _, kind) in enumerate(ranked, start=1):
            scores[row] = scores.get(row, 0.0) + 1.0 / (RANK_CONSTANT + rank)
            via[row] = "both" if row in via else kind
    order = np.lexsort((list(scores), [-score for score in scores.values()]))
    rows = list(scores)
    return [(rows[at], scores[rows[at]], via[rows[at]]) for at in order.tolist()]
