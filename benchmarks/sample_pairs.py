"""Pairs drawn at random from a memory, each with its passage, to be read one by one.

    python benchmarks/sample_pairs.py draw MEMORY --out FOLDER [--count 100] [--seed 0]
    python benchmarks/sample_pairs.py count FOLDER/sample.jsonl --name pairs-run-a --of "run A" [--json FILE]

``draw`` writes FOLDER/sample.txt to read, with the answer between ** ** in its passage, and FOLDER/sample.jsonl with
three empty judgements a pair (well_formed, answerable, right) to be filled with true or false. ``count`` reads a filled
sample and refuses one that is not filled to the end.
"""

from __future__ import annotations

import argparse
import random
import textwrap
from pathlib import Path
from typing import Any

import quipu
from common import finish, read_lines, say, write_lines
from figures import Figure, Result
from quipu.errors import InputError
from quipu.evaluation.metrics import mean_score

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
    rows = list(read_lines(path))
    empty = [row["number"] for row in rows if any(not isinstance(row[name], bool) for name in JUDGEMENTS)]
    if empty:
        raise InputError(f"{path}: {len(empty)} pairs are not judged yet, the first is number {empty[0]}")
    return [
        Figure(of, mean_score(f"{name.replace('_', '-')}, %", [float(row[name]) for row in rows], scale=100), goal)
        for name, goal in JUDGEMENTS.items()
    ]


def main() -> None:
    """Draw, or count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    drawing = verbs.add_parser("draw", help="write a sample of a memory")
    drawing.add_argument("memory", type=Path)
    drawing.add_argument("--out", type=Path, required=True)
    drawing.add_argument("--count", type=int, default=100)
    drawing.add_argument("--seed", type=int, default=0)
    counting = verbs.add_parser("count", help="count the judgements of a filled sample")
    counting.add_argument("sample", type=Path)
    counting.add_argument("--name", required=True, help="of the result, pairs-examples or pairs-run-a")
    counting.add_argument("--of", required=True, help="what the memory was built of, for the table")
    counting.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.verb == "draw":
        rows = draw(options.memory, options.count, options.seed)
        write_lines(options.out / "sample.jsonl", rows)
        (options.out / "sample.txt").write_text(readable(rows), encoding="utf-8")
        say(f"{len(rows)} pairs: {options.out / 'sample.txt'} to read, {options.out / 'sample.jsonl'} to fill")
        return
    figures = counted(options.sample, options.of)
    title = f"Kept pairs of {options.of}, {figures[0].score.n} drawn at random and read one by one"
    finish(Result.now(options.name, title, figures), options.json)


if __name__ == "__main__":
    main()
