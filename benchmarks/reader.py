"""EM and F1 of the language model over the passages that questions were asked about: 300 answerable questions of SQuAD half.

python benchmarks/reader.py --model FOLDER --data ../shared/data/squad/dev-half-v2.0.json.gz [--limit 300] [--json FILE]
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from pathlib import Path
from typing import Any

from quipu.models.lm.model import LanguageModel
from quipu.text import best_f1, exact_match

Row = tuple[str, str, list[str]]  # question, passage, gold answers


def questions(path: Path) -> list[Row]:
    """All questions of a SQuAD file in its order; without gold answers where it says that nothing answers."""
    data = json.loads(gzip.open(path, "rt", encoding="utf-8").read())["data"]
    return [
        (item["question"], paragraph["context"], [answer["text"] for answer in item["answers"]])
        for article in data
        for paragraph in article["paragraphs"]
        for item in paragraph["qas"]
    ]


def spread(rows: list[Row], limit: int) -> list[Row]:
    """``limit`` rows at equal distances."""
    return [rows[at * len(rows) // limit] for at in range(limit)] if limit and limit < len(rows) else rows


def measure(model: LanguageModel, rows: list[Row], *, always: bool = False) -> dict[str, Any]:
    """EM and F1 in per cent, and the share of questions that nothing was said to answer."""
    start = time.perf_counter()
    readings = model.read([row[0] for row in rows], [row[1] for row in rows], always=always)
    seconds = time.perf_counter() - start
    pairs = list(zip(readings, rows, strict=True))
    return {
        "questions": len(rows),
        "exact_match": 100 * sum(exact_match(reading.text, row[2]) for reading, row in pairs) / len(rows),
        "f1": 100 * sum(best_f1(reading.text, row[2]) for reading, row in pairs) / len(rows),
        "nothing_answers": 100 * sum(not reading.text for reading in readings) / len(rows),
        "generated": 100 * sum(bool(reading.text) and reading.start < 0 for reading in readings) / len(rows),
        "seconds": seconds,
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="quipu-small/lm")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/squad/dev-half-v2.0.json.gz"))
    parser.add_argument("--limit", type=int, default=300, help="questions of each kind, 0 for all")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    model = LanguageModel(given.model)
    rows = questions(given.data)
    answerable = spread([row for row in rows if row[2]], given.limit)
    unanswerable = spread([row for row in rows if not row[2]], given.limit)
    results = {
        "model": model.name,
        "sha256": model.sha256,
        "own_passage": measure(model, answerable),
        "own_passage_always": measure(model, answerable, always=True),
        "unanswerable_nothing": measure(model, unanswerable)["nothing_answers"],
    }
    print(json.dumps(results, indent=1))
    if given.json:
        given.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
