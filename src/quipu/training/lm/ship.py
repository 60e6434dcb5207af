"""A trained model to a folder that runs without torch, through a gate: ``quipu train recipes/small/export.toml``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quipu.datasets import written
from quipu.datasets.written import WrittenPassage
from quipu.errors import ExportMismatch
from quipu.models.lm.model import LanguageModel
from quipu.text import normalize_answer
from quipu.training.lm.export import ExportOptions, calibration_texts, export_language_model
from quipu.training.lm.speaker import Speaker

_CARD = """# {name}, version {version}

{about}

- kind: language-model; files and their sha256 are in model.json
- licence: Apache-2.0; training data and their licences are in NOTICE
- export: ONNX, weights of {bits} bits at rest, one scale per token for activations. Of {asked} questions it answers
  {same:.1%} with the same words as the trained model; for {judged:.1%} both agree whether anything answers
- limits: English; small, so it errs where a large model would not. It knows nothing that does not stand in the passage
"""


@dataclass(frozen=True, slots=True)
class LmShipRecipe:
    """``pairs``: written pairs, on some of whose passages weights are rounded and others are compared."""

    checkpoint: Path  # a Hugging Face folder of Llama's kind with the markers (train = "lm" or "lm.base")
    out: Path
    name: str
    version: str
    about: str  # what it was trained from and on, for the card
    pairs: Path
    rounded_on: int = 48  # passages
    compared: int = 48  # passages, of which no weight was rounded
    least: float = 0.8  # share of answers that are the same
    bits: int = 6
    table_bits: int | None = None  # of the embeddings; None: the same


def run(recipe: LmShipRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Export, compare, write the card; ExportMismatch where the exported model answers otherwise."""
    passages = [passage for passage in written.read(recipe.pairs) if passage.kept()]
    step = max(2, len(passages) // max(recipe.rounded_on, recipe.compared, 1))
    lines = [json.dumps(passage.pruned().to_json()) for passage in passages[::step][: recipe.rounded_on]]
    export_language_model(
        recipe.checkpoint,
        recipe.out,
        name=recipe.name,
        version=recipe.version,
        texts=calibration_texts(lines, recipe.rounded_on),
        options=ExportOptions(bits=recipe.bits, table_bits=recipe.table_bits),
        progress=lambda line: report({"doing": line}),
    )
    figures = compared(recipe.checkpoint, recipe.out, passages[1::step][: recipe.compared])
    report(figures)
    if figures["same"] < recipe.least:
        raise ExportMismatch(
            f"{recipe.out}: only {figures['same']:.0%} of the answers are those of {recipe.checkpoint}, "
            f"{recipe.least:.0%} are needed"
        )
    card = _CARD.format(
        name=recipe.name, version=recipe.version, about=recipe.about.strip(), bits=recipe.bits, **figures
    )
    (recipe.out / "README.md").write_text(card, encoding="utf-8")
    return recipe.out


def compared(checkpoint: Path, exported: Path, passages: Sequence[WrittenPassage]) -> dict[str, Any]:
    """How often both models answer the kept questions of the passages in the same words, or agree that nothing does."""
    questions = [[pair.question for pair in passage.kept()] for passage in passages]
    trained = Speaker(checkpoint).read([(passage.title, passage.text) for passage in passages], questions)
    ran = LanguageModel.from_pretrained(exported).read_many(
        [passage.text for passage in passages], questions, titles=[passage.title or None for passage in passages]
    )
    pairs = [
        (normalize_answer(left.text), normalize_answer(right.text))
        for some, other in zip(trained, ran, strict=True)
        for left, right in zip(some, other, strict=True)
    ]
    count = max(1, len(pairs))
    return {
        "asked": len(pairs),
        "same": sum(left == right for left, right in pairs) / count,
        "judged": sum(bool(left) == bool(right) for left, right in pairs) / count,
    }
