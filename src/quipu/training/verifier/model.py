"""The verifier's network: an encoder that reads a claim, and one number of its first token."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import BertConfig, BertModel

from quipu.models.verifier import Encoded
from quipu.training.batching import padded


class VerifierModel(nn.Module):
    """Log-odds that a claim is right. The word table is the encoder's own and stays as it was pre-trained."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.encoder = BertModel(config, add_pooling_layer=False)
        self.encoder.set_attn_implementation("eager")  # with a mask on a CPU faster than fused
        self.encoder.embeddings.word_embeddings.weight.requires_grad_(False)
        self.pool = nn.Linear(int(config.hidden_size), int(config.hidden_size))
        self.score = nn.Linear(int(config.hidden_size), 1)

    @classmethod
    def from_base(cls, folder: Path, frozen: int = 0) -> VerifierModel:
        """The encoder from a Hugging Face folder of BERT's kind, the rest new; ``frozen`` lowest layers stay."""
        config = BertConfig.from_pretrained(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        model = cls(config)
        base = BertModel.from_pretrained(folder, config=config, add_pooling_layer=False)
        model.encoder.load_state_dict(base.state_dict())
        if frozen:
            for part in (model.encoder.embeddings, *list(model.encoder.encoder.layer)[:frozen]):
                part.requires_grad_(False)
        return model

    @classmethod
    def load(cls, folder: Path) -> VerifierModel:
        """What ``save`` wrote, in evaluation mode."""
        config = BertConfig.from_pretrained(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        model = cls(config)
        model.load_state_dict(load_file(folder / "model.safetensors"))
        return model.eval()

    def save(self, folder: Path, base: Path) -> None:
        """Weights, the encoder's configuration and the tokenizer of ``base``."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: value.detach().contiguous().clone() for name, value in self.state_dict().items()}
        save_file(weights, folder / "model.safetensors")
        for name in ("config.json", "tokenizer.json"):
            shutil.copy(base / name, folder / name)

    def words(self, ids: torch.Tensor) -> torch.Tensor:
        """Rows of the word table: (n, T) -> (n, T, D). At run time this lookup is numpy's."""
        rows: torch.Tensor = self.encoder.embeddings.word_embeddings(ids)
        return rows

    def forward(self, words: torch.Tensor, segments: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Word vectors (n, T, D), segments and mask (n, T) to log-odds (n)."""
        states = self.encoder(inputs_embeds=words, token_type_ids=segments, attention_mask=mask).last_hidden_state
        odds: torch.Tensor = self.score(torch.tanh(self.pool(states[:, 0])))[:, 0]
        return odds


def collate(claims: Sequence[Encoded]) -> dict[str, torch.Tensor]:
    """ "ids", "segments" and "mask" (n, T) of claims."""
    ids, mask = padded([item.ids for item in claims])
    return {"ids": ids, "segments": padded([item.segments for item in claims])[0], "mask": mask}
