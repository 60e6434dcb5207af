"""A word table that models share: int8 rows with a scale each, mapped from the file that ships.

Word vectors are frozen in training, so one table serves them all; a graph that uses it takes word vectors, not ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quipu.errors import FormatError
from quipu.models.hub import shared_words


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
