"""Rounding of turned weights to few levels: a scale per row by clipping search, then GPTQ with error feedback.

GPTQ (Frantar et al. 2022) rounds a matrix column by column and lets the columns still to come make up for each error,
as far as inputs that were seen (their second moments H) allow. Layers are rounded in order, and each sees what the
rounded layers before it give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from quipu.models.lm.shape import DecoderShape
from quipu.models.lm.weights import rotary_tables
from quipu.training.lm.rotation import Tensors, hadamard

DAMPING = 0.01
BLOCK = 64
CLIPS = tuple(1.0 - 0.025 * step for step in range(21))


@dataclass(frozen=True, slots=True)
class Rounded:
    """A matrix as levels (out, in) int8 and a scale per row (out,) float16; about ``levels * scale[:, None]``."""

    levels: NDArray[np.int8]
    scale: NDArray[np.float16]

    def floats(self) -> NDArray[np.float32]:
        """The matrix that it stands for."""
        return self.levels.astype(np.float32) * self.scale.astype(np.float32)[:, None]


def row_scales(matrix: Tensor, bits: int, importance: Tensor | None = None) -> Tensor:
    """A scale per row (out,): of 21 clippings the one with the least squared error, weighted by input (in,)."""
    most = (1 << (bits - 1)) - 1
    largest = matrix.abs().amax(1).clamp_min(1e-8)
    best, least = largest / most, torch.full_like(largest, float("inf"))
    for clip in CLIPS if bits < 8 else (1.0,):
        scale = (largest * clip / most).half().float().clamp_min(1e-7)
        error = ((matrix / scale[:, None]).round().clamp(-most, most) * scale[:, None] - matrix).square()
        error = error.sum(1) if importance is None else error @ importance
        best, least = torch.where(error < least, scale, best), torch.minimum(error, least)
    return best.half().float()


def round_plain(matrix: NDArray[np.float32], bits: int) -> Rounded:
    """To the nearest level."""
    most, given = (1 << (bits - 1)) - 1, torch.from_numpy(matrix)
    scale = row_scales(given, bits)
    levels = (given / scale[:, None]).round().clamp(-most, most)
    return Rounded(levels.to(torch.int8).numpy(), scale.half().numpy())


def round_gptq(matrix: NDArray[np.float32], moments: Tensor, bits: int) -> Rounded:
    """With error feedback; ``moments`` (in, in): the sum of x x^T over inputs."""
    most, width = (1 << (bits - 1)) - 1, matrix.shape[1]
    moments = moments.double()
    mean = moments.diagonal().mean().clamp_min(1e-12)
    moments = moments / mean + DAMPING * torch.eye(width, dtype=torch.float64)
    weights = torch.from_numpy(matrix).clone()
    scale = row_scales(weights, bits, moments.diagonal().float())[:, None]
    upper = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(moments)), upper=True).float()
    levels = torch.empty_like(weights)
    for first in range(0, width, BLOCK):
        last = min(first + BLOCK, width)
        part, errors = weights[:, first:last].T.contiguous(), torch.empty(last - first, len(weights))
        for at in range(last - first):
            factors = upper[first + at, first:last]
            level = (part[at] / scale[:, 0]).round().clamp(-most, most)
            levels[:, first + at] = level
            errors[at] = (part[at] - level * scale[:, 0]) / factors[at]
            part[at + 1 :] -= factors[at + 1 :, None] * errors[at]
        weights[:, last:] -= errors.T @ upper[first:last, last:]
    return Rounded(levels.to(torch.int8).numpy(), scale[:, 0].half().numpy())


def round_all(
    weights: Tensors,
    shape: DecoderShape,
    rows: Sequence[Sequence[int]],
    bits: Callable[[str], int],
    *,
    block: int = 0,
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, Rounded]:
    """Every matrix of a folded or turned decoder, rounded. ``rows``: token ids of calibration texts, one row each;
    without any, levels are the nearest ones. ``bits`` of a name; ``block``: the Hadamard blocks before ``down``."""
    if not rows:
        return {name: round_plain(value, bits(name)) for name, value in weights.items() if name != "mix"}
    with torch.inference_mode():
        return _Calibration(weights, shape, rows, bits, block).run(progress)


class _Calibration:
    """Calibration rows on their way through the layers."""

    def __init__(
        self, weights: Tensors, shape: DecoderShape, rows: Sequence[Sequence[int]], bits: Callable[[str], int],
        block: int,
    ) -> None:  # fmt: skip
        self.weights, self.shape, self.bits = weights, shape, bits
        self.rounded: dict[str, Rounded] = {}
        self.lengths = [len(row) for row in rows]
        self.ids = torch.tensor([token for row in rows for token in row])
        self.turn = torch.from_numpy(hadamard(block).astype(np.float32)) if block else None
        places = np.concatenate([np.arange(length) for length in self.lengths])
        tables = rotary_tables(shape, max(self.lengths))
        self.cos, self.sin = (
            torch.from_numpy(tables[name][places]).repeat(1, 2)[:, None] for name in ("cos", "sin")
        )  # (T, 1, head_width)

    def run(self, progress: Callable[[str], None]) -> dict[str, Rounded]:
        """Round layer by layer, then the output layer (and with it the embedding where they are tied)."""
        x = torch.from_numpy(self.weights["embed"])[self.ids]
        for layer in range(self.shape.layers):
            x = self._layer(f"layer.{layer}.", x)
            progress(f"layer {layer + 1} of {self.shape.layers}")
        y = self._norm(x)
        if self.shape.tied:
            self._round("embed", y @ torch.from_numpy(self.weights["mix"]))
        else:
            self._round("head", y)
            self.rounded["embed"] = round_plain(self.weights["embed"], self.bits("embed"))
        return self.rounded

    def _layer(self, name: str, x: Tensor) -> Tensor:
        y = self._norm(x)
        q, k, v = self._rounded(name, ("q", "k", "v"), y)
        mixed = self._attention(q, k, v)
        x = x + self._rounded(name, ("o",), mixed)[0]
        gate, up = self._rounded(name, ("gate", "up"), self._norm(x))
        hidden = functional.silu(gate) * up
        if self.turn is not None:
            hidden = (hidden.view(len(hidden), -1, len(self.turn)) @ self.turn).view(len(hidden), -1)
        return x + self._rounded(name, ("down",), hidden)[0]

    def _rounded(self, name: str, matrices: Sequence[str], given: Tensor) -> list[Tensor]:
        """Round matrices that share their input; what they give."""
        moments = given.T @ given
        return [given @ self._round(name + matrix, given, moments).T for matrix in matrices]

    def _round(self, name: str, given: Tensor, moments: Tensor | None = None) -> Tensor:
        moments = given.T @ given if moments is None else moments
        self.rounded[name] = round_gptq(self.weights[name], moments, self.bits(name))
        return torch.from_numpy(self.rounded[name].floats())

    def _norm(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.shape.epsilon)

    def _attention(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Causal attention within each row (T, heads * head_width)."""
        shape, found = self.shape, []
        q, k = (self._turned(item.view(len(item), -1, shape.head_width)) for item in (q, k))
        v = v.view(len(v), -1, shape.head_width)
        rows = zip(*(item.split(self.lengths) for item in (q, k, v)), strict=True)
        for query, key, value in rows:
            key, value = (item.repeat_interleave(shape.group, 1) for item in (key, value))
            query, key, value = (item.transpose(0, 1)[None] for item in (query, key, value))
            mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            found.append(mixed[0].transpose(0, 1).reshape(mixed.shape[2], -1))
        return torch.cat(found)

    def _turned(self, x: Tensor) -> Tensor:
        """Rotary embedding (T, heads, head_width)."""
        half = x.shape[-1] // 2
        return x * self.cos + torch.cat([-x[..., half:], x[..., :half]], -1) * self.sin


def squared_error(weights: Mapping[str, NDArray[np.float32]], rounded: Mapping[str, Rounded]) -> float:
    """The share of the weights' sum of squares that rounding lost."""
    lost = sum(float(np.square(rounded[name].floats() - weights[name]).sum()) for name in rounded)
    return lost / sum(float(np.square(weights[name]).sum()) for name in rounded)
