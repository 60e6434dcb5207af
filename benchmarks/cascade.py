"""What each step of a cascade answers, how often it is right, and what the steps cost where look-up is sure.

    python benchmarks/cascade.py MEMORY QUESTIONS [--limit 600]

At the shipped thresholds. The last lines: median milliseconds of look-up alone and of the cascade, one question at a
time, over the questions that look-up answers, and of the cascade over all.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np

import quipu
from quipu.cli.terminal import print_table
from quipu.evaluation.metrics import latencies
from quipu.evaluation.tasks.open_domain import read_examples, spread
from quipu.text import exact_match


def main() -> None:
    """Ask and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("memory", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--limit", type=int, default=600)
    options = parser.parse_args()
    examples = spread(read_examples(options.questions), options.limit)
    right: dict[str, list[float]] = defaultdict(list)
    with quipu.open(options.memory, read_only=True) as memory:
        said = memory.ask_many([example.question for example in examples])
        for answer, example in zip(said, examples, strict=True):
            route = str(answer.route)
            if answer.text is not None and answer.tried[-1].text is None:  # each step held it back
                route = f"together, by {answer.route}"
            right[route].append(exact_match(answer.text or "", example.answers))
        sure = [example.question for answer, example in zip(said, examples, strict=True) if len(answer.tried) == 1]
        some = spread([example.question for example in examples], 200)
        times = {
            "look-up, where it is sure": latencies(partial(memory.ask, method="lookup"), sure, time.perf_counter),
            "cascade, where look-up is sure": latencies(memory.ask, sure, time.perf_counter),
            "cascade, all": latencies(memory.ask, some, time.perf_counter),
        }
    rows = [(route, len(values), f"{100 * np.mean(values):.1f}") for route, values in right.items()]
    print_table(rows, ("step", "questions", "right, %"))
    print_table([(name, len(ms), f"{np.median(ms):.1f}") for name, ms in times.items()], ("way", "questions", "p50 ms"))


if __name__ == "__main__":
    main()
