"""Pairs drawn at random from a memory, each with its passage, for reading one by one.

    python benchmarks/sample_pairs.py MEMORY --out FOLDER [--count 100] [--seed 0]

Writes FOLDER/sample.jsonl with three empty judgements a pair (well_formed, answerable, right), to be filled with
true or false, and FOLDER/sample.txt to read, with the answer between ** ** in its passage. With ``--counts`` instead
of ``--out`` it reads a filled sample.jsonl and prints the table.
"""

from __future__ import annotations

import argparse
import json
import random
import textwrap
from pathlib import Path
from typing import Any

from common import read_lines, say, stored_pairs
from quipu.errors import InputError
from quipu.evaluation import report
from quipu.evaluation.metrics import mean_score
from quipu.evaluation.report import Report
from quipu.memory.store import Store

JUDGEMENTS = ("well_formed", "answerable", "right")


def draw(memory: Path, count: int, seed: int) -> list[dict[str, Any]]:
    """``count`` pairs with a place, without replacement, in the order drawn."""
    rows = []
    with Store.open(memory, read_only=True) as store:
        placed = [pair for pair in stored_pairs(store) if pair.document_id is not None and pair.span is not None]
        for number, pair in enumerate(random.Random(seed).sample(placed, min(count, len(placed))), start=1):
            assert pair.document_id is not None and pair.span is not None
            passage = store.passage_at(pair.document_id, pair.span)
            if passage is None:
                raise InputError(f"{memory}: the pair {pair.id} stands in no passage; run quipu verify {memory}")
            start, end = pair.span.start - passage.span.start, pair.span.end - passage.span.start
            marked = f"{passage.text[:start]}**{passage.text[start:end]}**{passage.text[end:]}"
            rows.append(
                {
                    "number": number,
                    "pair": pair.id,
                    "question": pair.question,
                    "answer": pair.answer,
                    "title": passage.title,
                    "passage": passage.text,
                    "marked": marked,
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


def counted(path: Path) -> str:
    """The table of a filled sample; refuses one that is not filled to the end."""
    rows = list(read_lines(path))
    empty = [row["number"] for row in rows if any(row[name] is None for name in JUDGEMENTS)]
    if empty:
        raise InputError(f"{path}: {len(empty)} pairs are not judged yet, the first is number {empty[0]}")
    scores = tuple(mean_score(name, [float(row[name]) for row in rows]) for name in JUDGEMENTS)
    return report.table([Report("kept pairs read one by one", f"{len(rows)} pairs", scores)], JUDGEMENTS)


def main() -> None:
    """Draw, or count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("memory", type=Path, nargs="?")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--counts", type=Path, help="a filled sample.jsonl")
    options = parser.parse_args()
    if options.counts is not None:
        print(report.command())
        print(counted(options.counts))
        return
    if options.memory is None or options.out is None:
        parser.error("name a memory and --out FOLDER, or a filled file with --counts FILE")
    rows = draw(options.memory, options.count, options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (options.out / "sample.jsonl").write_text(lines, encoding="utf-8")
    (options.out / "sample.txt").write_text(readable(rows), encoding="utf-8")
    say(f"{len(rows)} pairs: {options.out / 'sample.txt'} to read, {options.out / 'sample.jsonl'} to fill")


if __name__ == "__main__":
    main()
