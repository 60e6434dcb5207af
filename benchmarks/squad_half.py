"""SQuAD's development half as a set of documents: 646 paragraphs with questions and 570 of other articles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common import memory_of, read_lines
from quipu.evaluation.tasks.open_domain import read_examples
from quipu.records import Example

NAME = "squad-half"


def load(data: Path, limit: int | None = None) -> tuple[list[dict[str, str]], list[Example]]:
    """The documents (id, title, text), and the answerable questions about them; ``limit``: the first so many."""
    squad = data / "squad" / "dev-half-v2.0.json.gz"
    articles = next(read_lines(squad))["data"]
    texts = [(article["title"], part["context"]) for article in articles for part in article["paragraphs"]]
    texts += [(row["title"], row["text"]) for row in read_lines(data / "squad" / "other-half-passages.jsonl.gz")]
    rows = [
        {"id": f"{number:04d}", "title": title.replace("_", " "), "text": text}
        for number, (title, text) in enumerate(texts[:limit])
    ]
    known = {row["text"] for row in rows}
    return rows, [example for example in read_examples(squad) if example.passages[0] in known]


def memory(rows: list[dict[str, str]], work: Path, limit: int | None = None) -> tuple[Any, float | None]:
    """Their memory, which run_a.py builds and the other benchmarks ask; the seconds of its build."""
    return memory_of(rows, work, NAME if limit is None else f"{NAME}-{limit}")
