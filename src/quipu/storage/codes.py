"""Which FAISS index for how many pairs, and what it will take."""

from __future__ import annotations

from dataclasses import dataclass

EXACT_UP_TO = 100_000


@dataclass(frozen=True, slots=True)
class Codes:
    """A FAISS factory string, whether its answers are exact, and bytes per pair in memory and in mapped files."""

    factory: str
    exact: bool
    ram_a_pair: float
    mapped_a_pair: float = 0.0
    probes: int = 0
    train_rows: int = 0
    rounds: int = 0  # of k-means


def choose(count: int, width: int) -> Codes:
    """Exact half-precision search up to 100,000 pairs; above, cells of 4-bit codes with exact re-scoring from a file.

    The stored vectors are half precision, so the scalar quantiser "SQfp16" loses nothing.
    """
    if count <= EXACT_UP_TO:
        return Codes("SQfp16", True, 2.0 * width)
    cells = 1 << max(8, min(14, (count // 60).bit_length() - 1, round(count**0.5 * 4).bit_length() - 1))
    parts = width // next(size for size in (6, 4, 2, 1) if width % size == 0)
    centroids = 4.0 * width * cells / count
    return Codes(
        f"IVF{cells},PQ{parts}x4fs", False, parts / 2 + 8 + centroids, 2.0 * width, probes=max(16, cells // 64),
        train_rows=40 * cells, rounds=10 if cells <= 4096 else 6,
    )  # fmt: skip
