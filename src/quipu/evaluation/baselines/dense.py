"""Exact vector search over texts by any encoder: over passages, or over stored questions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from quipu.models.protocols import SupportsEncode

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]


class Dense:
    """All vectors in one matrix (M, width); inner product with each question's vector."""

    def __init__(self, encoder: SupportsEncode, texts: Sequence[str]) -> None:
        self._encoder = encoder
        self.name = encoder.name
        self._matrix = encoder.encode(texts)

    def search(self, questions: Sequence[str], k: int) -> tuple[Ids, Scores]:
        """Rows of the best ``k`` texts a question, (Q, k), with scores (Q, k), best first; ties by row."""
        k = min(k, len(self._matrix))
        rows = np.empty((len(questions), k), dtype=np.int64)
        scores = np.empty((len(questions), k), dtype=np.float32)
        for start in range(0, len(questions), 256):
            block = self._encoder.encode(questions[start : start + 256]) @ self._matrix.T  # (256, M)
            if k < block.shape[1]:
                best = np.sort(np.argpartition(-block, k - 1, axis=1)[:, :k], axis=1)
            else:
                best = np.broadcast_to(np.arange(k), block.shape)
            taken = np.take_along_axis(block, best, axis=1)
            order = np.argsort(-taken, axis=1, kind="stable")
            rows[start : start + 256] = np.take_along_axis(best, order, axis=1)
            scores[start : start + 256] = np.take_along_axis(taken, order, axis=1)
        return rows, scores
