"""A word table that models share: int8 rows with a scale each, mapped from the file that ships.

Word vectors are frozen in training, so one table serves them all; a graph that uses it takes word vectors, not ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quipu.errors import FormatError
from quipu.models.folders import is_bundled, shared_words


class WordTable:
    """``rows`` (V, D) int8 and ``scales`` (V, 1) float32."""

    def __init__(self, folder: Path) -> None:
        self.rows = np.load(folder / "words.npy", mmap_mode="r", allow_pickle=False)
        self.scales = np.load(folder / "scales.npy", allow_pickle=False)

    @classmethod
    def of(cls, path: Path, settings: Mapping[str, Any]) -> WordTable:
        """The table in a model's folder, or the one that ships and that it was exported beside.

        Raises FormatError where that is another than the one that the model was trained with.
        """
        if "words_from" not in settings:
            return cls(path)
        shared = shared_words(str(settings["words_from"]))
        if shared.settings["files"]["words.npy"] != settings["words_sha256"]:
            raise FormatError(f"{path}: the word table of {settings['words_from']} is another than it was trained with")
        return cls(shared.path)

    def __call__(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Word vectors (..., D) of ids (...)."""
        found: NDArray[np.float32] = self.rows[ids].astype(np.float32) * self.scales[ids]
        return found


class WordSimilarity:
    """Whether words mean nearly the same, by the cosine of their vectors in the table that ships; loaded when asked.

    Vectors of single words know what a word is about rather than what it means: of 50 pairs of synonyms (car,
    automobile) and 50 of words that are met in the same place (pier, quay; red, blue), a cosine of .45 takes 74 and
    26 % for the same, of .50 44 and 12 %, of .55 28 and 8 %. Of words taken for the same at
    ``THRESHOLD`` about four in five are.
    """

    THRESHOLD = 0.5
    WORDS = "quipu-small/words"
    KEPT = 2000  # vectors of words

    def __init__(self) -> None:
        self._known: dict[str, NDArray[np.float32]] = {}

    def __call__(self, word: str, words: Sequence[str]) -> bool:
        """Whether one of ``words`` means the same; False where the table is not installed."""
        if self._table is None:
            return False
        own = self._vector(word)
        return any(float(self._vector(other) @ own) >= self.THRESHOLD for other in words)

    def _vector(self, word: str) -> NDArray[np.float32]:
        """The mean of a word's pieces, of unit length; a fresh table of those known where it has grown large."""
        found = self._known.get(word)
        if found is None:
            assert self._table is not None
            table, tokenizer = self._table
            mean = table(np.array(tokenizer.encode(word, add_special_tokens=False).ids or [0])).mean(axis=0)
            found = mean / np.linalg.norm(mean)
            if len(self._known) >= self.KEPT:
                self._known = {}
            self._known[word] = found
        return found

    @cached_property
    def _table(self) -> tuple[WordTable, Any] | None:
        if not is_bundled(self.WORDS):
            return None
        from tokenizers import Tokenizer

        folder = shared_words(self.WORDS)
        tokenizer = Tokenizer.from_file(str(folder.tokenizer))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return WordTable(folder.path), tokenizer
