"""Train the extractor: ``quipu train recipes/small/extractor.toml``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from quipu.datasets import published
from quipu.datasets.contexts import Context
from quipu.errors import InputError
from quipu.models.extractor import allowed, select, shapes
from quipu.text import normalize_answer
from quipu.training.base import base_folder, half_precision, load_tokenizer
from quipu.training.batching import padded
from quipu.training.extractor.data import LONGEST, WHOLE, Batches, Marked, marked, parts_of
from quipu.training.extractor.model import ExtractorConfig, ExtractorModel, asked_loss
from quipu.training.heldout import Overlap, split
from quipu.training.loop import LoopSettings, fit


@dataclass(frozen=True, slots=True)
class ExtractorRecipe:
    """Every number of a run. ``sources``: name of a set, or a file of contexts: the share of it that an epoch takes."""

    data: Path
    run: Path
    sources: dict[str, float]
    base: str = "minilm"
    start_from: Path | None = None  # a checkpoint to go on from instead of the base's weights
    judged: tuple[str, ...] = ("squad_train_parts", "squadshifts_new_wiki")  # recall on their held-out articles
    judged_at: int = 14
    judge_every: int = 500  # steps
    tokens_per_batch: int = 4096
    seed: int = 13
    scorer: dict[str, Any] = field(default_factory=dict)
    loop: dict[str, Any] = field(default_factory=dict)


def contexts_of(recipe: ExtractorRecipe) -> tuple[list[tuple[list[Context], float]], list[Context]]:
    """What is learned from, with the shares, and what is judged on: passages of held-out articles of ``judged``."""
    found: list[tuple[list[Context], float]] = []
    held: dict[str, list[Context]] = {}
    for name, share in recipe.sources.items():
        path = Path(name)
        rows = published.read_contexts(path) if path.suffix in (".jsonl", ".json", ".gz") else None
        learned, kept = split(rows if rows is not None else published.named(recipe.data, name))
        found.append((learned, share))
        held[name] = kept
    judged = [part for name in recipe.judged for context in held.get(name, ()) for part in parts_of(context)]
    overlap = Overlap(context for rows in held.values() for context in rows)
    return [(overlap.without(rows), share) for rows, share in found], [part for part in judged if part.asked]


def passages(contexts: Sequence[Context], tokenizer: Tokenizer, widest: int) -> list[Marked]:
    """Every second context as it is, where that is not too long; the others cut to the passages of a memory."""
    found = []
    for at, context in enumerate(contexts):
        whole = at % 2 == 0 and len(context.text.split()) <= WHOLE
        for part in [context] if whole else parts_of(context):
            item = marked(part, tokenizer, widest)
            found += [item] if item is not None else []
    return found


def recall(
    model: ExtractorModel, tokenizer: Tokenizer, contexts: Sequence[Context], limits: Sequence[int]
) -> dict[str, float]:
    """Share of questions whose answer is among so many candidates of its passage, equal after normalisation."""
    widest = model.config.span_length
    encodings = tokenizer.encode_batch([context.text for context in contexts])
    order = [at for at in range(len(contexts)) if len(encodings[at].ids) <= LONGEST]
    order.sort(key=lambda at: len(encodings[at].ids))
    hits, asked = dict.fromkeys(limits, 0), 0
    for begin in range(0, len(order), 16):
        batch = order[begin : begin + 16]
        ids, mask = padded([encodings[at].ids for at in batch])
        kinds, _ = padded([shapes(contexts[at].text, encodings[at]) for at in batch])
        with torch.inference_mode(), half_precision():
            scores = model(model.words(ids), kinds, mask)[..., 0].numpy()
        for row, at in enumerate(batch):
            text, encoding = contexts[at].text, encodings[at]
            own = np.ascontiguousarray(scores[row, : len(encoding.ids)])
            found = select(text, encoding, own, allowed(text, encoding, widest), max(limits))
            ranks = {normalize_answer(item.text): rank for rank, item in enumerate(found)}
            for item in contexts[at].asked:
                if item.start >= 0:
                    asked += 1
                    rank = ranks.get(normalize_answer(text[item.start : item.end]), max(limits))
                    for limit in limits:
                        hits[limit] += rank < limit
    return {f"recall@{limit}": hits[limit] / max(1, asked) for limit in limits}


def run(recipe: ExtractorRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Train; the checkpoint with the best recall on held-out articles is left in ``recipe.run``/checkpoint."""
    torch.manual_seed(recipe.seed)
    base = base_folder(recipe.base)
    tokenizer = load_tokenizer(base)
    config = ExtractorConfig(**recipe.scorer)
    model = ExtractorModel.load(recipe.start_from) if recipe.start_from else ExtractorModel.from_base(base, config)
    widest = model.config.span_length
    learned, judged = contexts_of(recipe)
    if not judged:
        raise InputError(f"no held-out article in {', '.join(recipe.judged)}: the best checkpoint cannot be chosen")
    sources = [(passages(rows, tokenizer, widest), share) for rows, share in learned]
    batches = Batches(sources, tokens=recipe.tokens_per_batch, widest=widest, seed=recipe.seed)
    checkpoint, settings = recipe.run / "checkpoint", LoopSettings(**recipe.loop)
    judgement = Judgement(model, tokenizer, judged, recipe, checkpoint, base)

    def loss_of(batch: Any) -> tuple[torch.Tensor, dict[str, float]]:
        with half_precision():
            scores = model(model.words(batch["ids"]), batch["shapes"], batch["mask"])
        own = scores[torch.arange(len(scores)), :, :, batch["style"]]
        names = ("allowed", "row", "place", "group", "weight")
        return asked_loss(own, *(batch[name] for name in names)), {}

    def judge(line: dict[str, Any]) -> None:
        report(line)
        if line["step"] % recipe.judge_every == 0:
            report(judgement(line["step"]))

    fit(model, batches.at, loss_of, settings, recipe.run, judge)
    if int(os.environ.get("RANK", 0)) == 0:  # under ``accelerate launch`` the first process judges and saves
        report(judgement(settings.steps))
    return checkpoint


class Judgement:
    """Recall on held-out articles; the best weights so far are kept. Written to ``recall.jsonl`` of the run."""

    def __init__(
        self, model: ExtractorModel, tokenizer: Tokenizer, judged: Sequence[Context], recipe: ExtractorRecipe,
        checkpoint: Path, base: Path,
    ) -> None:  # fmt: skip
        self.model, self.tokenizer, self.judged, self.limit = model, tokenizer, judged, recipe.judged_at
        self.checkpoint, self.base, self.lines = checkpoint, base, recipe.run / "recall.jsonl"

    def __call__(self, step: int) -> dict[str, Any]:
        """Judge the model as it is; a checkpoint is saved where it is the best of its run."""
        self.model.eval()
        line = {"step": step, **recall(self.model, self.tokenizer, self.judged, (self.limit, 20, 25))}
        self.model.train()
        known = self.lines.read_text(encoding="utf-8").splitlines() if self.lines.exists() else []
        best = max((json.loads(item)[f"recall@{self.limit}"] for item in known), default=-1.0)
        if line[f"recall@{self.limit}"] > best or not self.checkpoint.exists():
            self.model.save(self.checkpoint, self.base)
        with self.lines.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return line
