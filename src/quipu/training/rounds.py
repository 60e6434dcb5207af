"""Rounds in which the models label data for one another (self-training).

``mark_answers``: questions whose answer nobody marked (the SQuAD sentence-question pairs) get the reader's span.
The result is JSONL of contexts, one a line: {"group", "text", "source", "asked": [[question, start, end], ...]}.
``ask_spans``: the writer asks about every span that a person asked about, so that the key encoder can learn to bring
the person's question and the stored one together. JSONL: {"group", "pairs": [{question, answer, sentence, generated}]}.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import BertForQuestionAnswering

from quipu.training import corpora
from quipu.training.base import load_tokenizer
from quipu.training.corpora import Asked, Context, compose, cut, sentence_around
from quipu.training.generator.sample import greedy
from quipu.training.generator.train import load_generator
from quipu.training.reader.data import Encoded, batches, collate


@dataclass(frozen=True, slots=True)
class MarkRecipe:
    """Mark the answers of squad_qg with a trained reader; spans under ``threshold`` probability are left out."""

    data: Path
    reader: Path
    out: Path
    threshold: float = 0.2
    longest: int = 16  # word pieces
    tokens_per_batch: int = 16384


def best_spans(
    start: torch.Tensor, end: torch.Tensor, allowed: torch.Tensor, longest: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Best span a row: (first, last, probability, log-odds against no answer), each (B,).

    start, end (B, T) logits; allowed (B, T) bool without token 0. The probability is over all spans and "no answer".
    """
    lowest = -1e4
    none = start[:, 0] + end[:, 0]
    start, end = start.masked_fill(~allowed, lowest), end.masked_fill(~allowed, lowest)
    length = start.shape[1]
    joint = start.unsqueeze(2) + end.unsqueeze(1)  # (B, T, T)
    band = torch.ones(length, length, dtype=torch.bool).triu() & ~torch.ones(length, length, dtype=torch.bool).triu(
        longest
    )
    joint = joint.masked_fill(~band, 2 * lowest).flatten(1)
    best, place = joint.max(dim=1)
    total = torch.logaddexp(torch.logsumexp(joint, dim=1), none)
    return place // length, place % length, (best - total).exp(), best - none


def read_all(
    model: BertForQuestionAnswering, encoded: Sequence[Encoded], tokens_per_batch: int, longest: int
) -> list[tuple[int, int, float, float]]:
    """(first token, last token, probability, score) of each example, in order."""
    found: list[tuple[int, int, float, float]] = [(0, 0, 0.0, 0.0)] * len(encoded)
    model.eval()
    for batch in batches(encoded, tokens_per_batch, 0):
        tensors = collate([encoded[index] for index in batch])
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            out = model(input_ids=tensors["ids"], attention_mask=tensors["mask"], token_type_ids=tensors["types"])
        allowed = tensors["allowed"].clone()
        allowed[:, 0] = False
        rows = best_spans(out.start_logits.float(), out.end_logits.float(), allowed, longest)
        for index, first, last, probability, score in zip(batch, *(row.tolist() for row in rows), strict=True):
            found[index] = (first, last, probability, score)
    return found


def mark_answers(recipe: MarkRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Write the contexts of squad_qg with the answers that the reader marks."""
    model = BertForQuestionAnswering.from_pretrained(recipe.reader)
    tokenizer = load_tokenizer(recipe.reader)
    contexts = corpora.squad_qg(recipe.data)
    jobs = [(index, asked.question) for index, context in enumerate(contexts) for asked in context.asked]
    encodings = tokenizer.encode_batch([(question, contexts[index].text) for index, question in jobs])
    encoded = [Encoded(item.ids[:320], item.type_ids.index(1), 0, 0) for item in encodings]
    marked: dict[int, list[Asked]] = {}
    kept = 0
    answers = read_all(model, encoded, recipe.tokens_per_batch, recipe.longest)
    for (index, question), encoding, (first, last, probability, score) in zip(jobs, encodings, answers, strict=True):
        if probability < recipe.threshold or score < 0:
            continue
        start, end = encoding.offsets[first][0], encoding.offsets[last][1]
        marked.setdefault(index, []).append(Asked(question, start, end))
        kept += 1
    recipe.out.parent.mkdir(parents=True, exist_ok=True)
    with recipe.out.open("w", encoding="utf-8") as file:
        for index, context in enumerate(contexts):
            write_context(file, Context(context.group, context.text, tuple(marked.get(index, ())), context.source))
    report({"asked": len(jobs), "marked": kept})
    return recipe.out


def write_context(file: Any, context: Context) -> None:
    """One line of the exchange format of this module."""
    asked = [[item.question, item.start, item.end, *([item.answer] if item.answer else ())] for item in context.asked]
    row = {"group": context.group, "text": context.text, "source": context.source, "asked": asked}
    file.write(json.dumps(row, ensure_ascii=False) + "\n")


@dataclass(frozen=True, slots=True)
class AskRecipe:
    """Ask about the spans of the marked contexts and of QAMR, FairytaleQA and PolicyQA with a trained writer."""

    data: Path
    writer: Path
    marked: Path
    out: Path
    words: int = 60
    every: int = 3  # contexts a passage; its neighbours fill it
    per_passage: int = 8


def ask_spans(recipe: AskRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Write the passages with each human question, its answer, its sentence, and the writer's question."""
    model, tokenizer = load_generator(recipe.writer), load_tokenizer(recipe.writer, 256)
    rng = random.Random(13)
    sets = [corpora.read_contexts(recipe.marked), corpora.qamr(recipe.data), corpora.fairytaleqa(recipe.data)]
    sets.append(corpora.policyqa(recipe.data))
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
        spans = [[(item.start, item.end) for item in chosen] for _, chosen in batch]
        written = greedy(model, tokenizer, [context.text for context, _ in batch], spans)
        for index, (context, chosen), questions in zip(order[first : first + 24], batch, written, strict=True):
            pairs = [
                {
                    "question": item.question,
                    "answer": context.text[item.start : item.end],
                    "sentence": sentence_around(context.text, item.start, item.end),
                    "generated": question.rstrip("? ") + "?",
                }
                for item, question in zip(chosen, questions, strict=True)
                if question
            ]
            rows[index] = json.dumps({"group": context.group, "pairs": pairs}, ensure_ascii=False)
        report({"passages": first + len(batch), "of": len(jobs)})
    recipe.out.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return recipe.out
