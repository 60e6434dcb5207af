"""What a QuIP encoder says of passages and questions, and the span where they meet (QuIP section 3.1).

A passage is vectors of its tokens, a question two vectors; where an answer starts (ends) is the softmax of inner
products over the passage's tokens. A passage longer than the window is encoded in windows that overlap; the middle of
each is kept, so vectors, and with them logits, are stitched in the middle of the overlaps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

WINDOW, STRIDE = 456, 328  # word pieces (QuIP section 4.1)
LONGEST = 17  # word pieces of an answer

Floats = NDArray[np.float32]
Run = Callable[[list[list[int]]], list[NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """A passage: ``vectors`` (T, D) of its tokens, and the characters (T, 2) of each; (0, 0) of special ones."""

    vectors: Floats
    offsets: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class SpanScore:
    """A span of tokens, both ends included, with the product of its start and end probability."""

    first: int
    last: int
    probability: float


class SupportsSpans(Protocol):
    """A QuIP encoder."""

    @property
    def name(self) -> str:
        """Which model this is."""

    @property
    def width(self) -> int:
        """Dimensions of a token vector."""

    def passages(self, texts: Sequence[str]) -> list[TokenVectors]:
        """Token vectors of each text's last layer."""

    def questions(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        """Start and end vectors, (n, D) float32 each."""


class SupportsStates(SupportsSpans, Protocol):
    """An encoder whose every layer can be looked at."""

    @property
    def layers(self) -> int:
        """Layers, the embeddings not counted."""

    def states(self, texts: Sequence[str]) -> list[Floats]:
        """(layers + 1, T, D) for each text, embeddings first; special tokens are there, padding is not."""


def windows(length: int, window: int = WINDOW, stride: int = STRIDE) -> list[tuple[int, int, int, int]]:
    """(first, last, kept from, kept to) of each window over ``length`` tokens, ends excluded; kept parts tile it."""
    if length <= window:
        return [(0, length, 0, length)]
    starts = list(range(0, length - window + stride, stride))
    edges = [0, *(start + (window - stride) // 2 for start in starts[1:]), length]
    return [
        (start, min(start + window, length), kept, until)
        for start, kept, until in zip(starts, edges[:-1], edges[1:], strict=True)
    ]


def stitched(rows: Sequence[list[int]], run: Run, window: int = WINDOW, stride: int = STRIDE) -> list[Floats]:
    """``run`` of all windows of all rows of ids in one call, joined: (..., T, D) a row. ``run`` keeps the order."""
    parts = [(row, *place) for row, ids in enumerate(rows) for place in windows(len(ids), window, stride)]
    found: list[list[Floats]] = [[] for _ in rows]
    for (row, first, _, kept, until), states in zip(
        parts, run([rows[row][first:last] for row, first, last, _, _ in parts]), strict=True
    ):
        found[row].append(states[..., kept - first : until - first, :])
    return [some[0] if len(some) == 1 else np.concatenate(some, axis=-2) for some in found]


def offsets_of(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[list[list[int]], list[NDArray[np.int32]]]:
    """Ids and characters of each text; special tokens stand for (0, 0)."""
    encodings = tokenizer.encode_batch(list(texts))
    return [item.ids for item in encodings], [np.array(item.offsets, dtype=np.int32) for item in encodings]


def best_span(
    start: Floats, end: Floats, *, longest: int = LONGEST, no_answer: bool = True, kept: NDArray[np.bool_] | None = None
) -> SpanScore:
    """argmax of p(start) * p(end) over first <= last < first + ``longest``; logits (T).

    Token 0, which says that there is no answer, stands for itself alone; without ``no_answer`` it is left out, and so
    are tokens that ``kept`` (T) leaves out.
    """
    p = [np.exp(logits - logits.max()) for logits in (start, end)]
    p_start, p_end = (side / side.sum() for side in p)
    none = float(p_start[0] * p_end[0])
    if kept is not None:
        p_start, p_end = p_start * kept, p_end * kept
    body_start, body_end = p_start[1:], p_end[1:]
    if not len(body_start):
        return SpanScore(0, 0, none)
    # The best end at or after each start, within the allowed length.
    padded = np.concatenate([body_end, np.zeros(longest - 1, dtype=body_end.dtype)])
    reach = np.lib.stride_tricks.sliding_window_view(padded, longest)
    products = body_start * reach.max(axis=1)
    first = int(products.argmax())
    best = float(products[first])
    if no_answer and none > best:
        return SpanScore(0, 0, none)
    return SpanScore(first + 1, first + 1 + int(reach[first].argmax()), best)


def text_of(passage: str, offsets: NDArray[np.int32], span: SpanScore) -> str:
    """The characters of a span; empty for "no answer"."""
    return passage[int(offsets[span.first, 0]) : int(offsets[span.last, 1])].strip()
