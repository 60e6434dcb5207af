"""Files that change, move, vanish and fail at random, and ``sync``: is the memory what a fresh build would be?

    python benchmarks/run.py sync-random

1,000 steps in ten folders: a file is written, changed, touched, moved, swapped with another, deleted, or spoilt so that
its reader fails half-way; after most of them the memory is synced, and after every tenth compared with a fresh build:
documents, passages, pairs with all their places, files, and passages that wait. Models made by hand.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from common import say
from figures import Figure, Result
from quipu.records import Score

# isort: split
from tests.changing_files import CHECKED, drifted

STEPS, OF_FOLDER = 1000, 100


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.set_defaults(limit=STEPS)
    parser.add_argument("--seed", type=int, default=0)


def run(options: argparse.Namespace) -> Result:
    """Change, sync and compare."""
    found: list[str] = []
    for first in range(0, options.limit, OF_FOLDER):
        with tempfile.TemporaryDirectory(prefix="quipu-sync-") as folder:
            steps = min(OF_FOLDER, options.limit - first)
            found += drifted(Path(folder), 1000 * options.seed + first // OF_FOLDER, steps)
        say(f"  {first + steps} steps, {len(found)} differences")
    compared = options.limit // CHECKED
    figures = [
        Figure("sync", Score("differences from a fresh build", len(found), compared, None, False), 0.0),
        Figure("sync", Score("steps", options.limit, options.limit)),
    ]
    title = f"Sync: {options.limit:,} random changes of files, {compared:,} comparisons with a fresh build"
    for line in found:
        say(f"  {line[:500]}")
    return Result.now("sync-random", title, figures, details={"found": [line[:500] for line in found]})
