"""Train the reader: ``quipu train recipes/mini/reader.toml``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from quipu.datasets import published
from quipu.datasets.io import read_jsonl
from quipu.training.base import base_folder, device, half_precision, load_tokenizer
from quipu.training.loop import LoopSettings, fit
from quipu.training.reader.data import Encoded, ReaderExample, batches, collate, encode, examples
from quipu.training.reader.model import reader_from_base, span_loss


@dataclass(frozen=True, slots=True)
class ReaderRecipe:
    """Every number of a reader run; ``pseudo`` names a file of examples that earlier models labelled.

    ``data``: the folder of the public sets; ``files``: SQuAD JSON (of 2.0 the unanswerable too) or MRQA JSONL.
    """

    run: Path
    data: Path | None = None
    files: tuple[Path, ...] = ()
    base: str = "minilm"
    pseudo: Path | None = None
    epochs: int = 1
    tokens_per_batch: int = 4096
    max_length: int = 320
    words: tuple[int, ...] = (20, 120)
    qamr_per_sentence: int = 20
    per_context: int = 20  # questions of a context of ``files``
    negatives: float = 0.12
    freeze_words: bool = True
    loop: dict[str, Any] = field(default_factory=dict)


def read_pseudo(path: Path) -> list[ReaderExample]:
    """Examples written by ``quipu.training.jobs.self_labelling``: JSONL with question, passage, start, end."""
    return [ReaderExample(row["question"], row["passage"], row["start"], row["end"]) for row in read_jsonl(path)]


def training_examples(recipe: ReaderRecipe, epoch: int) -> list[ReaderExample]:
    """All sets of one epoch; passages are composed anew each time."""
    words = (recipe.words[0], recipe.words[1])
    seed = 1000 * epoch + 13
    made: list[ReaderExample] = []
    sets = [(published.read_contexts(path), recipe.per_context) for path in recipe.files]
    if recipe.data is not None:
        sets += [
            (published.qamr(recipe.data), recipe.qamr_per_sentence),
            (published.fairytaleqa(recipe.data), 3),
            (published.policyqa(recipe.data), 6),
            (published.musique_steps(recipe.data), 1),
        ]
    for contexts, per_context in sets:
        made += examples(contexts, seed=seed, words=words, per_context=per_context, negatives=recipe.negatives)
    for path in recipe.files:
        made += [ReaderExample(question, passage, -1, -1) for question, passage in published.unanswerable(path)]
    if recipe.pseudo is not None:
        made += read_pseudo(recipe.pseudo)
    return made


def run(recipe: ReaderRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Train and leave a Hugging Face folder (``AutoModelForQuestionAnswering``) in ``recipe.run``/hf."""
    torch.manual_seed(13)
    folder = base_folder(recipe.base)
    tokenizer = load_tokenizer(folder)
    model = reader_from_base(folder, freeze_words=recipe.freeze_words).to(device())
    typed = getattr(model.config, "type_vocab_size", 0) == 2
    data: list[Encoded] = []
    order: list[list[int]] = []
    for epoch in range(recipe.epochs):
        encoded = encode(tokenizer, training_examples(recipe, epoch), recipe.max_length)
        order += [[len(data) + index for index in batch] for batch in batches(encoded, recipe.tokens_per_batch, epoch)]
        data += encoded

    def batch_at(step: int) -> dict[str, torch.Tensor]:
        return {name: value.to(device()) for name, value in collate([data[index] for index in order[step]]).items()}

    def loss_of(batch: Any) -> tuple[torch.Tensor, dict[str, float]]:
        types = {"token_type_ids": batch["types"]} if typed else {}
        with half_precision():
            out = model(input_ids=batch["ids"], attention_mask=batch["mask"], **types)
        loss = span_loss(out.start_logits, out.end_logits, batch["allowed"], batch["start"], batch["end"])
        with torch.no_grad():
            lowest = torch.finfo(torch.float32).min
            guess = out.start_logits.float().masked_fill(~batch["allowed"], lowest).argmax(-1)
            right = (guess == batch["start"]).float().mean().item()
        return loss, {"start_accuracy": right}

    settings = LoopSettings(**{"steps": len(order), **recipe.loop})
    fit(model, batch_at, loss_of, settings, recipe.run, report)
    out = recipe.run / "hf"
    model.save_pretrained(out)
    shutil.copy(folder / "tokenizer.json", out / "tokenizer.json")
    (out / "recipe.json").write_text(json.dumps({"recipe": str(recipe), "examples": len(data)}, indent=1))
    return out
