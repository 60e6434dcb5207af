"""The key encoder: texts to unit vectors, by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from quipu.models.hub import parallel, resolve, session
from quipu.models.protocols import Keys

TOKENS_PER_BATCH = 2048  # beyond this a larger batch is no faster on two cores


def length_batches(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Indices in batches of *equal* length, at most ``tokens`` tokens each.

    No text is padded: padding costs time, and it would move the scales of the int8 activations.
    """
    order = sorted(range(len(lengths)), key=lambda index: (lengths[index], index))
    batches: list[list[int]] = []
    for index in order:
        last = batches[-1] if batches else []
        if last and lengths[last[0]] == lengths[index] and (len(last) + 1) * lengths[index] <= tokens:
            last.append(index)
        else:
            batches.append([index])
    return batches


class Encoder:
    """Questions and key texts to keys. Implements ``SupportsEncode``."""

    def __init__(self, name_or_path: str | Path = "quipu-mini/encoder") -> None:
        """Load and verify; raises InputError or FormatError (see ``hub.resolve``)."""
        folder = resolve(name_or_path, "encoder")
        self.source = str(name_or_path)
        self.name = folder.name
        self.sha256 = folder.sha256
        self.width = int(folder.settings["width"])
        self._tokenizer = Tokenizer.from_file(str(folder.path / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(int(folder.settings["max_length"]))
        self._session = session(folder.path / "model.onnx")

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path) -> Encoder:
        """The encoder in a folder, or one that ships: "quipu-mini/encoder"."""
        return cls(name_or_path)

    def encode(self, texts: Sequence[str], *, batch_size: int = 64) -> Keys:
        """Keys (n, width) float32 of unit length, in the order of ``texts``."""
        keys = np.zeros((len(texts), self.width), dtype=np.float32)
        if len(texts) == 1:
            ids = np.array([self._tokenizer.encode(texts[0]).ids], dtype=np.int64)
            keys[0] = self._session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0]
            return keys
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        batches = length_batches([len(row) for row in rows], TOKENS_PER_BATCH)

        def run(batch: list[int]) -> Keys:
            ids = np.array([rows[index] for index in batch], dtype=np.int64)
            found: Keys = self._session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]
            return found

        for batch, found in zip(batches, parallel(run, batches), strict=True):
            keys[batch] = found
        return keys
