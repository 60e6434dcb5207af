"""Few-shot named entities: a token classifier whose rows are the questions "Who is a person ?" (QuIP section 5.3)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn

from quipu.datasets.conll import Tagged
from quipu.errors import InputError
from quipu.evaluation.tasks.ner import question_of
from quipu.training.base import base_folder, device, load_tokenizer
from quipu.training.batching import padded
from quipu.training.quip.model import HEADS, QuipModel

EPOCHS, RATE, BATCH = 200, 2e-5, 8  # the paper's
LENGTH = 256
IGNORED = -100


class Tagger(nn.Module):
    """Encoder and a linear layer over its last token vectors."""

    def __init__(self, model: QuipModel, tags: int) -> None:
        super().__init__()
        self.model = model
        self.classifier = nn.Linear(model.width, tags)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, T) -> (B, T, tags)."""
        return self.classifier(self.model.tokens(ids, mask))


def tag(
    folder: str | Path,
    train: Sequence[Tagged],
    test: Sequence[Tagged],
    heads: str,
    seed: int,
    *,
    epochs: int = EPOCHS,
    rate: float = RATE,
) -> list[list[str]]:
    """Tags of ``test`` by a fresh copy of the encoder in ``folder`` trained on ``train``.

    ``heads``: "question" (rows are the start vectors of each tag's question, of unit length; without trained question
    heads the pooled question itself) or "random". A word's tag is that of its first piece.
    """
    if heads not in ("question", "random"):
        raise InputError(f"heads are question or random, not {heads!r}")
    path = base_folder(str(folder))
    tokenizer = load_tokenizer(path)
    torch.manual_seed(seed)
    model = QuipModel.from_pretrained(path)
    names = sorted({name for item in train for name in item.tags} | {"O"})
    network = Tagger(model, len(names)).to(device())
    if heads == "question":
        ids, mask = padded([tokenizer.encode(question_of(name)).ids for name in names])
        with torch.no_grad():
            network.eval()
            states = model.tokens(ids.to(device()), mask.to(device()))
            rows = model.pooled(states, mask.to(device()))
            if (path / HEADS).is_file():
                rows = model.start_head(rows)
            network.classifier.weight.copy_(nn.functional.normalize(rows, dim=-1))
    encoded = [_encoded(tokenizer, item, names) for item in train]
    steps = epochs * -(-len(encoded) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.0, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, 1 - step / steps))
    rng = random.Random(seed)
    network.train()
    for _ in range(epochs):
        order = rng.sample(range(len(encoded)), len(encoded))
        for first in range(0, len(order), BATCH):
            some = [encoded[row] for row in order[first : first + BATCH]]
            ids, mask = padded([item[0] for item in some])
            labels, _ = padded([item[1] for item in some], IGNORED)
            logits = network(ids.to(device()), mask.to(device()))
            loss = nn.functional.cross_entropy(
                logits.flatten(0, 1), labels.to(device()).flatten(), ignore_index=IGNORED
            )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    network.eval()
    return _tags(network, [_encoded(tokenizer, item, names) for item in test], test, names)


def _tags(
    network: Tagger,
    encoded: Sequence[tuple[list[int], list[int], dict[int, int]]],
    test: Sequence[Tagged],
    names: list[str],
) -> list[list[str]]:
    said = [["O"] * len(item.words) for item in test]
    order = sorted(range(len(test)), key=lambda row: len(encoded[row][0]))
    with torch.inference_mode():
        for first in range(0, len(order), 64):
            rows = order[first : first + 64]
            ids, mask = padded([encoded[row][0] for row in rows])
            best = network(ids.to(device()), mask.to(device())).argmax(-1).cpu()
            for place, row in enumerate(rows):
                for word, token in encoded[row][2].items():
                    said[row][word] = names[int(best[place, token])]
    return said


def _encoded(tokenizer: Tokenizer, item: Tagged, names: list[str]) -> tuple[list[int], list[int], dict[int, int]]:
    """Ids; a label where a word begins, else ignored; word to the token at which it begins (not beyond LENGTH)."""
    encoding = tokenizer.encode(list(item.words), is_pretokenized=True)
    ids = encoding.ids if len(encoding.ids) <= LENGTH else [*encoding.ids[: LENGTH - 1], encoding.ids[-1]]
    labels, begins = [IGNORED] * len(ids), {}
    for token, word in enumerate(encoding.word_ids[: len(ids) - 1]):
        if word is not None and word not in begins:
            begins[word] = token
            labels[token] = names.index(item.tags[word]) if item.tags[word] in names else IGNORED
    return ids, labels, begins
