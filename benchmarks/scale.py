"""How a memory behaves as it grows: bytes, exactness and the time of a search with 100,000 and a million pairs.

    python benchmarks/run.py scale --data DATA --work WORK

Keys of real questions (OpenTriviaQA) and jittered copies of them; see ``quipu.evaluation.scale``. The floor of a search
is encoding the question and a bare FAISS search in the same process. ``--limit``: the first so many real questions.
"""

from __future__ import annotations

import argparse

from common import say
from figures import Figure, Result
from quipu.datasets import trivia
from quipu.evaluation.scale import ASKED, Figures, measure
from quipu.records import Score


def figures_of(found: Figures) -> list[Figure]:
    """One size."""
    name = f"{found.pairs:,} pairs"
    scores = [
        (Score("recall@10", found.recall_at_10, ASKED), 0.97),
        (Score("search by its floor", found.search_p50 / found.floor_p50, ASKED, None, False), 1.3),
        (Score("real keys, %", 100 * found.real_share, found.pairs), None),
        (Score("disk bytes a pair", found.disk_bytes, found.pairs, None, False), None),
        (Score("private MB", found.private_megabytes, 1, None, False), None),
        (Score("write, seconds", found.write_seconds, 1, None, False), None),
        (Score("index, seconds", found.index_seconds, 1, None, False), None),
        (Score("open and first answer, seconds", found.open_seconds, 1, None, False), None),
        (Score("search p50 ms", found.search_p50, ASKED, None, False), None),
        (Score("search p95 ms", found.search_p95, ASKED, None, False), None),
        (Score("searches/s together", found.batch_per_second, 4 * ASKED), None),
    ]
    return [Figure(name, score, goal) for score, goal in scores]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.add_argument("--pairs", type=int, nargs="*", default=[100_000, 1_000_000])


def run(options: argparse.Namespace) -> Result:
    """Make and measure."""
    questions = trivia.read(options.data)[: options.limit]
    options.work.mkdir(parents=True, exist_ok=True)
    figures = []
    for pairs in options.pairs:
        figures += figures_of(measure(options.work, pairs, questions, lambda line: say(str(line))))
    note = "The floor of a search is encoding the question and a bare FAISS search."
    return Result.now("scale", "Scale: real keys and jittered copies", figures, notes=[note])
