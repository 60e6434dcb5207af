"""Random memories, exported and imported again: are rows, manifest, answers and searches the same?

    python benchmarks/run.py round-trips

150 small memories of random files and ready pairs, some of them removed again, with an encoder, a writer and a reader
made by hand. The imported memory must be sound and its own export the same bytes. ``--seed``: other memories.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from common import say
from figures import Figure, Result
from quipu.records import Score

# isort: split
from tests.random_memories import lost_on_the_way

TRIPS = 150


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.set_defaults(limit=TRIPS)
    parser.add_argument("--seed", type=int, default=0)


def run(options: argparse.Namespace) -> Result:
    """Export, import and compare."""
    lost: dict[int, list[str]] = {}
    for number in range(options.limit):
        with tempfile.TemporaryDirectory(prefix="quipu-trip-") as folder:
            seed = 1000 * options.seed + number
            lost[seed] = lost_on_the_way(Path(folder) / "trip", seed)
        if number % 25 == 24:
            say(f"  {number + 1} memories, {sum(map(bool, lost.values()))} not the same")
    bad = sum(map(bool, lost.values()))
    figures = [Figure("export and import", Score("memories not the same", bad, options.limit, None, False), 0.0)]
    details = {"lost": [line[:500] for lines in lost.values() for line in lines]}
    title = f"Round trips: {options.limit} random memories exported, imported and exported again"
    for line in details["lost"]:
        say(f"  {line}")
    return Result.now("round-trips", title, figures, details=details)
