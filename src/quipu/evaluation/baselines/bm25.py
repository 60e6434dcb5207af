"""BM25 over texts (Lucene's form, k1 = 1.5, b = 0.75; package bm25s): over passages, or over stored questions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from quipu.errors import MissingExtra

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]


class BM25:
    """An index in memory; English stop words dropped, no stemming."""

    name = "BM25"

    def __init__(self, texts: Sequence[str]) -> None:
        try:
            import bm25s
        except ImportError as error:
            raise MissingExtra("BM25 needs the package bm25s: pip install 'quipu-qa[dev]'") from error
        self._bm25s = bm25s
        self._size = len(texts)
        self._index = bm25s.BM25(k1=1.5, b=0.75, method="lucene")
        self._index.index(bm25s.tokenize(list(texts), show_progress=False), show_progress=False)

    def search(self, questions: Sequence[str], k: int) -> tuple[Ids, Scores]:
        """Rows of the best ``k`` texts a question, (Q, k), with scores (Q, k), best first.

        ``k`` is at most the number of texts. Texts that share no word with the question score 0.
        """
        tokens = self._bm25s.tokenize(list(questions), show_progress=False)
        rows, scores = self._index.retrieve(tokens, k=min(k, self._size), show_progress=False)
        return np.asarray(rows, dtype=np.int64), np.asarray(scores, dtype=np.float32)
