"""The answer extractor: passages to the spans that somebody may ask about, by ONNX Runtime.

The graph scores every span of word pieces; the softmax over the spans that words and punctuation allow is the
probability that a question about the passage is answered by it. Spans that say the same (equal after normalisation)
are one candidate: their probabilities are summed, and the likeliest of them stands for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from quipu.models.loaded import LoadedModel, in_batches
from quipu.models.spans import windows
from quipu.records import Candidate, Span
from quipu.text import normalize_answer

SHAPES = 13  # how a word is written: see ``shapes``
_LOOKED_AT = 12  # spans looked at for each candidate asked for, before those that say the same are joined
_NOT_FIRST = frozenset(",.;:!?)]}'’-–—/&%")
_NOT_LAST = frozenset(",;:!?-–—/&([{$£€“‘")
_JOINS = frozenset(",.-'’")


def shapes(text: str, encoding: Encoding) -> list[int]:
    """How each piece is written, 0 for special ones: the tokenizer itself forgets capitals.

    1 to 6: small letters, Capital, CAPITALS, miXed, digits, other; 6 more where no white space stands before.
    """
    found: list[int] = []
    for word, (start, end) in zip(encoding.word_ids, encoding.offsets, strict=True):
        if word is None:
            found.append(0)
            continue
        piece = text[start:end]
        first = piece[:1]
        if first.isdigit():
            kind = 5
        elif not first.isalpha():
            kind = 6
        elif piece.islower() or piece.lower() == piece:
            kind = 1
        elif len(piece) > 1 and piece.isupper():
            kind = 3
        elif first.isupper() and piece[1:].lower() == piece[1:]:
            kind = 2
        else:
            kind = 4
        found.append(kind + 6 * (start > 0 and not text[start - 1].isspace()))
    return found


def edges(text: str, encoding: Encoding) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Pieces at which an answer may begin, and at which it may end: (T) each.

    Neither inside a word, a number or a hyphenated word, nor at punctuation that belongs to what stands around.
    """
    words, offsets = encoding.word_ids, encoding.offsets
    count = len(words)
    first, last = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    for at, word in enumerate(words):
        if word is None:
            continue
        start, end = offsets[at]
        if (at == 0 or words[at - 1] != word) and text[start] not in _NOT_FIRST:
            joined = start >= 2 and text[start - 1] in _JOINS and text[start - 2].isalnum() and text[start].isalnum()
            first[at] = not joined
        if (at + 1 == count or words[at + 1] != word) and text[end - 1] not in _NOT_LAST:
            joined = end + 1 < len(text) and text[end] in ",.-" and text[end - 1].isalnum() and text[end + 1].isalnum()
            last[at] = not joined
    return first, last


def allowed(text: str, encoding: Encoding, widest: int) -> NDArray[np.bool_]:
    """(T, L) which spans of pieces i to i + l may be answers: edges as above, brackets and quotes in pairs."""
    first, last = edges(text, encoding)
    count = len(first)
    ends = np.arange(count)[:, None] + np.arange(widest)
    found: NDArray[np.bool_] = first[:, None] & (ends < count) & last[np.minimum(ends, count - 1)]
    opened = np.zeros(count + 1, dtype=np.int64)
    quotes = np.zeros(count + 1, dtype=np.int64)
    for at, (start, end) in enumerate(encoding.offsets):  # special pieces stand for no characters
        piece = text[start:end]
        opened[at + 1] = opened[at] + piece.count("(") - piece.count(")")
        quotes[at + 1] = quotes[at] + piece.count('"')
    after = np.minimum(ends + 1, count)
    found &= opened[after] == opened[:-1, None]
    found &= (quotes[after] - quotes[:-1, None]) % 2 == 0
    return found


def select(
    text: str, encoding: Encoding, scores: NDArray[np.float32], may_be: NDArray[np.bool_], limit: int
) -> list[Candidate]:
    """The ``limit`` likeliest answers: (T, L) scores and allowed spans. ``Candidate.score`` is log p of the answer."""
    places = np.flatnonzero(may_be.ravel())
    if not len(places):
        return []
    values = scores.ravel()[places].astype(np.float64)
    highest = values.max()
    log_p = values - highest - np.log(np.exp(values - highest).sum())
    order = np.lexsort((places, -log_p))[: _LOOKED_AT * limit]
    widest, offsets = scores.shape[1], encoding.offsets
    best: dict[str, Candidate] = {}
    total: dict[str, float] = {}
    for at in order.tolist():
        first, wide = divmod(int(places[at]), widest)
        start, end = offsets[first][0], offsets[first + wide][1]
        normal = normalize_answer(text[start:end])
        if normal:
            best.setdefault(normal, Candidate(Span(start, end), text[start:end], 0.0, "learned"))
            total[normal] = float(np.logaddexp(total.get(normal, -np.inf), log_p[at]))
    ranked = sorted(best, key=lambda normal: (-total[normal], best[normal].span))
    return [replace(best[normal], score=total[normal]) for normal in ranked[:limit]]


class Extractor(LoadedModel):
    """Implements ``SupportsExtract``. What is found in a text does not depend on the texts beside it."""

    KIND, SHIPS = "extractor", "quipu-small/extractor"

    def __init__(self, name_or_path: str | Path = SHIPS) -> None:
        """Load and verify; raises InputError or FormatError (see ``folders.resolve``)."""
        super().__init__(name_or_path)
        self._widest = int(self._settings["span_length"])
        self._window = int(self._settings["window"]), int(self._settings["stride"])
        self._session = self._graph()

    def extract(self, texts: Sequence[str], *, limit: int = 14) -> list[list[Candidate]]:
        """At most ``limit`` candidates a text, likeliest first, no two with one normalised text."""
        encodings = self._encoded(texts)
        return [
            select(text, encoding, scores, allowed(text, encoding, self._widest), limit)
            for text, encoding, scores in zip(texts, encodings, self._scores(texts, encodings), strict=True)
        ]

    def span_scores(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """(T, L) score of every span of each text: entry [i, l] is word pieces i to i + l."""
        return self._scores(texts, self._encoded(texts))

    def _encoded(self, texts: Sequence[str]) -> list[Encoding]:
        return self._tokenizer.encode_batch(list(texts)) if texts else []

    def _scores(self, texts: Sequence[str], encodings: Sequence[Encoding]) -> list[NDArray[np.float32]]:
        """Scores of whole texts; long ones in windows that overlap, of which each gives its middle."""
        kinds = [shapes(text, encoding) for text, encoding in zip(texts, encodings, strict=True)]
        parts = [(row, *place) for row, item in enumerate(encodings) for place in windows(len(item.ids), *self._window)]

        def run(batch: list[int]) -> NDArray[np.float32]:
            cuts = [parts[at][:3] for at in batch]
            ids = np.array([encodings[row].ids[first:last] for row, first, last in cuts], dtype=np.int64)
            written = np.array([kinds[row][first:last] for row, first, last in cuts], dtype=np.int64)
            feeds = {"words": self._vectors(ids), "shapes": written, "mask": np.ones_like(ids)}
            found: NDArray[np.float32] = self._session.run(["scores"], feeds)[0]
            return found

        scores = [np.full((len(item.ids), self._widest), -1e4, dtype=np.float32) for item in encodings]
        for batch, found in in_batches(run, [last - first for _, first, last, _, _ in parts]):
            for place, at in enumerate(batch):
                row, first, _, kept, until = parts[at]
                scores[row][kept:until] = found[place, kept - first : until - first]
        return scores
