"""SQuAD's development half as a set of documents: 646 paragraphs with questions and 570 of other articles."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from common import Built, memory_of
from quipu.datasets import squad
from quipu.evaluation.tasks.open_domain import spread
from quipu.records import Example

NAME = "squad-half"


def load(data: Path, limit: int | None = None) -> tuple[list[dict[str, str]], list[Example]]:
    """The documents (id, title, text), and the answerable questions about them; ``limit``: the first so many."""
    half = squad.half(data)
    texts = [(part.title, part.text) for part in half] + squad.other_half(data)
    rows = [
        {"id": f"{number:04d}", "title": title.replace("_", " "), "text": text}
        for number, (title, text) in enumerate(texts[:limit])
    ]
    known = {row["text"] for row in rows}
    asked = (example for example in squad.examples(half) if example.answers)
    return rows, [example for example in asked if example.passages[0] in known]


def sample(options: argparse.Namespace) -> tuple[Any, list[Example]]:
    """Run A's memory and ``--limit`` of its questions, evenly spread; ``--paragraphs``: of run A with that limit."""
    rows, examples = load(options.data, options.paragraphs)
    opened, _ = memory(rows, options, options.paragraphs)
    return opened, spread(examples, options.limit)


def sample_arguments(parser: argparse.ArgumentParser, questions: int) -> None:
    """The options of ``sample``; ``questions``: how many unless --limit says otherwise."""
    parser.set_defaults(limit=questions)
    parser.add_argument("--paragraphs", type=int, metavar="N", help="a trial on the memory of the first so many")


def memory(rows: list[dict[str, str]], options: argparse.Namespace, limit: int | None) -> Built:
    """Their memory, which run_a.py builds and the other benchmarks ask; the seconds of its build."""
    return memory_of(rows, options, NAME if limit is None else f"{NAME}-{limit}")
