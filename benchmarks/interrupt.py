"""Random ``kill -9`` during every operation that writes, then ``verify`` and the same operation again.

    python benchmarks/run.py interrupt [--kills 200] [--seed 0]

Each operation runs in a process of its own, on a small memory whose models are made by hand and slowed down; an
interruption is repeated up to three times before the operation may end. A pair is lost when it was read before or after
a kill, is in the memory that was never disturbed, and cannot be read now. Something is half done when a document lacks
passages, when a file has neither the text that it had nor the one that it gets, or, of operations that are one step to
their user, when what is read is neither the old nor the new. At the end every row, the manifest and the names of files
must be those of the memory that was never disturbed, and nothing may be left beside it or running.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from common import say
from disturbed import OPERATIONS, State, complete, prepare, state_of
from figures import Figure, Result
from quipu.errors import QuipuError
from quipu.records import Score
from quipu.storage.verify import verify

COUNTS = ("verify failed", "pairs lost", "half done", "wrong at end", "processes left")


@dataclass
class Row:
    """Sums over the kills of one operation; ``found`` says what went wrong."""

    operation: str
    kills: int = 0
    too_late: int = 0
    trials: int = 0
    bad: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    found: list[str] = field(default_factory=list)

    def count(self, kind: str, what: object, number: int = 1) -> None:
        """Something went wrong."""
        self.bad[kind] += number
        self.found.append(f"{self.operation}: {kind}: {str(what)[:600]}")


def started(act: Callable[[], None]) -> int:
    """A process that does it, in a group of its own."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()
        act()
        code = 0
    except QuipuError:
        code = 2
    except BaseException:
        traceback.print_exc()
    os._exit(code)


def undisturbed(act: Callable[[], None]) -> tuple[int, float]:
    """Exit code and seconds."""
    start = time.monotonic()
    status = os.waitpid(started(act), 0)[1]
    return os.waitstatus_to_exitcode(status), time.monotonic() - start


def killed(act: Callable[[], None], delay: float, row: Row) -> bool:
    """Start, wait, ``kill -9``. False where the process had ended before."""
    child = started(act)
    end = time.monotonic() + delay
    while time.monotonic() < end:
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    was_killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    if not _ended(child):
        row.count("processes left", f"the group of {child}")
        os.killpg(child, signal.SIGKILL)
    return was_killed


def _ended(group: int, seconds: float = 20.0) -> bool:
    """Whether what the killed process had started ends by itself."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def check(row: Row, memory: Path, before: State | None, after: State, seen: State | None, in_one_step: bool) -> State:
    """``verify`` and count after a kill; what is there now."""
    now = state_of(memory) or State()
    if (memory / "manifest.json").exists():
        try:
            problems = verify(memory).problems
        except QuipuError as error:
            row.count("verify failed", error)
        else:
            if problems:
                row.count("verify failed", problems[:3])
    if missing := ((seen or State()).pairs & after.pairs) - now.pairs:
        row.count("pairs lost", sorted(missing)[:3], len(missing))
    for what in now.half(before or State(), after, in_one_step):
        row.count("half done", what)
    return now


def disturb(row: Row, work: Path, kills: int, chance: random.Random) -> None:
    """Kill one operation again and again, each time on memories as they were before it."""
    operation = OPERATIONS[row.operation]
    memory = work / "m"

    def act() -> None:
        operation.act(work, memory)

    operation.begin(work, memory)
    before = state_of(memory)
    code, seconds = undisturbed(act)
    if code:
        sys.exit(f"{row.operation} ended with {code} although nothing disturbed it")
    after, whole = state_of(memory) or State(), complete(memory)
    while row.kills < kills:
        operation.begin(work, memory)
        seen = before
        for _ in range(3):
            if row.kills == kills:
                break
            if not killed(act, chance.uniform(0.0, 1.0) * seconds, row):
                row.too_late += 1
                seconds *= 0.97
                break
            row.kills += 1
            seen = check(row, memory, before, after, seen, operation.in_one_step)
        undisturbed(act)  # a finished build says so and changes nothing
        row.trials += 1
        if different := [name for name, rows in complete(memory).items() if rows != whole[name]]:
            row.count("wrong at end", different)
        if not _is_sound(memory):
            row.count("wrong at end", "verify")


def _is_sound(memory: Path) -> bool:
    try:
        return not verify(memory).problems
    except QuipuError:
        return False


def figures_of(rows: list[Row]) -> list[Figure]:
    """The sums over all operations, and the kills of each."""
    figures = [Figure("kills of", Score(row.operation, row.kills, row.kills)) for row in rows]
    kills, trials = sum(row.kills for row in rows), sum(row.trials for row in rows)
    for name in COUNTS:
        value, n = sum(row.bad[name] for row in rows), trials if name == "wrong at end" else kills
        figures.append(Figure("all operations", Score(name, value, n, None, False), 0.0))
    return figures


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--only", metavar="OPERATION", choices=OPERATIONS, help="one operation")
    parser.add_argument("--seed", type=int, default=0)


def run(options: argparse.Namespace) -> Result:
    """Disturb every operation."""
    chance = random.Random(options.seed)
    names = [options.only] if options.only else list(OPERATIONS)
    rows = []
    for number, name in enumerate(names):
        row = Row(name)
        with tempfile.TemporaryDirectory(prefix="quipu-interrupt-") as folder:
            work = Path(folder).resolve()
            shutil.rmtree(work)
            prepare(work)
            disturb(row, work, options.kills // len(names) + (number < options.kills % len(names)), chance)
        rows.append(row)
        say(f"  {name}: {row.kills} kills, {row.too_late} too late, {sum(row.bad.values())} findings")
    title = f"Interruption: {options.kills} random kills with `kill -9`"
    details = {"found": [line for row in rows for line in row.found]}
    for line in details["found"]:
        say(f"  {line}")
    return Result.now("interrupt", title, figures_of(rows), details=details)
