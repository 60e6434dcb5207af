"""Token vectors as a few bytes: product quantisation by a codebook that was learned with the encoder.

What matters of a token vector t is its inner product with a question's vector q, so the codebook minimises the error of
q . t over questions, not the distance of vectors: t is turned into the space in which the questions' vectors are white,
there into its principal components, and each component gets bits by how much it varies (reverse water-filling). The
components are put into M parts of equal bits, and each part is replaced by the nearest of 256 learned centres. A
question's product with a coded vector is then a sum of M numbers from a table that is made once a question; nothing is
decoded to score.
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
_BITS = 8
_FILES = ("centres", "mean", "into", "out", "place")
_FLOOR = 1e-6  # of the largest: below it a direction of questions counts as if it had this


class Codebook:
    """Centres of M parts of G components each (padded with zeros), and the way from vectors to components and back.

    ``centres`` (M, 256, G); ``mean`` (D,); ``into``, ``out`` (N, D): components of a vector t are into @ (t - mean),
    and t is about mean + out.T @ components; ``place`` (N,) where component n stands among the M * G.
    """

    def __init__(
        self, centres: Floats, mean: Floats, into: Floats, out: Floats, place: NDArray[np.integer[Any]]
    ) -> None:
        if centres.ndim != 3 or centres.shape[1] != CENTRES:
            raise FormatError(f"a codebook has centres of the shape (M, {CENTRES}, G), not {centres.shape}")
        if into.shape != out.shape or into.shape != (len(place), len(mean)):
            raise FormatError(f"a codebook's maps have shapes that do not fit: {into.shape}, {out.shape}")
        self.centres = np.ascontiguousarray(centres, dtype=np.float32)
        self.parts, _, self._part = centres.shape
        self._mean, self._place = mean.astype(np.float32), place.astype(np.int64)
        self._into, self._out = into.astype(np.float32), out.astype(np.float32)
        self._quantizer: Any = None

    @classmethod
    def load(cls, path: Path) -> Codebook:
        """An ``.npz`` file of half precision; no pickle."""
        try:
            with np.load(path, allow_pickle=False) as content:
                return cls(*(content[name] for name in _FILES))
        except (OSError, ValueError, KeyError) as error:
            raise FormatError(f"{path} holds no codebook ({error}); export the encoder again") from error

    def save(self, path: Path) -> None:
        """As half precision."""
        halves = (value.astype(np.float16) for value in (self.centres, self._mean, self._into, self._out))
        np.savez(path, **dict(zip(_FILES, (*halves, self._place), strict=True)))  # type: ignore[arg-type]

    @classmethod
    def learn(cls, vectors: Floats, questions: Floats, parts: int, *, seed: int = 0) -> Codebook:
        """From token vectors (n, D) and the vectors (q, D) that will be multiplied with them, into ``parts`` bytes."""
        import faiss

        if parts < 1 or len(vectors) < CENTRES:
            raise FormatError(f"a codebook needs 1 part and {CENTRES} vectors at least, not {parts} and {len(vectors)}")
        # Half precision first, as it is stored: the centres are learned for the maps that are used.
        mean = vectors.mean(axis=0).astype(np.float16).astype(np.float32)
        values, axes = np.linalg.eigh(questions.T.astype(np.float64) @ questions / len(questions))
        root = np.sqrt(np.maximum(values, values.max() * _FLOOR))
        white = (axes * root) @ axes.T
        variances, components = np.linalg.eigh(np.cov(((vectors - mean) @ white).T))
        bits = _water_filled(variances, parts * _BITS)
        groups = _groups(bits, parts)
        size = max(len(group) for group in groups)
        rows = [row for group in groups for row in group]
        place = np.array([part * size + at for part, group in enumerate(groups) for at in range(len(group))])
        into = (components.T @ white)[rows].astype(np.float16).astype(np.float32)
        out = (components.T @ ((axes / root) @ axes.T))[rows].astype(np.float16).astype(np.float32)
        book = cls(np.zeros((parts, CENTRES, size), dtype=np.float32), mean, into, out, place)
        quantizer = faiss.ProductQuantizer(parts * size, parts, _BITS)
        quantizer.cp.seed = seed + 1
        quantizer.train(book._components(vectors))
        book.centres = faiss.vector_to_array(quantizer.centroids).reshape(parts, CENTRES, size)
        book.centres = book.centres.astype(np.float16).astype(np.float32)
        return book

    def encode(self, vectors: Floats) -> Codes:
        """(n, D) -> (n, M)."""
        if self._quantizer is None:
            import faiss

            self._quantizer = faiss.ProductQuantizer(self.parts * self._part, self.parts, _BITS)
            faiss.copy_array_to_vector(self.centres.ravel(), self._quantizer.centroids)
        codes: Codes = self._quantizer.compute_codes(self._components(vectors))
        return codes

    def decode(self, codes: Codes) -> Floats:
        """(n, M) -> (n, D), what the codes stand for."""
        components = self.centres[np.arange(self.parts), codes].reshape(len(codes), -1)
        vectors: Floats = components[:, self._place] @ self._out + self._mean
        return vectors

    def tables(self, questions: Floats) -> Floats:
        """Products of questions (Q, D) with every centre: (Q, M, 256); that with the mean is in the first part's."""
        turned = np.zeros((len(questions), self.parts * self._part), dtype=np.float32)
        turned[:, self._place] = questions @ self._out.T
        parts = turned.reshape(len(questions), self.parts, self._part)
        found: Floats = np.einsum("qmg,mcg->qmc", parts, self.centres, optimize=True)
        found[:, 0] += (questions @ self._mean)[:, None]
        return found

    def scores(self, tables: Floats, codes: Codes) -> Floats:
        """Inner products of the questions with coded vectors (n, M): (Q, n)."""
        places = codes.astype(np.intp) + np.arange(self.parts) * CENTRES
        flat = tables.reshape(len(tables), -1)
        return np.stack([table[places].sum(axis=1) for table in flat])

    def _components(self, vectors: Floats) -> Floats:
        padded = np.zeros((len(vectors), self.parts * self._part), dtype=np.float32)
        padded[:, self._place] = (vectors - self._mean) @ self._into.T
        return padded


def _water_filled(variances: NDArray[np.float64], bits: int) -> NDArray[np.float64]:
    """Bits of each component: half the log2 of variance over a level, none below it, ``bits`` in all."""
    known = np.sort(np.maximum(variances, variances.max() * 1e-12))[::-1]
    logs = 0.5 * np.log2(known)
    # With the n largest above the level, its log is (their sum - bits) / n; the right n is the last that stays above.
    levels = (np.cumsum(logs) - bits) / np.arange(1, len(logs) + 1)
    level = levels[np.flatnonzero(logs > levels)[-1]]
    filled: NDArray[np.float64] = np.maximum(0.0, 0.5 * np.log2(np.maximum(variances, variances.max() * 1e-12)) - level)
    return filled


def _groups(bits: NDArray[np.float64], parts: int) -> list[list[int]]:
    """Components with bits, the largest first, each into the part that has the fewest bits."""
    groups: list[list[int]] = [[] for _ in range(parts)]
    filled = np.zeros(parts)
    for row in np.argsort(-bits, kind="stable"):
        if bits[row] <= 0:
            break
        part = int(filled.argmin())
        groups[part].append(int(row))
        filled[part] += bits[row]
    return groups
