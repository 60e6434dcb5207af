"""Small integers at rest: levels of 3 to 8 bits as planes of 4, 2 and 1 bits, unpacked with whole-array operations.

An array is cut into blocks of ``BLOCK`` levels. Within a block of n levels, a plane of w bits holds level i in byte
``i % (n * w / 8)``, so that a byte's fields belong to levels far apart and each field of a whole plane is one slice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quipu.errors import FormatError

BLOCK = 1 << 19
Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]


def planes(bits: int) -> list[tuple[int, int]]:
    """(width, shift) of the planes that ``bits`` is made of: 6 -> a plane of the low 4 bits, one of the next 2."""
    if not 3 <= bits <= 8:
        raise FormatError(f"levels are packed in 3 to 8 bits, not {bits}")
    found, shift = [], 0
    for width in (8, 4, 2, 1):
        if bits & width:
            found.append((width, shift))
            shift += width
    return found


def packed_size(count: int, bits: int) -> int:
    """Bytes of ``count`` levels; ``count`` is filled up to a multiple of 64."""
    return -(-count // 64) * 8 * bits


def pack(levels: NDArray[np.int8], bits: int) -> Bytes:
    """Levels from -2^(bits-1) to 2^(bits-1) - 1, in order, as ``packed_size`` bytes."""
    low = -(1 << (bits - 1))
    flat = levels.reshape(-1).astype(np.int16) - low
    if len(flat) and (flat.min() < 0 or flat.max() >= 1 << bits):
        raise FormatError(f"a level does not fit into {bits} bits")
    flat = np.concatenate([flat, np.zeros(-len(flat) % 64, np.int16)]).astype(np.uint8)
    parts: list[Bytes] = []
    for first in range(0, len(flat), BLOCK):
        block = flat[first : first + BLOCK]
        for width, shift in planes(bits):
            fields = ((block >> shift) & ((1 << width) - 1)).reshape(8 // width, -1)
            plane = np.zeros(fields.shape[1], np.uint8)
            for at, field in enumerate(fields):
                plane |= field << (at * width)
            parts.append(plane)
    return np.concatenate(parts) if parts else np.zeros(0, np.uint8)


def unpack(packed: Bytes, bits: int, out: NDArray[np.int8]) -> None:
    """Write the levels of ``packed`` into the flat array ``out``."""
    count = len(out)
    if len(packed) != packed_size(count, bits):
        raise FormatError(f"{count} levels of {bits} bits are {packed_size(count, bits)} bytes, not {len(packed)}")
    words = np.ascontiguousarray(packed).view(np.uint64)
    filled = np.empty(min(-(-count // 64) * 64, BLOCK), np.uint8)
    scratch = np.empty(len(filled) // 8, np.uint64)
    at = 0
    for first in range(0, count, BLOCK):
        size = min(BLOCK, count - first)
        length = -(-size // 64) * 64
        target = filled[:length]
        for width, shift in planes(bits):
            step = length * width // 64
            _spread(words[at : at + step], width, shift, target.view(np.uint64), scratch)
            at += step
        levels = out[first : first + size].view(np.uint8)
        np.subtract(target[:size], np.uint8(1 << (bits - 1)), out=levels)  # wraps: the bytes of the signed levels


def _spread(plane: Words, width: int, shift: int, target: Words, scratch: Words) -> None:
    """Put the fields of one plane at their bits of ``target``; the plane at shift 0 overwrites what was there.

    Eight bytes at a time: what a shift carries from one byte into the next, the mask takes away.
    """
    length = len(plane)
    mask = np.uint64((((1 << width) - 1) << shift) * 0x0101010101010101)
    for at in range(8 // width):
        into = target[at * length : (at + 1) * length]
        field = into if shift == 0 else scratch[:length]
        move = at * width - shift
        if move >= 0:
            np.right_shift(plane, np.uint64(move), out=field)
        else:
            np.left_shift(plane, np.uint64(-move), out=field)
        np.bitwise_and(field, mask, out=field)
        if shift:
            np.bitwise_or(into, field, out=into)
