"""The reader's network: an encoder with a start and an end logit for each token; token 0 means "no answer"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForQuestionAnswering


def reader_from_base(folder: Path, *, freeze_words: bool = True) -> Any:
    """A reader (``AutoModelForQuestionAnswering``) whose encoder starts from ``folder``. Dropout is off."""
    config = AutoConfig.from_pretrained(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model = AutoModelForQuestionAnswering.from_pretrained(folder, config=config, use_safetensors=True)
    if freeze_words:
        model.get_input_embeddings().weight.requires_grad_(False)
    return model


def span_loss(
    start_logits: torch.Tensor, end_logits: torch.Tensor, allowed: torch.Tensor, start: torch.Tensor, end: torch.Tensor
) -> torch.Tensor:
    """Mean cross-entropy of the gold start and end. Logits (B, T); allowed (B, T) bool: token 0 and the passage."""
    lowest = torch.finfo(torch.float32).min
    losses = [
        torch.nn.functional.cross_entropy(logits.float().masked_fill(~allowed, lowest), gold)
        for logits, gold in ((start_logits, start), (end_logits, end))
    ]
    return (losses[0] + losses[1]) / 2
