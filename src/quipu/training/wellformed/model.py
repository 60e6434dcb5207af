"""The judge's network: a BERT encoder, the mean of its token vectors, one logit."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import BertConfig, BertModel


class WellformedModel(torch.nn.Module):
    """(B, T) ids and mask -> (B,) logits; their sigmoid is the expected share of annotators who say yes."""

    def __init__(self, encoder: BertModel) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = torch.nn.Linear(encoder.config.hidden_size, 1)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits (B,)."""
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state  # (B, T, D)
        weights = mask.unsqueeze(-1).to(states.dtype)
        mean = (states * weights).sum(1) / weights.sum(1)
        logits: torch.Tensor = self.head(mean).squeeze(-1)
        return logits


def from_base(folder: Path, *, freeze_words: bool = False) -> WellformedModel:
    """Start from the weights of ``folder``; the head is new. Dropout is off."""
    config = BertConfig.from_pretrained(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    encoder = BertModel.from_pretrained(folder, config=config, add_pooling_layer=False)
    model = WellformedModel(encoder)
    if freeze_words:
        encoder.embeddings.word_embeddings.weight.requires_grad_(False)
    return model


def share_loss(logits: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy with soft targets: the mean over each query's annotators. logits, share (B,)."""
    return torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), share)
