"""A chain that is shown must matter: what is said when one of its pairs has gone from the memory.

    python benchmarks/chain_removal.py MEMORY QUESTIONS [--seed 0]

Questions (of ``recipes/mini/qamat/4-compose.toml``) that a chain of two pairs answers rightly are asked again of a copy
of the memory from which one of the two, drawn by chance, was removed.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import quipu
from quipu.cli.terminal import print_table
from quipu.text import exact_match, normalize_answer


def main() -> None:
    """Ask, remove, ask again, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("memory", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    rows = [json.loads(line) for line in options.questions.read_text(encoding="utf-8").splitlines()]
    with quipu.open(options.memory, read_only=True) as memory:
        said = memory.ask_many([row["question"] for row in rows], method="chain")
    right = [
        answer for answer, row in zip(said, rows, strict=True)
        if answer.text is not None and len(answer.evidence) == 2 and exact_match(answer.text, row["answers"])
    ]  # fmt: skip
    counts: Counter[str] = Counter()
    for answer in right:
        gone = rng.choice([item.pair.id for item in answer.evidence if item.pair is not None])
        with tempfile.TemporaryDirectory(prefix="quipu-removal-") as folder:
            copy = Path(folder) / "memory"
            shutil.copytree(options.memory, copy)
            with quipu.open(copy) as memory:
                memory.remove(pair=gone)
                again = memory.ask(answer.question, method="chain")
        if again.text is None:
            counts["no answer"] += 1
        elif normalize_answer(again.text) == normalize_answer(answer.text or ""):
            counts["the same answer, by other pairs"] += 1
        else:
            counts["another answer, with its own pairs"] += 1
    print_table([(what, count, f"{100 * count / len(right):.0f}") for what, count in counts.most_common()],
                ("then", "questions", "%"))  # fmt: skip


if __name__ == "__main__":
    main()
