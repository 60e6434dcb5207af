"""Runs the decoder's graph: passages read once, branches that share them, finished branches that leave.

Every value of a branch is computed from shapes that do not depend on its company, as far as that matters: stretches of
keys are filled up to multiples of ``BUCKET`` with places that are masked, and a masked place adds exact zeros to sums whose
order it does not change. So an answer is the same, bit by bit, alone and in any batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quipu.models.lm.shape import DecoderShape
from quipu.models.lm.weights import load_weights

BUCKET = 32  # places; a multiple of what any processor sums at once
LOW = np.float32(-1e9)
COMPACT = 0.7  # slots are compacted when at most this share of them still runs

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Choose = Callable[[Sequence[int], Floats], tuple[Ints, Floats]]
"""Branches and their logits (R, V) to chosen tokens and their probabilities."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """Keys and values of a passage (2 * layers, KV, Lp, head_width), of which ``length`` places are filled."""

    states: Floats
    length: int


@dataclass(slots=True)
class Branch:
    """What a branch said: tokens without the end token's sequel, their probabilities, and the label's at the first."""

    tokens: list[int] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    of_label: float = 0.0


@dataclass(slots=True)
class _Slots:
    """Where the branches of a batch stand: their passage and their place among its branches."""

    passage: Ints  # (N,)
    place: Ints  # (N,)
    passages: int
    places: int

    @classmethod
    def of(cls, owners: Ints, passages: int, least: int) -> _Slots:
        place, seen = np.zeros(len(owners), np.int64), np.zeros(passages, np.int64)
        for at, owner in enumerate(owners):
            place[at] = seen[owner]
            seen[owner] += 1
        return cls(owners, place, passages, max(int(seen.max(initial=1)), least))


class Engine:
    """The decoder of a model folder."""

    def __init__(self, folder: Path, shape: DecoderShape, *, end: int, threads: int = 1) -> None:
        """``end``: the token that ends a branch; ``threads`` of one call."""
        self.shape, self.end = shape, end
        weights = load_weights(folder, 2)
        self._embedding = weights.tensors["embed"]
        self._scales = weights.tensors.get("embed.scale")
        self._session = _session(folder / "graph.onnx", weights.buffer, threads)
        if shape.tied:  # the table is used here too; the rest is ONNX Runtime's now
            self._embedding = self._embedding.copy()
            self._scales = None if self._scales is None else self._scales.copy()

    def prefixes(self, rows: Sequence[Sequence[int]]) -> list[Prefix]:
        """Read passages (token ids, at least one each)."""
        lengths = np.array([len(row) for row in rows], np.int64)
        size = _filled(int(lengths.max()))
        slots = _Slots(np.arange(len(rows)), np.zeros(len(rows), np.int64), len(rows), 1)
        causal = np.where(np.tri(size, dtype=bool), np.float32(0), LOW).repeat(self.shape.group, axis=0)
        new = self._run(rows, slots, np.zeros(len(rows), np.int64), size, causal, want=["new"])[0]
        states = new[:, :, :, 0]
        return [
            Prefix(np.ascontiguousarray(states[:, at, :, : _filled(int(length))]), int(length))
            for at, length in enumerate(lengths)
        ]

    def generate(
        self,
        prefixes: Sequence[Prefix],
        owners: Sequence[int],
        prompts: Sequence[Sequence[int]],
        *,
        steps: int,
        label: int = 0,
        choose: Choose | None = None,
        avoid: int | None = None,
    ) -> list[Branch]:
        """At most ``steps`` tokens for each prompt after the passage ``prefixes[owners[i]]``; greedy without ``choose``.
        ``avoid`` is never the first token.

        ``choose`` gets the numbers of the branches still running and their logits. ``Branch.of_label``: the probability of
        the token ``label`` as the first one. The end token is the last of ``tokens`` where it was reached.
        """
        run = _Run(self, prefixes, np.array(owners, np.int64), prompts, steps, label, choose, avoid)
        return run.finish()

    def score(
        self, prefixes: Sequence[Prefix], owners: Sequence[int], prompts: Sequence[Sequence[int]],
        answers: Sequence[Sequence[int]],
    ) -> list[list[float]]:  # fmt: skip
        """The probability of each token of each answer, given its prompt and the tokens before it."""
        passages = np.array(owners, np.int64)
        order = np.argsort(passages, kind="stable")
        slots = _Slots.of(passages[order], len(prefixes), self._least(1))
        rows = [[*prompts[at], *answers[at][:-1]] for at in order]
        ends = np.cumsum([len(row) for row in rows])
        places = [np.arange(end - len(answers[at]), end) for end, at in zip(ends, order, strict=True)]
        labels = np.concatenate([np.array(answers[at], np.int64) for at in order])
        of_label = self.branches(prefixes, slots, rows, np.concatenate(places), labels, ["of_label"])[0][:, 0]
        found: list[list[float]] = [[] for _ in prompts]
        at = 0
        for which in order:
            found[which] = [float(value) for value in of_label[at : at + len(answers[which])]]
            at += len(answers[which])
        return found

    def branches(
        self, prefixes: Sequence[Prefix], slots: _Slots, rows: Sequence[Sequence[int]], last: Ints, label: Ints, want: list[str]
    ) -> list[Any]:  # fmt: skip
        """Read the first tokens of branches, ordered by passage."""
        lengths = np.array([len(row) for row in rows], np.int64)
        size = max(2, int(lengths.max()))
        states, filled = stacked(prefixes)
        wide = states.shape[3]
        mask = np.full((slots.passages, wide + size), LOW)
        mask[:, :wide][np.arange(wide) < filled[:, None]] = 0
        whole = np.broadcast_to(mask[:, None], (slots.passages, size, wide + size)).copy()
        whole[:, :, wide:][:, np.tri(size, dtype=bool)] = 0
        whole = np.broadcast_to(
            whole[:, None, :, None], (slots.passages, slots.places, size, self.shape.group, wide + size)
        ).reshape(slots.passages, 1, -1, wide + size)
        return self._run(
            rows, slots, filled[slots.passage], size, whole, prefix=states, last=last, label=label, want=want
        )

    def step(
        self, states: Floats, filled: Ints, own: Floats, slots: _Slots, used: Ints, tokens: Ints, label: int, want: list[str]
    ) -> list[Any]:  # fmt: skip
        """One token more for each branch; ``own`` (2 * layers, P, KV, G, S, head_width), ``used`` places of it."""
        wide, kept = states.shape[3], own.shape[4]
        mask = np.full((slots.passages, slots.places, 1, self.shape.group, wide + kept + 1), LOW)
        mask[..., :wide] = np.where(np.arange(wide) < filled[:, None], np.float32(0), LOW)[:, None, None, None]
        mask[slots.passage, slots.place, ..., wide : wide + kept] = np.where(
            np.arange(kept) < used[:, None], np.float32(0), LOW
        )[:, None, None]
        mask[..., -1] = 0
        return self._run(
            tokens[:, None], slots, filled[slots.passage] + used, 1,
            mask.reshape(slots.passages, 1, -1, wide + kept + 1), prefix=states, own=own,
            last=np.arange(len(tokens)), label=np.full(len(tokens), label), want=want,
        )  # fmt: skip

    def _least(self, new: int) -> int:
        """Branches that a passage has room for, at the least: a single query would be multiplied in another way."""
        return 2 if new * self.shape.group == 1 else 1

    def _run(
        self,
        rows: Any,
        slots: _Slots,
        starts: Ints,
        size: int,
        mask: Floats,
        *,
        prefix: Floats | None = None,
        own: Floats | None = None,
        last: Ints | None = None,
        label: Ints | None = None,
        want: list[str],
    ) -> list[Any]:
        """Feed the graph: ``rows`` of tokens in ``slots``, each starting at its position of ``starts``."""
        shape = self.shape
        kv, width, group = shape.kv_heads, shape.head_width, shape.group
        lengths = np.array([len(row) for row in rows], np.int64)
        row = np.repeat(np.arange(len(lengths)), lengths)
        place = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        ids = np.concatenate([np.asarray(item, np.int64) for item in rows])
        last = np.zeros(1, np.int64) if last is None else last
        count = len(last)
        if count == 1:  # a single row would be multiplied in another way
            last = np.repeat(last, 2)
        label = np.zeros(1, np.int64) if label is None else label
        label = np.broadcast_to(label, len(last)) if len(label) == 1 else label
        at = ((slots.passage[row, None] * kv + np.arange(kv)) * slots.places + slots.place[row, None]) * size
        at += place[:, None]  # (T, KV): the slot of each token and head
        heads = shape.heads + kv
        token = np.arange(len(row))[:, None]
        total = slots.passages * kv * slots.places * size
        queries, keys, values = np.zeros((total, group), np.int32), np.zeros(total, np.int32), np.zeros(total, np.int32)
        queries[at] = (token * heads + np.arange(kv) * group)[..., None] + np.arange(group)
        keys[at] = token * heads + shape.heads + np.arange(kv)
        values[at] = token * kv + np.arange(kv)
        dims = (slots.passages, kv, slots.places)
        flat, many = slots.places * size * group, size * group
        wide = 0 if prefix is None else prefix.shape[3]
        kept = 0 if own is None else own.shape[4]
        feeds: dict[str, Any] = {
            "x": self.embedded(ids),
            "positions": (np.repeat(starts, lengths) + place)[:, None],
            "queries": queries.reshape(*dims, many),
            "keys": keys.reshape(*dims, size),
            "values": values.reshape(*dims, size),
            "back": (at[..., None] * group + np.arange(group)).reshape(len(row), shape.heads).astype(np.int32),
            "mask": mask,
            "parts": np.array([wide, kept, size]),
            "flat_own": np.array([slots.passages, kv, flat, kept]),
            "flat_new": np.array([slots.passages, kv, flat, size]),
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
        return [item[:count] if name != "new" else item for name, item in zip(want, found, strict=True)]

    def embedded(self, ids: Ints) -> Floats:
        """Rows of the embedding table (T, D) float32."""
        rows = self._embedding[ids].astype(np.float32)
        return rows if self._scales is None else rows * self._scales[ids, None]


class _Run:
    """One batch of branches from their prompts to their ends."""

    def __init__(
        self, engine: Engine, prefixes: Sequence[Prefix], owners: Ints, prompts: Sequence[Sequence[int]], steps: int, label: int,
        choose: Choose | None, avoid: int | None,
    ) -> None:  # fmt: skip
        self.engine, self.steps, self.label, self.choose, self.avoid = engine, steps, label, choose, avoid
        self.order = np.argsort(owners, kind="stable")
        self.prefixes = prefixes
        self.prompts = [prompts[at] for at in self.order]
        self.used = np.array([len(prompt) for prompt in self.prompts], np.int64)
        self.said = [Branch() for _ in self.prompts]
        self.slots = _Slots.of(owners[self.order], len(prefixes), engine._least(1))
        self.active = np.arange(len(self.prompts))
        self.want = ["token", "top", "new"] if choose is None else ["logits", "new"]

    def finish(self) -> list[Branch]:
        """All branches, in the order in which their prompts were given."""
        found: list[Branch] = [Branch()] * len(self.prompts)
        self._decode()
        for at, branch in zip(self.order, self.said, strict=True):
            found[at] = branch
        return found

    def _decode(self) -> None:
        ends = np.cumsum(self.used) - 1
        want = [*self.want, "of_label", *(["logits"] if self.avoid is not None else [])]
        found = self.engine.branches(
            self.prefixes, self.slots, self.prompts, ends, np.full(len(ends), self.label), want
        )
        told, new, of_label = found[: len(self.want) - 1], found[len(self.want) - 1], found[len(self.want)]
        if self.avoid is not None:
            _avoid(told, found[-1], self.avoid)
        for branch, value in zip(self.said, of_label[:, 0], strict=True):
            branch.of_label = float(value)
        self.states, self.filled = stacked(self.prefixes)
        self.own = np.zeros((*new.shape[:4], _filled(new.shape[4] + 1), new.shape[5]), np.float32)
        self.own[:, :, :, :, : new.shape[4]] = new
        tokens = self._take(told)
        for _ in range(self.steps - 1):
            if not len(self.active):
                return
            self._compact()
            if int(self.used.max()) >= self.own.shape[4]:
                self.own = np.concatenate([self.own, np.zeros_like(self.own[:, :, :, :, :BUCKET])], axis=4)
            *told, new = self.engine.step(
                self.states, self.filled, self.own, self.slots, self.used, tokens, self.label, self.want
            )
            passage, place = self.slots.passage, self.slots.place
            self.own[:, passage, :, place, self.used] = new[:, passage, :, place, 0]
            self.used += 1
            tokens = self._take(told)

    def _take(self, told: list[Any]) -> Ints:
        """Note what the active branches said; the tokens of those that go on."""
        tokens, chances = told if self.choose is None else self.choose([int(self.order[at]) for at in self.active], told[0])
        for at, token, chance in zip(self.active, tokens, chances, strict=True):
            self.said[at].tokens.append(int(token))
            self.said[at].probabilities.append(float(chance))
        going = tokens != self.engine.end
        self.active, self.used = self.active[going], self.used[going]
        self.slots = _Slots(self.slots.passage[going], self.slots.place[going], self.slots.passages, self.slots.places)
        return tokens[going]

    def _compact(self) -> None:
        """Drop the slots of branches that have ended once they are many."""
        slots = self.slots
        running = np.bincount(slots.passage, minlength=slots.passages)
        kept = np.nonzero(running)[0]
        least = self.engine._least(1)
        if max(int(running.max()), least) * len(kept) > COMPACT * slots.places * slots.passages:
            return
        number = np.zeros(slots.passages, np.int64)
        number[kept] = np.arange(len(kept))
        new = _Slots.of(number[slots.passage], len(kept), least)
        shape = self.own.shape
        own = np.zeros((shape[0], len(kept), shape[2], new.places, *shape[4:]), np.float32)
        own[:, new.passage, :, new.place] = self.own[:, slots.passage, :, slots.place]
        self.own, self.slots = own, new
        if len(kept) < slots.passages:
            self.states, self.filled = np.ascontiguousarray(self.states[:, kept]), self.filled[kept]


def _avoid(told: list[Any], logits: Floats, token: int) -> None:
    """Where ``token`` is the likeliest, the second likeliest stands in ``told`` = [tokens, probabilities]."""
    for row in np.nonzero(told[0] == token)[0]:
        shares = np.exp(logits[row].astype(np.float64) - logits[row].max())
        whole, shares[token] = shares.sum(), 0.0
        told[0][row] = int(shares.argmax())
        told[1][row] = shares.max() / whole


def stacked(prefixes: Sequence[Prefix]) -> tuple[Floats, Ints]:
    """Keys and values of several passages (2 * layers, P, KV, Lp, head_width), and their lengths."""
    wide = max(item.states.shape[2] for item in prefixes)
    first = prefixes[0].states
    states = np.zeros((first.shape[0], len(prefixes), first.shape[1], wide, first.shape[3]), np.float32)
    for at, item in enumerate(prefixes):
        states[:, at, :, : item.states.shape[2]] = item.states
    return states, np.array([item.length for item in prefixes], np.int64)


def _filled(length: int) -> int:
    return -(-length // BUCKET) * BUCKET


def _session(graph: Path, weights: NDArray[np.uint8], threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_external_initializers_from_files_in_memory(["weights"], [weights.data], [len(weights)])
    return onnxruntime.InferenceSession(graph.read_bytes(), options, providers=["CPUExecutionProvider"])
