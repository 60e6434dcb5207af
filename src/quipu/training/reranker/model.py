"""The reranker's network: a cross-encoder in which the question is read once and every candidate reads it.

A candidate's tokens attend to themselves and to the question's, layer by layer; the question's attend to themselves
alone. So fifty candidates share one reading of the question. The first ``lower`` layers score all candidates, the
remaining ones only the best of those. Both heads add to what the retriever's score says already.
RePAQ (section 3.2 of its paper) reads question and pair together for each candidate; ``cross`` in the results is that.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn


@dataclass(frozen=True, slots=True)
class RerankerConfig:
    """Sizes; ``lower`` of ``layers`` layers read every candidate."""

    vocabulary: int = 30522
    width: int = 384
    heads: int = 12
    inner: int = 1536
    positions: int = 512
    layers: int = 4
    lower: int = 1


class Layer(nn.Module):
    """A BERT layer over question and candidates together."""

    def __init__(self, config: RerankerConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        self.attended = nn.LayerNorm(width, eps=1e-12)
        self.grow, self.shrink = nn.Linear(width, config.inner), nn.Linear(config.inner, width)
        self.done = nn.LayerNorm(width, eps=1e-12)

    def forward(
        self, question: torch.Tensor, pairs: torch.Tensor, hide_question: torch.Tensor, hide_pairs: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """question (G, S, D), pairs (G, N, T, D); hide_* (G, S), (G, N, T): 0, or very low where there is no token."""
        groups, length, width = question.shape
        count, size, heads = pairs.shape[1], pairs.shape[2], self.heads
        depth = width // heads
        # all tokens in one matrix, so that each weight is one product (and one int8 matrix) for both kinds
        flat = torch.cat([question.reshape(-1, width), pairs.reshape(-1, width)])
        split = groups * length

        def of_question(values: torch.Tensor) -> torch.Tensor:
            return values[:split].reshape(groups, length, heads, depth).transpose(1, 2)  # (G, H, S, d)

        def of_pairs(values: torch.Tensor) -> torch.Tensor:
            return values[split:].reshape(groups, count, size, heads, depth).permute(0, 3, 1, 2, 4)  # (G, H, N, T, d)

        query, key, value = self.query(flat) * depth**-0.5, self.key(flat), self.value(flat)
        asked, asked_key, asked_value = of_question(query), of_question(key), of_question(value)
        own, own_key, own_value = of_pairs(query), of_pairs(key), of_pairs(value)
        hidden = hide_question[:, None, None, :]
        alone = (asked @ asked_key.transpose(-1, -2) + hidden).softmax(-1) @ asked_value
        to_question = own.reshape(groups, heads, count * size, depth) @ asked_key.transpose(-1, -2) + hidden
        to_own = own @ own_key.transpose(-1, -2) + hide_pairs[:, None, :, None, :]
        weights = torch.cat([to_question.reshape(groups, heads, count, size, length), to_own], -1).softmax(-1)
        mixed = weights[..., :length].reshape(groups, heads, count * size, length) @ asked_value
        mixed = mixed.reshape(groups, heads, count, size, depth) + weights[..., length:] @ own_value
        joined = torch.cat([alone.transpose(1, 2).reshape(-1, width), mixed.permute(0, 2, 3, 1, 4).reshape(-1, width)])
        flat = self.attended(flat + self.out(joined))
        flat = self.done(flat + self.shrink(nn.functional.gelu(self.grow(flat))))
        return flat[:split].reshape(question.shape), flat[split:].reshape(pairs.shape)


class Head(nn.Module):
    """A logit from a candidate's first token, on top of what the retriever's score is worth."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.read = nn.Linear(width, 1)
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, pairs: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """States (G, N, T, D) and scores (G, N) to logits (G, N). A score of 0.5 is worth nothing, 0.6 a logit of 1."""
        return self.read(pairs[:, :, 0]).squeeze(-1) + self.gain * 10.0 * (scores - 0.5)


class Reranker(nn.Module):
    """Embeddings, layers, and a head after ``lower`` and after all layers."""

    def __init__(self, config: RerankerConfig) -> None:
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.positions, config.width)
        self.types = nn.Embedding(2, config.width)
        self.start = nn.LayerNorm(config.width, eps=1e-12)
        self.encoder = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.quick, self.full = Head(config.width), Head(config.width)

    def embed(self, words: torch.Tensor, kind: int) -> torch.Tensor:
        """Word vectors (..., T, D) with their positions and the segment: 0 question, 1 pair."""
        places = self.positions.weight[: words.shape[-2]] + self.types.weight[kind]
        embedded: torch.Tensor = self.start(words + places)
        return embedded

    def low(
        self,
        question: torch.Tensor,
        pairs: torch.Tensor,
        hide_question: torch.Tensor,
        hide_pairs: torch.Tensor,
        scores: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Word vectors (G, S, D), (G, N, T, D) and retrieval scores (G, N) to quick logits (G, N) and both states."""
        question, pairs = self.embed(question, 0), self.embed(pairs, 1)
        for layer in self.encoder[: self.config.lower]:
            question, pairs = layer(question, pairs, hide_question, hide_pairs)
        return self.quick(pairs, scores), question, pairs

    def high(
        self,
        question: torch.Tensor,
        pairs: torch.Tensor,
        hide_question: torch.Tensor,
        hide_pairs: torch.Tensor,
        scores: torch.Tensor,
    ) -> torch.Tensor:
        """States that ``low`` left, of all candidates or some, to full logits (G, N)."""
        for layer in self.encoder[self.config.lower :]:
            question, pairs = layer(question, pairs, hide_question, hide_pairs)
        logits: torch.Tensor = self.full(pairs, scores)
        return logits

    def forward(
        self,
        question: torch.Tensor,
        question_mask: torch.Tensor,
        pairs: torch.Tensor,
        pair_mask: torch.Tensor,
        scores: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and masks (G, S), (G, N, T), retrieval scores (G, N): quick and full logits (G, N)."""
        hide_question, hide_pairs = hidden(question_mask), hidden(pair_mask)
        quick, asked, states = self.low(self.words(question), self.words(pairs), hide_question, hide_pairs, scores)
        return quick, self.high(asked, states, hide_question, hide_pairs, scores)


def hidden(mask: torch.Tensor) -> torch.Tensor:
    """A mask of 1 and 0 as what is added to attention scores."""
    return (1.0 - mask.float()) * -1e4


def reranker_from_bert(folder: Path, config: RerankerConfig) -> Reranker:
    """A reranker whose embeddings and first layers are those of a Hugging Face BERT folder; words are frozen."""
    from transformers import AutoModel

    model = Reranker(config)
    for ours, theirs in _alike(model, AutoModel.from_pretrained(folder)):
        ours.load_state_dict(theirs.state_dict())
    for head in (model.quick, model.full):
        nn.init.normal_(head.read.weight, std=0.02)
        nn.init.zeros_(head.read.bias)
    model.words.weight.requires_grad_(False)
    return model


def save_bert(model: Reranker, folder: Path) -> None:
    """The embeddings and layers as a Hugging Face BERT folder, which another network can start from."""
    from transformers import BertConfig, BertModel

    sizes = model.config
    config = BertConfig(
        vocab_size=sizes.vocabulary, hidden_size=sizes.width, num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads, intermediate_size=sizes.inner, max_position_embeddings=sizes.positions,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    bert = BertModel(config, add_pooling_layer=False)
    for ours, theirs in _alike(model, bert):
        theirs.load_state_dict(ours.state_dict())
    bert.save_pretrained(folder)


def _alike(model: Reranker, bert: Any) -> list[tuple[nn.Module, nn.Module]]:
    """Modules of the reranker, and those of a BERT that they correspond to; the BERT may have more layers."""
    embeddings = bert.embeddings
    found: list[tuple[nn.Module, nn.Module]] = [
        (model.words, embeddings.word_embeddings), (model.positions, embeddings.position_embeddings),
        (model.types, embeddings.token_type_embeddings), (model.start, embeddings.LayerNorm),
    ]  # fmt: skip
    for layer, source in zip(model.encoder, bert.encoder.layer, strict=False):
        attention = source.attention
        found += (
            (layer.query, attention.self.query), (layer.key, attention.self.key), (layer.value, attention.self.value),
            (layer.out, attention.output.dense), (layer.attended, attention.output.LayerNorm),
            (layer.grow, source.intermediate.dense), (layer.shrink, source.output.dense),
            (layer.done, source.output.LayerNorm),
        )  # fmt: skip
    return found


def save_reranker(model: Reranker, folder: Path) -> None:
    """``model.safetensors`` and ``config.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(asdict(model.config), indent=1) + "\n")


def load_reranker(folder: Path) -> Reranker:
    """What ``save_reranker`` wrote, for evaluation."""
    model = Reranker(RerankerConfig(**json.loads((folder / "config.json").read_text())))
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.eval()


def rerank_loss(quick: torch.Tensor, full: torch.Tensor, right: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Both heads: which candidate (softmax, where one is right) and whether each is right (binary). All (G, N).

    right: 1 where a candidate answers the question; real: False for padding.
    """
    total = quick.new_zeros(())
    answerable = (right.bool() & real).any(-1)
    for logits, weight in ((full, 1.0), (quick, 0.5)):
        logits = logits.float()
        each = nn.functional.binary_cross_entropy_with_logits(logits, right, reduction="none")
        # right and wrong candidates of a group count alike, so that one right among fifteen wrong is not lost
        binary = (each * real).sum() / real.sum()
        first = each.masked_fill(~(right.bool() & real), 0.0).sum() / (right.bool() & real).sum().clamp(min=1)
        listed = logits.masked_fill(~real, torch.finfo(torch.float32).min)
        best = torch.logsumexp(listed.masked_fill(~right.bool(), torch.finfo(torch.float32).min), -1)
        chosen = (torch.logsumexp(listed, -1) - best)[answerable]
        total = total + weight * (binary + 0.3 * first + (chosen.mean() if len(chosen) else 0.0))
    return total
