"""Nucleus sampling whose chance belongs to the row: the same seed, text and span give the same tokens in any batch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MOST = 40  # tokens among which chance decides


class Nucleus:
    """Chooses each next token among the likeliest that together have the probability ``top_p``."""

    def __init__(self, top_p: float, keys: Sequence[str]) -> None:
        """``keys``: what the chance of each branch depends on."""
        self.top_p, self.keys = top_p, keys
        self._steps = [0] * len(keys)

    def __call__(
        self, branches: Sequence[int], logits: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Tokens (R,) for the branches of these numbers, and their probabilities among all tokens."""
        tokens, chances = np.zeros(len(branches), np.int64), np.zeros(len(branches), np.float32)
        for row, branch in enumerate(branches):
            tokens[row], chances[row] = self._one(branch, logits[row].astype(np.float64))
        return tokens, chances

    def _one(self, branch: int, logits: NDArray[np.float64]) -> tuple[int, float]:
        most = min(MOST, len(logits))
        likeliest = np.sort(np.argpartition(-logits, most - 1)[:most])
        likeliest = likeliest[np.argsort(-logits[likeliest], kind="stable")]
        shares = np.exp(logits[likeliest] - logits[likeliest[0]])
        all_shares = shares / np.exp(logits - logits[likeliest[0]]).sum()
        kept = np.cumsum(all_shares) - all_shares < self.top_p
        sums = np.cumsum(np.where(kept, all_shares, 0.0))
        at = min(int(np.searchsorted(sums, self._uniform(branch) * sums[-1], side="right")), int(kept.sum()) - 1)
        return int(likeliest[at]), float(all_shares[at])

    def _uniform(self, branch: int) -> float:
        """From 0 up to 1, by a hash of the branch's key and the number of its steps so far."""
        digest = hashlib.blake2b(f"{self.keys[branch]} {self._steps[branch]}".encode(), digest_size=8).digest()
        self._steps[branch] += 1
        return int.from_bytes(digest, "little") / 2.0**64
