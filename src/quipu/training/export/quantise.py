"""int8 for ONNX graphs: constant weights with a scale per column, activations with a scale per row, made at run time.

A row is all that one token is multiplied with: the last axis of a product's left side. ONNX Runtime's own dynamic
quantisation has one scale for the whole tensor instead, so what stands beside a text in its batch moves the text's
rounding, and with it its answer.

Rows are rounded symmetrically: scale = max |x| / 127, stored as unsigned bytes around 128, which is what processors
multiply fastest with signed weights. The product itself (``MatMulIntegerToFloat`` of ONNX Runtime) knows the columns'
scales alone. The rows' come after it, in a product of their own: ONNX Runtime would fuse ``x_scale * w_scale`` behind
a ``MatMulInteger`` into an operator that takes one number for the whole left side, and read the first row's for all.

What stays in float is exact for a row as long as the row's own shape stays the same: products, norms and softmaxes of
ONNX Runtime work row by row. Its sum over tokens does not (one text is summed in another order than two), so a mean
over tokens is written as a product too.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from quipu.errors import InputError

_RUNTIME = "com.microsoft"
_ZERO = 128  # what a row's zero is stored as
_SMALLEST = 1e-9  # a row of zeros has this scale
_TABLE = 1024  # lookup tables with fewer numbers stay as they are


def to_int8(source: Path, target: Path) -> None:
    """A float graph's constant matrices and lookup tables to int8; activations get a scale per row.

    Quantised: ``MatMul`` and ``Gemm`` whose right side is a constant matrix (a scale per column), ``Gather`` along the
    first axis of a constant matrix (a scale per row). Products of two activations stay in float.
    """
    model = onnx.load(str(source))
    _sum_by_product(model.graph)
    graph = _Graph(model)
    for node in model.graph.node:
        if node.op_type == "MatMul" and graph.is_matrix(node.input[1]):
            graph.multiply(node.name, node.input[0], graph.weight(node.input[1]), node.output[0])
        elif node.op_type == "Gemm" and graph.is_matrix(node.input[1]) and _plain(node):
            turned = any(item.name == "transB" and item.i for item in node.attribute)
            biased = len(node.input) > 2 and node.input[2] != ""
            product = f"{node.output[0]}/product" if biased else node.output[0]
            graph.multiply(node.name, node.input[0], graph.weight(node.input[1], turned), product)
            if biased:
                graph.add("Add", [product, node.input[2]], node.output[0])
        elif node.op_type == "Gather" and graph.is_matrix(node.input[0], _TABLE) and _first_axis(node):
            graph.look_up(node.input[0], node.input[1], node.output[0])
        else:
            graph.nodes.append(node)
    graph.save(target)


def to_row_scales(source: Path, target: Path) -> None:
    """A graph that ``onnxruntime.quantization.quantize_dynamic`` made, with a scale per row instead of per tensor.

    Its int8 weights and their scales stay as they are, byte for byte and in their order. Raises InputError where the
    graph has no such products, or has weights with a zero point.
    """
    model = onnx.load(str(source))
    _sum_by_product(model.graph)
    graph = _Graph(model)
    made = _made(model.graph)
    users = defaultdict(list)
    for node in model.graph.node:
        for name in node.input:
            users[name].append(node)
    products = [node for node in model.graph.node if node.op_type == "MatMulInteger"]
    if not products:
        raise InputError(f"{source}: no product of int8 matrices; quantise the float model with to_int8 instead")
    gone: set[str] = set()  # outputs of nodes that are replaced
    instead: dict[str, tuple[str, tuple[str, str], str]] = {}  # a product's first output: left side, weight, result
    for node in products:
        quantised = made[node.input[0]]
        (cast,), zero = users[node.output[0]], graph.known.get(node.input[3])
        (scaled,) = users[cast.output[0]]
        scales = made[next(name for name in scaled.input if name != cast.output[0])]
        column = next((name for name in scales.input if name in graph.known), None)
        if quantised.op_type != "DynamicQuantizeLinear" or scaled.op_type != "Mul" or column is None:
            raise InputError(f"{source}: {node.name} is no product of dynamically quantised rows")
        if zero is None or numpy_helper.to_array(zero).any():
            raise InputError(f"{source}: the weight of {node.name} has a zero point; quantise it symmetrically")
        gone |= {*quantised.output, *scales.output, *cast.output, *scaled.output}
        instead[node.output[0]] = quantised.input[0], (node.input[1], column), scaled.output[0]
    for node in model.graph.node:
        if node.op_type == "MatMulInteger":
            graph.multiply(node.name, *instead[node.output[0]])
        elif not gone.intersection(node.output):
            graph.nodes.append(node)
    graph.save(target)


def columns_to_int8(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """A matrix (K, N) as int8, and a scale per column (N,)."""
    scales = (np.maximum(np.abs(values).max(axis=0), _SMALLEST) / 127.0).astype(np.float32)
    return np.round(values / scales).astype(np.int8), scales


class _Graph:
    """A graph whose nodes are written anew; what was there keeps its order, new constants stand behind it."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.nodes: list[Any] = []
        self.known = {item.name: item for item in model.graph.initializer}
        self._constants: dict[str, Any] = {}
        self._weights: dict[tuple[str, bool], tuple[str, str]] = {}
        self._rows: dict[str, tuple[str, str]] = {}

    def is_matrix(self, name: str, least: int = 1) -> bool:
        """A constant float matrix of at least so many numbers."""
        item = self.known.get(name)
        return (
            item is not None
            and item.data_type == onnx.TensorProto.FLOAT
            and len(item.dims) == 2
            and int(np.prod(item.dims)) >= least
        )

    def add(self, kind: str, inputs: list[str], output: str, domain: str = "", **attributes: Any) -> str:
        """A node behind the others; gives its output's name."""
        self.nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **attributes))
        return output

    def constant(self, name: str, value: Any) -> str:
        """A constant of the graph, made once."""
        self._constants.setdefault(name, numpy_helper.from_array(np.asarray(value), name))
        return name

    def weight(self, name: str, turned: bool = False) -> tuple[str, str]:
        """The names of an int8 twin of a float matrix, transposed if ``turned``, and of its columns' scales."""
        if (name, turned) not in self._weights:
            values = numpy_helper.to_array(self.known[name])
            rounded, scales = columns_to_int8(np.ascontiguousarray(values.T) if turned else values)
            base = f"{name}_turned" if turned else name
            self._weights[name, turned] = (
                self.constant(f"{base}_quantized", rounded),
                self.constant(f"{base}_scale", scales),
            )
        return self._weights[name, turned]

    def multiply(self, name: str, left: str, weight: tuple[str, str], output: str) -> None:
        """``output`` = ``left`` (..., K) times an int8 matrix (K, N), by a node of this name."""
        rows, scale = self._quantised(left)
        one, zero = self.constant("row/one", np.float32(1)), self.constant("row/zero", np.uint8(_ZERO))
        product = f"{output}/unscaled"
        self.add("MatMulIntegerToFloat", [rows, weight[0], one, weight[1], zero], product, _RUNTIME, name=name)
        self.add("Mul", [product, scale], output)

    def look_up(self, table: str, places: str, output: str) -> None:
        """``output`` = rows of a float table that is stored as int8 with a scale per row."""
        rounded, scales = columns_to_int8(numpy_helper.to_array(self.known[table]).T)
        rows = self.constant(f"{table}_quantized", np.ascontiguousarray(rounded.T))
        row_scales = self.constant(f"{table}_scale", scales[:, None])
        found = self.add("Gather", [rows, places], f"{output}/rows", axis=0)
        found = self.add("Cast", [found], f"{output}/float", to=onnx.TensorProto.FLOAT)
        scale = self.add("Gather", [row_scales, places], f"{output}/scales", axis=0)
        self.add("Mul", [found, scale], output)

    def _quantised(self, left: str) -> tuple[str, str]:
        """The names of ``left`` (..., K) as bytes, and of its rows' scales (..., 1); made once."""
        if left not in self._rows:
            base = f"{left}/row"
            size = self.add("Abs", [left], f"{base}/abs")
            size = self.add("ReduceMax", [size], f"{base}/max", axes=[-1], keepdims=1)
            size = self.add("Mul", [size, self.constant("row/step", np.float32(1 / 127))], f"{base}/step")
            scale = self.add("Max", [size, self.constant("row/smallest", np.float32(_SMALLEST))], f"{base}/scale")
            # QuantizeLinear wants one axis with a scale each, and a zero point beside every scale
            flat = self.add("Reshape", [scale, self.constant("row/flat", np.array([-1]))], f"{base}/scales")
            count = self.add("Shape", [flat], f"{base}/count")
            zero = numpy_helper.from_array(np.array([_ZERO], dtype=np.uint8))
            zeros = self.add("ConstantOfShape", [count], f"{base}/zeros", value=zero)
            shape = self.add("Shape", [left], f"{base}/shape")
            matrix = self.add("Flatten", [left], f"{base}/matrix", axis=-1)
            matrix = self.add("QuantizeLinear", [matrix, flat, zeros], f"{base}/bytes", axis=0)
            self._rows[left] = self.add("Reshape", [matrix, shape], f"{base}/rows"), scale
        return self._rows[left]

    def save(self, target: Path) -> None:
        """Write the graph with its new nodes, without the constants that nothing uses any more."""
        graph = self.model.graph
        used = {name for node in self.nodes for name in node.input} | {item.name for item in graph.output}
        kept = [item for item in graph.initializer if item.name in used]
        kept += [item for name, item in self._constants.items() if name in used]
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(self.nodes)
        graph.initializer.extend(kept)
        if _RUNTIME not in {item.domain for item in self.model.opset_import}:
            self.model.opset_import.append(helper.make_opsetid(_RUNTIME, 1))
        onnx.save(self.model, str(target))


def _sum_by_product(graph: Any) -> None:
    """Sums over tokens of states (N, T, D) times a mask (N, T, 1): as the product of (N, 1, T) and (N, T, D)."""
    made = _made(graph)
    axes = {item.name: numpy_helper.to_array(item) for item in graph.initializer if len(item.dims) == 1}
    axes |= {node.output[0]: numpy_helper.to_array(node.attribute[0].t) for node in graph.node if _constant(node)}
    nodes: list[Any] = []
    for node in graph.node:
        weighted = made.get(node.input[0]) if node.op_type == "ReduceSum" else None
        over_tokens = len(node.input) == 2 and np.array_equal(axes.get(node.input[1], ()), [1])
        dropped = any(item.name == "keepdims" and item.i == 0 for item in node.attribute)
        masks = [name in made and made[name].op_type == "Cast" for name in weighted.input] if weighted else []
        if weighted is None or weighted.op_type != "Mul" or not over_tokens or not dropped or sum(masks) != 1:
            nodes.append(node)
            continue
        mask, states = weighted.input if masks[0] else reversed(weighted.input)
        nodes += [
            helper.make_node("Transpose", [mask], [f"{node.output[0]}/mask"], perm=[0, 2, 1]),
            helper.make_node("MatMul", [f"{node.output[0]}/mask", states], [f"{node.output[0]}/sum"]),
            helper.make_node("Squeeze", [f"{node.output[0]}/sum", node.input[1]], [node.output[0]]),
        ]
    del graph.node[:]
    graph.node.extend(nodes)


def _constant(node: Any) -> bool:
    return node.op_type == "Constant" and node.attribute[0].name == "value"


def _made(graph: Any) -> dict[str, Any]:
    """The node that makes each value."""
    return {name: node for node in graph.node for name in node.output}


def _plain(node: Any) -> bool:
    """A ``Gemm`` that is a product and a bias, nothing else."""
    given = {item.name: item.i if item.name == "transA" else item.f for item in node.attribute if item.name != "transB"}
    return given.get("transA", 0) == 0 and given.get("alpha", 1.0) == 1.0 and given.get("beta", 1.0) == 1.0


def _first_axis(node: Any) -> bool:
    return all(item.i == 0 for item in node.attribute if item.name == "axis")
