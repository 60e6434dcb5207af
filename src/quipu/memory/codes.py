"""Which FAISS index for how many pairs, and what it will take."""

from __future__ import annotations

from dataclasses import dataclass

EXACT_UP_TO = 100_000


@dataclass(frozen=True, slots=True)
class Codes:
    """A FAISS factory string, whether its answers are exact, and bytes of RAM a pair."""

    factory: str
    exact: bool
    bytes_a_pair: float
    probes: int = 0
    train_rows: int = 0


def choose(count: int, width: int) -> Codes:
    """Exact half-precision search up to 100,000 pairs; above, cells of 4-bit codes with exact re-scoring.

    The stored vectors are half precision, so the scalar quantiser "SQfp16" loses nothing.
    """
    if count <= EXACT_UP_TO:
        return Codes("SQfp16", True, 2.0 * width + 8)
    cells = 1 << max(10, min(16, (count // 40).bit_length() - 1, round(count**0.5 * 4).bit_length() - 1))
    parts = max(1, width // 4)
    factory = f"IVF{cells},PQ{parts}x4fs,Refine(SQfp16)"
    return Codes(factory, False, parts / 2 + 2.0 * width + 16, probes=max(16, cells // 64), train_rows=40 * cells)
