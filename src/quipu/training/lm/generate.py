"""Generation with a shared passage, in torch: its keys and values are made once and serve all its branches.

This is what labels data on a GPU. The run time of the package (``quipu.models.lm``) does the same without torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from quipu.training.lm.model import Decoder, Layer, Turns

Job = tuple[Sequence[int], Sequence[Sequence[int]]]  # token ids of a passage, and of the prompt of each branch


@dataclass(frozen=True, slots=True)
class Said:
    """What a branch said: token ids without the end, the mean log-probability of a token (the end counts), and the
    probability of the token ``watched`` at the first place."""

    ids: tuple[int, ...]
    log_p: float
    watched: float

    @property
    def probability(self) -> float:
        """The geometric mean of the tokens' probabilities."""
        return math.exp(self.log_p)


@dataclass(frozen=True, slots=True)
class Generation:
    """How to generate: at most ``steps`` tokens a branch, until ``end``; never a token of ``banned``.

    ``top_p``: draw from the likeliest tokens that have so much probability together, by ``seed``; None: the likeliest.
    ``cells``: tokens of all passages and branches held at once, which bounds memory.
    """

    steps: int
    end: int
    watched: int
    banned: tuple[int, ...] = ()
    top_p: float | None = None
    seed: int = 0
    cells: int = 400_000


def generate(model: Decoder, jobs: Sequence[Job], how: Generation) -> list[list[Said]]:
    """What every branch of every job says, in the order of ``jobs``."""
    found: list[list[Said]] = [[] for _ in jobs]
    device = model.embed_tokens.weight.device
    draws = torch.Generator(device).manual_seed(how.seed) if how.top_p is not None else None
    with torch.inference_mode():
        for some in _batches(jobs, how):
            chunk = [jobs[at] for at in some]
            for at, said in zip(some, _Branches(model, chunk, how, draws).run(), strict=True):
                found[at] = said
    return found


def _batches(jobs: Sequence[Job], how: Generation) -> Iterator[list[int]]:
    """Numbers of jobs that are generated together: like numbers of branches and like lengths."""
    order = sorted((at for at, job in enumerate(jobs) if job[1]), key=lambda at: (len(jobs[at][1]), len(jobs[at][0])))
    batch: list[int] = []
    longest = most = prompt = 0
    for at in order:
        prefix, branches = jobs[at]
        grown = (
            max(longest, len(prefix)),
            max(most, len(branches)),
            max(prompt, *(len(branch) for branch in branches)),
        )
        cells = (len(batch) + 1) * (grown[0] + grown[1] * (grown[2] + how.steps))
        if batch and cells > how.cells:
            yield batch
            batch, grown = [], (len(prefix), len(branches), max(len(branch) for branch in branches))
        batch.append(at)
        longest, most, prompt = grown
    if batch:
        yield batch


class _Branches:
    """P passages with W branches each (missing ones are padding); N = P * W rows with a cache of T places of their own.

    A row's prompt stands at the first places of its cache, what it says from the longest prompt's length on.
    """

    def __init__(self, model: Decoder, jobs: Sequence[Job], how: Generation, draws: torch.Generator | None) -> None:
        self.model, self.jobs, self.how, self.draws = model, jobs, how, draws
        self.device = model.embed_tokens.weight.device
        self.passages, self.width = len(jobs), max(len(branches) for _, branches in jobs)
        prefixes, self.prefix_lengths = self._padded([list(prefix) for prefix, _ in jobs])
        rows = [
            list(branches[at]) if at < len(branches) else [how.end] for _, branches in jobs for at in range(self.width)
        ]
        self.prompts, self.prompt_lengths = self._padded(rows)
        self.prefix_seen = torch.arange(prefixes.shape[1], device=self.device) < self.prefix_lengths[:, None]  # (P, S)
        self.prefix_caches = self._read(prefixes)
        places = self.prompts.shape[1] + how.steps
        config = model.config
        shape = (len(rows), config.num_key_value_heads, places, config.head_dim)
        dtype = model.embed_tokens.weight.dtype
        self.caches = [
            (torch.zeros(shape, dtype=dtype, device=self.device), torch.zeros(shape, dtype=dtype, device=self.device))
            for _ in model.layers
        ]

    def run(self) -> list[list[Said]]:
        """What each branch says, by passage."""
        how, (count, longest) = self.how, self.prompts.shape
        row_prefix = self.prefix_lengths.repeat_interleave(self.width)  # (N)
        place = torch.arange(longest, device=self.device)
        inside = place < self.prompt_lengths[:, None]
        seen = torch.zeros(count, longest + how.steps, dtype=torch.bool, device=self.device)
        seen[:, :longest] = inside
        causal = (place[:, None] >= place[None, :]) & inside[:, None, :]
        mask = torch.zeros(count, longest, longest + how.steps, dtype=torch.bool, device=self.device)
        mask[:, :, :longest] = causal
        states = self._step(self.prompts, row_prefix[:, None] + place, 0, mask)
        last = states[torch.arange(count, device=self.device), self.prompt_lengths - 1]
        said = torch.full((count, how.steps), how.end, dtype=torch.long, device=self.device)
        total = torch.zeros(count, dtype=torch.float64, device=self.device)
        tokens = torch.zeros(count, device=self.device)
        done = torch.zeros(count, dtype=torch.bool, device=self.device)
        watched = torch.zeros(count, device=self.device)
        for step in range(how.steps):
            log_p = self._log_p(last)
            if step == 0:
                watched = log_p[:, how.watched].exp()
            chosen = torch.where(done, how.end, self._choose(log_p))
            total += torch.where(done, 0.0, log_p.gather(1, chosen[:, None]).squeeze(1))
            tokens += ~done
            said[:, step] = chosen
            done = done | (chosen == how.end)
            if step + 1 == how.steps or bool(done.all()):
                break
            seen[:, longest + step] = True
            at = row_prefix + self.prompt_lengths + step
            last = self._step(chosen[:, None], at[:, None], longest + step, seen[:, None])[:, 0]
        return self._cut(said.tolist(), (total / tokens).tolist(), watched.tolist())

    def _cut(self, rows: list[list[int]], log_p: list[float], watched: list[float]) -> list[list[Said]]:
        found = []
        for passage, (_, branches) in enumerate(self.jobs):
            first = passage * self.width
            found.append(
                [
                    Said(tuple(rows[at][: _index(rows[at], self.how.end)]), log_p[at], watched[at])
                    for at in range(first, first + len(branches))
                ]
            )
        return found

    def _padded(self, rows: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids (N, longest, at least 1) and lengths (N)."""
        longest = max(1, *(len(row) for row in rows))
        ids = torch.tensor([row + [self.how.end] * (longest - len(row)) for row in rows], device=self.device)
        return ids, torch.tensor([len(row) for row in rows], device=self.device)

    def _read(self, prefixes: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Keys and values (P, K, S, C) of the passages, a pair a layer."""
        place = torch.arange(prefixes.shape[1], device=self.device)
        causal = (place[:, None] >= place[None, :])[None, None]
        model = self.model
        x, by = model.embed(prefixes), model.positions(place.expand(prefixes.shape))
        caches = []
        for layer in model.layers:
            queries, keys, values = layer.heads(x, by)
            caches.append((keys, values))
            x = layer.rest(x, layer.attended(queries, keys, values, causal))
        return caches

    def _step(self, ids: torch.Tensor, at: torch.Tensor, first: int, mask: torch.Tensor) -> torch.Tensor:
        """States (N, n, D) of ids (N, n) at positions ``at``, put into the caches from place ``first`` on.

        mask (N, n, T): which places of its own a token sees.
        """
        x, by = self.model.embed(ids), self.model.positions(at)
        for layer, prefix, own in zip(self.model.layers, self.prefix_caches, self.caches, strict=True):
            x = self._layer(layer, x, by, prefix, own, first, mask)
        return self.model.norm(x)

    def _layer(
        self,
        layer: Layer,
        x: torch.Tensor,
        by: Turns,
        prefix: tuple[torch.Tensor, torch.Tensor],
        own: tuple[torch.Tensor, torch.Tensor],
        first: int,
        mask: torch.Tensor,
    ) -> torch.Tensor:
        """One layer over passage and own places; the queries of a passage's branches meet its keys together."""
        queries, keys, values = layer.heads(x, by)
        count, _, length, size = queries.shape
        shared, groups = layer.shared, keys.shape[1]
        own[0][:, :, first : first + length] = keys
        own[1][:, :, first : first + length] = values
        grouped = queries.reshape(self.passages, self.width, groups, shared * length, size).transpose(1, 2)
        flat = grouped.reshape(self.passages, groups, -1, size)  # (P, K, W * shared * n, C)
        far = (flat @ prefix[0].transpose(-1, -2)).masked_fill(~self.prefix_seen[:, None, None], -torch.inf)
        far = far.view(self.passages, groups, self.width, shared, length, -1).transpose(1, 2)
        far = far.reshape(count, groups, shared, length, -1)
        near = (queries.reshape(count, groups, shared * length, size) @ own[0].transpose(-1, -2)).view(
            count, groups, shared, length, -1
        )
        near = near.masked_fill(~mask[:, None, None], -torch.inf)
        scores = torch.cat((far, near), -1) / math.sqrt(size)
        wide = scores if scores.dtype == torch.float64 else scores.float()
        weights = wide.softmax(-1).to(x.dtype)
        far, near = weights.split((far.shape[-1], near.shape[-1]), -1)
        far = far.reshape(self.passages, self.width, groups, shared * length, -1).transpose(1, 2)
        from_passage = far.reshape(self.passages, groups, self.width * shared * length, -1) @ prefix[1]
        from_passage = from_passage.view(self.passages, groups, self.width, shared * length, size).transpose(1, 2)
        attended = from_passage.reshape(count, groups, shared * length, size)
        attended = attended + near.reshape(count, groups, shared * length, -1) @ own[1]
        return layer.rest(x, attended.reshape(count, groups * shared, length, size))

    def _log_p(self, states: torch.Tensor) -> torch.Tensor:
        logits = self.model.logits(states)
        logits = logits if logits.dtype == torch.float64 else logits.float()
        if self.how.banned:
            logits[:, list(self.how.banned)] = -torch.inf
        return logits.log_softmax(-1)

    def _choose(self, log_p: torch.Tensor) -> torch.Tensor:
        if self.how.top_p is None:
            return log_p.argmax(-1)
        p, tokens = log_p.exp().sort(-1, descending=True)
        p = p * (p.cumsum(-1) - p < self.how.top_p)
        return tokens.gather(1, torch.multinomial(p.float(), 1, generator=self.draws)).squeeze(1)


def _index(row: Sequence[int], token: int) -> int:
    return row.index(token) if token in row else len(row)
