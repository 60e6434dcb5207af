"""Branches on their way: they join while others run, decode together, and leave when they have ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quipu.models.lm.engine import Engine, Floats, Ints, Prefix, Slots, filled, stacked

COMPACT = 0.7  # slots are compacted when at most this share of them still runs
TOGETHER = 32  # prompts that are read at once
EDGES = (8, 16, 24, 40)  # prompts of similar length are read together, since all are filled up to the longest


@dataclass(slots=True)
class Branch:
    """What a branch says: tokens up to the end token, and their probabilities; ``of_label``: the probability of a
    certain token as the first one. ``key``: what chance depends on."""

    key: str = ""
    tokens: list[int] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    of_label: float = 0.0


Choose = Callable[[Sequence[Branch], Floats], tuple[NDArray[np.int64], Floats]]
"""Branches and their logits (R, V) to the next token of each and its probability."""


@dataclass(slots=True)
class _State:
    """Branches that run: (N,) each but for the keys and values of their passages and their own."""

    prefix: Floats  # (2 * layers, P, KV, Lp, head_width)
    lengths: Ints  # (P,)
    own: Floats  # (2 * layers, P, KV, G, S, head_width)
    slots: Slots
    used: Ints  # places of ``own``
    tokens: Ints  # said, but not yet read
    branches: list[Branch]

    def only(self, kept: NDArray[np.bool_]) -> _State:
        """Some of the branches; the arrays stay."""
        branches = [branch for branch, keep in zip(self.branches, kept, strict=True) if keep]
        used, tokens = self.used[kept], self.tokens[kept]
        return _State(self.prefix, self.lengths, self.own, self.slots.only(kept), used, tokens, branches)


class _Buffers:
    """Arrays that are used again: fresh ones would be cleared by the system page by page, which takes longer than to
    fill them. What was in them stays, finite numbers that are masked."""

    def __init__(self) -> None:
        self._free: list[Floats] = []

    def take(self, shape: tuple[int, ...]) -> Floats:
        """An array of this shape, to be given back."""
        size = int(np.prod(shape))
        fitting = [at for at, array in enumerate(self._free) if array.size >= size]
        if fitting:
            whole = self._free.pop(min(fitting, key=lambda at: self._free[at].size))
        else:
            self._free = self._free[1:]  # too small for what is done now
            whole = np.zeros(size, np.float32)
        return whole[:size].reshape(shape)

    def give(self, array: Floats) -> None:
        """Back for others."""
        if isinstance(array.base, np.ndarray) and array.base.ndim == 1:
            self._free.append(array.base)


class Decoding:
    """One stream of branches; greedy without ``choose``."""

    def __init__(
        self,
        engine: Engine,
        *,
        end: int,
        steps: int,
        label: int = 0,
        avoid: int | None = None,
        choose: Choose | None = None,
    ) -> None:
        """``end`` ends a branch, as do ``steps`` tokens. ``label``: see ``Branch.of_label``; ``avoid`` is never the
        first."""
        self.engine, self.end, self.steps, self.label, self.avoid, self.choose = (
            engine,
            end,
            steps,
            label,
            avoid,
            choose,
        )
        self._state: _State | None = None
        self._buffers = _Buffers()
        self._want = ["token", "top"] if choose is None else ["logits"]

    @property
    def running(self) -> int:
        """Branches that have not ended."""
        return 0 if self._state is None else len(self._state.branches)

    @property
    def tokens(self) -> int:
        """Places that the passages of the branches that run take."""
        return 0 if self._state is None else self._state.prefix.shape[1] * self._state.prefix.shape[3]

    def add(
        self, prefixes: Sequence[Prefix], prompts: Sequence[Sequence[Sequence[int]]], branches: Sequence[Branch]
    ) -> None:
        """Read ``prompts[p]`` after passage p; ``branches``, one for each prompt in order, then fill as it decodes."""
        owners = np.array([at for at, mine in enumerate(prompts) for _ in mine], np.int64)
        rows = [prompt for mine in prompts for prompt in mine]
        prefix, lengths = stacked(prefixes)
        slots = Slots.of(owners, len(prefixes), self.engine.least)
        used = np.array([len(row) for row in rows], np.int64)
        shape = (
            prefix.shape[0],
            len(prefixes),
            prefix.shape[2],
            slots.places,
            filled(int(used.max()) + 1),
            prefix.shape[4],
        )
        new = _State(
            prefix, lengths, self._buffers.take(shape), slots, used, np.zeros(len(rows), np.int64), list(branches)
        )
        for part in _by_length(used):
            self._first(new, part, [rows[at] for at in part])
        going = new.only(self._going(new))
        if not going.branches:
            self._buffers.give(new.own)
        elif self._state is None:
            self._state = going
        else:
            self._state = self._rebuilt([self._state, going])

    def step(self) -> None:
        """One token more of every branch that runs."""
        state = self._state
        if state is None:
            return
        slots = state.slots
        if int(state.used.max()) >= state.own.shape[4] or _sparse(slots, self.engine.least):
            state = self._rebuilt([state])
            slots = state.slots
        *said, new = self.engine.step(
            state.prefix, state.lengths, state.own, slots, state.used, state.tokens, [*self._want, "new"]
        )
        state.own[:, slots.passage, :, slots.place, state.used] = new[:, slots.passage, :, slots.place, 0]
        state.used = state.used + 1
        state.tokens = self._note(state.branches, said)
        going = state.only(self._going(state))
        self._state = going if going.branches else None
        if not going.branches:
            self._buffers.give(state.own)

    def _rebuilt(self, states: Sequence[_State]) -> _State:
        """One state of several, with room for no more than what runs and a token more."""
        kept = [np.unique(state.slots.passage) for state in states]
        first = np.cumsum([0, *(len(some) for some in kept)])
        owners = [
            start + np.searchsorted(some, state.slots.passage)
            for state, some, start in zip(states, kept, first, strict=False)
        ]
        slots = Slots.of(np.concatenate(owners), int(first[-1]), self.engine.least)
        used = np.concatenate([state.used for state in states])
        wide = max(filled(int(state.lengths[some].max())) for state, some in zip(states, kept, strict=True))
        layers, _, kv, _, width = states[0].prefix.shape
        prefix = np.zeros((layers, slots.passages, kv, wide, width), np.float32)
        own = self._buffers.take((layers, slots.passages, kv, slots.places, filled(int(used.max()) + 1), width))
        branch = 0
        for state, some, start in zip(states, kept, first, strict=False):
            size = min(wide, state.prefix.shape[3])
            prefix[:, start : start + len(some), :, :size] = state.prefix[:, some, :, :size]
            for passage, place, size in zip(state.slots.passage, state.slots.place, state.used, strict=True):
                into = own[:, slots.passage[branch], :, slots.place[branch], :size]
                into[...] = state.own[:, passage, :, place, :size]
                branch += 1
            self._buffers.give(state.own)
        lengths = np.concatenate([state.lengths[some] for state, some in zip(states, kept, strict=True)])
        tokens = np.concatenate([state.tokens for state in states])
        branches = [branch for state in states for branch in state.branches]
        return _State(prefix, lengths, own, slots, used, tokens, branches)

    def _first(self, state: _State, part: Ints, rows: list[Sequence[int]]) -> None:
        """Read prompts of similar length, and say their first tokens."""
        passages, owners = np.unique(state.slots.passage[part], return_inverse=True)
        slots = Slots.of(owners, len(passages), self.engine.least)
        prefix = (
            state.prefix if len(passages) == state.slots.passages else np.ascontiguousarray(state.prefix[:, passages])
        )
        ends = np.cumsum([len(row) for row in rows]) - 1
        want = [*self._want, "new", "of_label", *(["logits"] if self.avoid is not None else [])]
        found = dict(zip(want, self.engine.first(
            prefix, state.lengths[passages], slots, rows, ends, np.full(len(rows), self.label), want
        ), strict=True))  # fmt: skip
        branches = [state.branches[at] for at in part]
        for branch, value in zip(branches, found["of_label"][:, 0], strict=True):
            branch.of_label = float(value)
        if self.avoid is not None and self.choose is None:
            _avoid(found["token"], found["top"], found["logits"], self.avoid)
        elif self.avoid is not None:
            found["logits"][:, self.avoid] = -np.inf
        new = found["new"]
        for row, at in enumerate(part):
            into = state.own[:, state.slots.passage[at], :, state.slots.place[at], : new.shape[4]]
            into[...] = new[:, slots.passage[row], :, slots.place[row]]
        state.tokens[part] = self._note(branches, [found[name] for name in self._want])

    def _note(self, branches: Sequence[Branch], said: list[Any]) -> Ints:
        tokens, chances = said if self.choose is None else self.choose(branches, said[0])
        for branch, token, chance in zip(branches, tokens, chances, strict=True):
            branch.tokens.append(int(token))
            branch.probabilities.append(float(chance))
        return np.asarray(tokens, np.int64)

    def _going(self, state: _State) -> NDArray[np.bool_]:
        room = np.array([len(branch.tokens) < self.steps for branch in state.branches], np.bool_)
        going: NDArray[np.bool_] = room & (state.tokens != self.end)
        return going


def _by_length(lengths: Ints) -> Iterator[Ints]:
    """Numbers of prompts, the short ones first; groups of fewer than four join the next."""
    held: list[Ints] = []
    groups = np.searchsorted(EDGES, lengths)
    for group in range(len(EDGES) + 1):
        held.append(np.nonzero(groups == group)[0])
        if sum(map(len, held)) >= 4 or group == len(EDGES):
            part = np.sort(np.concatenate(held))
            held = []
            for first in range(0, len(part), TOGETHER):
                yield part[first : first + TOGETHER]


def _sparse(slots: Slots, least: int) -> bool:
    """Whether few of the slots still run."""
    running = np.bincount(slots.passage, minlength=slots.passages)
    needed = max(int(running.max()), least) * np.count_nonzero(running)
    return bool(needed <= COMPACT * slots.places * slots.passages)


def _avoid(tokens: Ints, chances: Floats, logits: Floats, token: int) -> None:
    """Where ``token`` is the likeliest, the second likeliest takes its place, in place."""
    for row in np.nonzero(tokens == token)[0]:
        shares = np.exp(logits[row].astype(np.float64) - logits[row].max())
        whole, shares[token] = shares.sum(), 0.0
        tokens[row] = int(shares.argmax())
        chances[row] = shares.max() / whole
