"""Train the reranker: ``quipu train recipes/mini/7-reranker.toml``."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from quipu.datasets.io import read_jsonl
from quipu.models.encoder import Encoder
from quipu.training.base import base_folder, load_tokenizer
from quipu.training.loop import LoopSettings, fit
from quipu.training.reranker.data import Candidate, Group, all_groups, collate
from quipu.training.reranker.model import (
    RerankerConfig,
    load_reranker,
    rerank_loss,
    reranker_from_bert,
    save_bert,
    save_reranker,
)
from quipu.training.retriever.data import read_keyed


@dataclass(frozen=True, slots=True)
class RerankerRecipe:
    """Every number of a reranker run."""

    data: Path
    run: Path
    keyed: tuple[Path, ...]
    base: str = "minilm"
    start: Path | None = None  # a reranker to go on from, or a BERT whose first layers are taken; None: the base
    encoder: str = "quipu-small/encoder"  # the retriever whose candidates and scores are learned from
    layers: int = 4
    lower: int = 1
    groups_per_batch: int = 16
    candidates: int = 8
    max_length: int = 72
    passes: int = 4
    seed: int = 13
    loop: dict[str, Any] = field(default_factory=dict)


def run(recipe: RerankerRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Train; the model is left in ``recipe.run``/checkpoint, its layers as a BERT to start from in run/hf."""
    torch.manual_seed(recipe.seed)
    base = base_folder(recipe.base)
    tokenizer = load_tokenizer(base, recipe.max_length)
    if recipe.start is not None and (recipe.start / "model.safetensors").exists() and _is_reranker(recipe.start):
        model = load_reranker(recipe.start).train()
        model.words.weight.requires_grad_(False)
    else:
        model = reranker_from_bert(recipe.start or base, RerankerConfig(layers=recipe.layers, lower=recipe.lower))
    groups = _groups(recipe, report)
    batches = _order(groups, recipe)

    def batch_at(step: int) -> dict[str, torch.Tensor]:
        rng = random.Random(recipe.seed * 1_000_003 + step)
        return collate(
            [groups[index] for index in batches[step % len(batches)]], tokenizer, recipe.candidates, recipe.max_length,
            rng,
        )  # fmt: skip

    def loss_of(batch: Any) -> tuple[torch.Tensor, dict[str, float]]:
        with torch.autocast("cpu", torch.bfloat16):
            quick, full = model(
                batch["question"], batch["question_mask"], batch["pairs"], batch["pair_mask"], batch["scores"]
            )
        loss = rerank_loss(quick, full, batch["right"], batch["real"])
        with torch.no_grad():
            lowest = torch.finfo(torch.float32).min
            answerable = (batch["right"].bool() & batch["real"]).any(-1)
            figures = {}
            for name, logits in (("first", full), ("quick_first", quick)):
                best = logits.float().masked_fill(~batch["real"], lowest).argmax(-1, keepdim=True)
                right = batch["right"].gather(1, best).squeeze(1)[answerable]
                figures[name] = right.mean().item() if len(right) else 0.0
            agree = ((full.float() > 0) == batch["right"].bool())[batch["real"]].float().mean().item()
        return loss, {**figures, "agree": agree}

    settings = LoopSettings(**{"steps": recipe.passes * len(batches), **recipe.loop})
    fit(model, batch_at, loss_of, settings, recipe.run, report)
    out = recipe.run / "checkpoint"
    save_reranker(model, out)
    save_bert(model, recipe.run / "hf")
    for folder in (out, recipe.run / "hf"):
        shutil.copy(base / "tokenizer.json", folder / "tokenizer.json")
    return out


def _is_reranker(folder: Path) -> bool:
    return "lower" in json.loads((folder / "config.json").read_text(encoding="utf-8"))


def _groups(recipe: RerankerRecipe, report: Callable[[dict[str, Any]], None]) -> list[Group]:
    """Mined once, then read from the run's folder."""
    file = recipe.run / "groups.jsonl"
    if not file.exists():
        keyed = [pairs for path in recipe.keyed for pairs in read_keyed(path)]
        made = all_groups(
            recipe.data, keyed, Encoder.from_pretrained(recipe.encoder), lambda text: report({"mined": text})
        )
        recipe.run.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".tmp")
        with temporary.open("w", encoding="utf-8") as out:
            for group in made:
                out.write(json.dumps(asdict(group), ensure_ascii=False) + "\n")
        temporary.replace(file)
    return [Group(row["asked"], tuple(Candidate(**item) for item in row["candidates"])) for row in read_jsonl(file)]


def _order(groups: list[Group], recipe: RerankerRecipe) -> list[list[int]]:
    """Batches of groups of similar length, in random order."""
    rng = random.Random(recipe.seed)
    lengths = [max(len(item.question) + len(item.answer) for item in group.candidates) for group in groups]
    order = sorted(range(len(groups)), key=lambda index: (lengths[index] + rng.random() * 24, index))
    size = recipe.groups_per_batch
    batches = [order[first : first + size] for first in range(0, len(order), size)]
    rng.shuffle(batches)
    return batches
