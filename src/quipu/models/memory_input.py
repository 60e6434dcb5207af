"""Memory and question as one text for an encoder: [m_K; ..; m_1; X] of QAMAT (Chen et al. 2023, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = list[int]


@dataclass(frozen=True, slots=True)
class Marks:
    """Tokens around and between texts. ``x_first``: X stands in front of the memory, the best entry next to it."""

    begin: Ids
    end: Ids
    x_first: bool


def value_text(answer: str, question: str) -> str:
    """What is read of a pair: the answer, then the question (or the key text, which holds its sentence too).

    A passage has no answer: its text alone.
    """
    return f"{answer}; {question}" if answer else question


def joined(
    marks: Marks, entries: Sequence[Sequence[Ids]], xs: Sequence[Ids], per_block: int = 0
) -> tuple[list[Ids], list[int], int]:
    """Rows of token ids, where X begins in the last row of each X, and how many rows (blocks) each X has.

    ``entries`` of each X are in order, best first; the end mark separates them. ``per_block``: entries are read in
    blocks of so many, each with X, the last block holds the best; 0: all in one.
    """
    most = max((len(some) for some in entries), default=0)
    blocks = max(1, -(-most // per_block)) if per_block else 1
    rows, places = [], []
    for some, x in zip(entries, xs, strict=True):
        place = 0
        for block in range(blocks - 1, -1, -1):
            part = list(some[block * per_block : (block + 1) * per_block] if per_block else some)
            if marks.x_first:
                memory = [token for entry in part for token in (*marks.end, *entry)]
                row, place = [*marks.begin, *x, *memory], len(marks.begin)
            else:
                memory = [token for entry in reversed(part) for token in (*entry, *marks.end)]
                row, place = [*marks.begin, *memory, *x], len(marks.begin) + len(memory)
            rows.append([*row, *marks.end])
        places.append(place)
    return rows, places, blocks


def copyable(
    ids: NDArray[np.int64], mask: NDArray[np.int64], special: NDArray[np.int64], begin: int
) -> NDArray[np.float32]:
    """What a reader may copy of ids (B, S), blocks side by side: 0 for nothing, else 1 / rank of the token's block.

    The last block holds the best entries (see ``joined``) and has rank 1; ``begin`` is the token that a block begins
    with, ``special`` are the tokens that are no words.
    """
    blocks = (ids == begin).cumsum(axis=1)
    ranks = blocks[:, -1:] - blocks + 1
    weights: NDArray[np.float32] = (mask * ~np.isin(ids, special) / ranks).astype(np.float32)
    return weights
