"""The reader of memories (QAMAT's discrete path, Chen et al. 2023) by ONNX Runtime: a question and pairs to an answer.

The encoder reads the question with all pairs, in blocks; a shallow decoder says or copies the answer, piece by piece.
It was trained by ``quipu.training.qamat`` and exported by ``quipu.training.export.memory_reader``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quipu.errors import InputError
from quipu.models.detokenize import casing_of, written
from quipu.models.folders import parallel
from quipu.models.loaded import LoadedModel, padded
from quipu.models.memory_input import Ids, Marks, copyable, joined, value_text
from quipu.models.protocols import MemoryReading
from quipu.text import normalize_answer

QUESTIONS_PER_BATCH = 8
_TEXTS = 64  # texts that are encoded at once: a question may be read with a hundred passages
Floats = NDArray[np.float32]


class MemoryReader(LoadedModel):
    """Reads pairs for a question; ``SupportsReadMemory``."""

    KIND = "memory-reader"

    def __init__(self, name_or_path: str | Path, *, k: int | None = None, per_block: int | None = None) -> None:
        """Load and verify; raises InputError or FormatError (see ``folders.resolve``).

        ``k`` pairs are read, ``per_block`` of them in one text (0: all); None: as many as in training. What is beyond
        the encoder's positions is an InputError; smaller blocks mend it.
        """
        super().__init__(name_or_path)
        settings = self._settings
        self.k = int(settings["k"]) if k is None else k
        self.sentence = bool(settings["sentence"])  # reads key texts, which hold sentences, instead of questions
        self._per_block = int(settings["per_block"]) if per_block is None else per_block
        self._value_length = int(settings["value_length"])
        self._longest = int(settings["answer_length"])
        self._question_length = int(settings["question_length"])
        together = min(self.k, self._per_block) if self._per_block else self.k
        longest = together * (self._value_length + 1) + self._question_length + 3
        if longest > int(settings.get("positions", 512)):
            raise InputError(f"{self.source}: {together} pairs do not fit into one text; set per_block to 8")
        self._vocabulary = int(settings["vocabulary"])
        around = self._tokenizer.encode("").ids
        self._marks = Marks(around[:-1], around[-1:], True)
        self._stop = self._tokenizer.token_to_id(";") or 0
        known = self._tokenizer.get_added_tokens_decoder()
        self._special = np.array([token for token, content in known.items() if content.special], dtype=np.int64)
        self._mask = self._tokenizer.token_to_id("[MASK]") or 0
        self._encoder, self._project, self._decoder = map(self._graph, ("encoder", "project", "decoder"))

    def read(self, questions: Sequence[str], pairs: Sequence[Sequence[tuple[str, str]]]) -> list[MemoryReading]:
        """An answer for each question from its pairs (key text or question, answer), best first; greedy."""
        texts = [value_text(answer, text) for row in pairs for text, answer in row]
        values = iter(self._pieces(texts, self._value_length))
        entries = [[next(values) for _ in row] for row in pairs]
        xs = [[self._mask, *ids] for ids in self._pieces(questions, self._question_length)]
        order = sorted(range(len(questions)), key=lambda at: sum(map(len, entries[at])))
        batches = [order[first : first + QUESTIONS_PER_BATCH] for first in range(0, len(order), QUESTIONS_PER_BATCH)]
        if len(batches) == 1 and len(order) > 1:  # a batch a core
            batches = [order[::2], order[1::2]]
        found: list[MemoryReading] = [MemoryReading("", -np.inf, None)] * len(questions)

        def run(batch: list[int]) -> list[tuple[Ids, float]]:
            return self._batch([entries[at] for at in batch], [xs[at] for at in batch])

        for batch, said in zip(batches, parallel(run, batches), strict=True):
            for at, (pieces, log_p) in zip(batch, said, strict=True):
                found[at] = self._reading(pieces, log_p, questions[at], pairs[at])
        return found

    def _batch(self, entries: Sequence[Sequence[Ids]], xs: Sequence[Ids]) -> list[tuple[Ids, float]]:
        """Pieces and log p of the most probable answer of each."""
        rows, _, blocks = joined(self._marks, entries, xs, self._per_block)
        ids, mask = padded(rows)
        marks = ids == self._marks.end[0]
        types = ((marks.cumsum(axis=1) - marks) > 0).astype(np.int64)  # 1 behind the first separator
        parts = []
        for first in range(0, len(rows), _TEXTS):
            some = slice(first, first + _TEXTS)
            feeds = {"words": self._vectors(ids[some]), "attention_mask": mask[some], "token_type_ids": types[some]}
            parts += self._encoder.run(["states"], feeds)
        states = np.concatenate(parts)
        keys, values, copy_keys = self._project.run(["keys", "values", "copy_keys"], {"states": states})
        size, width = len(xs), states.shape[-1]
        ids, mask = ids.reshape(size, -1), mask.reshape(size, -1)
        fixed = {
            "states": states.reshape(size, -1, width), "mask": mask,
            "copyable": copyable(ids, mask, self._special, self._marks.begin[0]),
            "keys": _side_by_side(keys, blocks), "values": _side_by_side(values, blocks),
            "copy_keys": copy_keys.reshape(size, -1, width),
        }  # fmt: skip
        said = np.full((size, 1), self._marks.end[0], dtype=np.int64)
        total, ended = np.zeros(size), np.zeros(size, dtype=bool)
        stop = self._stop
        for _ in range(self._longest):
            match = ((said[:, :, None] == ids[:, None, :]) & (mask[:, None, :] > 0)).astype(np.float32)
            saying, copying = self._decoder.run(None, {**fixed, "previous": self._vectors(said), "match": match})
            p = np.zeros((size, max(self._vocabulary, int(ids.max()) + 1)))
            p[:, : self._vocabulary] = np.exp(saying)
            np.add.at(p, (np.arange(size)[:, None], ids), np.exp(copying))
            piece = p.argmax(axis=1)
            total += np.where(ended, 0.0, np.log(p.max(axis=1) + 1e-12))
            ended |= piece == stop
            said = np.concatenate([said, piece[:, None]], axis=1)
            if ended.all():
                break
        lines = [row[1:] for row in said.tolist()]
        return [
            (line[: line.index(stop)] if stop in line else line, float(score))
            for line, score in zip(lines, total, strict=True)
        ]

    def _reading(self, pieces: Ids, log_p: float, question: str, pairs: Sequence[tuple[str, str]]) -> MemoryReading:
        """The stored answer of the same pieces, else the pieces written as question and pairs write them."""
        answers = self._pieces([answer for _, answer in pairs], self._value_length)
        for at, ids in enumerate(answers):
            if ids == pieces:
                return MemoryReading(pairs[at][1], log_p, at)
        texts = [question, *(value_text(answer, text) for text, answer in pairs)]
        casing: dict[str, str] = {}
        for text in texts:
            casing |= casing_of(self._tokenizer.encode(text, add_special_tokens=False), text)
        text = written(self._tokenizer, pieces, casing)
        normal = normalize_answer(text)
        for at, (_, answer) in enumerate(pairs):
            if normal and normalize_answer(answer) == normal:
                return MemoryReading(answer, log_p, at)
        return MemoryReading(text, log_p, None)


def _side_by_side(states: Floats, blocks: int) -> Floats:
    """(L, B * blocks, H, S, d) -> (L, B, H, blocks * S, d)."""
    layers, rows, heads, length, depth = states.shape
    apart = states.reshape(layers, rows // blocks, blocks, heads, length, depth).transpose(0, 1, 3, 2, 4, 5)
    return np.ascontiguousarray(apart.reshape(layers, rows // blocks, heads, blocks * length, depth))
