"""``quipu train recipes/mini/quip/1-questions.toml``: the writer that ships asks about any passages.

The result has the form of ``quipu.training.jobs.self_labelling``: contexts with questions and the spans that they were
made from.
Nothing is filtered (QuIP section 3.1): the teacher says later where the answer stands, if it does.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quipu.datasets import published
from quipu.datasets.contexts import Asked, Context
from quipu.datasets.io import read_jsonl
from quipu.models.bundle import LANGUAGE_MODEL, Models
from quipu.training.jobs.self_labelling import write_context

BATCH = 16


@dataclass(frozen=True, slots=True)
class QuestionsRecipe:
    """``texts``: JSONL with a "text" a line; without it, the prose of the public data sets."""

    data: Path
    out: Path
    texts: Path | None = None
    writer: str = LANGUAGE_MODEL
    passages: int = 4000
    words: int = 110  # a longer text is cut
    per_passage: int = 10
    seed: int = 13


def run(recipe: QuestionsRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Ask about ``passages`` texts, chosen by the seed; an interrupted run goes on where it stopped."""
    models, rng = Models(writer=recipe.writer), random.Random(recipe.seed)
    if recipe.texts is not None:
        texts = [row["text"] for row in read_jsonl(recipe.texts)]
    else:
        texts = published.prose(recipe.data)
    texts = [" ".join(text.split()[: recipe.words]) for text in texts if len(text.split()) >= 25]
    texts = rng.sample(texts, min(recipe.passages, len(texts)))
    recipe.out.parent.mkdir(parents=True, exist_ok=True)
    done = sum(1 for _ in read_jsonl(recipe.out)) if recipe.out.exists() else 0
    with recipe.out.open("a", encoding="utf-8") as file:
        for first in range(done, len(texts), BATCH):
            some = texts[first : first + BATCH]
            found = models.extractor().extract(some, limit=recipe.per_passage)
            spans = [[item.span for item in candidates] for candidates in found]
            for text, marked, written in zip(some, spans, models.writer().write(some, spans), strict=True):
                asked = [
                    Asked(best[0].question, span.start, span.end)
                    for span, best in zip(marked, written, strict=True)
                    if best
                ]
                write_context(file, Context(f"{recipe.out.stem}:{first}", text, tuple(asked), "generated"))
            file.flush()
            report({"passages": first + len(some), "of": len(texts)})
    return recipe.out
