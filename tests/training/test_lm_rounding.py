"""Turning and rounding of a decoder's weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.tiny_llama import SHAPES, make_checkpoint

from quipu.training.lm.checkpoint import load_checkpoint
from quipu.training.lm.graph import GraphBuilder, GraphOptions
from quipu.training.lm.rotation import down_block, folded, hadamard, orthogonal, rotated
from quipu.training.lm.rounding import round_all, round_gptq, round_plain, squared_error


@pytest.mark.parametrize("size", [1, 2, 12, 48, 64, 576])
def test_mixing_matrices_are_orthogonal(size: int) -> None:
    matrix = orthogonal(size, np.random.default_rng(0))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(size), atol=1e-12)


def test_hadamard_by_hand() -> None:
    np.testing.assert_allclose(hadamard(2) * np.sqrt(2), [[1, 1], [1, -1]])
    np.testing.assert_allclose(np.abs(hadamard(64)), 1 / 8)


@pytest.mark.parametrize(("shape", "block"), list(zip(SHAPES, [32, 16, 0], strict=True)))
def test_blocks_only_where_sizes_fit(tmp_path: Path, shape: str, block: int) -> None:
    make_checkpoint(tmp_path, shape)
    assert down_block(load_checkpoint(tmp_path)[1]) == block


def test_turning_spreads_a_channel_that_stands_out(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, next(iter(SHAPES)))
    weights, shape = load_checkpoint(tmp_path)
    weights["embed"][:, 3] *= 50

    def peak(table: np.ndarray) -> float:
        return float(np.median(np.abs(table).max(1) / np.sqrt(np.square(table).mean(1))))

    plain, turned = folded(weights, shape), rotated(weights, shape, block=0)
    assert peak(turned["embed"]) < 0.6 * peak(plain["embed"])


def test_plain_rounding_by_hand() -> None:
    """The row's largest value is worth 127 levels."""
    rounded = round_plain(np.array([[127.0, -63.4, 0.6]], np.float32), 8)
    assert rounded.scale.tolist() == [1.0]
    assert rounded.levels.tolist() == [[127, -63, 1]]


def test_error_feedback_beats_plain_rounding_on_inputs_like_those_seen() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(40, 40)) * np.geomspace(3, 0.1, 40)
    seen, new = (rng.normal(size=(size, 40)) @ mixing.T for size in (2000, 500))
    matrix = rng.normal(size=(30, 40)).astype(np.float32)
    moments = torch.from_numpy(seen.T @ seen)
    for bits in (4, 6):
        plain, fed = round_plain(matrix, bits), round_gptq(matrix, moments, bits)
        lost = [float(np.square(new @ (item.floats() - matrix).T).sum()) for item in (plain, fed)]
        assert lost[1] < 0.7 * lost[0]
        assert np.abs(fed.levels).max() <= (1 << bits - 1) - 1


def test_every_matrix_is_rounded_and_more_bits_lose_less(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, next(iter(SHAPES)))
    weights, shape = load_checkpoint(tmp_path)
    turned = rotated(weights, shape, block=32)
    rows = [[int(token) for token in np.random.default_rng(at).integers(6, 260, 30)] for at in range(4)]
    lost = {}
    for bits in (5, 6, 8):
        rounded = round_all(turned, shape, rows, lambda name, bits=bits: bits, block=32)
        assert set(rounded) == {name for name in turned if name != "mix"}
        lost[bits] = squared_error(turned, rounded)
    assert lost[8] < 0.2 * lost[6] < 0.2 * lost[5]


def test_the_tokens_scale_has_a_product_of_its_own(tmp_path: Path) -> None:
    """ONNX Runtime would fuse a product of both scales into the integer product, and use one token's scale for all."""
    make_checkpoint(tmp_path, next(iter(SHAPES)))
    graph = GraphBuilder(load_checkpoint(tmp_path)[1], GraphOptions(), 64).build().graph
    products = [node for node in graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert len(products) == 2 * 6 + 1
    assert all(node.input[2] == "one" and node.input[3].endswith(".scale") for node in products)
