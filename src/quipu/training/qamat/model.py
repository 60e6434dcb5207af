"""QAMAT's equations (Chen et al. 2023, section 3) as functions of tensors, for any ``backbones.Backbone``.

Letters: B examples, K entries retrieved, M entries of a memory, T tokens of X, S of memory and X joined, D width. A
query is the encoder's state at [MASK], a key or a value the state at the first position. Two ways lead an entry to
the decoder: its value vector added at [MASK] (neural integration, which trains the retriever), and its words in front
of X (discrete integration). ``fused`` adds both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from quipu.models.memory_input import Ids, joined
from quipu.training.batching import padded
from quipu.training.qamat.backbones import Backbone


@dataclass(frozen=True, slots=True)
class Joined:
    """Memory and X as one text: ids, mask (B * blocks, S); X begins at token ``x_at`` (B,) of the last block."""

    ids: torch.Tensor
    mask: torch.Tensor
    x_at: torch.Tensor
    blocks: int


@dataclass(frozen=True, slots=True)
class Read:
    """What the decoder looks at: states (B, S, D), their mask and token ids (B, S)."""

    states: torch.Tensor
    mask: torch.Tensor
    ids: torch.Tensor


def alone(backbone: Backbone, xs: Sequence[Ids]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """X between its marks: ids, mask (B, T), and where [MASK] stands (B,): the first one of each."""
    rows = [[*backbone.begin, *x, *backbone.end] for x in xs]
    ids, mask = padded(rows, backbone.pad)
    return ids, mask, torch.tensor([row.index(backbone.mask_id) for row in rows])


def first_states(backbone: Backbone, texts: Sequence[Ids]) -> torch.Tensor:
    """f(text; [CLS]) of keys or values: (N, D)."""
    ids, mask = padded([[*backbone.begin, *text, *backbone.end] for text in texts], backbone.pad)
    device = next(backbone.parameters()).device
    return backbone.encode(ids.to(device), mask.to(device))[:, 0]


def at_mask(states: torch.Tensor, mask_at: torch.Tensor) -> torch.Tensor:
    """f(X; [MASK]): states (B, T, D), mask_at (B,) -> (B, D)."""
    return states[torch.arange(len(states), device=states.device), mask_at]


def unit(vectors: torch.Tensor, wanted: bool) -> torch.Tensor:
    """Vectors (..., D) at unit length, where that is ``wanted``; the paper leaves them as they are."""
    return torch.nn.functional.normalize(_wide(vectors), dim=-1) if wanted else vectors


def retrieve(
    queries: torch.Tensor, keys: torch.Tensor, k: int, scale: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores and places of the best ``k`` of keys (M, D) for queries (B, D): (B, K) each, best first.

    ``scale`` multiplies the inner products; the paper has 1, which saturates the softmax of encoders with wide states.
    """
    with torch.autocast(queries.device.type, enabled=False):  # in half precision near entries would tie
        scores = scale * _wide(queries) @ _wide(keys).t()
    found = scores.topk(min(k, keys.shape[0]), dim=1)
    return found.values, found.indices


def mixture(scores: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """sum_m p(m | X) f(v_m), p the softmax over the K retrieved: scores (B, K), values (B, K, D) -> (B, D)."""
    with torch.autocast(scores.device.type, enabled=False):
        return torch.einsum("bk,bkd->bd", torch.softmax(_wide(scores), dim=-1), _wide(values))


def neural(states: torch.Tensor, mask_at: torch.Tensor, mixed: torch.Tensor) -> torch.Tensor:
    """H(X): F(X) (B, T, D) with ``mixed`` (B, D) added at [MASK]."""
    there = torch.nn.functional.one_hot(mask_at, states.shape[1]).to(states.dtype)
    return states + there.unsqueeze(-1) * mixed.to(states.dtype).unsqueeze(1)


def join(backbone: Backbone, entries: Sequence[Sequence[Ids]], xs: Sequence[Ids], per_block: int = 0) -> Joined:
    """``quipu.models.memory_input`` as tensors; ``per_block``: see there."""
    rows, places, blocks = joined(backbone.marks, entries, xs, per_block)
    ids, mask = padded(rows, backbone.pad)
    return Joined(ids, mask, torch.tensor(places), blocks)


def discrete(backbone: Backbone, both: Joined) -> Read:
    """The encoder over memory and X; blocks are encoded apart and stand side by side for the decoder."""
    states = backbone.encode(both.ids, both.mask)
    size = len(both.ids) // both.blocks
    return Read(
        states.reshape(size, both.blocks * states.shape[1], -1),
        both.mask.reshape(size, -1), both.ids.reshape(size, -1),
    )  # fmt: skip


def fused(read: Read, both: Joined, h: torch.Tensor, lengths: torch.Tensor, begin: int, weight: float) -> Read:
    """H^(X) + weight * [0; H(X)]: the decoder's input of both integrations.

    h (B, T, D) is ``neural``'s, whose X stands after ``begin`` marks and has ``lengths`` (B,) tokens; what stands
    around X in ``read`` gets nothing.
    """
    size, length = read.ids.shape
    first = both.x_at.to(h.device) + length // both.blocks * (both.blocks - 1)
    offset = torch.arange(length, device=h.device).unsqueeze(0) - first.unsqueeze(1)  # (B, S): which token of X
    inside = (offset >= 0) & (offset < lengths.to(h.device).unsqueeze(1))
    rows = (offset + begin).clamp(min=0, max=h.shape[1] - 1).unsqueeze(-1).expand(size, length, h.shape[2])
    added = h.gather(1, rows) * inside.unsqueeze(-1).to(h.dtype)
    return Read(read.states + weight * added.to(read.states.dtype), read.mask, read.ids)


def first_hop_loss(scores: torch.Tensor, gold: torch.Tensor) -> torch.Tensor:
    """-log p(m1 | X) (QAMAT+, section 3.4): gold (B, N) bool marks supervised entries of scores (B, N).

    Several right entries count as one: the log of their summed probability. Rows without any do not count.
    """
    log_p = torch.log_softmax(_wide(scores), dim=-1)
    right = torch.logsumexp(log_p.masked_fill(~gold, torch.finfo(torch.float32).min), dim=-1)
    known = gold.any(dim=-1)
    return -(right * known).sum() / known.sum().clamp(min=1)


def _wide(x: torch.Tensor) -> torch.Tensor:
    """At least float32."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
