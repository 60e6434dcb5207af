"""Train the generator: ``quipu train recipes/mini/generator.toml``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from quipu.errors import FormatError
from quipu.training import corpora
from quipu.training.base import base_folder, load_tokenizer
from quipu.training.generator.data import Batches, Source, generation_vocabulary
from quipu.training.generator.model import (
    BUCKETS,
    STYLES,
    Generator,
    GeneratorConfig,
    block,
    buckets,
    copied_states,
    question_loss,
    span_ranking_loss,
)
from quipu.training.loop import LoopSettings, fit


@dataclass(frozen=True, slots=True)
class GeneratorRecipe:
    """Every number of a generator run; ``pseudo`` names files of contexts whose answers earlier models marked."""

    data: Path
    run: Path
    base: str = "minilm"
    start_from: Path | None = None
    pseudo: tuple[Path, ...] = ()
    pseudo_weight: float = 5.0
    passages_per_batch: int = 16
    cloze_until: int = 300
    cloze_after: float = 0.08
    span_weight: float = 0.3
    seed: int = 13
    decoder: dict[str, Any] = field(default_factory=dict)
    loop: dict[str, Any] = field(default_factory=dict)


def sources_of(recipe: GeneratorRecipe) -> list[Source]:
    """The human sets and the pseudo-labelled ones with their weights in the mixture."""
    sources = [
        Source(corpora.qamr(recipe.data), 2.0, 12),
        Source(corpora.fairytaleqa(recipe.data), 1.0, 6),
        Source(corpora.policyqa(recipe.data), 0.6, 6),
    ]
    for path in recipe.pseudo:
        sources.append(Source(corpora.read_contexts(path), recipe.pseudo_weight, 10))
    return sources


def save_generator(model: Generator, folder: Path, base: Path) -> None:
    """The checkpoint that export reads: model.safetensors, generator.json, config.json (encoder), tokenizer.json."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, folder / "model.safetensors")
    (folder / "generator.json").write_text(json.dumps({**asdict(model.config), "styles": STYLES}, indent=1))
    shutil.copy(base / "config.json", folder / "config.json")
    shutil.copy(base / "tokenizer.json", folder / "tokenizer.json")


def load_generator(folder: Path) -> Generator:
    """The model that ``save_generator`` wrote, in evaluation mode."""
    from safetensors.torch import load_file
    from transformers import BertConfig

    values = json.loads((folder / "generator.json").read_text())
    values.pop("styles")
    weights = load_file(folder / "model.safetensors")
    config = BertConfig.from_pretrained(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model = Generator(GeneratorConfig(**values), config, weights["pieces"])
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if unexpected or set(missing) - {"read.weight", "read.bias"}:
        raise FormatError(f"{folder}: not a generator of this version (missing {missing}, unexpected {unexpected})")
    return model.eval()


def losses(
    model: Generator, batch: dict[str, torch.Tensor], span_weight: float
) -> tuple[torch.Tensor, dict[str, float]]:
    """Question loss and span ranking loss of a batch."""
    ids, mask = batch["ids"], batch["mask"]
    states = model.encode(model.words(ids), mask)
    memories, copy_keys = model.memories(states)
    near = torch.nn.functional.one_hot(buckets(ids.shape[1], batch["start"], batch["end"]), BUCKETS)
    onehot = near.transpose(-1, -2).to(states.dtype)  # (B, A, N, T)
    copied = copied_states(batch["previous"], ids, batch["copyable"], batch["start"], batch["end"], states)
    x = model.inputs(batch["previous"], copied, model.first_input(states, batch["start"], batch["end"]), batch["style"])
    blocked = block(mask)
    saying, copying, _, _ = model.decode(x, None, memories, copy_keys, onehot, blocked)
    places = (batch["pieces"].unsqueeze(-1) == ids[:, None, None, :]) & batch["copyable"][:, None, None, :]
    asking = question_loss(saying, copying, batch["say"], places, batch["weight"])
    scores = model.span_scores(states, mask)
    style = batch["source"].view(-1, 1, 1, 1).expand(*scores.shape[:3], 1)
    spans = span_ranking_loss(scores.gather(-1, style).squeeze(-1), batch["gold"], torch.ones(len(ids)))
    return asking + span_weight * spans, {"asking": asking.item(), "spans": spans.item()}


def run(recipe: GeneratorRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Train and leave the checkpoint in ``recipe.run``/checkpoint."""
    torch.manual_seed(recipe.seed)
    base = base_folder(recipe.base)
    tokenizer = load_tokenizer(base)
    sources = sources_of(recipe)
    if recipe.start_from is not None:
        model = load_generator(recipe.start_from)
    else:
        config = GeneratorConfig(**recipe.decoder)
        spoken = [asked.question for source in sources for context in source.contexts for asked in context.asked]
        spoken += [asked.question for context in corpora.squad_qg(recipe.data) for asked in context.asked]
        pieces = torch.tensor(generation_vocabulary(tokenizer, spoken, config.vocabulary))
        model = Generator.from_base(base, config, pieces)
    batches = Batches(
        tokenizer, model.config, model.pieces.tolist(), sources, corpora.prose(recipe.data),
        passages=recipe.passages_per_batch, cloze_until=recipe.cloze_until, cloze_after=recipe.cloze_after,
        seed=recipe.seed,
    )  # fmt: skip

    def loss_of(batch: Any) -> tuple[torch.Tensor, dict[str, float]]:
        with torch.autocast("cpu", torch.bfloat16):
            return losses(model, batch, recipe.span_weight)

    fit(model, batches.at, loss_of, LoopSettings(**recipe.loop), recipe.run, report)
    save_generator(model, recipe.run / "checkpoint", base)
    return recipe.run / "checkpoint"
