"""The key encoder's network and its loss: mean of the token states, unit length, inner product."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from transformers import BertConfig, BertModel


def encoder_from_base(folder: Path, *, freeze_words: bool = True) -> BertModel:
    """A BERT encoder from ``folder`` without pooler and dropout."""
    config = BertConfig.from_pretrained(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model: BertModel = BertModel.from_pretrained(folder, config=config, add_pooling_layer=False)
    if freeze_words:
        model.embeddings.word_embeddings.weight.requires_grad_(False)
    return model


def keys(model: BertModel, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Key vectors: ids, mask (N, T) -> (N, D) float32 of unit length."""
    states = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
    weights = mask.unsqueeze(-1).float()
    return nn.functional.normalize((states * weights).sum(1) / weights.sum(1).clamp(min=1e-9), dim=-1)


def in_batch_softmax(
    questions: torch.Tensor, stored: torch.Tensor, same: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Each question against the keys of the whole batch, its own on the diagonal, and hard negatives after them.

    questions (N, D); stored (N + M, D); same (N, N + M) bool: key j answers question i too (no negative), False on the
    diagonal.
    """
    scores = (questions @ stored.T / temperature).masked_fill(same, torch.finfo(torch.float32).min)
    gold = torch.arange(len(questions), device=questions.device)
    return nn.functional.cross_entropy(scores, gold)
