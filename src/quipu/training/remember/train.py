"""Labelled passages to a memory and questions about it: ``quipu train recipes/mini/qamat/1-remember.toml``.

A part of each passage's questions becomes pairs, with the teacher's best span as answer. All are kept as questions to
fine-tune on, those of pairs without that pair, so that the memory can answer only by another. No passage is on both
sides of the split into training and held-out questions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from quipu.corpus.passages import sentences
from quipu.memory.store import Store
from quipu.models.encoder import Encoder
from quipu.models.keys import key_text
from quipu.records import Document, Passage, QAPair, Span
from quipu.text import normalize_answer
from quipu.training.qamat.data import MASK, MemoryExample, asked, write_examples
from quipu.training.qamat.memory import stored
from quipu.training.quip.data import NO_ANSWER, LabelledFiles, Soft

_BATCH = 64
_ASKED = 2048  # questions whose pairs are searched at once
_LONGEST = 80  # characters of an answer


@dataclass(frozen=True, slots=True)
class RememberRecipe:
    """``remembered``: share of a passage's questions that become pairs. ``held``: share of passages held out.

    Of the questions whose answer none of the best ``k`` pairs has, a reader can learn little: so many of a hundred
    others (``hopeless``) are kept.
    """

    run: Path
    labelled: tuple[Path, ...]
    encoder: str = "quipu-mini/encoder"
    remembered: float = 0.6
    held: float = 0.03
    k: int = 16
    hopeless: float = 0.05
    sure: float = 0.3  # least probability of the teacher's best start and end
    limit: int | None = None
    seed: int = 13


def run(recipe: RememberRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Write run/memory.quipu, run/questions.jsonl and run/held.jsonl; returns the memory's folder."""
    items = LabelledFiles(recipe.labelled, limit=recipe.limit, seed=recipe.seed)
    encoder = Encoder(recipe.encoder)
    rng = random.Random(recipe.seed)
    questions: list[MemoryExample] = []
    held: list[MemoryExample] = []
    held_documents: set[str] = set()
    names = {encoder.name: encoder.sha256}
    path = recipe.run / "memory.quipu"
    with Store.create(path, width=encoder.width, models=names, settings={"encoder": recipe.encoder}) as store:
        batch: list[tuple[QAPair, str]] = []
        for at in range(len(items)):
            item = items[at]
            document = Document.make(f"passage-{at}", "", item.passage)
            store.add_documents([document], [Passage.make(document, Span(0, len(item.passage)))])
            out = questions
            if rng.random() < recipe.held:
                out = held
                held_documents.add(document.id)
            marks = sentences(item.passage)
            for soft, span in _answered(item.questions, recipe.sure):
                answer = item.passage[span.start : span.end]
                if rng.random() < recipe.remembered:
                    around = next((mark for mark in marks if mark.start <= span.start < mark.end), None)
                    text = item.passage[around.start : around.end] if around else ""
                    pair = QAPair.make(soft.question, answer, document_id=document.id, span=span, origin="generated")
                    batch.append((pair, key_text(soft.question, answer, text)))
                else:
                    out.append(asked(soft.question, [answer]))
            if len(batch) >= _BATCH or at + 1 == len(items):
                texts = [text for _, text in batch]
                if batch:
                    store.add([pair for pair, _ in batch], encoder.encode(texts), texts)
                batch = []
            if (at + 1) % 500 == 0:
                report({"doing": "passages", "done": at + 1, "of": len(items)})
        report({"doing": "memory", "pairs": store.count(), "questions": len(questions), "held": len(held)})
        write_examples(recipe.run / "held.jsonl", held)
        questions += [
            asked(pair.question, [pair.answer], without=[row])
            for row, pair in store.pairs() if pair.document_id not in held_documents
        ]  # fmt: skip
        count = write_examples(recipe.run / "questions.jsonl", _worth(questions, store, encoder, recipe, rng, report))
        report({"doing": "examples", "kept": count})
    return path


def _worth(
    questions: list[MemoryExample],
    store: Store,
    encoder: Encoder,
    recipe: RememberRecipe,
    rng: random.Random,
    report: Callable[[dict[str, Any]], None],
) -> Iterator[MemoryExample]:
    """Questions with the rows among the best ``k`` that have the answer, and a few for which there are none."""
    memory = stored(store, "cpu")
    kept = 0
    for first in range(0, len(questions), _ASKED):
        some = questions[first : first + _ASKED]
        keys = torch.from_numpy(encoder.encode([item.x.removeprefix(MASK).strip() for item in some]))
        places, _ = memory.search(keys, recipe.k + 1)
        for item, found in zip(some, memory.rows[places.numpy()].tolist(), strict=True):
            wanted = normalize_answer(item.answers[0])
            line = [row for row in found if row not in item.without][: recipe.k]
            pairs = zip(line, store.pairs_by_rows(line), strict=True)
            right = tuple(row for row, pair in pairs if pair is not None and normalize_answer(pair.answer) == wanted)
            if right or rng.random() < recipe.hopeless:
                kept += 1
                yield replace(item, positives=right)
        report({"doing": "questions", "done": first + len(some), "of": len(questions), "kept": kept})


def _answered(questions: tuple[Soft, ...], sure: float) -> Iterator[tuple[Soft, Span]]:
    """Questions that the teacher answers with enough certainty, with the span."""
    for soft in questions:
        starts = [(p, at) for at, p in soft.start if at != NO_ANSWER]
        ends = [(p, at) for at, p in soft.end if at != NO_ANSWER]
        found = max(
            ((left * right, start, end) for left, start in starts for right, end in ends
             if start < end <= start + _LONGEST),
            default=None,
        )  # fmt: skip
        if found is not None and found[0] >= sure**2:
            yield soft, Span(found[1], found[2])
