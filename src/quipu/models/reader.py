"""The cross-encoder reader: question and passage in, best answer span or "no answer" out, by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from quipu.models.folders import parallel
from quipu.models.loaded import LoadedModel, padded
from quipu.models.protocols import Reading

TOKENS_PER_BATCH = 3072
LONGEST = 24  # word pieces of an answer
LONGEST_QUESTION = 96  # word pieces
_LOW = np.float32(-1e4)


class Reader(LoadedModel):
    """Reads one passage for one question. Implements ``SupportsRead``."""

    KIND = "reader"

    def __init__(self, name_or_path: str | Path) -> None:
        """Load and verify; raises InputError or FormatError (see ``folders.resolve``)."""
        super().__init__(name_or_path)
        length, stride = int(self._settings["max_length"]), int(self._settings["stride"])
        self._tokenizer.enable_truncation(length, stride=stride, strategy="only_second")
        self._questions: Tokenizer | None = None
        self._session = self._graph()

    def read(self, questions: Sequence[str], passages: Sequence[str]) -> list[Reading]:
        """The best span of ``passages[i]`` for ``questions[i]``; a long passage is read in overlapping windows.

        Each batch holds inputs of similar length, longest last; the order of the result is that of the questions.
        """
        if not questions:
            return []
        shortened = [self._shortened(question) for question in questions]
        windows = []  # (question, encoding)
        for index, encoding in enumerate(self._tokenizer.encode_batch(list(zip(shortened, passages, strict=True)))):
            windows += [(index, part) for part in (encoding, *encoding.overflowing)]
        best: list[Reading | None] = [None] * len(questions)
        order = sorted(range(len(windows)), key=lambda at: (len(windows[at][1].ids), at))
        batches: list[list[tuple[int, Encoding]]] = []
        for at in order:
            size = len(windows[at][1].ids)
            if not batches or (len(batches[-1]) + 1) * size > TOKENS_PER_BATCH:
                batches.append([])
            batches[-1].append(windows[at])
        for batch, readings in zip(batches, parallel(lambda some: self._batch(some, passages), batches), strict=True):
            for (index, _), reading in zip(batch, readings, strict=True):
                known = best[index]
                if known is None or reading.score > known.score:
                    best[index] = reading
        return [reading for reading in best if reading is not None]

    def _shortened(self, question: str) -> str:
        """At most 60 words and 96 word pieces, so that every window has room for the passage."""
        words = " ".join(question.split()[:60])
        if len(words) <= LONGEST_QUESTION:  # a piece is a character or more
            return words
        if self._questions is None:
            self._questions = Tokenizer.from_str(self._tokenizer.to_str())
            self._questions.enable_truncation(LONGEST_QUESTION)
        offsets = self._questions.encode(words, add_special_tokens=False).offsets
        return words[: offsets[-1][1]]

    def _batch(self, batch: Sequence[tuple[int, Encoding]], passages: Sequence[str]) -> list[Reading]:
        feeds, allowed = self._feeds([encoding for _, encoding in batch])
        start_logits, end_logits = self._session.run(["start", "end"], feeds)
        first, last, score, probability = best_spans(start_logits, end_logits, allowed, LONGEST)
        found = []
        for row, (index, item) in enumerate(batch):
            offsets = item.offsets
            left, right = offsets[first[row]][0], offsets[last[row]][1]
            text = passages[index][left:right]
            found.append(Reading(left, right, text, float(score[row]), float(probability[row])))
        return found

    def _feeds(self, encodings: Sequence[Encoding]) -> tuple[dict[str, Any], NDArray[np.bool_]]:
        feeds, allowed = _padded(encodings)
        return {**self._words(feeds.pop("input_ids")), **feeds}, allowed


def _padded(encodings: Sequence[Encoding]) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.bool_]]:
    """What the graph takes, (B, T) each, and which tokens are the passage's."""
    ids, mask = padded([item.ids for item in encodings])
    types, _ = padded([item.type_ids for item in encodings])
    allowed = types == 1
    allowed[np.arange(len(ids)), mask.sum(axis=1) - 1] = False  # what ends it
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}, allowed


def best_spans(
    start: NDArray[np.float32], end: NDArray[np.float32], allowed: NDArray[np.bool_], longest: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Best first <= last < first + longest a row, its log-odds against "no answer" (token 0), and its probability.

    start, end (B, T) logits; allowed (B, T): the passage's tokens. Every result is (B,).
    """
    none = start[:, 0] + end[:, 0]
    length = start.shape[1]
    start, end = np.where(allowed, start, _LOW), np.where(allowed, end, _LOW)
    padded = np.pad(end, ((0, 0), (0, longest - 1)), constant_values=_LOW)
    ends = np.lib.stride_tricks.sliding_window_view(padded, longest, axis=1)  # (B, T, L)
    joint = start[:, :, None] + ends
    flat = joint.reshape(len(joint), -1)
    place = flat.argmax(axis=1)
    top = flat[np.arange(len(flat)), place]
    ceiling = np.maximum(top, none)
    total = np.exp(flat - ceiling[:, None]).sum(axis=1) + np.exp(none - ceiling)
    first = place // longest
    last = np.minimum(first + place % longest, length - 1)
    return first, last, top - none, np.exp(top - ceiling) / total
