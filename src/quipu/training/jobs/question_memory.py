"""People's questions over a memory that quipu makes: ``quipu train recipes/mini/qamat/1-remember.toml``.

The passages that people asked about become documents, the memory is built of them as a user's would be, and their
questions are asked of it: what a reader of memories meets later. No passage is on both sides of the split into
training and held-out questions, and the reranker has seen none of the held-out ones.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import quipu
from quipu.text import exact_match
from quipu.training.jobs.memories import built
from quipu.training.qamat.data import MemoryExample, asked, write_examples
from quipu.training.quip.data import passages_of
from quipu.training.quip.teacher import sources
from quipu.training.reranker.data import held_out

_ASKED = 2048  # questions whose pairs are searched at once


@dataclass(frozen=True, slots=True)
class RememberRecipe:
    """``files`` and ``sets``: as in ``label``; only questions whose answer is marked are taken.

    ``least``: questions of a passage; one with fewer is left out. ``held``: share of passages held out. Questions that
    none of the best ``k`` pairs answers are left out of training, not of what is held out.
    """

    run: Path
    files: tuple[Path, ...] = ()
    data: Path | None = None
    sets: tuple[str, ...] = ()
    words: tuple[int, ...] = (60, 120)  # a passage
    per_passage: int = 24
    least: int = 2
    held: float = 0.1
    k: int = 8
    limit: int | None = None  # passages
    seed: int = 13


def run(recipe: RememberRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Write run/questions.jsonl and run/held.jsonl, build run/memory.quipu (a killed run continues); returns it."""
    rng = random.Random(recipe.seed)
    passages = list(_passages(recipe))
    rng.shuffle(passages)
    passages = passages[: recipe.limit]
    recipe.run.mkdir(parents=True, exist_ok=True)
    documents, path = recipe.run / "documents.jsonl", recipe.run / "memory.quipu"
    lines = [json.dumps({"id": f"{at:05d}", "text": text}, ensure_ascii=False) for at, (text, _) in enumerate(passages)]
    documents.write_text("\n".join(lines) + "\n", encoding="utf-8")
    questions: list[MemoryExample] = []
    held: list[MemoryExample] = []
    for _, some in passages:
        if rng.random() < recipe.held:
            held += [item for item in some if held_out(item.question)]
        else:
            questions += some
    rng.shuffle(questions)
    write_examples(recipe.run / "held.jsonl", held)
    with built(path, [documents], report) as memory:
        count = write_examples(recipe.run / "questions.jsonl", _found(questions, memory, recipe.k, report))
    report({"doing": "examples", "kept": count, "of": len(questions), "held": len(held)})
    return path


def _passages(recipe: RememberRecipe) -> Iterator[tuple[str, list[MemoryExample]]]:
    for _, contexts in sources(recipe.files, recipe.sets, recipe.data):
        for item in passages_of(
            contexts, words=(recipe.words[0], recipe.words[1]), per_passage=recipe.per_passage, foreign=0.0,
            seed=recipe.seed,
        ):  # fmt: skip
            marked = [asked(soft.question, [item.passage[slice(*soft.span)]]) for soft in item.questions if soft.span]
            if len(marked) >= recipe.least:
                yield item.passage, marked


def _found(
    questions: list[MemoryExample], memory: quipu.Memory, k: int, report: Callable[[dict[str, Any]], None]
) -> Iterator[MemoryExample]:
    """The questions that one of the best ``k`` pairs answers: from the others a reader of pairs can learn nothing."""
    for first in range(0, len(questions), _ASKED):
        some = questions[first : first + _ASKED]
        hits = memory.search_many([item.question for item in some], k, method="vector")
        for item, line in zip(some, hits, strict=True):
            if any(exact_match(hit.pair.answer, item.answers) for hit in line):
                yield item
        report({"doing": "questions", "done": first + len(some), "of": len(questions)})
