"""What all models of a folder have in common: their names, a tokenizer, a word table, and batches for every core."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from quipu.errors import FormatError
from quipu.models.folders import parallel, resolve, session
from quipu.models.word_table import WordTable

R = TypeVar("R")
TOKENS_PER_BATCH = 2048  # beyond this a larger batch is no faster on two cores


class LoadedModel:
    """A model of a verified folder. ``source`` is where it came from, ``sha256`` of all its files."""

    KIND: ClassVar[str]
    SHIPS: ClassVar[str] = ""  # the name of the one that ships

    def __init__(self, name_or_path: str | Path) -> None:
        """Load and verify; raises InputError or FormatError (see ``folders.resolve``)."""
        folder = resolve(name_or_path, self.KIND)
        self.source = str(name_or_path)
        self.name, self.sha256 = folder.name, folder.sha256
        self._path, self._settings = folder.path, folder.settings
        self._tokenizer = Tokenizer.from_file(str(folder.tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        has_table = "words_from" in folder.settings or "words.npy" in folder.settings["files"]
        self._table = WordTable.of(folder.path, folder.settings) if has_table else None

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path = "") -> Self:
        """The model in a folder, or under the name of one that ships, such as "quipu-small/encoder"."""
        return cls(name_or_path or cls.SHIPS)

    def _graph(self, name: str = "model") -> Any:
        return session(self._path / f"{name}.onnx")

    def _vectors(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Word vectors (..., D) of ids (...); FormatError where the model has no word table."""
        if self._table is None:
            raise FormatError(f"{self.source}: its folder has no word table; export the model again")
        return self._table(ids)

    def _words(self, ids: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """What a graph takes for ids that may hold a word table of its own: word vectors, or else the ids."""
        return {"input_ids": ids} if self._table is None else {"words": self._table(ids)}

    def _pieces(self, texts: Sequence[str], longest: int) -> list[list[int]]:
        """Ids of each text without those around it, ``longest`` at most."""
        return [item.ids[:longest] for item in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]


def padded(rows: Sequence[Sequence[int]], pad: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids and mask (N, T) of rows with up to T ids, T 1 or more; ``pad`` behind shorter ones."""
    length = max(1, *map(len, rows))
    ids = np.full((len(rows), length), pad, dtype=np.int64)
    mask = np.zeros_like(ids)
    for at, row in enumerate(rows):
        ids[at, : len(row)], mask[at, : len(row)] = row, 1
    return ids, mask


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


def in_batches(
    run: Callable[[list[int]], R], lengths: Sequence[int], tokens: int = TOKENS_PER_BATCH
) -> Iterator[tuple[list[int], R]]:
    """Each of ``length_batches`` with what ``run`` makes of it, a batch a core at a time."""
    batches = length_batches(lengths, tokens)
    return zip(batches, parallel(run, batches), strict=True)
