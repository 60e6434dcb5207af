"""Train the language model that writes questions and reads passages: ``quipu train recipes/small/2-answered.toml``.

Rows of packed trees, bfloat16, fused AdamW. A run is a folder (``quipu.training.loop``): one that was killed goes on
where it was last saved and ends with the same weights, unless the schedule follows the clock (``minutes``).
"""

from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from quipu.datasets import multihop, published, written
from quipu.datasets.contexts import Context
from quipu.errors import SettingsError
from quipu.models.lm.prompts import Prompts
from quipu.settings import from_mapping
from quipu.training.base import device, half_precision
from quipu.training.heldout import Overlap, held_out, split
from quipu.training.lm.data import (
    Batch,
    Drawing,
    Mixture,
    People,
    SeveralPassages,
    Source,
    Written,
    batch_of,
    prompts_of,
)
from quipu.training.lm.memories import Memories, asked_of
from quipu.training.lm.model import Decoder, load, save, tree_mask
from quipu.training.loop import LoopSettings, fit

SEVERAL, WRITTEN, MEMORIES = "several_passages", "written", "memories"  # sources of the mixture that are no set
_SEVERAL_FILES = ("hotpotqa/train-100.json.gz", "2wiki/train-500.jsonl.gz", "musique/train-100.json.gz")


@dataclass(frozen=True, slots=True)
class LmRecipe:
    """Every number of a run.

    ``mixture``: weight of each source: a public set (``published.named``), a source in ``files``, or
    "several_passages", "written" (the pairs of ``written``), "memories" (these with people's questions on the same
    passages).
    ``files``: contexts whose answers were marked by a model; they stand in for the public set of the same name.
    """

    data: Path
    run: Path
    start: Path  # a Hugging Face folder: the base, or an earlier stage
    mixture: dict[str, float]
    files: tuple[Path, ...] = ()
    written: tuple[Path, ...] = ()
    left_out: tuple[str, ...] = ()  # sources of written passages that are not learned from
    only_read: tuple[str, ...] = ()  # sets whose questions are no examples of how to ask
    rows: int = 40  # a step
    length: int = 768  # tokens of a row
    workers: int = 0  # processes that draw batches ahead
    compiled: bool = False
    half: bool = True  # bfloat16 products
    seed: int = 13
    drawing: dict[str, Any] = field(default_factory=dict)
    loop: dict[str, Any] = field(default_factory=dict)


def run(recipe: LmRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Train and leave a Hugging Face folder in ``recipe.run``/hf."""
    torch.manual_seed(recipe.seed)
    where = device()
    prompts = prompts_of(recipe.start)
    mixture = mixture_of(recipe, prompts, report)
    model = load(recipe.start).to(where)
    if recipe.compiled:
        model.compile_layers()
    batches = Ahead(mixture, recipe)

    def loss_of(batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        with half_precision(recipe.half):
            return loss(model, {name: part.to(where, non_blocking=True) for name, part in batch.items()}), {}

    recipe.run.mkdir(parents=True, exist_ok=True)
    (recipe.run / "recipe.json").write_text(json.dumps(asdict(recipe), default=str, indent=1) + "\n", encoding="utf-8")
    fit(model, batches.at, loss_of, LoopSettings(**recipe.loop), recipe.run, report)
    return save(model, recipe.run / "hf", recipe.start / "tokenizer.json")


def loss(model: Decoder, batch: Batch) -> torch.Tensor:
    """Mean cross-entropy of the said tokens, each as heavy as its weight; see ``batch_of`` for the batch."""
    states = model(batch["ids"], batch["positions"], tree_mask(batch["tree"], batch["branch"]))
    said = batch["weights"] > 0
    logits = model.logits(states[said])
    wide = logits if logits.dtype == torch.float64 else logits.float()
    each = functional.cross_entropy(wide, batch["labels"][said], reduction="none")
    weights = batch["weights"][said].to(each.dtype)
    return (each * weights).sum() / weights.sum()


def mixture_of(
    recipe: LmRecipe, prompts: Prompts, report: Callable[[dict[str, Any]], None] = lambda line: None
) -> Mixture:
    """The sources that have a weight, without what is held out and what stands in it."""
    drawing = from_mapping(Drawing, recipe.drawing, "drawing")
    marked: dict[str, list[Context]] = {}
    for path in recipe.files:
        for context in published.read_contexts(path):
            marked.setdefault(context.source, []).append(context)
    people: dict[str, list[Context]] = {}
    held: list[Context] = []
    for name in recipe.mixture:
        if name in (SEVERAL, WRITTEN, MEMORIES):
            continue
        people[name], kept_back = split(marked[name] if name in marked else published.named(recipe.data, name))
        held += kept_back
    overlap = Overlap(held)
    people = {name: _usable(overlap.without(contexts)) for name, contexts in people.items()}
    sources: dict[str, Source] = {
        name: People(_some(contexts, name), prompts, drawing, name in recipe.only_read)
        for name, contexts in people.items()
    }
    passages = [
        pruned
        for path in recipe.written
        for passage in written.read(path)
        if passage.source not in recipe.left_out
        and (pruned := passage.pruned()).pairs
        and not overlap.text(passage.text)
    ]
    if WRITTEN in recipe.mixture:
        sources[WRITTEN] = Written(_some(passages, WRITTEN), prompts, drawing)
    if MEMORIES in recipe.mixture:
        asked = asked_of(passages, [context for contexts in people.values() for context in contexts])
        sources[MEMORIES] = Memories(passages, _some(asked, MEMORIES), prompts)
    if SEVERAL in recipe.mixture:
        questions = [
            item
            for name in _SEVERAL_FILES
            for item in multihop.read(recipe.data / name)
            if not held_out(name.split("/")[0], item.question)
        ]
        sources[SEVERAL] = SeveralPassages(questions, prompts)
    report({"sources": len(sources), "contexts": sum(map(len, people.values())), "written passages": len(passages)})
    return Mixture(sources, recipe.mixture)


def _usable(contexts: Sequence[Context]) -> list[Context]:
    """All contexts of articles in which somebody asked: neighbours without a question still fill passages."""
    articles = {context.group for context in contexts if any(item.start >= 0 or item.answer for item in context.asked)}
    return [context for context in contexts if context.group in articles]


def _some(found: Any, name: str) -> Any:
    """What was found for a source; SettingsError where that is nothing."""
    if not found:
        where = "in `written`" if name in (WRITTEN, MEMORIES) else "with answers in `files`"
        raise SettingsError(f"mixture: nothing to draw {name!r} from; name files {where}")
    return found


class _Numbered(Dataset[Batch]):
    def __init__(self, mixture: Mixture, recipe: LmRecipe) -> None:
        self._mixture, self._recipe = mixture, recipe

    def __getitem__(self, number: int) -> Batch:
        rng = random.Random(self._recipe.seed * 1_000_003 + number)
        return batch_of(self._mixture, self._recipe.rows, self._recipe.length, rng)


class Ahead:
    """Batches by number, drawn ahead by ``recipe.workers`` processes while they are asked for in order.

    What a batch holds depends on its number and the recipe's seed alone, not on the processes.
    """

    def __init__(self, mixture: Mixture, recipe: LmRecipe) -> None:
        self._batches = _Numbered(mixture, recipe)
        self._workers = recipe.workers
        self._stride = int(os.environ.get("WORLD_SIZE", "1"))
        self._next = -1
        self._drawn: Iterator[Batch] = iter(())

    def at(self, number: int) -> Batch:
        """The batch of a number."""
        if self._workers == 0:
            return self._batches[number]
        if number != self._next:
            self._drawn = iter(
                DataLoader(
                    self._batches,
                    batch_size=None,
                    sampler=itertools.count(number, self._stride),
                    num_workers=self._workers,
                    prefetch_factor=4,
                    pin_memory=torch.cuda.is_available(),
                )
            )
        self._next = number + self._stride
        return next(self._drawn)
