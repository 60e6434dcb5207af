"""The ONNX graph of a Llama-type decoder, built node by node, and the tensors that it needs.

One graph serves three uses: reading passages, reading the prompts of branches, and a decoding step. Its T tokens are
packed: no padding between rows, ordered by slot. Each of P passages has G branches of n tokens, so a token stands in
slot (passage, branch, place). Attention sees three stretches of keys: the passage's (``prefix``, Lp places, shared by
all its branches), the branch's own from earlier runs (``own``, S places), and the new ones of this run (n places).

Inputs: ``x`` (T, D) embedded tokens; ``positions`` (T, 1); ``queries`` (P, KV, G, n * group) and ``keys``
(P, KV, G, n), rows of the packed queries-and-keys seen as (T * (heads + kv_heads), head_width); ``values`` likewise
among (T * kv_heads, head_width); ``back`` (T, heads), rows of the slots' results (P * KV * G * n * group, head_width);
``mask`` broadcast to (P, KV, G * n * group, Lp + S + n), what a score is at most; ``parts`` = [Lp, S, n]; ``flat_own``
and ``flat_new``, ``slots_own`` and ``slots_new``: the sizes of these scores by passage and by branch; ``last`` (R,)
tokens whose next token is asked for; ``label`` (R, 1) token ids; and per layer ``prefix_k0``, ``prefix_v0`` (P, KV, Lp,
head_width), ``own_k0``, ``own_v0`` (P, KV, G, S, head_width).
Outputs: ``token`` (R,) the likeliest next token, ``top`` (R,) its probability, ``of_label`` (R, 1) the label's
probability, ``logits`` (R, V), ``new`` (2 * layers, P, KV, G, n, head_width): keys and values of this run, layer by
layer.

Quantised: weights int8 with one scale per column of (in, out), activations uint8 with one scale per token. The token's
scale is multiplied in a node of its own after ``MatMulIntegerToFloat`` (whose ``a_scale`` is 1): ONNX Runtime would
fuse a product of both scales wrongly. Norm weights are folded into the matrices, and the norm's divisor into the
token's scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from quipu.models.lm.shape import DecoderShape

MS = "com.microsoft"
OPSET, MS_OPSET, IR = 21, 1, 10


@dataclass(frozen=True, slots=True)
class GraphOptions:
    """``quantised``: int8 or float; ``block``: width of the Hadamard blocks before ``down``, 0 for none;
    ``mixed``: whether the final norm's output goes through a matrix ``mix`` (D, D) before the output layer."""

    quantised: bool = True
    block: int = 0
    mixed: bool = True


class GraphBuilder:
    """Collects nodes and the names of weights; ``build`` gives a model whose weights are external."""

    def __init__(self, shape: DecoderShape, options: GraphOptions, positions: int) -> None:
        """``positions``: how many places the rotary tables have."""
        self.shape, self.options, self.positions = shape, options, positions
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self.weights: dict[str, tuple[int, tuple[int, ...]]] = {}  # name -> element type, dimensions
        self._count = 0

    def build(self) -> onnx.ModelProto:
        """The whole model; tensors of ``weights`` are declared as external data, which the host replaces."""
        shape = self.shape
        for name, value in (
            ("one", np.float32(1)), ("inverse_127", np.float32(1 / 127)), ("tiny", np.float32(1e-9)),
            ("inverse_width", np.float32(1 / shape.width)), ("epsilon", np.float32(shape.epsilon)),
            ("zero_point", np.array(128, np.uint8)), ("last_axis", np.array([-1], np.int64)),
            ("zeros_1", np.array([0], np.int64)), ("axis_0", np.array([0], np.int64)),
            ("axis_1", np.array([1], np.int64)),
            ("as_heads", np.array([-1, shape.head_width], np.int64)),
            ("as_tokens", np.array([-1, shape.heads * shape.head_width], np.int64)),
            ("passage_rows", np.array([0, 0, -1, shape.head_width], np.int64)),
        ):  # fmt: skip
            self._constant(name, value)
        for name in ("cos", "sin"):
            self._weight(name, TensorProto.FLOAT, (self.positions, shape.head_width // 2))
        if self.options.block:
            self._weight("hadamard", TensorProto.FLOAT, (self.options.block, self.options.block))
            self._constant("as_blocks", np.array([-1, self.options.block], np.int64))
            self._constant("as_hidden", np.array([-1, shape.feed_forward], np.int64))
        if self.options.quantised:
            self._zeros = self._op("Expand", "zero_point", self._op("Shape", "positions", start=0, end=1))
            self._zeros_last = self._op("Expand", "zero_point", self._op("Shape", "last"))
        x, delta, new = "x", None, []
        for layer in range(shape.layers):
            x, delta, pair = self._layer(layer, x, delta)
            new += pair
        assert delta is not None
        self._nodes.append(helper.make_node("Concat", new, ["new"], axis=0))
        self._head(x, delta)
        return self._model()

    def _layer(self, layer: int, x: str, delta: str | None) -> tuple[str, str, list[str]]:
        """Attention and feed-forward; the sum of the residual and ``delta`` is the layer's input."""
        name = f"layer.{layer}."
        shape, attention = self.shape, self.shape.heads * self.shape.head_width
        x, given, scale = self._normed(x, delta)
        both = attention + shape.kv_heads * shape.head_width
        qk = self._linear(given, scale, name + "qk", shape.width, both)
        turned = self._op(
            "RotaryEmbedding", self._op("Unsqueeze", qk, "axis_1"), "positions", "cos", "sin", domain=MS,
            num_heads=shape.heads + shape.kv_heads, rotary_embedding_dim=0, interleaved=0,
        )  # fmt: skip
        qk = self._op("Squeeze", turned, "axis_1")
        v = self._linear(given, scale, name + "v", shape.width, shape.kv_heads * shape.head_width)
        mixed, new = self._attention(layer, qk, v)
        given, scale = self._quantised(mixed)
        x, given, scale = self._normed(x, self._linear(given, scale, name + "o", attention, shape.width))
        gate = self._linear(given, scale, name + "gate", shape.width, shape.feed_forward)
        up = self._linear(given, None, name + "up", shape.width, shape.feed_forward)  # its scale joins the next one
        hidden = self._op("Mul", self._op("QuickGelu", gate, domain=MS, alpha=1.0), up)  # alpha 1: SiLU
        if self.options.block:
            blocks = self._op("MatMul", self._op("Reshape", hidden, "as_blocks"), "hadamard")
            hidden = self._op("Reshape", blocks, "as_hidden")
        given, inner = self._quantised(hidden)
        if inner is not None and scale is not None:
            inner = self._op("Mul", inner, scale)
        return x, self._linear(given, inner, name + "down", shape.feed_forward, shape.width), new

    def _attention(self, layer: int, qk: str, v: str) -> tuple[str, list[str]]:
        """Packed queries, keys and values to the packed mixture of values (T, heads * head_width), and what is new."""
        rows = self._op("Reshape", qk, "as_heads")
        queries, keys = self._op("Gather", rows, "queries"), self._op("Gather", rows, "keys")
        values = self._op("Gather", self._op("Reshape", v, "as_heads"), "values")
        of_passage = self._op("Reshape", queries, "passage_rows")
        scores = [
            self._op("FusedMatMul", of_passage, f"prefix_k{layer}", domain=MS, transB=1),
            self._op("FusedMatMul", queries, f"own_k{layer}", domain=MS, transB=1),
            self._op("FusedMatMul", queries, keys, domain=MS, transB=1),
        ]
        scores[1:] = [self._reshape(scores[1], "flat_own"), self._reshape(scores[2], "flat_new")]
        shares = self._ops("Split", 3, self._op("Softmax", self._masked(scores), axis=-1), "parts", axis=-1)
        own = self._op("MatMul", self._reshape(shares[1], "slots_own"), f"own_v{layer}")
        new = self._op("MatMul", self._reshape(shares[2], "slots_new"), values)
        inner = self._op("Reshape", self._op("Add", own, new), "passage_rows")
        mixed = self._op("Add", self._op("MatMul", shares[0], f"prefix_v{layer}"), inner)
        packed = self._op("Gather", self._op("Reshape", mixed, "as_heads"), "back")
        kept = [self._op("Unsqueeze", item, "axis_0") for item in (keys, values)]
        return self._op("Reshape", packed, "as_tokens"), kept

    def _masked(self, scores: list[str]) -> str:
        """All scores less that of the passage's first token, at most ``mask``.

        The first token is seen by all, so a masked one stays far below the highest score, whatever that is, and yet so
        near that its exponential is no denormal number, which would make the softmax seven times slower.
        """
        whole = self._op("Concat", *scores, axis=-1)
        first = self._op("Slice", whole, "zeros_1", "axis_1", "last_axis")
        return self._op("Min", self._op("Sub", whole, first), "mask")

    def _head(self, x: str, delta: str) -> None:
        shape = self.shape
        x = self._op("Add", self._op("Gather", x, "last"), self._op("Gather", delta, "last"))
        y = self._op("Div", x, self._divisor(x))
        if self.options.mixed:
            self._weight("mix", TensorProto.FLOAT, (shape.width, shape.width))
            y = self._op("MatMul", y, "mix")
        if self.options.quantised:
            given, scale = self._quantised(y, self._zeros_last)
        else:
            given, scale = y, None
        logits = self._linear(given, scale, "embed" if shape.tied else "head", shape.width, shape.vocabulary)
        self._nodes[-1].output[0] = logits = "logits"
        shares = self._op("Softmax", logits, axis=-1)
        for node in (
            helper.make_node("ArgMax", [logits], ["token"], axis=-1, keepdims=0),
            helper.make_node("ReduceMax", [shares, "last_axis"], ["top"], keepdims=0),
            helper.make_node("GatherElements", [shares, "label"], ["of_label"], axis=1),
        ):
            self._nodes.append(node)

    def _normed(self, x: str, delta: str | None) -> tuple[str, str, str | None]:
        """The residual with ``delta`` added, and its RMS norm as what a linear layer takes."""
        if delta is not None:
            x = self._op("Add", x, delta)
        divisor = self._divisor(x)
        if not self.options.quantised:
            return x, self._op("Div", x, divisor), None
        given, scale = self._quantised(x)
        return x, given, self._op("Div", scale, divisor)

    def _divisor(self, x: str) -> str:
        """The root mean square of each row (T, 1)."""
        squares = self._op("ReduceSumSquare", x, "last_axis", keepdims=1)
        return self._op("Sqrt", self._op("Add", self._op("Mul", squares, "inverse_width"), "epsilon"))

    def _quantised(self, x: str, zeros: str | None = None) -> tuple[str, str | None]:
        """(T, K) as uint8 around 128, and the scale of each row (T, 1); as it is in a float graph."""
        if not self.options.quantised:
            return x, None
        largest = self._op("ReduceMax", self._op("Abs", x), "last_axis", keepdims=0)
        scale = self._op("Max", self._op("Mul", largest, "inverse_127"), "tiny")
        levels = self._op("QuantizeLinear", x, scale, zeros or self._zeros, axis=0)
        return levels, self._op("Unsqueeze", scale, "last_axis")

    def _linear(self, given: str, scale: str | None, name: str, wide: int, out: int) -> str:
        """Rows times the matrix ``name`` (in, out); ``scale`` None leaves out the rows' scale."""
        if not self.options.quantised:
            return self._op("MatMul", given, self._weight(name, TensorProto.FLOAT, (wide, out)))
        self._weight(name, TensorProto.INT8, (wide, out))
        self._weight(name + ".scale", TensorProto.FLOAT, (out,))
        y = self._op("MatMulIntegerToFloat", given, name, "one", name + ".scale", "zero_point", domain=MS)
        return y if scale is None else self._op("Mul", y, scale)

    def _reshape(self, x: str, sizes: str) -> str:
        """To sizes that the host gives, which may hold zeros."""
        return self._op("Reshape", x, sizes, allowzero=1)

    def _op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        return self._ops(kind, 1, *inputs, **attributes)[0]

    def _ops(self, kind: str, count: int, *inputs: str, domain: str = "", **attributes: Any) -> list[str]:
        outputs = [f"t{self._count}_{at}" for at in range(count)]
        self._count += 1
        self._nodes.append(helper.make_node(kind, list(inputs), outputs, domain=domain, **attributes))
        return outputs

    def _constant(self, name: str, value: NDArray[Any] | np.generic) -> None:
        self._constants.append(onnx.numpy_helper.from_array(np.asarray(value), name))

    def _weight(self, name: str, kind: Any, dimensions: tuple[int, ...]) -> str:
        self.weights[name] = (kind, dimensions)
        return name

    def _model(self) -> onnx.ModelProto:
        shape, info = self.shape, helper.make_tensor_value_info
        kv, width = shape.kv_heads, shape.head_width
        whole = TensorProto.INT64
        inputs = [
            info("x", TensorProto.FLOAT, ["T", shape.width]), info("positions", whole, ["T", 1]),
            info("queries", TensorProto.INT32, ["P", kv, "G", "nq"]),
            info("keys", TensorProto.INT32, ["P", kv, "G", "n"]),
            info("values", TensorProto.INT32, ["P", kv, "G", "n"]), info("back", TensorProto.INT32, ["T", shape.heads]),
            info("mask", TensorProto.FLOAT, None), info("parts", whole, [3]), info("flat_own", whole, [4]),
            info("flat_new", whole, [4]), info("slots_own", whole, [5]), info("slots_new", whole, [5]),
            info("last", whole, ["R"]), info("label", whole, ["R", 1]),
        ]  # fmt: skip
        for layer in range(shape.layers):
            for which in "kv":
                inputs.append(info(f"prefix_{which}{layer}", TensorProto.FLOAT, ["P", kv, "Lp", width]))
                inputs.append(info(f"own_{which}{layer}", TensorProto.FLOAT, ["P", kv, "G", "S", width]))
        outputs = [
            info("token", whole, ["R"]), info("top", TensorProto.FLOAT, ["R"]),
            info("of_label", TensorProto.FLOAT, ["R", 1]), info("logits", TensorProto.FLOAT, ["R", shape.vocabulary]),
            info("new", TensorProto.FLOAT, [2 * shape.layers, "P", kv, "G", "n", width]),
        ]  # fmt: skip
        graph = helper.make_graph(self._nodes, "decoder", inputs, outputs, [*self._constants, *self._external()])
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MS, MS_OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR, producer_name="quipu")

    def _external(self) -> list[onnx.TensorProto]:
        """Declarations of the weights: where they stand is for the host to know, which hands them over."""
        tensors = []
        for name, (kind, dimensions) in self.weights.items():
            tensor = onnx.TensorProto(name=name, data_type=kind, dims=dimensions, data_location=TensorProto.EXTERNAL)
            size = int(np.prod(dimensions)) * (1 if kind == TensorProto.INT8 else 4)
            for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", str(size))):
                tensor.external_data.add(key=key, value=value)
            tensors.append(tensor)
        return tensors
