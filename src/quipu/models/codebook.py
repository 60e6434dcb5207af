"""Token vectors as a few bytes: product quantisation by a codebook that was learned with the encoder.

A vector is cut into M parts, each part replaced by the nearest of 256 learned ones. A question's inner product with a
coded vector is a sum of M numbers from a table that is made once a question, so nothing is decoded to score.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quipu.errors import FormatError

Floats = NDArray[np.float32]
Codes = NDArray[np.uint8]
CENTRES = 256


class Codebook:
    """``centres`` (M, 256, D / M) float32."""

    def __init__(self, centres: Floats) -> None:
        if centres.ndim != 3 or centres.shape[1] != CENTRES:
            raise FormatError(f"a codebook has the shape (M, {CENTRES}, D / M), not {centres.shape}")
        self.centres = np.ascontiguousarray(centres, dtype=np.float32)
        self.parts, _, self._part = centres.shape
        self.width = self.parts * self._part
        self._quantizer: Any = None

    @classmethod
    def load(cls, path: Path) -> Codebook:
        """A ``.npy`` file of half precision; no pickle."""
        try:
            return cls(np.load(path, allow_pickle=False).astype(np.float32))
        except (OSError, ValueError) as error:
            raise FormatError(f"{path} holds no codebook ({error}); export the encoder again") from error

    def save(self, path: Path) -> None:
        """As half precision."""
        np.save(path, self.centres.astype(np.float16), allow_pickle=False)

    @classmethod
    def learn(cls, vectors: Floats, parts: int, *, seed: int = 0) -> Codebook:
        """k-means of each part of ``vectors`` (n, D), by FAISS."""
        import faiss

        width = vectors.shape[1]
        if width % parts:
            raise FormatError(f"a vector of {width} numbers cannot be cut into {parts} equal parts")
        quantizer = faiss.ProductQuantizer(width, parts, 8)
        quantizer.cp.seed = seed + 1
        quantizer.train(np.ascontiguousarray(vectors, dtype=np.float32))
        return cls(faiss.vector_to_array(quantizer.centroids).reshape(parts, CENTRES, width // parts))

    def encode(self, vectors: Floats) -> Codes:
        """(n, D) -> (n, M)."""
        if self._quantizer is None:
            import faiss

            self._quantizer = faiss.ProductQuantizer(self.width, self.parts, 8)
            faiss.copy_array_to_vector(self.centres.ravel(), self._quantizer.centroids)
        codes: Codes = self._quantizer.compute_codes(np.ascontiguousarray(vectors, dtype=np.float32))
        return codes

    def decode(self, codes: Codes) -> Floats:
        """(n, M) -> (n, D), what the codes stand for."""
        return self.centres[np.arange(self.parts), codes].reshape(len(codes), self.width)

    def tables(self, questions: Floats) -> Floats:
        """Products of questions (Q, D) with every centre: (Q, M, 256)."""
        parts = questions.reshape(len(questions), self.parts, self._part)
        found: Floats = np.einsum("qmd,mcd->qmc", parts, self.centres, optimize=True)
        return found

    def scores(self, tables: Floats, codes: Codes) -> Floats:
        """Inner products of the questions with coded vectors (n, M): (Q, n)."""
        places = codes.astype(np.intp) + np.arange(self.parts) * CENTRES
        flat = tables.reshape(len(tables), -1)
        return np.stack([table[places].sum(axis=1) for table in flat])
