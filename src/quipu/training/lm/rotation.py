"""Turns a decoder's weights so that no channel of the activations stands out; what it computes does not change.

Norm weights go into the matrices behind them. The residual stream is turned by an orthogonal matrix, values of each
head by another, and what enters ``down`` is meant to be turned in Hadamard blocks at run time, which its weights undo.
Outlying channels are spread over all, so eight bits per token and few per weight lose little (QuaRot: Ashkboos et al.
2024).

Weights are named ``embed`` (V, D), ``head`` (V, D) where it is untied, ``norm`` (D,), and per layer ``layer.0.q``,
``k``, ``v``, ``o``, ``gate``, ``up``, ``down`` (out, in), ``n1``, ``n2`` (D,). Activations are rows: y = x W^T.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quipu.models.lm.shape import DecoderShape

Tensors = dict[str, NDArray[np.float32]]
Matrix = NDArray[np.float64]
LARGEST_BLOCK = 64
SMALLEST_BLOCK = 8


def hadamard(size: int) -> Matrix:
    """The orthonormal Hadamard matrix of a power of two."""
    matrix = np.ones((1, 1))
    while len(matrix) < size:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix / np.sqrt(size)


def orthogonal(size: int, rng: np.random.Generator) -> Matrix:
    """A mixing orthogonal matrix: Hadamard for the power of two in ``size``, random for the rest, signs at random."""
    block = min(size & -size, LARGEST_BLOCK)
    rest = np.linalg.qr(rng.standard_normal((size // block, size // block)))[0]
    return np.kron(rest, hadamard(block)) * rng.choice([-1.0, 1.0], size)[:, None]


def down_block(shape: DecoderShape) -> int:
    """Width of the Hadamard blocks before ``down``: a power of two that divides its input, or 0 where none of use
    does."""
    block = min(shape.feed_forward & -shape.feed_forward, LARGEST_BLOCK)
    return block if block >= SMALLEST_BLOCK else 0


def folded(weights: Tensors, shape: DecoderShape) -> Tensors:
    """The same network with norm weights of 1; ``mix`` (D, D) takes the final norm's where the output layer is tied."""
    return _turned(weights, shape, np.eye(shape.width), np.eye(shape.head_width), 0)


def rotated(weights: Tensors, shape: DecoderShape, *, block: int, seed: int = 0) -> Tensors:
    """Folded and turned; the graph must multiply the input of ``down`` by Hadamard blocks of width ``block``."""
    rng = np.random.default_rng(seed)
    return _turned(weights, shape, orthogonal(shape.width, rng), orthogonal(shape.head_width, rng), block)


def _turned(weights: Tensors, shape: DecoderShape, turn: Matrix, values: Matrix, block: int) -> Tensors:
    """``turn`` (D, D) acts on the residual stream, ``values`` (head_width, head_width) on each head's values."""
    given = {name: value.astype(np.float64) for name, value in weights.items()}
    out: dict[str, Matrix] = {"embed": given["embed"] @ turn}
    if shape.tied:
        out["mix"] = turn.T @ (given["norm"][:, None] * turn)
    else:
        out["head"] = (given["head"] * given["norm"]) @ turn
    for layer in range(shape.layers):
        name = f"layer.{layer}."
        for matrix, norm in (("q", "n1"), ("k", "n1"), ("v", "n1"), ("gate", "n2"), ("up", "n2")):
            out[name + matrix] = (given[name + matrix] * given[name + norm]) @ turn
        heads = out[name + "v"].reshape(shape.kv_heads, shape.head_width, shape.width)
        out[name + "v"] = np.einsum("ab,kad->kbd", values, heads).reshape(-1, shape.width)
        heads = given[name + "o"].reshape(shape.width, shape.heads, shape.head_width) @ values
        out[name + "o"] = turn.T @ heads.reshape(shape.width, -1)
        down = turn.T @ given[name + "down"]
        if block:
            down = (down.reshape(shape.width, -1, block) @ hadamard(block)).reshape(shape.width, -1)
        out[name + "down"] = down
    return {name: value.astype(np.float32) for name, value in out.items()}
