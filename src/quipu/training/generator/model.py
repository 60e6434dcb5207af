"""The generator's network: one encoder, a span scorer (answer extractor) and a decoder with a copying head.

A passage is encoded once for all of its answers. What depends on the answer is small: every cross-attention key and
value is ``W (state + near[bucket])``, where the bucket says how far the token stands from the answer's span, and by
linearity the second term needs one small product a question, not one a token (``CrossAttention``).
The decoder chooses between a vocabulary of a few thousand frequent pieces and copying a piece of the passage
(pointer-generator, See et al. 2017), so words that it has never learned to say can stand in a question.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from transformers import BertConfig, BertModel

# Distances from the span (in word pieces) at which the next bucket begins, before and after it; bucket 0 is inside.
BUCKET_EDGES = (1, 3, 6, 11, 21, 41)
BUCKETS = 1 + 2 * len(BUCKET_EDGES)
STYLES = ("cloze", "qamr", "squad", "story", "policy")


@dataclass(frozen=True, slots=True)
class GeneratorConfig:
    """Sizes of the decoder and the scorer; the encoder brings its own."""

    width: int = 384
    heads: int = 6
    layers: int = 3
    inner: int = 1536
    vocabulary: int = 4000  # pieces that can be generated; the rest can only be copied
    question_length: int = 28  # word pieces with the end mark
    span_length: int = 16  # word pieces of the longest answer
    span_features: int = 64


def buckets(length: int, start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """Bucket of every token for spans of tokens start..end (inclusive): (..., T) int64 for start, end (...)."""
    places = torch.arange(length, device=start.device)
    before = (start.unsqueeze(-1) - places).clamp(min=0)
    after = (places - end.unsqueeze(-1)).clamp(min=0)
    edges = torch.tensor(BUCKET_EDGES, device=start.device)
    left = torch.bucketize(before, edges, right=True)
    right = torch.bucketize(after, edges, right=True)
    return torch.where(right > 0, right + len(BUCKET_EDGES), left)


class CrossAttention(nn.Module):
    """Attention of A x U question positions to the T tokens of their passage, biased by the answer's place."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.heads, self.width = config.heads, config.width
        self.query = nn.Linear(config.width, config.width)
        self.key = nn.Linear(config.width, config.width)
        self.value = nn.Linear(config.width, config.width)
        self.out = nn.Linear(config.width, config.width)

    def memory(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of the passage: states (B, T, D) -> two (B, H, T, D/H)."""
        return self._split(self.key(states)), self._split(self.value(states))

    def forward(
        self,
        x: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        near: torch.Tensor,
        onehot: torch.Tensor,
        blocked: torch.Tensor,
    ) -> torch.Tensor:
        """x (B, A, U, D); keys, values (B, H, T, d); near (N, D); onehot (B, A, N, T); blocked is added to scores."""
        batch, answers, steps, _ = x.shape
        query = self.query(x).view(batch, answers, steps, self.heads, -1).permute(0, 3, 1, 2, 4)  # (B, H, A, U, d)
        near_key = nn.functional.linear(near, self.key.weight).view(-1, self.heads, query.shape[-1])  # (N, H, d)
        near_value = nn.functional.linear(near, self.value.weight).view(-1, self.heads, query.shape[-1])
        flat = query.reshape(batch, self.heads, answers * steps, -1)
        scores = (flat @ keys.transpose(-1, -2)).view(batch, self.heads, answers, steps, -1)
        by_bucket = query @ near_key.permute(1, 2, 0).unsqueeze(1)  # (B, H, A, U, N)
        scores = scores + by_bucket @ onehot.unsqueeze(1)
        weights = torch.softmax(scores.float() / math.sqrt(query.shape[-1]) + blocked, dim=-1).to(values.dtype)
        mixed = (weights.reshape(batch, self.heads, answers * steps, -1) @ values).view_as(query)
        mixed = mixed + (weights @ onehot.unsqueeze(1).transpose(-1, -2)) @ near_value.permute(1, 0, 2).unsqueeze(1)
        return self.out(mixed.permute(0, 2, 3, 1, 4).reshape(batch, answers, steps, self.width))

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


class DecoderLayer(nn.Module):
    """Pre-norm: causal self-attention over the question so far, cross-attention, feed-forward."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm_self, self.norm_cross, self.norm_inner = (nn.LayerNorm(config.width) for _ in range(3))
        self.projection = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.cross = CrossAttention(config)
        self.inner = nn.Sequential(
            nn.Linear(config.width, config.inner), nn.GELU(), nn.Linear(config.inner, config.width)
        )

    def forward(
        self,
        x: torch.Tensor,
        past: tuple[torch.Tensor, torch.Tensor] | None,
        memory: tuple[torch.Tensor, torch.Tensor],
        near: torch.Tensor,
        onehot: torch.Tensor,
        blocked: torch.Tensor,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """x (B, A, U, D); past keys and values (B, A, H, P, d) of earlier positions, or None when U is the whole."""
        batch, answers, steps, width = x.shape
        parts = self.projection(self.norm_self(x)).view(batch, answers, steps, 3, self.heads, -1)
        query, key, value = (parts[:, :, :, i].transpose(2, 3) for i in range(3))  # (B, A, H, U, d)
        if past is not None:
            key, value = torch.cat([past[0], key], dim=3), torch.cat([past[1], value], dim=3)
        scores = (query @ key.transpose(-1, -2)).float() / math.sqrt(key.shape[-1])
        if past is None:
            causal = torch.ones(steps, steps, dtype=torch.bool, device=x.device).triu(1)
            scores = scores.masked_fill(causal, torch.finfo(torch.float32).min)
        mixed = torch.softmax(scores, dim=-1).to(value.dtype) @ value
        x = x + self.out(mixed.transpose(2, 3).reshape(batch, answers, steps, width))
        x = x + self.cross(self.norm_cross(x), *memory, near, onehot, blocked)
        return x + self.inner(self.norm_inner(x)), (key, value)


class Generator(nn.Module):
    """Encoder, span scorer, decoder. The word table is the encoder's own and stays as it was pre-trained."""

    def __init__(self, config: GeneratorConfig, encoder_config: BertConfig, pieces: torch.Tensor) -> None:
        """``pieces`` (V,) int64: word-piece id of each entry of the generation vocabulary; entry 0 ends a question."""
        super().__init__()
        self.config = config
        self.encoder = BertModel(encoder_config, add_pooling_layer=False)
        self.encoder.embeddings.word_embeddings.weight.requires_grad_(False)
        self.register_buffer("pieces", pieces)
        features = config.span_features
        self.span_start = nn.Linear(config.width, features)
        self.span_end = nn.Linear(config.width, features)
        self.span_width = nn.Parameter(torch.zeros(config.span_length, features))
        self.span_score = nn.Linear(features, len(STYLES))
        self.adapter = nn.Linear(config.width, config.width)
        self.read = nn.Linear(config.width, config.width)
        nn.init.zeros_(self.read.weight)
        nn.init.zeros_(self.read.bias)
        self.answer = nn.Linear(2 * config.width, config.width)
        self.style = nn.Parameter(torch.randn(len(STYLES), config.width) * 0.02)
        self.position = nn.Parameter(torch.randn(config.question_length, config.width) * 0.02)
        self.near = nn.Parameter(torch.randn(BUCKETS, config.width) * 0.02)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.say = nn.Linear(config.width, len(pieces))
        self.copy_query = nn.Linear(config.width, config.width)
        self.copy_key = nn.Linear(config.width, config.width)
        self.gate = nn.Linear(config.width, 1)

    @classmethod
    def from_base(cls, folder: Path, config: GeneratorConfig, pieces: torch.Tensor) -> Generator:
        """Encoder and word table from ``folder``; the rest is new, the vocabulary's rows start from the words."""
        encoder_config = BertConfig.from_pretrained(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        model = cls(config, encoder_config, pieces)
        base = BertModel.from_pretrained(folder, config=encoder_config, add_pooling_layer=False)
        model.encoder.load_state_dict(base.state_dict())
        words = base.embeddings.word_embeddings.weight[pieces].detach()
        with torch.no_grad():
            model.say.weight.copy_(words * (1.0 / words.std() / math.sqrt(config.width)))
        return model

    def words(self, ids: torch.Tensor) -> torch.Tensor:
        """Rows of the word table: (...) int64 -> (..., D). At run time this look-up is numpy's."""
        return self.encoder.embeddings.word_embeddings(ids)

    def encode(self, words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """words (B, T, D) = rows of the word table, mask (B, T) int64 -> states (B, T, D)."""
        return self.encoder(inputs_embeds=words, attention_mask=mask).last_hidden_state

    def span_scores(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Score of each span by style: (B, T, L, S); entry [i, l] is tokens i..i+l; impossible ones are very low."""
        length, widest = states.shape[1], self.config.span_length
        start, end = self.span_start(states), self.span_end(states)
        padded = nn.functional.pad(end, (0, 0, 0, widest - 1))
        ends = torch.stack([padded[:, shift : shift + length] for shift in range(widest)], dim=2)  # (B, T, L, F)
        scores = self.span_score(torch.relu(start.unsqueeze(2) + ends + self.span_width)).float()
        reach = nn.functional.pad(mask, (0, widest - 1))
        inside = torch.stack([reach[:, shift : shift + length] for shift in range(widest)], dim=2)
        return scores + (inside.unsqueeze(-1) == 0).float() * -1e4

    def memories(self, states: torch.Tensor) -> tuple[list[tuple[torch.Tensor, torch.Tensor]], torch.Tensor]:
        """What a passage gives to the decoder, once for all its answers: keys and values, copy keys (B, T, D)."""
        return [layer.cross.memory(states) for layer in self.layers], self.copy_key(states)

    def first_input(self, states: torch.Tensor, start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        """What every position of a question is told of its answer: states (B, T, D), start, end (B, A) -> (B, A, D)."""
        pick = [states.gather(1, place.unsqueeze(-1).expand(-1, -1, states.shape[-1])) for place in (start, end)]
        return self.answer(torch.cat(pick, dim=-1))

    def decode(
        self,
        x: torch.Tensor,
        past: list[tuple[torch.Tensor, torch.Tensor]] | None,
        memories: list[tuple[torch.Tensor, torch.Tensor]],
        copy_keys: torch.Tensor,
        onehot: torch.Tensor,
        blocked: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[tuple[torch.Tensor, torch.Tensor]]]:
        """One or all positions: x (B, A, U, D) -> log p of saying (B, A, U, V), of copying (B, A, U, T), x, cache.

        Both are joint with the gate: exp of the two sums to one over V + T.
        """
        present = []
        for number, layer in enumerate(self.layers):
            x, cache = layer(x, past[number] if past else None, memories[number], self.near, onehot, blocked)
            present.append(cache)
        x = self.norm(x)
        batch, answers, steps, width = x.shape
        query = self.copy_query(x)
        scores = (query.reshape(batch, answers * steps, width) @ copy_keys.transpose(1, 2)).view(
            batch, answers, steps, -1
        )
        near_key = nn.functional.linear(self.near, self.copy_key.weight)  # (N, D)
        scores = scores + (query @ near_key.t()) @ onehot
        copying = torch.log_softmax(scores.float() / math.sqrt(width) + blocked.squeeze(1), dim=-1)
        saying = torch.log_softmax(self.say(x).float(), dim=-1)
        gate = self.gate(x).float()
        return saying + nn.functional.logsigmoid(gate), copying + nn.functional.logsigmoid(-gate), x, present

    def inputs(
        self, previous: torch.Tensor, copied: torch.Tensor, answer: torch.Tensor, style: torch.Tensor, first: int = 0
    ) -> torch.Tensor:
        """Decoder inputs of previous (B, A, U) pieces (the first is ignored), copied (B, A, U, D), answer (B, A, D).

        ``copied`` is the state of the passage's token that the previous piece stands at (``copied_states``), so that
        the decoder knows what comes next there (CopyNet's selective read, Gu et al. 2016). Position 0 sees the style
        instead; ``first`` is the position of previous[..., 0].
        """
        x = self.adapter(self.words(previous)) + self.read(copied)
        if first == 0:
            begin = self.style[style].unsqueeze(2)  # (B, A, 1, D)
            x = torch.cat([begin.to(x.dtype), x[:, :, 1:]], dim=2)
        return x + self.position[first : first + previous.shape[-1]] + answer.unsqueeze(2)


def copied_states(
    previous: torch.Tensor,
    ids: torch.Tensor,
    copyable: torch.Tensor,
    start: torch.Tensor,
    end: torch.Tensor,
    states: torch.Tensor,
) -> torch.Tensor:
    """States at the place nearest to the answer's span that holds each previous piece, 0 where none does.

    previous (B, A, U); ids, copyable (B, T); start, end (B, A); states (B, T, D) -> (B, A, U, D).
    """
    places = torch.arange(ids.shape[1], device=ids.device)
    distance = (start.unsqueeze(-1) - places).clamp(min=0) + (places - end.unsqueeze(-1)).clamp(min=0)  # (B, A, T)
    match = (previous.unsqueeze(-1) == ids[:, None, None, :]) & copyable[:, None, None, :]  # (B, A, U, T)
    far = ids.shape[1] + 1
    nearest = distance.unsqueeze(2).masked_fill(~match, far).min(dim=-1)
    batch = torch.arange(len(ids), device=ids.device).view(-1, 1, 1)
    picked = states[batch, nearest.indices]
    return picked * (nearest.values < far).unsqueeze(-1).to(picked.dtype)


def block(mask: torch.Tensor) -> torch.Tensor:
    """Additive mask of padding: (B, T) -> (B, 1, 1, 1, T), 0 or very low."""
    return (1 - mask.float()).view(mask.shape[0], 1, 1, 1, mask.shape[1]) * -1e4


def question_loss(
    saying: torch.Tensor,
    copying: torch.Tensor,
    say_target: torch.Tensor,
    copy_target: torch.Tensor,
    weight: torch.Tensor,
) -> torch.Tensor:
    """Negative log-likelihood a piece, where a piece may be said, copied from any of its places, or both.

    saying (B, A, U, V); copying (B, A, U, T); say_target (B, A, U) entry of the vocabulary or -1; copy_target
    (B, A, U, T) bool: places that hold the piece; weight (B, A, U): 0 at padding and where neither can yield it.
    """
    lowest = torch.finfo(torch.float32).min
    said = saying.gather(-1, say_target.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    said = said.masked_fill(say_target < 0, lowest)
    copied = torch.logsumexp(copying.masked_fill(~copy_target, lowest), dim=-1)
    both = torch.logaddexp(said, copied)
    usable = weight * (both > lowest / 2)
    return -(both.clamp(min=-30.0) * usable).sum() / usable.sum().clamp(min=1.0)


def span_ranking_loss(scores: torch.Tensor, gold: torch.Tensor, row_weight: torch.Tensor) -> torch.Tensor:
    """Listwise: each gold span against all spans of its passage (unmarked spans may be answers too, so no BCE).

    scores (B, T, L) of the passage's style; gold (B, T, L) bool; row_weight (B,).
    """
    log_p = scores.flatten(1).log_softmax(dim=-1)
    marked = gold.flatten(1).float()
    count = marked.sum(dim=1)
    per_row = -(log_p * marked).sum(dim=1) / count.clamp(min=1.0)
    row_weight = row_weight * (count > 0)
    return (per_row * row_weight).sum() / row_weight.sum().clamp(min=1e-6)
