"""``kill -9`` at 100 random moments of builds with an external model: what was paid twice, what came out otherwise?

    python benchmarks/run.py llm-kills [--kills 100] [--seed 0]

A server of the test suite plays the model: it writes and judges, 40 ms a call, four at a time. A memory is killed up to
four times and then finished, in runs whose budget is smaller than a build. The server knows its replies by their
idempotency key: one that was on its way when its client was killed is sent again and not made again. A server that does
not know keys would make these twice, and no others. The memory must have the content hash of one that was left alone.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import common  # noqa: F401 (lets what is shared with tests be imported)
from common import say
from figures import Figure, Result
from quipu.records import Score

# isort: split
from tests.fakes.killed import disturbed


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)


def run(options: argparse.Namespace) -> Result:
    """Kill, finish, compare."""
    with tempfile.TemporaryDirectory(prefix="quipu-llm-kills-") as folder:
        found = disturbed(Path(folder).resolve() / "work", options.kills, options.seed)
    for line in found.bad:
        say(f"  {line[:500]}")
    must_be_none = (
        ("calls that the server made twice", found.paid_twice, found.calls),
        ("calls made again although their reply was kept", found.asked_again, found.calls),
        ("memories with another content hash", found.different, found.memories),
        ("runs over their budget", found.over_budget, found.runs),
        ("findings", len(found.bad), found.kills),
    )
    figures = [Figure("kills", Score(name, value, n, None, False), 0.0) for name, value, n in must_be_none]
    figures += [
        Figure("kills", Score("kills", found.kills, found.kills)),
        Figure("kills", Score("replies on their way at a kill, sent again", found.lost, found.kills, None, False)),
    ]
    title = f"External model: {found.kills} random kills with `kill -9`, {found.calls:,} calls"
    return Result.now("llm-kills", title, figures, details={"found": [line[:500] for line in found.bad]})
