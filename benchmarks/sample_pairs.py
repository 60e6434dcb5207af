"""Pairs drawn at random from a memory, each with its passage, to be read one by one.

    python benchmarks/run.py pairs --sample sample.jsonl --name pairs-run-a --of "run A" [--draw MEMORY]

``--draw`` writes the sample with three empty judgements a pair (well_formed, answerable, right), to be filled with true
or false, and beside it sample.txt to read, with the answer between ** ** in its passage. Without it a filled sample is
counted; one that is not filled to the end is refused.
"""

from __future__ import annotations

import argparse
import random
import textwrap
from pathlib import Path
from typing import Any

import quipu
from common import write_lines
from figures import Figure, Result
from quipu.datasets.io import read_jsonl
from quipu.errors import InputError
from quipu.evaluation.metrics import mean_score

PAIRS = 100  # of a sample
JUDGEMENTS = {"well_formed": 90.0, "answerable": 92.0, "right": 92.0}  # with the goal of each, in per cent


def draw(path: Path, count: int, seed: int) -> list[dict[str, Any]]:
    """``count`` pairs with a place, without replacement, in the order drawn."""
    rows = []
    with quipu.open(path, read_only=True) as memory:
        store = memory.store
        placed = [
            (pair, pair.document_id, pair.span)
            for _, pair in store.pairs()
            if pair.document_id is not None and pair.span is not None
        ]
        drawn = random.Random(seed).sample(placed, min(count, len(placed)))
        for number, (pair, document, span) in enumerate(drawn, start=1):
            passage = store.passage_at(document, span)
            if passage is None:
                raise InputError(f"{path}: the pair {pair.id} stands in no passage; run quipu verify {path}")
            start, end = span.start - passage.span.start, span.end - passage.span.start
            rows.append(
                {
                    "number": number,
                    "pair": pair.id,
                    "question": pair.question,
                    "answer": pair.answer,
                    "title": passage.title,
                    "marked": f"{passage.text[:start]}**{passage.text[start:end]}**{passage.text[end:]}",
                    "filter_score": pair.filter_score,
                    **dict.fromkeys(JUDGEMENTS),
                }
            )
    return rows


def readable(rows: list[dict[str, Any]]) -> str:
    """Number, question, answer and passage of each."""
    parts = []
    for row in rows:
        body = textwrap.fill(row["marked"], 110, initial_indent="   ", subsequent_indent="   ")
        parts.append(f"{row['number']:>3}. {row['question']}\n   -> {row['answer']}      [{row['title']}]\n{body}\n")
    return "\n".join(parts)


def counted(path: Path, of: str) -> list[Figure]:
    """The share of each judgement in a filled sample."""
    rows = list(read_jsonl(path))
    empty = [row["number"] for row in rows if any(not isinstance(row[name], bool) for name in JUDGEMENTS)]
    if empty:
        raise InputError(f"{path}: {len(empty)} pairs are not judged yet, the first is number {empty[0]}")
    return [
        Figure(of, mean_score(f"{name.replace('_', '-')}, %", [float(row[name]) for row in rows], scale=100), goal)
        for name, goal in JUDGEMENTS.items()
    ]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.add_argument("--sample", type=Path, required=True, metavar="FILE", help="the sample, JSONL")
    parser.add_argument("--draw", type=Path, metavar="MEMORY", help="draw it from this memory first, and stop")
    parser.add_argument("--name", required=True, help="of the result, pairs-examples or pairs-run-a")
    parser.add_argument("--of", required=True, help="what the memory was built of, for the table")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(limit=PAIRS)


def run(options: argparse.Namespace) -> Result:
    """Count; with ``--draw`` InputError says what to do with the sample that was drawn."""
    if options.draw is not None:
        rows, text = draw(options.draw, options.limit, options.seed), options.sample.with_suffix(".txt")
        write_lines(options.sample, rows)
        text.write_text(readable(rows), encoding="utf-8")
        raise InputError(f"{len(rows)} pairs drawn: read {text}, fill {options.sample}, and call this without --draw")
    figures = counted(options.sample, options.of)
    title = f"Kept pairs of {options.of}, {figures[0].score.n} drawn at random and read one by one"
    return Result.now(options.name, title, figures)
