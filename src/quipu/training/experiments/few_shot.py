"""Few-shot paraphrase by fine-tuning (QuIP section 5.2): BERTScores of the upper third of the layers, weighed.

The scores go through a batch norm without weights of its own, whose average is over all batches, then a linear layer
that starts at zero; its logit is multiplied by 1,000, which lets it learn as much faster than the encoder.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from quipu.datasets.sentences import SentencePair
from quipu.evaluation.tasks.paraphrase import Values, upper_third
from quipu.training.base import base_folder, device, load_tokenizer
from quipu.training.batching import padded
from quipu.training.quip.model import QuipModel

EPOCHS, BATCH, RATE, SCALE = 20, 16, 1e-5, 1000.0


class LayerScores(nn.Module):
    """Pairs of texts to a logit by their BERTScores at some layers."""

    def __init__(self, model: QuipModel, layers: Sequence[int]) -> None:
        super().__init__()
        self.model, self.layers = model, list(layers)
        self.norm = nn.BatchNorm1d(len(self.layers), affine=False, momentum=None, eps=1e-8)
        self.weigh = nn.Linear(len(self.layers), 1)
        nn.init.zeros_(self.weigh.weight)
        nn.init.zeros_(self.weigh.bias)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(2 B, T) ids, left and right sentences in turn -> (B,) logits."""
        states = self.model.hidden(ids, mask)
        scores = torch.stack([bert_scores(states[layer], mask) for layer in self.layers], dim=1)
        return SCALE * self.weigh(self.norm(scores)).squeeze(1)


def bert_scores(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """BERTScore F of neighbouring rows: (2 B, T, D), (2 B, T) -> (B,). Padding counts for nothing."""
    unit = nn.functional.normalize(states.float(), dim=-1)
    left, right, left_mask, right_mask = unit[0::2], unit[1::2], mask[0::2].bool(), mask[1::2].bool()
    cosine = left @ right.transpose(1, 2)
    cosine = cosine.masked_fill(~left_mask.unsqueeze(2), -2.0).masked_fill(~right_mask.unsqueeze(1), -2.0)
    precision = (cosine.max(2).values * left_mask).sum(1) / left_mask.sum(1)
    recall = (cosine.max(1).values * right_mask).sum(1) / right_mask.sum(1)
    return 2 * precision * recall / (precision + recall)


def tune(
    folder: str | Path, train: Sequence[SentencePair], test: Sequence[SentencePair], seed: int, *, epochs: int = EPOCHS
) -> Values:
    """Decision values (logits) of ``test``, by a fresh copy of the encoder in ``folder`` tuned on ``train``."""
    path = base_folder(str(folder))
    tokenizer = load_tokenizer(path, 256)
    torch.manual_seed(seed)
    model = QuipModel.from_pretrained(path)
    network = LayerScores(model, upper_third(int(model.encoder.config.num_hidden_layers))).to(device())
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, betas=(0.9, 0.98), eps=1e-6, fused=True)
    rng = random.Random(seed)
    network.train()

    def inputs(pairs: Sequence[SentencePair]) -> tuple[torch.Tensor, torch.Tensor]:
        texts = [text for pair in pairs for text in (pair.left, pair.right)]
        ids, mask = padded([encoding.ids for encoding in tokenizer.encode_batch(texts)])
        return ids.to(device()), mask.to(device())

    for _ in range(epochs):
        order = rng.sample(list(train), len(train))
        for first in range(0, len(order), BATCH):
            some = order[first : first + BATCH]
            labels = torch.tensor([float(pair.same) for pair in some], device=device())
            loss = nn.functional.binary_cross_entropy_with_logits(network(*inputs(some)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    network.eval()
    order_by_length = sorted(range(len(test)), key=lambda row: len(test[row].left) + len(test[row].right))
    values = np.zeros(len(test))
    with torch.inference_mode():
        for first in range(0, len(test), 64):
            rows = order_by_length[first : first + 64]
            values[rows] = network(*inputs([test[row] for row in rows])).cpu().numpy()
    return values
