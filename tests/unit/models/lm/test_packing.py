"""Levels at rest: hand-packed bytes, and what goes in comes out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quipu.errors import FormatError
from quipu.models.lm.packing import BLOCK, pack, packed_size, planes, unpack


def test_planes_of_six_bits() -> None:
    assert planes(6) == [(4, 0), (2, 4)]
    assert planes(8) == [(8, 0)]
    with pytest.raises(FormatError):
        planes(9)


def test_bytes_by_hand() -> None:
    """64 levels of 3 bits, -4 + i % 8, stored as i % 8: 16 bytes of low two bits, then 8 of third bits."""
    packed = pack(np.arange(64, dtype=np.int8) % 8 - 4, 3)
    assert len(packed) == packed_size(64, 3) == 24
    # byte 1 of the first plane holds levels 1, 17, 33, 49, all stored as 1: low bits 01 four times
    assert packed[1] == 0b01010101
    # byte 4 of the second plane holds levels 4, 12, ..., 60, all stored as 4: the third bit eight times
    assert packed[16 + 4] == 0b11111111
    assert packed[16 + 3] == 0


@given(st.integers(3, 8), st.integers(0, 300), st.integers(0, 2**32 - 1))
def test_round_trip(bits: int, count: int, seed: int) -> None:
    levels = np.random.default_rng(seed).integers(-(1 << bits - 1), 1 << bits - 1, count).astype(np.int8)
    out = np.empty(count, np.int8)
    unpack(pack(levels, bits), bits, out)
    assert np.array_equal(out, levels)


@pytest.mark.parametrize("count", [BLOCK, BLOCK + 1, 2 * BLOCK + 100])
def test_round_trip_of_several_blocks(count: int) -> None:
    levels = np.random.default_rng(0).integers(-31, 32, count).astype(np.int8)
    out = np.empty(count, np.int8)
    unpack(pack(levels, 6), 6, out)
    assert np.array_equal(out, levels)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(FormatError, match="does not fit"):
        pack(np.array([32], np.int8), 6)
    with pytest.raises(FormatError, match="bytes"):
        unpack(np.zeros(47, np.uint8), 6, np.empty(64, np.int8))
