"""Train QAMAT, stage by stage: ``quipu train recipes/mini/qamat/in-batch.toml`` (Chen et al. 2023, section 4)."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from quipu.errors import InputError, SettingsError
from quipu.models.encoder import Encoder
from quipu.settings import from_mapping
from quipu.storage.store import Store
from quipu.training.base import base_folder, device, half_precision, keep_layers
from quipu.training.lines import Order
from quipu.training.loop import LoopSettings, fit
from quipu.training.qamat.backbones import Backbone
from quipu.training.qamat.copying import CopyConfig
from quipu.training.qamat.data import MASK, NEGATIVES, ExampleFiles, mine, write_examples
from quipu.training.qamat.loading import load_backbone
from quipu.training.qamat.memory import KeyMemory, embed, stored
from quipu.training.qamat.steps import Ask, Ways, global_loss, in_batch_loss

Stage = Literal["in_batch", "global", "finetune"]
STAGES: tuple[Stage, ...] = ("in_batch", "global", "finetune")
_ABOUT = "qamat.json"


@dataclass(frozen=True, slots=True)
class QamatRecipe:
    """Every number of a stage.

    ``base``: what the first stage starts from ("minilm", a folder, "hub:OWNER/NAME"), or an earlier stage's run/hf.
    ``examples``: files of questions (finetune); the other stages mine theirs from the memory into run/examples.jsonl.
    ``retriever``: whose keys the later stages search, the model's own or the memory's, made by the encoder that it was
    built with (which then makes the queries too; neural integration must be off). ``share`` of the memory's pairs that
    the later stages know, ``examples_share`` of the examples that are mined.
    """

    run: Path
    memory: Path
    stage: Stage = "in_batch"
    base: str = "minilm"
    examples: tuple[Path, ...] = ()
    batch: int = 16
    negatives: int = NEGATIVES
    spans: int = 1
    share: float = 1.0
    examples_share: float = 1.0
    limit: int | None = None
    retriever: Literal["own", "memory"] = "own"
    freeze_encoder: bool = False  # the decoder alone is trained
    layers: int | None = None  # of a BERT: keep so many layers, evenly spread
    shuffled: bool = False  # control: each key leads to another pair's value
    bf16: bool = True
    checkpointing: bool = False
    seed: int = 13
    ways: dict[str, Any] = field(default_factory=dict)
    decoder: dict[str, Any] = field(default_factory=dict)
    loop: dict[str, Any] = field(default_factory=dict)


def run(recipe: QamatRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Train one stage and leave its checkpoint in ``recipe.run``/hf, the frozen key encoder beside it in hf/keys."""
    if recipe.stage not in STAGES:
        raise SettingsError(f"stage must be one of {', '.join(STAGES)}, not {recipe.stage!r}")
    torch.manual_seed(recipe.seed)
    ways = from_mapping(Ways, recipe.ways, "ways")
    if recipe.retriever == "memory" and (ways.neural or ways.hops > 1 or recipe.stage == "in_batch"):
        raise SettingsError('retriever = "memory" goes with neural = false, one hop, and the stages global or finetune')
    if not (ways.neural or ways.discrete):
        raise SettingsError("neural and discrete are both off: nothing would read the memory")
    folder = base_folder(recipe.base)
    backbone = load_backbone(folder, from_mapping(CopyConfig, recipe.decoder, "decoder")).to(device())
    if recipe.layers is not None:
        keep_layers(getattr(backbone, "encoder", None), recipe.layers)
    if recipe.checkpointing:
        _checkpoint(backbone)
    if recipe.freeze_encoder:
        backbone.freeze_encoder()
    with Store.open(recipe.memory, read_only=True) as store:
        items = ExampleFiles(_examples(recipe, store, report), limit=recipe.limit, seed=recipe.seed)
        if not len(items):
            raise SettingsError("there is nothing to train on: the memory or the files hold no examples")
        order = Order(items.lengths, recipe.batch, recipe.seed)
        frozen: Backbone | None = None
        memory: KeyMemory | None = None
        ask: Ask | None = None
        if recipe.stage != "in_batch" and recipe.retriever == "memory":
            memory, ask = stored(store, device()), memory_queries(store)
        elif recipe.stage != "in_batch":
            frozen = _frozen(folder, backbone)
            memory = embed(
                frozen, store, recipe.run, device(), values=ways.neural, share=recipe.share, shuffled=recipe.shuffled,
                cosine=ways.cosine, report=report,
            )  # fmt: skip

        def loss_of(examples: Any) -> tuple[torch.Tensor, dict[str, float]]:
            with half_precision(recipe.bf16):
                if memory is None:
                    return in_batch_loss(backbone, store, examples, ways)
                return global_loss(backbone, store, memory, examples, ways, ask)

        steps = -(-len(items) // recipe.batch)
        settings = LoopSettings(**{"steps": steps, "seed": recipe.seed, **recipe.loop})
        fit(backbone, lambda step: [items[row] for row in order.at(step)], loss_of, settings, recipe.run, report)
    return save(recipe.run / "hf", backbone, frozen, ways, recipe.stage)


def memory_queries(store: Store) -> Ask:
    """Queries by the encoder that the memory was built with; X is asked without its mask."""
    encoder = Encoder(store.manifest.get("settings", {}).get("encoder", "quipu-small/encoder"))
    return lambda texts: torch.from_numpy(encoder.encode([text.replace(MASK, "").strip() for text in texts]))


def save(out: Path, backbone: Backbone, frozen: Backbone | None, ways: Ways, stage: Stage) -> Path:
    """The checkpoint: weights and tokenizer, how the memory is used, and the key encoder where it is another."""
    out.mkdir(parents=True, exist_ok=True)
    backbone.save(out)
    shutil.rmtree(out / "keys", ignore_errors=True)
    if frozen is not None:
        (out / "keys").mkdir()
        frozen.save(out / "keys")
    (out / _ABOUT).write_text(json.dumps({"stage": stage, "ways": asdict(ways)}, indent=1) + "\n", encoding="utf-8")
    return out


def load(folder: Path) -> tuple[Backbone, Backbone, Ways]:
    """Reader, key encoder and ways of a checkpoint, ready to answer; InputError where it is none."""
    if not (folder / _ABOUT).is_file():
        raise InputError(f"{folder}: no QAMAT checkpoint ({_ABOUT} is missing)")
    ways = from_mapping(Ways, json.loads((folder / _ABOUT).read_text(encoding="utf-8"))["ways"], "ways")
    backbone = load_backbone(folder).eval()
    return backbone, load_backbone(folder / "keys").eval() if (folder / "keys").is_dir() else backbone, ways


def _frozen(folder: Path, backbone: Backbone) -> Backbone:
    """The key encoder of the later stages: the one that the stage before froze, or the network as it is now."""
    frozen = load_backbone(folder / "keys").to(device()) if (folder / "keys").is_dir() else copy.deepcopy(backbone)
    return frozen.requires_grad_(False).eval()


def _examples(recipe: QamatRecipe, store: Store, report: Callable[[dict[str, Any]], None]) -> tuple[Path, ...]:
    if recipe.stage == "finetune":
        if not recipe.examples:
            raise SettingsError("fine-tuning needs `examples`: files of questions that quipu mined or that were made")
        return recipe.examples
    path = recipe.run / "examples.jsonl"
    if not path.exists():
        found = mine(
            store, negatives=recipe.negatives, share=recipe.examples_share, spans=recipe.spans, seed=recipe.seed
        )
        write_examples(path, found, report)
    return (path,)


def _checkpoint(backbone: Backbone) -> None:
    for module in backbone.modules():
        if hasattr(module, "gradient_checkpointing_enable"):
            module.gradient_checkpointing_enable()
            return
