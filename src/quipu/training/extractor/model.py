"""The extractor's network: an encoder that also sees how words are written, and a score for every span.

One loss for all: the probability of a span is a softmax over all spans of its passage that words and punctuation allow,
and what people asked about should be probable. Unmarked spans may be answers too, so none is called wrong; they only
share what the marked ones leave. Spans that say the same as the marked one are as right as it is.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import BertConfig, BertModel

from quipu.models.extractor import SHAPES

STYLES = ("wiki", "forum", "qamr", "story", "policy")  # who asked; the first is what the exported model follows
CHECKPOINT = "extractor.json"


@dataclass(frozen=True, slots=True)
class ExtractorConfig:
    """Sizes of the scorer; the encoder brings its own."""

    span_length: int = 20  # word pieces of the longest answer
    features: int = 128


class ExtractorModel(nn.Module):
    """Encoder and span scorer. The word table is the encoder's own and stays as it was pre-trained."""

    def __init__(self, config: ExtractorConfig, encoder_config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = BertModel(encoder_config, add_pooling_layer=False)
        self.encoder.set_attn_implementation("eager")  # with a mask in bfloat16 on a CPU over twice as fast as fused
        self.encoder.embeddings.word_embeddings.weight.requires_grad_(False)
        width, features = int(encoder_config.hidden_size), config.features
        self.shape = nn.Parameter(torch.zeros(SHAPES, width))
        self.start = nn.Linear(width, features)
        self.end = nn.Linear(width, features)
        self.width = nn.Parameter(torch.randn(config.span_length, features) * 0.02)
        self.score = nn.Linear(features, len(STYLES))

    @classmethod
    def from_base(cls, folder: Path, config: ExtractorConfig) -> ExtractorModel:
        """The encoder from a Hugging Face folder of BERT's kind, the scorer new."""
        encoder_config = BertConfig.from_pretrained(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        model = cls(config, encoder_config)
        base = BertModel.from_pretrained(folder, config=encoder_config, add_pooling_layer=False)
        model.encoder.load_state_dict(base.state_dict())
        return model

    @classmethod
    def load(cls, folder: Path) -> ExtractorModel:
        """What ``save`` wrote, in evaluation mode."""
        config = ExtractorConfig(**json.loads((folder / CHECKPOINT).read_text(encoding="utf-8")))
        encoder_config = BertConfig.from_pretrained(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        model = cls(config, encoder_config)
        model.load_state_dict(load_file(folder / "model.safetensors"))
        return model.eval()

    def save(self, folder: Path, base: Path) -> None:
        """Weights, sizes, the encoder's configuration and the tokenizer of ``base``."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file(
            {name: value.detach().contiguous().clone() for name, value in self.state_dict().items()},
            folder / "model.safetensors",
        )
        (folder / CHECKPOINT).write_text(json.dumps(asdict(self.config), indent=1), encoding="utf-8")
        for name in ("config.json", "tokenizer.json"):
            shutil.copy(base / name, folder / name)

    def words(self, ids: torch.Tensor) -> torch.Tensor:
        """Rows of the word table: (...) int64 -> (..., D). At run time this lookup is numpy's."""
        return self.encoder.embeddings.word_embeddings(ids)

    def features(self, words: torch.Tensor, shapes: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """What is known of each span: words (B, T, D), shapes and mask (B, T) int64 -> (B, T, L, F)."""
        states = self.encoder(inputs_embeds=words + self.shape[shapes], attention_mask=mask).last_hidden_state
        length, widest = states.shape[1], self.config.span_length
        start, end = self.start(states), self.end(states)
        padded = nn.functional.pad(end, (0, 0, 0, widest - 1))
        ends = torch.stack([padded[:, shift : shift + length] for shift in range(widest)], dim=2)
        return torch.relu(start.unsqueeze(2) + ends + self.width)

    def forward(self, words: torch.Tensor, shapes: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """As ``features`` -> scores (B, T, L, S) float32; [i, l] is pieces i to i + l."""
        return self.score(self.features(words, shapes, mask)).float()


def asked_loss(
    scores: torch.Tensor,
    allowed: torch.Tensor,
    row: torch.Tensor,
    place: torch.Tensor,
    group: torch.Tensor,
    weight: torch.Tensor,
) -> torch.Tensor:
    """Weighted mean of -log p of each group of spans that say the same.

    scores (B, T, L) of each passage's style, allowed (B, T, L) bool; span n is ``place[n]`` of the flattened passage
    ``row[n]`` and belongs to ``group[n]``; weight (G): questions asked about each group.
    """
    masked = scores.masked_fill(~allowed, -1e4).flatten(1)
    p = (masked - masked.logsumexp(dim=1, keepdim=True)).exp()[row, place]
    total = torch.zeros(len(weight), dtype=p.dtype, device=p.device).index_add(0, group, p)
    return -(weight * total.clamp(min=1e-9).log()).sum() / weight.sum().clamp(min=1e-6)
