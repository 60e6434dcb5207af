"""int8 with a scale per row: what each number is, what stays as it was, and that a row ignores its neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper

from quipu.errors import InputError
from quipu.models.folders import session
from quipu.training.export.quantise import columns_to_int8, to_int8, to_row_scales

RANDOM = np.random.default_rng(7)


def graph_of(path: Path, nodes: list[Any], inputs: dict[str, Any], **constants: np.ndarray) -> Path:
    """A float graph at ``path``; ``inputs`` are names and shapes, its output is ``y``."""
    given = [
        helper.make_tensor_value_info(name, TensorProto.INT64 if name == "ids" else TensorProto.FLOAT, shape)
        for name, shape in inputs.items()
    ]
    out = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    weights = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "g", given, out, weights), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    onnx.save(model, str(path))
    return path


def run(path: Path, **feeds: np.ndarray) -> np.ndarray:
    return np.asarray(session(path).run(["y"], feeds)[0])


def product(path: Path, weight: np.ndarray, shape: list[Any]) -> Path:
    return graph_of(path, [helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": shape}, w=weight)


def test_a_product_by_hand(tmp_path: Path) -> None:
    """Rows (127, -64) and (1, 0.25): steps 1 and 1/127. Columns (2, 1) and (-1, 0): steps 2/127 and 1/127."""
    weight = np.array([[2.0, -1.0], [1.0, 0.0]], dtype=np.float32)
    product(tmp_path / "float.onnx", weight, ["n", 2])
    to_int8(tmp_path / "float.onnx", tmp_path / "int8.onnx")
    x = np.array([[127.0, -64.0], [1.0, 0.25]], dtype=np.float32)
    # 0.25 is 31.75 of its row's steps, kept as 32; 1.0 is 63.5 of its column's, kept as 64
    left, right = np.array([[127, -64], [127, 32]]), np.array([[127, -127], [64, 0]])
    wanted = left @ right * np.array([[1.0], [1 / 127]]) * np.array([2 / 127, 1 / 127])
    assert np.allclose(run(tmp_path / "int8.onnx", x=x), wanted, rtol=1e-6)


@pytest.mark.parametrize("lead", [[6], [2, 3], [1, 2, 3]])
def test_rows_of_all_sizes_keep_their_precision(tmp_path: Path, lead: list[int]) -> None:
    """A whole-tensor scale, or the first row's scale for all (what a wrong fusion gives), loses the small rows."""
    weight = RANDOM.standard_normal((64, 48)).astype(np.float32)
    product(tmp_path / "float.onnx", weight, [*(f"d{at}" for at in range(len(lead))), 64])
    to_int8(tmp_path / "float.onnx", tmp_path / "int8.onnx")
    sizes = np.array([1.0, 1e-4, 1e3, 3.0, 1e-2, 0.0]).reshape(*lead, 1)
    x = (RANDOM.standard_normal((*lead, 64)) * sizes).astype(np.float32)
    exact, found = x @ weight, run(tmp_path / "int8.onnx", x=x)
    assert found.shape == exact.shape
    errors = np.linalg.norm(found - exact, axis=-1) / np.maximum(np.linalg.norm(exact, axis=-1), 1e-20)
    assert errors.max() < 0.02 and not found.reshape(-1, 48)[-1].any()
    if len(lead) == 1:
        alone = np.concatenate([run(tmp_path / "int8.onnx", x=row[None]) for row in x])
        assert np.array_equal(alone, found)


def test_gemm_with_bias_and_look_up_table(tmp_path: Path) -> None:
    """A table's rows have scales of their own; a transposed matrix is turned round before its columns are scaled."""
    table = (RANDOM.standard_normal((50, 32)) * np.logspace(-3, 2, 50)[:, None]).astype(np.float32)
    weight, bias = RANDOM.standard_normal((16, 32)).astype(np.float32), np.arange(16, dtype=np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["x"]),
        helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1),
    ]
    graph_of(tmp_path / "float.onnx", nodes, {"ids": ["n"]}, table=table, w=weight, b=bias)
    to_int8(tmp_path / "float.onnx", tmp_path / "int8.onnx")
    ids = np.array([0, 7, 49])
    exact, found = table[ids] @ weight.T, run(tmp_path / "int8.onnx", ids=ids) - bias
    assert (np.linalg.norm(found - exact, axis=1) < 0.03 * np.linalg.norm(exact, axis=1)).all()
    stored = {item.name: item for item in onnx.load(str(tmp_path / "int8.onnx")).graph.initializer}
    assert "table" not in stored and "w" not in stored and stored["table_quantized"].data_type == TensorProto.INT8


def test_a_mean_over_tokens_is_the_same_alone_and_together(tmp_path: Path) -> None:
    """ONNX Runtime sums one text in another order than several; as a product it does not."""
    nodes = [
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
        helper.make_node("Cast", ["column"], ["weights"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["x", "weights"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "tokens"], ["sum"], keepdims=0),
        helper.make_node("MatMul", ["sum", "w"], ["y"]),
    ]
    weight = RANDOM.standard_normal((32, 8)).astype(np.float32)
    shapes = {"x": ["n", "t", 32], "mask": ["n", "t"]}
    graph_of(tmp_path / "float.onnx", nodes, shapes, w=weight, last=np.array([-1]), tokens=np.array([1]))
    to_int8(tmp_path / "float.onnx", tmp_path / "int8.onnx")
    assert "ReduceSum" not in {node.op_type for node in onnx.load(str(tmp_path / "int8.onnx")).graph.node}
    x = RANDOM.standard_normal((9, 61, 32)).astype(np.float32)
    mask = (np.arange(61) < 40).astype(np.float32)[None].repeat(9, 0)
    found = run(tmp_path / "int8.onnx", x=x, mask=mask)
    assert np.array_equal(
        np.concatenate([run(tmp_path / "int8.onnx", x=x[[row]], mask=mask[[row]]) for row in range(9)]), found
    )
    exact = x[:, :40].sum(1) @ weight
    assert np.abs(found - exact).max() < 0.02 * np.abs(exact).max()


def test_a_file_of_whole_tensor_scales_is_rewritten_without_touching_its_weights(tmp_path: Path) -> None:
    """Git stores the difference of two versions: bytes that stay are not stored again."""
    quantization = pytest.importorskip("onnxruntime.quantization")
    weight = RANDOM.standard_normal((64, 48)).astype(np.float32)
    product(tmp_path / "float.onnx", weight, ["n", 64])
    quantization.quantize_dynamic(
        str(tmp_path / "float.onnx"), str(tmp_path / "whole.onnx"), weight_type=quantization.QuantType.QInt8,
        per_channel=True, extra_options={"MatMulConstBOnly": True},
    )  # fmt: skip
    to_row_scales(tmp_path / "whole.onnx", tmp_path / "rows.onnx")
    old, new = (
        {item.name: item for item in onnx.load(str(tmp_path / name)).graph.initializer}
        for name in ("whole.onnx", "rows.onnx")
    )
    kept = [name for name in old if name in new]
    assert list(new)[: len(kept)] == kept == ["w_scale", "w_quantized"]
    assert all(old[name].SerializeToString() == new[name].SerializeToString() for name in kept)
    x = (RANDOM.standard_normal((4, 64)) * np.array([[1.0], [1e-3], [50.0], [2.0]])).astype(np.float32)
    exact, whole, rows = x @ weight, run(tmp_path / "whole.onnx", x=x), run(tmp_path / "rows.onnx", x=x)
    assert np.abs(whole - exact)[1].max() > 0.5 * np.abs(exact)[1].max()  # the small row was lost
    assert (np.linalg.norm(rows - exact, axis=1) < 0.02 * np.linalg.norm(exact, axis=1)).all()
    with pytest.raises(InputError, match="no product of int8 matrices"):
        to_row_scales(tmp_path / "float.onnx", tmp_path / "never.onnx")


def test_columns_to_int8() -> None:
    """The largest of a column is 127; a column of zeros stays zero."""
    rounded, scales = columns_to_int8(np.array([[1.0, 0.0], [-2.0, 0.0]], dtype=np.float32))
    assert rounded.tolist() == [[64, 0], [-127, 0]] and scales[0] == pytest.approx(2 / 127)
