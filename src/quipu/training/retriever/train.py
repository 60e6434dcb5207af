"""Train the key encoder: ``quipu train recipes/mini/encoder.toml``."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from quipu.datasets import published, trivia
from quipu.datasets.questions import DPR, dpr_questions
from quipu.models.encoder import Encoder
from quipu.training.base import base_folder, load_tokenizer
from quipu.training.loop import LoopSettings, fit
from quipu.training.retriever.data import Batches, asked_twice, mine, read_keyed
from quipu.training.retriever.model import encoder_from_base, in_batch_softmax, keys


@dataclass(frozen=True, slots=True)
class EncoderRecipe:
    """Every number of a key-encoder run."""

    data: Path
    run: Path
    keyed: tuple[Path, ...]
    base: str = "minilm"
    start: Path | None = None  # a trained encoder's folder to go on from; None: the base
    miner: str = "quipu-small/encoder"  # finds the hard negatives
    size: int = 128
    per_passage: int = 8
    pairs: int = 16  # questions that two people asked about one span
    reworded: int = 24  # real questions reworded by rule, each beside a near-twin
    anchors: int = 32
    anchor_weight: float = 1.0
    question_only: float = 0.2
    temperature: float = 0.05
    seed: int = 13
    loop: dict[str, Any] = field(default_factory=dict)


def plain_questions(data: Path) -> list[str]:
    """Real questions without passages: the anchors, on which the encoder must stay what it was."""
    found = [question for question, _ in trivia.read(data)]
    return found + [question for path in DPR for question in dpr_questions(data / path)]


def run(recipe: EncoderRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Train and leave a Hugging Face folder in ``recipe.run``/hf."""
    torch.manual_seed(recipe.seed)
    base = base_folder(recipe.base)
    tokenizer = load_tokenizer(base, 128)
    model, fixed = encoder_from_base(recipe.start or base), encoder_from_base(base).eval()
    passages = [pairs for path in recipe.keyed for pairs in read_keyed(path)]
    mined = recipe.run / "mined.npy"
    if not mined.exists():
        recipe.run.mkdir(parents=True, exist_ok=True)
        np.save(mined, mine(passages, Encoder.from_pretrained(recipe.miner)))
    batches = Batches(
        tokenizer, passages, plain_questions(recipe.data), asked_twice(published.qamr(recipe.data)),
        np.load(mined, allow_pickle=False), recipe.size, recipe.per_passage, recipe.reworded, recipe.pairs,
        recipe.anchors, recipe.question_only, recipe.seed,
    )  # fmt: skip

    def loss_of(batch: Any) -> tuple[torch.Tensor, dict[str, float]]:
        with torch.autocast("cpu", torch.bfloat16):
            asked = keys(model, batch["question_ids"], batch["question_mask"])
            stored = keys(model, batch["key_ids"], batch["key_mask"])
            anchors = keys(model, batch["anchor_ids"], batch["anchor_mask"])
            with torch.no_grad():
                before = keys(fixed, batch["anchor_ids"], batch["anchor_mask"])
        match = in_batch_softmax(asked, stored, batch["same"], recipe.temperature)
        moved = (1 - (anchors * before).sum(-1)).mean()
        with torch.no_grad():
            scores = (asked @ stored.T).masked_fill(batch["same"], -1.0)
            right = (scores.argmax(-1) == torch.arange(len(asked))).float().mean().item()
        figures = {"match": match.item(), "moved": moved.item(), "accuracy": right}
        return match + recipe.anchor_weight * moved, figures

    fit(model, batches.at, loss_of, LoopSettings(**recipe.loop), recipe.run, report)
    out = recipe.run / "hf"
    model.save_pretrained(out)
    shutil.copy(base / "tokenizer.json", out / "tokenizer.json")
    return out
