"""Batches of queries that were rated for being a well-formed question."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from quipu.datasets.sentences import Rated
from quipu.training.batching import padded


@dataclass(frozen=True, slots=True)
class Encoded:
    """Word pieces with [CLS] and [SEP], and the label."""

    ids: tuple[int, ...]
    share: float


def encode(tokenizer: Tokenizer, rows: Sequence[Rated]) -> list[Encoded]:
    """Tokenise all queries; the tokenizer truncates."""
    made = tokenizer.encode_batch([row.query for row in rows])
    return [Encoded(tuple(item.ids), row.share) for item, row in zip(made, rows, strict=True)]


def batches(encoded: Sequence[Encoded], size: int, seed: int) -> list[list[int]]:
    """Index lists of ``size`` queries of alike length, in random order: little padding, no epoch like another."""
    rng = random.Random(seed)
    order = sorted(range(len(encoded)), key=lambda index: (len(encoded[index].ids) + 4 * rng.random(), index))
    made = [order[start : start + size] for start in range(0, len(order), size)]
    rng.shuffle(made)
    return made


def collate(items: Sequence[Encoded]) -> dict[str, torch.Tensor]:
    """Padded tensors: ids, mask (B, T) int64; share (B,) float32."""
    ids, mask = padded([item.ids for item in items])
    return {"ids": ids, "mask": mask, "share": torch.tensor([item.share for item in items])}
