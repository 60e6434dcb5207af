"""Nucleus sampling whose chance belongs to the row: the same seed, text and span give the same tokens in any batch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from quipu.models.lm.decoding import Branch

MOST = 40  # tokens among which chance decides


class Nucleus:
    """Chooses each next token among the likeliest that together have the probability ``top_p``.

    Chance is a hash of the branch's key and the number of its tokens so far.
    """

    def __init__(self, top_p: float) -> None:
        """``top_p`` above 0, at most 1."""
        self.top_p = top_p

    def __call__(
        self, branches: Sequence[Branch], logits: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The next tokens (R,), and their probabilities among all tokens."""
        tokens, chances = np.zeros(len(branches), np.int64), np.zeros(len(branches), np.float32)
        for row, branch in enumerate(branches):
            chance = _uniform(f"{branch.key} {len(branch.tokens)}")
            tokens[row], chances[row] = self._one(logits[row].astype(np.float64), chance)
        return tokens, chances

    def _one(self, logits: NDArray[np.float64], chance: float) -> tuple[int, float]:
        most = min(MOST, len(logits))
        likeliest = np.sort(np.argpartition(-logits, most - 1)[:most])
        likeliest = likeliest[np.argsort(-logits[likeliest], kind="stable")]
        shares = np.exp(logits[likeliest] - logits[likeliest[0]]) / np.exp(logits - logits[likeliest[0]]).sum()
        kept = np.cumsum(shares) - shares < self.top_p
        sums = np.cumsum(np.where(kept, shares, 0.0))
        at = min(int(np.searchsorted(sums, chance * sums[-1], side="right")), int(kept.sum()) - 1)
        return int(likeliest[at]), float(shares[at])


def _uniform(key: str) -> float:
    """From 0 up to 1."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "little") / 2.0**64
