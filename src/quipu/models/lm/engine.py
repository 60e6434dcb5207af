"""Runs the decoder's graph: reads passages, the first tokens of branches, and one token more of each.

Every value of a branch is computed in an order that does not depend on its company: stretches of keys are filled up to
multiples of ``BUCKET`` with masked places, which add nothing at the end of sums, and products of a single row, which
would be summed in another way, do not occur. So an answer is the same, bit by bit, alone and in any batch.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quipu.models.folders import session_options
from quipu.models.lm.shape import DecoderShape
from quipu.models.lm.weights import load_weights

BUCKET = 16  # places: as many numbers as the widest processors sum side by side
SEEN, MASKED = np.float32(3e38), np.float32(-50)  # the most that a score is, less that of the passage's first token

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Prefix:
    """Keys and values of a passage (2 * layers, KV, Lp, head_width), of which ``length`` places are filled."""

    states: Floats
    length: int


@dataclass(frozen=True, slots=True)
class Slots:
    """Where branches stand: the number of their passage and their place among its branches, (N,) each."""

    passage: Ints
    place: Ints
    passages: int
    places: int

    @classmethod
    def of(cls, owners: Ints, passages: int, least: int = 1) -> Slots:
        """Branches of these passages, each at the next place; room for at least ``least`` branches a passage."""
        place, seen = np.zeros(len(owners), np.int64), np.zeros(passages, np.int64)
        for at, owner in enumerate(owners):
            place[at] = seen[owner]
            seen[owner] += 1
        return cls(owners, place, passages, max(int(seen.max(initial=1)), least))

    def only(self, kept: NDArray[np.bool_]) -> Slots:
        """Some of the branches, where they stand."""
        return Slots(self.passage[kept], self.place[kept], self.passages, self.places)


class Engine:
    """The decoder of a model folder. Safe for several threads."""

    def __init__(self, folder: Path, shape: DecoderShape, *, positions: int, threads: int = 1) -> None:
        """``positions``: places that a passage and a branch have together; ``threads`` of one call."""
        self.shape, self.positions = shape, positions
        weights = load_weights(folder, shape, positions, 2)
        self._embedding, self._scales = weights["embed"], weights.get("embed.scale")
        if not shape.tied:  # the graph does not use the table that words are looked up in
            weights = {name: tensor for name, tensor in weights.items() if name not in ("embed", "embed.scale")}
        self._session = _session(folder / "graph.onnx", weights, threads)
        del weights
        _give_back()
        # places that a passage's branches have at least: a single query would be multiplied in another way
        self.least = 2 if shape.group == 1 else 1

    def prefixes(self, rows: Sequence[Sequence[int]]) -> list[Prefix]:
        """Read passages (token ids, at least one each)."""
        lengths = [len(row) for row in rows]
        size = filled(max(lengths))
        slots = Slots.of(np.arange(len(rows)), len(rows))
        causal = np.where(np.tri(size, dtype=bool), SEEN, MASKED).repeat(self.shape.group, axis=0)
        (new,) = self._run(rows, slots, np.zeros(len(rows), np.int64), size, causal, want=["new"])
        found = []
        for at, length in enumerate(lengths):
            states = np.ascontiguousarray(new[:, at, :, 0, : filled(length)])
            states[:, :, length:] = 0
            found.append(Prefix(states, length))
        return found

    def score(
        self, prefixes: Sequence[Prefix], owners: Sequence[int], prompts: Sequence[Sequence[int]],
        answers: Sequence[Sequence[int]],
    ) -> list[list[float]]:  # fmt: skip
        """The probability of each token of each answer after passage ``prefixes[owners[i]]``, its prompt, and the
        tokens before it."""
        states, lengths = stacked(prefixes)
        slots = Slots.of(np.array(owners, np.int64), len(prefixes), self.least)
        rows = [[*prompt, *answer[:-1]] for prompt, answer in zip(prompts, answers, strict=True)]
        ends = np.cumsum([len(row) for row in rows])
        sizes = np.array([len(answer) for answer in answers])
        last = np.concatenate([np.arange(end - size, end) for end, size in zip(ends, sizes, strict=True)])
        labels = np.concatenate([np.array(answer, np.int64) for answer in answers])
        (found,) = self.first(states, lengths, slots, rows, last, labels, ["of_label"])
        return [[float(value) for value in part] for part in np.split(found[:, 0], np.cumsum(sizes)[:-1])]

    def first(
        self, states: Floats, lengths: Ints, slots: Slots, rows: Sequence[Sequence[int]], last: Ints, label: Ints,
        want: list[str],
    ) -> list[Any]:  # fmt: skip
        """Read the first tokens of branches after passages whose ``states`` (2 * layers, P, KV, Lp, head_width) hold
        ``lengths`` places."""
        size, wide = max(2, max(len(row) for row in rows)), states.shape[3]
        mask = np.full((slots.passages, 1, size, 1, wide + size), MASKED)
        mask[..., :wide] = np.where(np.arange(wide) < lengths[:, None], SEEN, MASKED)[:, None, None, None]
        mask[..., wide:] = np.where(np.tri(size, dtype=bool), SEEN, MASKED)[:, None]
        whole = (slots.passages, slots.places, size, self.shape.group, wide + size)
        mask = np.broadcast_to(mask, whole).reshape(slots.passages, 1, -1, wide + size)
        starts = lengths[slots.passage]
        return self._run(rows, slots, starts, size, mask, prefix=states, last=last, label=label, want=want)

    def step(
        self, states: Floats, lengths: Ints, own: Floats, slots: Slots, used: Ints, tokens: Ints, want: list[str]
    ) -> list[Any]:
        """One token more for each branch; ``own`` (2 * layers, P, KV, G, S, head_width), ``used`` places of it (N,)."""
        wide, kept = states.shape[3], own.shape[4]
        mask = np.full((slots.passages, slots.places, self.shape.group, wide + kept + 1), MASKED)
        mask[..., :wide] = np.where(np.arange(wide) < lengths[:, None], SEEN, MASKED)[:, None, None]
        free = np.where(np.arange(kept) < used[:, None], SEEN, MASKED)
        mask[slots.passage, slots.place, :, wide : wide + kept] = free[:, None]
        mask[..., -1] = SEEN
        return self._run(
            tokens[:, None], slots, lengths[slots.passage] + used, 1,
            mask.reshape(slots.passages, 1, -1, wide + kept + 1), prefix=states, own=own, last=np.arange(len(tokens)),
            want=want,
        )  # fmt: skip

    def _run(
        self, rows: Any, slots: Slots, starts: Ints, size: int, mask: Floats, *, prefix: Floats | None = None,
        own: Floats | None = None, last: Ints | None = None, label: Ints | None = None, want: list[str],
    ) -> list[Any]:  # fmt: skip
        """Feed the graph (see ``quipu.training.lm.graph``): ``rows`` of at most ``size`` tokens, each from its position
        of ``starts`` on. Without ``last`` only the new keys and values are of use."""
        shape = self.shape
        kv, width, group = shape.kv_heads, shape.head_width, shape.group
        counts = np.array([len(row) for row in rows], np.int64)
        row = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        last = np.zeros(1, np.int64) if last is None else last
        label = np.zeros(len(last), np.int64) if label is None else label
        asked = len(last)
        if asked == 1:  # a single row would be multiplied in another way
            last, label = np.repeat(last, 2), np.repeat(label, 2)
        at = (slots.passage[row, None] * kv + np.arange(kv)) * slots.places + slots.place[row, None]
        at = at * size + place[:, None]  # (T, KV): the slot of each token and head
        dims, many = (slots.passages, kv, slots.places), size * group
        wide, kept = 0 if prefix is None else prefix.shape[3], 0 if own is None else own.shape[4]
        feeds: dict[str, Any] = {
            "x": self.embedded(np.concatenate([np.asarray(item, np.int64) for item in rows])),
            "positions": (np.repeat(starts, counts) + place)[:, None],
            **self._rows(at, dims, size),
            "mask": mask,
            "parts": np.array([wide, kept, size]),
            "flat_own": np.array([slots.passages, kv, slots.places * many, kept]),
            "flat_new": np.array([slots.passages, kv, slots.places * many, size]),
            "slots_own": np.array([*dims, many, kept]),
            "slots_new": np.array([*dims, many, size]),
            "last": last,
            "label": label[:, None],
        }
        no_prefix = np.zeros((slots.passages, kv, 0, width), np.float32)
        no_own = np.zeros((*dims, 0, width), np.float32)
        for layer in range(shape.layers):
            for which, name in enumerate("kv"):
                feeds[f"prefix_{name}{layer}"] = no_prefix if prefix is None else prefix[2 * layer + which]
                feeds[f"own_{name}{layer}"] = no_own if own is None else own[2 * layer + which]
        found = self._session.run(want, feeds)
        return [item if name == "new" else item[:asked] for name, item in zip(want, found, strict=True)]

    def _rows(self, at: Ints, dims: tuple[int, int, int], size: int) -> dict[str, Any]:
        """The maps from packed tokens to slots and back; ``at`` (T, KV): the slot of each token and key-value head."""
        kv, group, heads = self.shape.kv_heads, self.shape.group, self.shape.heads
        total, token = int(np.prod(dims)) * size, np.arange(len(at))[:, None]
        queries, keys, values = np.zeros((total, group), np.int32), np.zeros(total, np.int32), np.zeros(total, np.int32)
        queries[at] = (token * (heads + kv) + np.arange(kv) * group)[..., None] + np.arange(group)
        keys[at] = token * (heads + kv) + heads + np.arange(kv)
        values[at] = token * kv + np.arange(kv)
        return {
            "queries": queries.reshape(*dims, size * group),
            "keys": keys.reshape(*dims, size),
            "values": values.reshape(*dims, size),
            "back": (at[..., None] * group + np.arange(group)).reshape(len(at), heads).astype(np.int32),
        }

    def embedded(self, ids: Ints) -> Floats:
        """Rows of the embedding table (T, D) float32; it is stored as (D, V) where it is the output layer too."""
        levels = np.take(self._embedding, ids, axis=1).T if self.shape.tied else self._embedding[ids]
        rows = np.ascontiguousarray(levels, np.float32)
        return rows if self._scales is None else rows * self._scales[ids, None]


def stacked(prefixes: Sequence[Prefix]) -> tuple[Floats, Ints]:
    """Keys and values of several passages (2 * layers, P, KV, Lp, head_width), and their lengths."""
    wide, first = max(item.states.shape[2] for item in prefixes), prefixes[0].states
    states = np.zeros((first.shape[0], len(prefixes), first.shape[1], wide, first.shape[3]), np.float32)
    for at, item in enumerate(prefixes):
        states[:, at, :, : item.states.shape[2]] = item.states
    return states, np.array([item.length for item in prefixes], np.int64)


def filled(length: int) -> int:
    """The next multiple of ``BUCKET``."""
    return -(-length // BUCKET) * BUCKET


def _session(graph: Path, weights: dict[str, NDArray[Any]], threads: int) -> Any:
    """The graph with its weights, of which ONNX Runtime makes its own copies in the order that suits the processor.

    The graph is as it should be: looking for something to improve in it would take longer than all the rest.
    """
    import onnxruntime

    options = session_options(threads)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(tensor) for tensor in weights.values()]
    options.add_external_initializers(list(weights), values)
    return onnxruntime.InferenceSession(graph.read_bytes(), options, providers=["CPUExecutionProvider"])


def _give_back() -> None:
    """Memory that loading left unused goes back to the system, a hundred megabytes with the GNU C library, which would
    keep it; elsewhere nothing happens."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
