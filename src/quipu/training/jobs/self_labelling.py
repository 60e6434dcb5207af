"""Rounds in which the models make data for one another.

Contexts are exchanged as JSONL, one a line: {"group", "text", "source", "asked": [[question, start, end], ...]}.
``ask_spans``: the writer asks about every span that a person asked about, so that the key encoder can learn to bring
the person's question and the stored one together. JSONL: {"group", "pairs": [{question, answer, sentence, generated}]}.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quipu.datasets import published
from quipu.datasets.contexts import Context, compose, cut, sentence_around
from quipu.models.bundle import LANGUAGE_MODEL, Models
from quipu.records import Span


def write_context(file: Any, context: Context) -> None:
    """One line of the exchange format of this module."""
    asked = [[item.question, item.start, item.end, *([item.answer] if item.answer else ())] for item in context.asked]
    row = {"group": context.group, "text": context.text, "source": context.source, "asked": asked}
    file.write(json.dumps(row, ensure_ascii=False) + "\n")


@dataclass(frozen=True, slots=True)
class AskRecipe:
    """Ask about the spans of the marked contexts and of QAMR, FairytaleQA and PolicyQA; ``writer``: name or folder."""

    data: Path
    marked: Path
    out: Path
    writer: str = LANGUAGE_MODEL
    words: int = 60
    every: int = 3  # contexts a passage; its neighbours fill it
    per_passage: int = 8


def ask_spans(recipe: AskRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Write the passages with each human question, its answer, its sentence, and the writer's question."""
    writer, rng = Models(writer=recipe.writer).writer(), random.Random(13)
    sets = [published.read_contexts(recipe.marked), published.qamr(recipe.data), published.fairytaleqa(recipe.data)]
    sets.append(published.policyqa(recipe.data))
    jobs = []
    for contexts in sets:
        for index in range(0, len(contexts), recipe.every):
            composed = cut(compose(contexts, index, recipe.words, rng), 2 * recipe.words, rng)
            marked = list({(item.start, item.end): item for item in composed.asked if item.start >= 0}.values())
            if marked:
                chosen = rng.sample(marked, min(recipe.per_passage, len(marked)))
                jobs.append((composed, chosen))
    recipe.out.parent.mkdir(parents=True, exist_ok=True)
    order = sorted(range(len(jobs)), key=lambda index: len(jobs[index][0].text))
    rows: list[str] = [""] * len(jobs)
    for first in range(0, len(order), 24):
        batch = [jobs[index] for index in order[first : first + 24]]
        spans = [[Span(item.start, item.end) for item in chosen] for _, chosen in batch]
        questions = writer.write([context.text for context, _ in batch], spans)
        for index, (context, chosen), written in zip(order[first : first + 24], batch, questions, strict=True):
            pairs = [
                {
                    "question": item.question,
                    "answer": context.text[item.start : item.end],
                    "sentence": sentence_around(context.text, item.start, item.end),
                    "generated": best[0].question,
                }
                for item, best in zip(chosen, written, strict=True)
                if best
            ]
            rows[index] = json.dumps({"group": context.group, "pairs": pairs}, ensure_ascii=False)
        report({"passages": first + len(batch), "of": len(jobs)})
    recipe.out.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return recipe.out
