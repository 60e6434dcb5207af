"""A language model's file of weights: packed at rest, int8 in memory, handed to ONNX Runtime without a second file.

``weights.json`` lists each tensor of ``weights.bin``: {"shape", "bits" or "float", "at" (first byte in the file), "bytes",
"to" (first byte in memory, where the graph's external data expects it)}. Scales are float16 at rest, float32 in memory. The
rotary tables "cos" and "sin" are made when they are loaded.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quipu.errors import FormatError
from quipu.models.lm.packing import pack, packed_size, unpack
from quipu.models.lm.shape import DecoderShape

ALIGN = 64  # bytes


@dataclass(slots=True)
class Weights:
    """All tensors in one buffer; ``tensors`` are views of it by name."""

    buffer: NDArray[np.uint8]
    tensors: dict[str, NDArray[Any]]


def save_weights(folder: Path, tensors: dict[str, NDArray[Any]], bits: dict[str, int], places: dict[str, int]) -> None:
    """Write ``weights.bin`` and ``weights.json``.

    ``tensors``: int8 matrices, packed with ``bits`` of their name, and float tensors (float16 at rest where they are
    float16, else float32). ``places``: where each shall stand in memory (see ``GraphBuilder.layout``).
    """
    listing: dict[str, dict[str, Any]] = {}
    at = 0
    with (folder / "weights.bin").open("wb") as stream:
        for name in sorted(tensors):
            tensor = tensors[name]
            entry: dict[str, Any] = {"shape": list(tensor.shape)}
            if tensor.dtype == np.int8:
                entry["bits"] = bits[name]
                data = pack(tensor, bits[name]).tobytes()
            else:
                entry["float"] = 16 if tensor.dtype == np.float16 else 32
                data = np.ascontiguousarray(tensor, np.dtype(f"<f{entry['float'] // 8}")).tobytes()
            listing[name] = {**entry, "at": at, "bytes": len(data), "to": places[name]}
            at += len(data)
            stream.write(data)
    for name in ("cos", "sin"):
        listing[name] = {"to": places[name]}
    (folder / "weights.json").write_text(json.dumps(listing, indent=0) + "\n", encoding="utf-8")


def load_weights(folder: Path, shape: DecoderShape, positions: int, workers: int) -> Weights:
    """Unpack ``weights.bin``; FormatError where the listing does not fit it."""
    made = rotary_tables(shape, positions)
    try:
        listing = json.loads((folder / "weights.json").read_text(encoding="utf-8"))
        packed = np.fromfile(folder / "weights.bin", np.uint8)
        for name, table in made.items():
            listing[name]["shape"] = table.shape
        places = {name: (int(entry["to"]), _size(entry), entry) for name, entry in listing.items()}
        whole = sum(-(-size // ALIGN) * ALIGN for _, size, _ in places.values())
        if any(to < 0 or to % ALIGN or to + size > whole for to, size, _ in places.values()):
            raise ValueError("a tensor lies outside")
        buffer = np.empty(whole, np.uint8)
        tensors = {}
        for name, (to, size, entry) in places.items():
            kind = np.int8 if "bits" in entry else np.float32
            tensors[name] = buffer[to : to + size].view(kind).reshape(entry["shape"])
        for name, table in made.items():
            tensors[name][:] = table
            del listing[name]
        by_size = sorted(listing, key=lambda name: -int(listing[name]["bytes"]))
        with ThreadPoolExecutor(max(1, workers)) as pool:
            list(pool.map(lambda name: _fill(packed, listing[name], tensors[name]), by_size))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{folder}: weights.json and weights.bin do not fit ({error}); export the model again") from error
    return Weights(buffer, tensors)


def _size(entry: dict[str, Any]) -> int:
    """Bytes in memory."""
    return int(np.prod(entry["shape"])) * (1 if "bits" in entry else 4)


def _fill(packed: NDArray[np.uint8], entry: dict[str, Any], out: NDArray[Any]) -> None:
    data = packed[int(entry["at"]) : int(entry["at"]) + int(entry["bytes"])]
    if "bits" in entry:
        if int(entry["bytes"]) != packed_size(out.size, int(entry["bits"])):
            raise ValueError("wrong size")
        unpack(data, int(entry["bits"]), out.reshape(-1))
    else:
        out.reshape(-1)[:] = data.view(np.dtype(f"<f{int(entry['float']) // 8}"))


def rotary_tables(shape: DecoderShape, positions: int) -> dict[str, NDArray[np.float32]]:
    """``cos`` and ``sin`` of every position (positions, head_width / 2)."""
    inverse = shape.rope_base ** (-np.arange(0, shape.head_width, 2) / shape.head_width)
    angles = np.arange(positions)[:, None] * inverse
    return {"cos": np.cos(angles).astype(np.float32), "sin": np.sin(angles).astype(np.float32)}
