"""Precision and well-formedness of a memory's pairs, by people who judge a sample without seeing any score."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from quipu.evaluation.metrics import wilson
from quipu.records import QAPair
from quipu.storage.reviews import Review, keep_review, last_review
from quipu.storage.store import Store


@dataclass(frozen=True, slots=True)
class Share:
    """How many of ``n`` are so, with the 95 % interval of the share (Wilson)."""

    count: int
    n: int

    def to_json(self) -> dict[str, Any]:
        """Count, share (None of nothing) and interval."""
        low, high = wilson(self.count, self.n)
        return {"count": self.count, "share": self.count / self.n if self.n else None, "low": low, "high": high}


def sample(store: Store, n: int, seed: int, origin: str | None = None) -> list[QAPair]:
    """``n`` pairs, of one origin or of any, drawn by ``seed``.

    Each pair has a number of its own by its id and the seed, and the least are drawn: pairs that come or go later
    change as little of the sample as can be, so that it can be gone on with.
    """
    rows = store.connection.execute("SELECT id FROM pairs WHERE ?1 IS NULL OR origin = ?1", (origin,))
    drawn = heapq.nsmallest(
        n, (hashlib.sha256(f"{seed} {pair_id}".encode()).digest() + pair_id.encode() for (pair_id,) in rows)
    )
    return [store.pair(item[32:].decode()) for item in drawn]


def judge(store: Store, pair: QAPair, well_formed: bool, right: bool, by: str) -> Review:
    """Keep what somebody says of a pair of a sample."""
    said = Review(pair.id, "sample", pair.question, pair.answer, well_formed, right, by, document=pair.document_id)
    return keep_review(store, said)


def unjudged(store: Store, pairs: Sequence[QAPair]) -> list[QAPair]:
    """Those of a sample that nobody has judged yet, in order."""
    return [pair for pair in pairs if last_review(store, pair.id, sampled=True) is None]


def shares(store: Store, pairs: Sequence[QAPair]) -> dict[str, Share]:
    """Of the pairs of a sample that were judged: how many are well-formed, and how many are right (precision)."""
    said = [found for pair in pairs if (found := last_review(store, pair.id, sampled=True)) is not None]
    return {
        "well_formed": Share(sum(bool(item.well_formed) for item in said), len(said)),
        "precision": Share(sum(bool(item.right) for item in said), len(said)),
    }
