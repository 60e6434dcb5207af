"""The reranker: does this stored pair answer this question? Candidates of one question read together, by ONNX Runtime.

``Reranker`` reads the question once for all its candidates (see ``quipu.training.reranker.model``): the first few at
full depth, and where the first is not beyond doubt, the rest by ``lower.onnx``, of which the best go through
``upper.onnx`` too. ``CrossEncoder`` is any Hugging Face cross-encoder, which reads question and pair anew each time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from quipu.models.folders import kind_of, parallel
from quipu.models.loaded import LoadedModel
from quipu.models.protocols import SupportsRerank

T = TypeVar("T")
R = TypeVar("R")
Logits = NDArray[np.float32]
Pair = tuple[str, str]

FIRST = 4  # candidates read at full depth before anything else
DEEP = 6  # of the others, by their quick logit
TOKENS = 800  # of the others that are read at all; the last of a list of long ones are not
BUCKET = 8  # tokens; candidates of the same multiple are read together
BEYOND_DOUBT = 4.0  # a logit: 98 %; with this much the rest is not read
_LOW = np.float32(-1e4)


class Reranker(LoadedModel):
    """The prefix cross-encoder. Implements ``SupportsRerank``."""

    KIND, SHIPS = "reranker", "quipu-small/reranker"

    def __init__(self, name_or_path: str | Path = SHIPS) -> None:
        """Load and verify; raises InputError or FormatError (see ``folders.resolve``)."""
        super().__init__(name_or_path)
        self._longest = int(self._settings["max_length"])
        self._tokenizer.enable_truncation(self._longest)
        self._lower, self._upper = self._graph("lower"), self._graph("upper")

    def rerank(
        self, questions: Sequence[str], pairs: Sequence[Sequence[Pair]], scores: Sequence[Sequence[float]]
    ) -> list[Logits]:
        """Log-odds that each pair answers its question, in the order of the pairs; see ``SupportsRerank``."""
        jobs = list(zip(questions, pairs, scores, strict=True))
        if len(jobs) == 1:
            return [self._one(*jobs[0], spread=True)]
        return parallel(lambda job: self._one(*job, spread=False), jobs)

    def _one(self, question: str, pairs: Sequence[Pair], scores: Sequence[float], spread: bool) -> Logits:
        """One question. ``spread``: over all cores."""
        if not pairs:
            return np.zeros(0, dtype=np.float32)
        asked = self._lookup([self._tokenizer.encode(question).ids])[0]
        first = list(range(min(FIRST, len(pairs))))
        stored = [item.ids for item in self._tokenizer.encode_batch(list(pairs[: len(first)]))]
        given = np.asarray(scores, dtype=np.float32)
        logits = np.full(len(pairs), -np.inf, dtype=np.float32)

        each = parallel if spread else _in_turn

        def read(some: list[int]) -> Logits:
            return self._high(given, some, list(range(len(some))), self._low(asked, stored, given, some))

        groups = self._alike(first, stored, spread)
        for some, values in zip(groups, each(read, groups), strict=True):
            logits[some] = values
        if len(pairs) == len(first) or logits[0] >= BEYOND_DOUBT:
            return _filled(logits)
        stored += [item.ids for item in self._tokenizer.encode_batch(list(pairs[len(first) :]))]
        lengths = np.cumsum([len(ids) for ids in stored[len(first) :]])
        rest = list(range(len(first), len(first) + max(1, int(np.searchsorted(lengths, TOKENS, side="right")))))
        groups = self._alike(rest, stored, spread)
        low = each(lambda some: self._low(asked, stored, given, some), groups)
        for some, found in zip(groups, low, strict=True):
            logits[some] = found[0]
        best = {rest[place] for place in np.argsort(-logits[rest], kind="stable")[:DEEP]}
        deep = []
        for some, found in zip(groups, low, strict=True):
            kept = [place for place, row in enumerate(some) if row in best]
            if kept:
                deep.append(([some[place] for place in kept], kept, found))
        floor = np.float32(np.inf)
        for (rows, _, _), values in zip(deep, each(lambda job: self._high(given, *job), deep), strict=True):
            logits[rows] = values
            floor = min(floor, values.min())
        # a candidate that was not read at full depth stands below all that were
        shallow = [row for row in rest if row not in best]
        logits[shallow] = np.minimum(logits[shallow], floor)
        return _filled(logits)

    def _low(
        self, asked: NDArray[np.float32], stored: list[list[int]], scores: Logits, rows: list[int]
    ) -> tuple[Logits, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Quick logits (n,), states of the question (1, S, D) and the pairs (1, n, T, D), hidden places (1, n, T).

        ``rows`` are padded alike.
        """
        ids = [stored[row] for row in rows]
        length = self._padded(ids[0])
        words = np.zeros((1, len(rows), length, asked.shape[-1]), dtype=np.float32)
        hidden = np.full((1, len(rows), length), _LOW, dtype=np.float32)
        for place, found in enumerate(self._lookup(ids)):
            words[0, place, : len(found)] = found
            hidden[0, place, : len(found)] = 0.0
        feeds = {"question": asked[None], "pairs": words, "hidden": hidden, "scores": scores[rows][None]}
        quick, question, pairs = self._lower.run(None, feeds)
        return quick[0], question, pairs, hidden

    def _high(self, scores: Logits, rows: list[int], kept: list[int], low: tuple[Any, ...]) -> Logits:
        """Full logits of the ``kept`` places of what ``_low`` left; ``rows`` are theirs."""
        _, question, pairs, hidden = low
        feeds = {"question": question, "pairs": pairs[:, kept], "hidden": hidden[:, kept], "scores": scores[rows][None]}
        found: Logits = self._upper.run(None, feeds)[0][0]
        return found

    def _padded(self, ids: Sequence[int]) -> int:
        """The tokens a candidate is padded to, of its own length alone: its neighbours must not move its sums."""
        return min(-(-len(ids) // BUCKET) * BUCKET, self._longest)

    def _alike(self, rows: list[int], stored: Sequence[list[int]], spread: bool) -> list[list[int]]:
        """Rows that are padded alike together; groups over half of all in two parts, for two cores, if ``spread``."""
        groups: dict[int, list[int]] = {}
        for row in rows:
            groups.setdefault(self._padded(stored[row]), []).append(row)
        most = len(rows) // 2 if spread and len(rows) >= 4 else len(rows)
        return [group[at : at + most] for group in groups.values() for at in range(0, len(group), most)]

    def _lookup(self, rows: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """Word vectors (T, D) of each row of ids."""
        flat = np.array([piece for row in rows for piece in row], dtype=np.int64)
        return np.split(self._vectors(flat), np.cumsum([len(row) for row in rows])[:-1])


class CrossEncoder(LoadedModel):
    """A cross-encoder of one graph over "question" and "stored question answer". Implements ``SupportsRerank``."""

    KIND = "cross-encoder"

    def __init__(self, name_or_path: str | Path) -> None:
        """Load and verify; raises InputError or FormatError (see ``folders.resolve``)."""
        super().__init__(name_or_path)
        self._tokenizer.enable_truncation(int(self._settings["max_length"]))
        self._tokenizer.enable_padding(pad_id=int(self._settings["pad"]))
        self._session = self._graph()
        self._inputs = {item.name for item in self._session.get_inputs()}

    def rerank(
        self, questions: Sequence[str], pairs: Sequence[Sequence[Pair]], scores: Sequence[Sequence[float]]
    ) -> list[Logits]:
        """Log-odds that each pair answers its question; the retriever's ``scores`` are not looked at."""
        flat = [
            (question, f"{stored} {answer}")
            for question, row in zip(questions, pairs, strict=True)
            for stored, answer in row
        ]
        order = sorted(range(len(flat)), key=lambda index: len(flat[index][1]))
        batches = [order[first : first + 16] for first in range(0, len(order), 16)]
        logits = np.zeros(len(flat), dtype=np.float32)
        read = parallel(lambda some: self._batch([flat[at] for at in some]), batches)
        for batch, found in zip(batches, read, strict=True):
            logits[batch] = found
        return np.split(logits, np.cumsum([len(row) for row in pairs])[:-1]) if len(pairs) else []

    def _batch(self, texts: Sequence[Pair]) -> Logits:
        encodings = self._tokenizer.encode_batch(list(texts))
        feeds = {
            "input_ids": np.array([item.ids for item in encodings], dtype=np.int64),
            "attention_mask": np.array([item.attention_mask for item in encodings], dtype=np.int64),
            "token_type_ids": np.array([item.type_ids for item in encodings], dtype=np.int64),
        }
        found: Logits = self._session.run(None, {name: feeds[name] for name in self._inputs})[0]
        return found.reshape(len(texts), -1)[:, -1]


def load_reranker(name_or_path: str | Path) -> SupportsRerank:
    """The prefix reranker or a plain cross-encoder, by what the folder says it is."""
    return CrossEncoder(name_or_path) if kind_of(name_or_path) == "cross-encoder" else Reranker(name_or_path)


def _in_turn(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """``work`` of each item, one after the other: a core that answers one of many questions has it to itself."""
    return [work(item) for item in items]


def _filled(logits: Logits) -> Logits:
    """Candidates that were not read: below the ones that were, in the retriever's order."""
    unread = np.flatnonzero(np.isneginf(logits))
    if len(unread):
        logits[unread] = logits[np.isfinite(logits)].min() - 1.0 - np.arange(len(unread), dtype=np.float32) * 1e-3
    return logits
