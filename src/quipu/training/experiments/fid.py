"""Baselines for the reader of memories, equal in base, decoder and questions: ``recipes/mini/qamat/baseline-fid.toml``.

FiD (Izacard and Grave 2021): each passage is encoded with the question, the decoder looks at all of them together.
With no passages it is a closed-book writer. Both end as folders that ``quipu eval compare`` asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from quipu.errors import SettingsError
from quipu.evaluation.baselines.bm25 import BM25
from quipu.evaluation.metrics import passage_holds
from quipu.settings import from_mapping
from quipu.storage.store import Store
from quipu.training.base import base_folder, device, half_precision, keep_layers
from quipu.training.export.memory_reader import export_memory_reader
from quipu.training.lines import Order
from quipu.training.loop import LoopSettings, fit
from quipu.training.qamat import model
from quipu.training.qamat.backbones import Backbone
from quipu.training.qamat.copying import CopyBackbone, CopyConfig
from quipu.training.qamat.data import ExampleFiles, MemoryExample, x_pieces
from quipu.training.qamat.loading import load_backbone
from quipu.training.qamat.steps import Ways
from quipu.training.qamat.train import save

_CHECKED = 40  # questions that the exported reader is compared on
_SAME = 0.7  # of its answers; where no passage read holds the answer it guesses, and guesses turn with a rounding


@dataclass(frozen=True, slots=True)
class FidRecipe:
    """``passages`` of ``memory`` that BM25 finds are read for each question of ``examples``; 0: closed book.

    ``only_found``: questions whose answer no passage read holds do not count in the loss (not where there are none).
    """

    run: Path
    memory: Path
    examples: tuple[Path, ...]
    base: str = "minilm"
    passages: int = 5
    passage_length: int = 160  # word pieces
    batch: int = 16
    layers: int | None = None  # of a BERT: keep so many layers, evenly spread
    only_found: bool = True
    answer_length: int = 20
    x_length: int = 60
    bf16: bool = True
    limit: int | None = None
    seed: int = 13
    decoder: dict[str, Any] = field(default_factory=dict)
    loop: dict[str, Any] = field(default_factory=dict)


def run(recipe: FidRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Train; leaves the checkpoint in run/hf and, of a BERT, the int8 reader in run/reader, which it returns."""
    torch.manual_seed(recipe.seed)
    decoder = replace(from_mapping(CopyConfig, recipe.decoder, "decoder"), ordered=False)
    backbone = load_backbone(base_folder(recipe.base), decoder)
    backbone.to(device())
    if recipe.layers is not None:
        keep_layers(getattr(backbone, "encoder", None), recipe.layers)
    items = ExampleFiles(recipe.examples, limit=recipe.limit, seed=recipe.seed)
    if not len(items):
        raise SettingsError("there is nothing to train on: the files hold no examples")
    with Store.open(recipe.memory, read_only=True) as store:
        texts = [passage.text for passage in store.passages()] if recipe.passages else []
    if recipe.passages and not texts:
        raise SettingsError(f"{recipe.memory} holds no passages to read")
    search = BM25(texts) if texts else None
    order = Order(items.lengths, recipe.batch, recipe.seed)

    def found(examples: Sequence[MemoryExample]) -> list[list[str]]:
        if search is None:
            return [[] for _ in examples]
        rows, _ = search.search([item.question for item in examples], recipe.passages)
        return [[texts[row] for row in line] for line in rows.tolist()]

    def loss_of(examples: Sequence[MemoryExample]) -> tuple[torch.Tensor, dict[str, float]]:
        with half_precision(recipe.bf16):
            return loss(backbone, examples, found(examples), recipe)

    steps = -(-len(items) // recipe.batch)
    settings = LoopSettings(**{"steps": steps, "seed": recipe.seed, **recipe.loop})
    fit(backbone, lambda step: [items[row] for row in order.at(step)], loss_of, settings, recipe.run, report)
    ways = Ways(
        k=recipe.passages, neural=False, per_block=1, answer_length=recipe.answer_length,
        x_length=recipe.x_length, value_length=recipe.passage_length,
    )  # fmt: skip
    folder = save(recipe.run / "hf", backbone, None, ways, "finetune")
    if not isinstance(backbone, CopyBackbone):
        return folder
    some = [items[row] for row in range(min(_CHECKED, len(items)))]
    asked = [(item.question, [(text, "") for text in line]) for item, line in zip(some, found(some), strict=True)]
    out = recipe.run / "reader"
    report(export_memory_reader(folder, out, name=f"fid/{recipe.run.name}", version="0.1", asked=asked, least=_SAME))
    return out


def loss(
    backbone: Backbone, examples: Sequence[MemoryExample], texts: Sequence[Sequence[str]], recipe: FidRecipe
) -> tuple[torch.Tensor, dict[str, float]]:
    """Mean -log p a piece of the first answers, given the passages of each example; the share of answers held there."""
    xs = x_pieces(backbone, [item.x for item in examples], recipe.x_length)
    flat = iter(backbone.pieces([text for line in texts for text in line], recipe.passage_length))
    joined = model.join(backbone, [[next(flat) for _ in line] for line in texts], xs, per_block=1)
    where = device()
    read = model.discrete(
        backbone, model.Joined(joined.ids.to(where), joined.mask.to(where), joined.x_at.to(where), joined.blocks)
    )
    targets = backbone.targets([item.answers[0] for item in examples], recipe.answer_length).to(where)
    held = [
        any(passage_holds(text, item.answers[:1]) for text in line) for item, line in zip(examples, texts, strict=True)
    ]
    counted = targets >= 0
    if recipe.only_found and recipe.passages:
        counted = counted & torch.tensor(held, device=where).unsqueeze(1)
    nll = backbone.nll(read.states, read.mask, read.ids, targets)
    value = (nll * counted).sum() / counted.sum().clamp(min=1)
    return value, {"loss_a_piece": value.item(), "held": sum(held) / len(held)}
