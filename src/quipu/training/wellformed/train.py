"""Train the judge of questions: ``quipu train recipes/mini/wellformed.toml``."""

from __future__ import annotations

import json
import logging
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from quipu.datasets.sentences import read_rated
from quipu.errors import ExportMismatch
from quipu.evaluation.metrics import threshold_accuracy
from quipu.training.base import base_folder, load_tokenizer
from quipu.training.loop import LoopSettings, fit
from quipu.training.wellformed.data import Encoded, batches, collate, encode
from quipu.training.wellformed.model import WellformedModel, from_base, share_loss

TOLERANCE = 1e-3  # largest difference of a probability between torch and ONNX Runtime, both float32


@dataclass(frozen=True, slots=True)
class WellformedRecipe:
    """Every number of a run. ``data`` holds query_wellformedness/train.tsv.gz and dev.tsv.gz."""

    data: Path
    run: Path
    base: str = "minilm"
    epochs: int = 3
    batch: int = 64
    max_length: int = 40
    freeze_words: bool = True
    limit: int | None = None  # queries of the train part, for a trial
    loop: dict[str, Any] = field(default_factory=dict)


def run(recipe: WellformedRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Train, measure on dev, export; leaves ``recipe.run``/onnx with model.onnx, tokenizer.json, wellformed.json."""
    torch.manual_seed(13)
    folder = base_folder(recipe.base)
    tokenizer = load_tokenizer(folder, recipe.max_length)
    model = from_base(folder, freeze_words=recipe.freeze_words)
    rows = read_rated(recipe.data / "query_wellformedness" / "train.tsv.gz")[: recipe.limit]
    encoded = encode(tokenizer, rows)
    order = [batch for epoch in range(recipe.epochs) for batch in batches(encoded, recipe.batch, epoch)]

    def loss_of(batch: Any) -> tuple[torch.Tensor, dict[str, float]]:
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(batch["ids"], batch["mask"])
        return share_loss(logits, batch["share"]), {}

    settings = LoopSettings(**{"steps": len(order), **recipe.loop})
    fit(model, lambda step: collate([encoded[index] for index in order[step]]), loss_of, settings, recipe.run, report)
    dev = encode(tokenizer, read_rated(recipe.data / "query_wellformedness" / "dev.tsv.gz"))
    figures = measure(predict(model, dev), [item.share for item in dev])
    report({"stage": "dev", **figures})
    return export(model, recipe, folder, dev[:64], figures)


@torch.no_grad()
def predict(model: WellformedModel, encoded: Sequence[Encoded], size: int = 256) -> list[float]:
    """The probability of each query, in order, computed in float32."""
    model.eval()
    made = [0.0] * len(encoded)
    order = sorted(range(len(encoded)), key=lambda index: len(encoded[index].ids))
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        batch = collate([encoded[index] for index in rows])
        for index, value in zip(rows, model(batch["ids"], batch["mask"]).sigmoid().tolist(), strict=True):
            made[index] = value
    return made


def measure(predicted: Sequence[float], given: Sequence[float]) -> dict[str, float]:
    """Accuracy on dev, labels cut at 0.8 as in Faruqui and Das (2018), beside the share of the larger class.

    ``accuracy@0.8`` cuts predictions at 0.8 too, ``accuracy@0.5`` cuts both at 0.5, ``accuracy@0.5/0.8`` cuts
    predictions at 0.5 and labels at 0.8.
    """
    well = sum(share >= 0.8 - 1e-6 for share in given) / len(given)
    return {
        "n": float(len(given)),
        "accuracy@0.8": threshold_accuracy(predicted, given, threshold=0.8),
        "accuracy@0.5": threshold_accuracy(predicted, given, threshold=0.5),
        "accuracy@0.5/0.8": threshold_accuracy(predicted, given, threshold=0.5, given_threshold=0.8),
        "majority@0.8": max(well, 1 - well),
        "mean_absolute_error": float(np.abs(np.subtract(predicted, given)).mean()),
        "mean_label": float(np.mean(given)),
        "mean_prediction": float(np.mean(predicted)),
    }


def export(
    model: WellformedModel, recipe: WellformedRecipe, base: Path, sample: Sequence[Encoded], figures: dict[str, float]
) -> Path:
    """Write the ONNX model, compare it with torch on ``sample``, and only then the card that makes it usable."""
    import onnxruntime

    out = recipe.run / "onnx"
    out.mkdir(parents=True, exist_ok=True)
    model.eval()
    batch = collate(sample[:2])
    with warnings.catch_warnings():
        # The exporter warns of its own internals and of torchvision, which is not needed.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        torch.onnx.export(
            model, (batch["ids"], batch["mask"]), str(out / "model.onnx"), dynamo=True, external_data=False,
            verbose=False, input_names=["ids", "mask"], output_names=["logits"],
            dynamic_shapes={"ids": {0: "rows", 1: "tokens"}, "mask": {0: "rows", 1: "tokens"}},
        )  # fmt: skip
    shutil.copy(base / "tokenizer.json", out / "tokenizer.json")
    session = onnxruntime.InferenceSession(str(out / "model.onnx"), providers=["CPUExecutionProvider"])
    whole = collate(sample)
    (logits,) = session.run(None, {"ids": whole["ids"].numpy(), "mask": whole["mask"].numpy()})
    with torch.no_grad():
        wanted = model(whole["ids"], whole["mask"]).sigmoid().numpy()
    worst = float(np.abs(1 / (1 + np.exp(-logits)) - wanted).max())
    if worst > TOLERANCE:
        raise ExportMismatch(f"{out}: exported probabilities differ by {worst:.2g}, at most {TOLERANCE} is allowed")
    card = {"max_length": recipe.max_length, "lower_case": True, "dev": figures, "recipe": str(recipe)}
    (out / "wellformed.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return out
