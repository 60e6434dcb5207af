"""``quipu train recipes/mini/ship-*.toml``: export a checkpoint through the gate, with its card."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quipu.datasets import published, trivia
from quipu.datasets.io import read_jsonl
from quipu.errors import SettingsError
from quipu.storage.reading import given
from quipu.storage.store import Store
from quipu.training.base import base_folder
from quipu.training.export.cards import write_card
from quipu.training.export.memory_reader import Asked, export_memory_encoder, export_memory_reader
from quipu.training.export.onnx import add_codebook, export_encoder, export_reader
from quipu.training.export.reranker import export_reranker
from quipu.training.extractor.export import export_extractor
from quipu.training.qamat.data import ExampleFiles
from quipu.training.qamat.memory import stored
from quipu.training.qamat.train import load, memory_queries
from quipu.training.reader.data import examples
from quipu.training.verifier.export import export_verifier
from quipu.training.verifier.train import read_examples


@dataclass(frozen=True, slots=True)
class ShipRecipe:
    """What to export and where to; ``compared`` texts go through the gate."""

    data: Path
    kind: str  # encoder, extractor, reader, memory-reader, memory-encoder, reranker or verifier
    checkpoint: str  # a folder, or "minilm"
    out: Path
    version: str
    about: str  # what it was trained on, for the card
    compared: int = 100
    words_from: str | None = None  # of an encoder, an extractor or a reader: what holds the same word table
    codebook: int = 0  # of an encoder with heads: bytes a token; 0: none
    groups: Path | None = None  # of a reranker's run: what it is compared on
    held: Path | None = None  # of a verifier's run: the claims it is compared on
    memory: Path | None = None  # of a memory reader: a run of ``remember``, whose held-out questions it is compared on


def run(recipe: ShipRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Export, compare, write the card; raises ExportMismatch where the exported model answers otherwise."""
    checkpoint = base_folder(recipe.checkpoint) if recipe.checkpoint == "minilm" else Path(recipe.checkpoint)
    named = {"name": f"{recipe.out.parent.name.replace('_', '-')}/{recipe.out.name}", "version": recipe.version}
    rng = random.Random(13)
    if recipe.kind == "encoder":
        texts = rng.sample([question for question, _ in trivia.read(recipe.data)], recipe.compared)
        figures = export_encoder(checkpoint, recipe.out, texts=texts, **named, words_from=recipe.words_from)
        if recipe.codebook:
            prose = [" ".join(text.split()[:110]) for text in rng.sample(published.prose(recipe.data), 600)]
            contexts = published.qamr(recipe.data) + published.fairytaleqa(recipe.data)
            questions = rng.sample([item.question for context in contexts for item in context.asked], 3000)
            figures |= add_codebook(recipe.out, prose, questions, recipe.codebook)
    elif recipe.kind == "extractor":
        texts = [" ".join(text.split()[:110]) for text in rng.sample(published.prose(recipe.data), recipe.compared)]
        figures = export_extractor(checkpoint, recipe.out, texts=texts, **named, words_from=recipe.words_from)
    elif recipe.kind == "reader":
        made = examples(published.qamr(recipe.data), seed=5, words=(60, 120), per_context=1, negatives=0.0)
        asked = [(item.question, item.passage) for item in made[: recipe.compared]]
        figures = export_reader(checkpoint, recipe.out, asked=asked, **named, words_from=recipe.words_from)
    elif recipe.kind == "reranker":
        if recipe.groups is None:
            raise SettingsError("a reranker is compared on its groups: set groups to the groups.jsonl of its run")
        groups = [
            (row["asked"], [(item["question"], item["answer"]) for item in row["candidates"]],
             [item["score"] for item in row["candidates"]])
            for row in rng.sample(list(read_jsonl(recipe.groups)), recipe.compared)
        ]  # fmt: skip
        figures = export_reranker(checkpoint, recipe.out, asked=groups, **named, words_from=recipe.words_from)
    elif recipe.kind == "verifier":
        if recipe.held is None:
            raise SettingsError("a verifier is compared on held-out claims: set held to the held.jsonl of its run")
        claims = [example.claim for example in rng.sample(list(read_examples(recipe.held)), recipe.compared)]
        figures = export_verifier(checkpoint, recipe.out, claims=claims, **named, words_from=recipe.words_from)
    elif recipe.kind == "memory-reader":
        if recipe.memory is None:
            raise SettingsError("a memory reader is compared on held-out questions: set memory to a run of remember")
        asked_of = held_out(recipe.memory, checkpoint, recipe.compared)
        figures = export_memory_reader(checkpoint, recipe.out, asked=asked_of, **named, words_from=recipe.words_from)
    elif recipe.kind == "memory-encoder":
        if recipe.memory is None:
            raise SettingsError("a memory's encoder is compared on questions: set memory to a run of remember")
        held = ExampleFiles([recipe.memory / "held.jsonl"])[: recipe.compared]
        texts = [item.question for item in held]
        figures = export_memory_encoder(checkpoint, recipe.out, texts=texts, **named)
    else:
        known = "encoder, extractor, reader, memory-reader, memory-encoder, reranker or verifier"
        raise SettingsError(f"kind must be {known}, not {recipe.kind!r}")
    report(dict(figures))
    write_card(recipe.out, recipe.about, figures)
    return recipe.out


def held_out(remembered: Path, checkpoint: Path, count: int) -> list[Asked]:
    """Held-out questions of a run of ``remember`` with the pairs that its memory finds for them."""
    _, _, ways = load(checkpoint)
    examples = ExampleFiles([remembered / "held.jsonl"])[:count]
    questions = [item.question for item in examples]
    with Store.open(remembered / "memory.quipu", read_only=True) as store:
        memory = stored(store, "cpu")
        places, _ = memory.search(memory_queries(store)(questions), ways.k)
        found = [
            [pair for pair in store.pairs_by_rows(rows) if pair is not None]
            for rows in memory.rows[places.numpy()].tolist()
        ]
        return list(zip(questions, given(store, found, ways.sentence), strict=True))
