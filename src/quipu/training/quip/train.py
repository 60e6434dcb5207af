"""Train the bi-encoder (QuIP section 3.3, its variants as options): ``quipu train recipes/mini/quip/3-quip.toml``."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from quipu.errors import SettingsError
from quipu.training.base import base_folder, device, half_precision, keep_layers, load_tokenizer
from quipu.training.batching import padded
from quipu.training.loop import LoopSettings, fit
from quipu.training.quip.data import Batches, LabelledFiles
from quipu.training.quip.model import Pooling, QuipModel, distillation, mean_of, token_logits

Loss = Literal["teacher", "no_teacher", "concat"]


@dataclass(frozen=True, slots=True)
class QuipRecipe:
    """Every number of a bi-encoder's run.

    ``loss``: "teacher" (soft labels), "no_teacher" (the spans that the questions were made from, others point at the
    first token), "concat" (soft labels, softmax over all passages of the batch).
    """

    run: Path
    labelled: tuple[Path, ...]
    base: str = "minilm"  # or a Hugging Face folder or name; a folder with heads goes on from them
    loss: Loss = "teacher"
    spread: bool = False  # the teacher's mass beyond its eight labels counts too, see ``model.distillation``
    pooling: Pooling = "first"
    passages: int = 16  # a batch
    per_passage: int = 10
    max_length: int = 320
    question_length: int = 50
    freeze_words: bool = True
    freeze_layers: int = 0  # lowest layers that stay as they are
    layers: int | None = None  # keep this many layers of the base, evenly spread (a smaller student)
    keys: Path | None = None  # a key encoder whose mean-pooled vectors of questions and sentences are to be kept
    key_weight: float = 5.0
    key_sentences: int = 16  # a batch
    bf16: bool = True
    checkpointing: bool = False
    corrupt: float = 0.0  # share of questions that are given another's label (an experiment)
    limit: int | None = None  # passages that are trained on
    seed: int = 13
    loop: dict[str, Any] = field(default_factory=dict)


def run(recipe: QuipRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Train and leave a Hugging Face folder with heads in ``recipe.run``/hf."""
    torch.manual_seed(recipe.seed)
    model, folder = student(recipe)
    model.to(device())
    items = LabelledFiles(recipe.labelled, limit=recipe.limit, corrupt=recipe.corrupt, seed=recipe.seed)
    if not len(items):
        raise SettingsError("there is nothing to train on: `labelled` names files without passages")
    tokenizer = load_tokenizer(folder)
    hard = recipe.loss == "no_teacher"
    batches = Batches(
        tokenizer, items, recipe.passages, recipe.per_passage, recipe.max_length, recipe.question_length, hard,
        recipe.seed,
    )  # fmt: skip
    kept = QuipModel.from_pretrained(recipe.keys).encoder.eval().to(device()) if recipe.keys else None
    steps_an_epoch = -(-len(items) // recipe.passages)

    def batch_at(step: int) -> dict[str, torch.Tensor]:
        batch = batches.at(step)
        if kept is not None:
            rng = random.Random(recipe.seed * 31 + step)
            texts = [_sentences(items[rng.randrange(len(items))].passage, rng) for _ in range(recipe.key_sentences)]
            ids = [encoding.ids[: recipe.max_length] for encoding in tokenizer.encode_batch(texts)]
            batch["sentence_ids"], batch["sentence_mask"] = padded(ids)
        return {name: value.to(device()) for name, value in batch.items()}

    def loss_of(batch: Any) -> tuple[torch.Tensor, dict[str, float]]:
        with half_precision(recipe.bf16):
            tokens = model.tokens(batch["ids"], batch["mask"])
            asked = model.tokens(batch["question_ids"], batch["question_mask"])
            pooled = model.pooled(asked, batch["question_mask"])
            vectors = {"start": model.start_head(pooled), "end": model.end_head(pooled)}
        total, figures = span_loss(tokens, batch, vectors, concat=recipe.loss == "concat", spread=recipe.spread)
        if kept is not None:
            moved = _moved(model, kept, asked, batch, recipe.bf16)
            figures["moved"] = moved.item()
            total = total + recipe.key_weight * moved
        return total, figures

    settings = LoopSettings(**{"steps": steps_an_epoch, "seed": recipe.seed, **recipe.loop})
    fit(model, batch_at, loss_of, settings, recipe.run, report)
    out = recipe.run / "hf"
    model.save_pretrained(out)
    shutil.copy(folder / "tokenizer.json", out / "tokenizer.json")
    return out


def student(recipe: QuipRecipe) -> tuple[QuipModel, Path]:
    """The network before its first step, and the folder that its tokenizer lies in."""
    folder = base_folder(recipe.base)
    model = QuipModel.from_pretrained(folder, recipe.pooling)
    stack: Any = getattr(model.encoder, "encoder", None)
    if recipe.layers is not None:
        keep_layers(model.encoder, recipe.layers)
    if recipe.freeze_words:
        model.encoder.get_input_embeddings().weight.requires_grad_(False)
    for layer in stack.layer[: recipe.freeze_layers] if stack is not None else ():
        layer.requires_grad_(False)
    if recipe.checkpointing:
        model.encoder.gradient_checkpointing_enable()
    return model, folder


def span_loss(
    tokens: torch.Tensor, batch: Any, vectors: dict[str, torch.Tensor], *, concat: bool, spread: bool = False
) -> tuple[torch.Tensor, dict[str, float]]:
    """Sum of the start and end losses of a batch (``data.batch_of``), and how often the best start is the label's."""
    total = torch.zeros((), device=tokens.device)
    figures = {}
    for side, asked in vectors.items():
        logits = token_logits(tokens, batch["mask"], asked, batch["passage"], concat=concat)
        places, weights = batch[f"{side}_places"], batch[f"{side}_weights"]
        if concat:
            places = places + batch["passage"].unsqueeze(1) * tokens.shape[1]
        total = total + distillation(logits, places, weights, spread=spread)
        if side == "start":
            with torch.no_grad():
                gold = places.gather(1, weights.argmax(1, keepdim=True)).squeeze(1)
                figures["start_accuracy"] = (logits.argmax(1) == gold).float().mean().item()
    return total, figures


def _moved(model: QuipModel, kept: torch.nn.Module, asked: torch.Tensor, batch: Any, bf16: bool) -> torch.Tensor:
    """How far the mean-pooled vectors of questions and sentences have turned: mean of 1 - cosine."""
    with half_precision(bf16):
        sentences = model.tokens(batch["sentence_ids"], batch["sentence_mask"])
        with torch.no_grad():
            before = [
                kept(input_ids=batch[f"{kind}_ids"], attention_mask=batch[f"{kind}_mask"]).last_hidden_state
                for kind in ("question", "sentence")
            ]
    losses = [
        1 - torch.cosine_similarity(mean_of(now.float(), mask), mean_of(then.float(), mask), dim=-1)
        for now, then, mask in zip(
            (asked, sentences), before, (batch["question_mask"], batch["sentence_mask"]), strict=True
        )
    ]
    return torch.cat(losses).mean()


def _sentences(passage: str, rng: random.Random) -> str:
    """About 25 words of a passage, as long as a key text."""
    words = passage.split()
    first = rng.randrange(max(1, len(words) - 25))
    return " ".join(words[first : first + rng.randint(12, 40)])
