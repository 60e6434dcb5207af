"""How many pairs a reader of memories should read: EM, F1 and milliseconds with K pairs, each read apart.

python benchmarks/reader_pairs.py MEMORY QUESTIONS [--reader NAME] [--limit 600]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import quipu
from quipu.cli.terminal import print_table
from quipu.evaluation.tasks.compare import compare
from quipu.evaluation.tasks.open_domain import read_examples, spread
from quipu.models.memory_reader import MemoryReader

SIZES = (1, 4, 8, 16, 32)


def main() -> None:
    """Ask with each and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("memory", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--reader", default="quipu-mini/qamat")
    parser.add_argument("--limit", type=int, default=600)
    options = parser.parse_args()
    examples = spread(read_examples(options.questions), options.limit)
    rows = []
    for k in SIZES:
        reader = MemoryReader(options.reader, k=k)
        with quipu.open(options.memory, read_only=True, memory_reader=reader) as memory:
            (report,) = compare(memory, examples, ["read"])
        cells = [report[name].value for name in ("EM", "F1", "questions/s", "p50 ms")]
        rows.append((k, *(f"{value:.1f}" for value in cells)))
    print_table(rows, ("pairs", "EM", "F1", "questions/s", "p50 ms"))


if __name__ == "__main__":
    main()
