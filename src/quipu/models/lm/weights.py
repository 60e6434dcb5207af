"""A language model's file of weights: packed at rest, int8 in memory, and handed to ONNX Runtime from there.

``weights.json`` lists each tensor of ``weights.bin``: {"shape", "bits" or "float" (16 or 32), "at" (first byte in the
file), "bytes"}. Floats are float32 in memory. The rotary tables "cos" and "sin" are made when they are loaded.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quipu.errors import FormatError
from quipu.models.lm.packing import pack, unpack
from quipu.models.lm.shape import DecoderShape


def save_weights(folder: Path, tensors: dict[str, NDArray[Any]], bits: Callable[[str], int]) -> None:
    """Write ``weights.bin`` and ``weights.json``: int8 matrices packed with ``bits`` of their name, float16 and float32
    tensors as they are."""
    listing: dict[str, dict[str, Any]] = {}
    at = 0
    with (folder / "weights.bin").open("wb") as stream:
        for name in sorted(tensors):
            tensor = tensors[name]
            entry: dict[str, Any] = {"shape": list(tensor.shape)}
            if tensor.dtype == np.int8:
                entry["bits"] = bits(name)
                data = pack(tensor, bits(name)).tobytes()
            else:
                entry["float"] = 16 if tensor.dtype == np.float16 else 32
                data = np.ascontiguousarray(tensor, f"<f{entry['float'] // 8}").tobytes()
            listing[name] = {**entry, "at": at, "bytes": len(data)}
            at += len(data)
            stream.write(data)
    (folder / "weights.json").write_text(json.dumps(listing, indent=0) + "\n", encoding="utf-8")


def load_weights(folder: Path, shape: DecoderShape, positions: int, workers: int) -> dict[str, NDArray[Any]]:
    """Every tensor that the graph and the host need; FormatError where the listing does not fit the file."""
    try:
        listing = json.loads((folder / "weights.json").read_text(encoding="utf-8"))
        tensors: dict[str, NDArray[Any]] = {
            name: np.empty(entry["shape"], np.int8 if "bits" in entry else np.float32)
            for name, entry in listing.items()
        }
        by_size = sorted(listing, key=lambda name: -tensors[name].nbytes)
        with ThreadPoolExecutor(max(1, workers)) as pool:
            list(pool.map(lambda name: _fill(folder / "weights.bin", listing[name], tensors[name]), by_size))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"{folder}: weights.json and weights.bin do not fit ({error}); export it again") from error
    return {**tensors, **rotary_tables(shape, positions)}


def _fill(file: Path, entry: dict[str, Any], out: NDArray[Any]) -> None:
    """Read one tensor and write it where it belongs; so that the whole file is never in memory beside the buffer."""
    data = np.fromfile(file, np.uint8, int(entry["bytes"]), offset=int(entry["at"]))
    if "bits" in entry:
        unpack(data, int(entry["bits"]), out.reshape(-1))
    else:
        out.reshape(-1)[:] = data.view(np.dtype(f"<f{int(entry['float']) // 8}"))


def rotary_tables(shape: DecoderShape, positions: int) -> dict[str, NDArray[np.float32]]:
    """``cos`` and ``sin`` of every position (positions, head_width / 2)."""
    inverse = shape.rope_base ** (-np.arange(0, shape.head_width, 2) / shape.head_width)
    angles = np.arange(positions)[:, None] * inverse
    return {"cos": np.cos(angles).astype(np.float32), "sin": np.sin(angles).astype(np.float32)}
