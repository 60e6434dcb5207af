"""The memory that a QAMAT model retrieves from: entries of a built quipu memory, and their frozen keys and values.

Keys and values are matrices on disk, written once a run by the encoder that is frozen from then on (half precision);
on a GPU the keys lie in its memory and are searched exactly, in chunks, on a CPU FAISS searches them exactly.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from quipu.errors import FormatError
from quipu.models.memory_input import value_text
from quipu.records import QAPair
from quipu.storage.reading import given
from quipu.storage.store import Store
from quipu.training.base import half_precision
from quipu.training.qamat.backbones import Backbone
from quipu.training.qamat.model import first_states, unit

KEY_LENGTH, VALUE_LENGTH = 32, 40  # word pieces (section 4.1)
CHUNK = 1 << 20  # keys that are scored at once
_BATCH = 256

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Entry:
    """A pair of the memory as word pieces."""

    row: int
    pair: QAPair
    key: list[int]
    value: list[int]


def entries(
    backbone: Backbone, store: Store, rows: Sequence[int], sentence: bool = False, length: int = VALUE_LENGTH
) -> list[Entry]:
    """Entries of rows, in order; FormatError where the memory has lost one since the rows were written.

    ``sentence``: the value is the answer and the key text, which for a generated pair holds the answer's sentence.
    """
    pairs = store.pairs_by_rows(list(rows))
    gone = [row for row, pair in zip(rows, pairs, strict=True) if pair is None]
    if gone:
        raise FormatError(f"{store.path}: the memory has no pair of row {gone[0]} any more; start the run anew")
    known = [pair for pair in pairs if pair is not None]
    keys = backbone.pieces([pair.question for pair in known], KEY_LENGTH)
    values = backbone.pieces([value_text(answer, text) for text, answer in given(store, [known], sentence)[0]], length)
    return [Entry(int(row), *parts) for row, *parts in zip(rows, known, keys, values, strict=True)]


class KeyMemory:
    """Frozen keys of all entries: exact search, and rows of values."""

    def __init__(self, rows: Rows, keys: NDArray[np.float16], values: NDArray[np.float16] | None, device: str) -> None:
        """rows (M,) of the store, keys and values (M, D); values None: only what is read as text."""
        self.rows, self.values, self._device = rows, values, device
        self._keys: Any = None
        if device.startswith("cuda"):
            self._keys = torch.from_numpy(np.asarray(keys)).to(device)
        else:
            import faiss

            self._keys = faiss.IndexScalarQuantizer(
                keys.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
            )
            for first in range(0, len(keys), CHUNK):
                self._keys.add(np.asarray(keys[first : first + CHUNK], dtype=np.float32))
        self._stored = keys

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def sha256(self) -> str:
        """Of the keys: the same before and after a stage in which they are frozen."""
        digest = hashlib.sha256()
        for first in range(0, len(self._stored), CHUNK):
            digest.update(np.ascontiguousarray(self._stored[first : first + CHUNK]).tobytes())
        return digest.hexdigest()

    def search(self, queries: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Places (rows of the matrices) of the best ``k`` for queries (B, D), best first, with inner products."""
        k = min(k, len(self))
        queries = queries.detach()
        if not self._device.startswith("cuda"):
            scores, places = self._keys.search(queries.float().numpy(), k)
            return torch.from_numpy(places), torch.from_numpy(scores)
        best_scores = torch.empty(len(queries), 0, device=self._device)
        best = torch.empty(len(queries), 0, dtype=torch.long, device=self._device)
        for first in range(0, len(self), CHUNK):
            scores = (queries.half() @ self._keys[first : first + CHUNK].t()).float()
            found = scores.topk(min(k, scores.shape[1]), dim=1)
            best_scores = torch.cat([best_scores, found.values], dim=1)
            best = torch.cat([best, found.indices + first], dim=1)
            kept = best_scores.topk(min(k, best.shape[1]), dim=1)
            best_scores, best = kept.values, best.gather(1, kept.indices)
        return best, best_scores

    def keys_at(self, places: torch.Tensor) -> torch.Tensor:
        """Keys (..., D) float32."""
        return self._at(self._stored, places)

    def values_at(self, places: torch.Tensor) -> torch.Tensor:
        """Values (..., D) float32."""
        if self.values is None:
            raise FormatError("this memory was made without value vectors; set neural = true and start the run anew")
        return self._at(self.values, places)

    def places_of(self, rows: Sequence[int]) -> list[int]:
        """Places of rows of the store; rows that are not there are left out."""
        found = np.searchsorted(self.rows, rows)
        return [int(at) for at, row in zip(found, rows, strict=True) if at < len(self) and self.rows[at] == row]

    def _at(self, matrix: NDArray[np.float16], places: torch.Tensor) -> torch.Tensor:
        picked = np.asarray(matrix[places.cpu().numpy().reshape(-1)], dtype=np.float32)
        return torch.from_numpy(picked).reshape(*places.shape, -1).to(self._device)


def stored(store: Store, device: str) -> KeyMemory:
    """The memory's own keys as they lie in the record: retrieval by the encoder that it was built with."""
    found = list(store.vectors())
    rows = np.concatenate([np.zeros(0, dtype=np.int64), *(rows for rows, _ in found)])
    keys = np.concatenate([np.zeros((0, store.width), dtype=np.float16), *(v.astype(np.float16) for _, v in found)])
    return KeyMemory(rows, keys, None, device)


def embed(
    backbone: Backbone,
    store: Store,
    folder: Path,
    device: str,
    *,
    values: bool,
    share: float = 1.0,
    shuffled: bool = False,
    cosine: bool = False,
    report: Callable[[dict[str, Any]], None] = lambda line: None,
) -> KeyMemory:
    """Keys (and values) of the store's pairs by ``backbone`` as it is now, kept in ``folder`` and read from there.

    ``share``: only so many of the pairs, every n-th. ``shuffled``: a control in which each key leads to the value of
    another pair. ``cosine``: keys of unit length.
    """
    rows = store.rows()
    if share < 1.0:
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, max(1, round(share * len(rows)))).round().astype(np.int64))]
    mark = {
        "pairs": len(rows),
        "width": backbone.width,
        "values": values,
        "cosine": cosine,
        "memory": str(store.version()),
    }
    about = folder / "keys.json"
    if not (about.is_file() and json.loads(about.read_text(encoding="utf-8")) == mark):
        folder.mkdir(parents=True, exist_ok=True)
        shape = len(rows), backbone.width
        files = {"keys": np.lib.format.open_memmap(folder / "keys.npy", "w+", np.float16, shape)}
        if values:
            files["values"] = np.lib.format.open_memmap(folder / "values.npy", "w+", np.float16, shape)
        for first, some in _batches(rows):
            found = entries(backbone, store, some.tolist())
            for name, matrix in files.items():
                texts = [getattr(entry, "key" if name == "keys" else "value") for entry in found]
                with torch.inference_mode(), half_precision():
                    vectors = unit(first_states(backbone, texts), cosine and name == "keys")
                matrix[first : first + len(some)] = vectors.float().cpu().numpy().astype(np.float16)
            report({"doing": "keys of the memory", "done": first + len(some), "of": len(rows)})
        for matrix in files.values():
            matrix.flush()
        about.write_text(json.dumps(mark), encoding="utf-8")
    keys = np.load(folder / "keys.npy", mmap_mode="r")
    known = np.load(folder / "values.npy", mmap_mode="r") if values else None
    if shuffled and known is not None:
        known = np.asarray(known)[np.random.default_rng(0).permutation(len(known))]
    return KeyMemory(rows, keys, known, device)


def _batches(rows: Rows) -> Iterator[tuple[int, Rows]]:
    for first in range(0, len(rows), _BATCH):
        yield first, rows[first : first + _BATCH]
