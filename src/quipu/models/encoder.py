"""The encoder by ONNX Runtime: texts to keys; trained with QuIP, passages to token vectors, questions to their ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from quipu.errors import InputError
from quipu.models.codebook import Codebook
from quipu.models.loaded import LoadedModel, in_batches
from quipu.models.protocols import Keys
from quipu.models.spans import STRIDE, WINDOW, Floats, TokenVectors, offsets_of, stitched


class Encoder(LoadedModel):
    """Questions and key texts to keys; ``SupportsEncode``, and ``SupportsStates`` where ``has_heads``."""

    KIND, SHIPS = "encoder", "quipu-small/encoder"

    def __init__(self, name_or_path: str | Path = SHIPS) -> None:
        """Load and verify; raises InputError or FormatError (see ``folders.resolve``)."""
        super().__init__(name_or_path)
        settings, files = self._settings, self._settings["files"]
        self.width = int(settings["width"])
        self.layers = int(settings.get("layers", 0))
        self.has_heads = bool(settings.get("heads", False))  # trained with QuIP
        self._window = int(settings.get("window", WINDOW)), int(settings.get("stride", STRIDE))
        self.max_length = int(settings["max_length"])
        self._tokenizer.enable_truncation(self.max_length)
        self.codebook = Codebook.load(self._path / "codebook.npz") if "codebook.npz" in files else None
        self._session = self._graph()
        # of QAMAT: the query is another network's state at a mask
        self._query = self._graph("query") if "query.onnx" in files else None
        self._mask, self._mask_at = (int(settings.get(name, 0)) for name in ("mask", "mask_at"))

    @cached_property
    def _whole(self) -> Tokenizer:
        """For passages: cut by windows, never by the tokenizer; and to count."""
        tokenizer = Tokenizer.from_str(self._tokenizer.to_str())
        tokenizer.no_truncation()
        return tokenizer

    def encode(self, texts: Sequence[str], *, batch_size: int = 64) -> Keys:
        """Keys (n, width) float32 of unit length, in the order of ``texts``."""
        return self._run(["key"], self._ids(texts))[0]

    def ask(self, questions: Sequence[str]) -> Keys:
        """Vectors (n, width) float32 of unit length to search keys with; most encoders ask as they store."""
        if self._query is None:
            return self.encode(questions)
        at = self._mask_at
        rows = [[*ids[:at], self._mask, *ids[at:]] for ids in self._ids(questions)]
        return self._run(["query"], rows, self._query)[0]

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each whole text with those around it; ``encode`` reads ``max_length`` of them."""
        return [len(encoding.ids) for encoding in self._whole.encode_batch(list(texts))]

    def queries(self, texts: Sequence[str]) -> tuple[Keys, Floats, Floats]:
        """Keys, start and end vectors of questions in one pass, (n, width) float32 each."""
        keys, start, end = self._run(["key", *self._heads()], self._ids(texts))
        return keys, start, end

    def questions(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        """Start and end vectors (n, width); raises InputError where the encoder has no heads."""
        start, end = self._run(self._heads(), self._ids(texts))
        return start, end

    def passages(self, texts: Sequence[str]) -> list[TokenVectors]:
        """Token vectors of the last layer; long texts in windows."""
        rows, offsets = offsets_of(self._whole, texts)
        vectors = stitched(rows, lambda ids: self._tokens([f"layer_{self.layers}"], ids), *self._window)
        return [TokenVectors(item[0], at) for item, at in zip(vectors, offsets, strict=True)]

    def states(self, texts: Sequence[str]) -> list[Floats]:
        """(layers + 1, T, width) for each text, embeddings first; long texts in windows."""
        rows, _ = offsets_of(self._whole, texts)
        names = [f"layer_{layer}" for layer in range(self.layers + 1)]
        return stitched(rows, lambda ids: self._tokens(names, ids), *self._window)

    def _heads(self) -> list[str]:
        if not self.has_heads:
            raise InputError(f"{self.source}: this encoder was not trained with QuIP; it has no start and end vectors")
        return ["start", "end"]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        if len(texts) == 1:
            return [self._tokenizer.encode(texts[0]).ids]
        return [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]

    def _run(self, names: list[str], rows: Sequence[list[int]], network: Any = None) -> list[NDArray[np.float32]]:
        """Vectors (n, width) of each output, in the order of the rows."""
        out = [np.zeros((len(rows), self.width), dtype=np.float32) for _ in names]
        for batch, found in self._batches(names, rows, network or self._session):
            for array, values in zip(out, found, strict=True):
                array[batch] = values
        return out

    def _tokens(self, names: list[str], rows: list[list[int]]) -> list[Floats]:
        """(len(names), T, width) of each row, in order."""
        if not self.layers:
            raise InputError(f"{self.source}: this encoder gives keys only; export it again for its token vectors")
        out: list[Floats] = [np.zeros(0, dtype=np.float32)] * len(rows)
        for batch, found in self._batches(names, rows, self._session):
            for place, row in enumerate(batch):
                out[row] = np.stack([layer[place] for layer in found])
        return out

    def _batches(
        self, names: list[str], rows: Sequence[list[int]], network: Any
    ) -> Iterator[tuple[list[int], list[Floats]]]:
        def run(batch: list[int]) -> list[Floats]:
            ids = np.array([rows[index] for index in batch], dtype=np.int64)
            found: list[Floats] = network.run(names, {**self._words(ids), "attention_mask": np.ones_like(ids)})
            return found

        return in_batches(run, [len(row) for row in rows])
