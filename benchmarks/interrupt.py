"""Random ``kill -9`` during every operation that writes, then ``verify`` and the same command again.

    python benchmarks/interrupt.py [--kills 200] [--documents 12] [--seed 0] --json benchmarks/results/interrupt.json

Every command is the installed ``quipu`` in a process of its own. A memory that was never disturbed is the reference:
at the end of each trial the pairs must be the same. A pair counts as committed when it can be read after the kill, and
as lost when a later state of the same trial does not have it although nothing removed it.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from common import finish
from figures import Figure, Result
from quipu.errors import QuipuError
from quipu.memory.store import Store
from quipu.memory.verify import verify
from quipu.records import Score

QUIPU = str(Path(sys.executable).parent / "quipu")
Pairs = frozenset[tuple[str, str, str]]


@dataclass
class Row:
    """Sums over the kills of one operation."""

    operation: str
    kills: int = 0
    too_late: int = 0
    verify_failed: int = 0
    pairs_lost: int = 0
    half_done: int = 0
    trials: int = 0
    wrong_at_end: int = 0


def pairs_of(memory: Path) -> Pairs:
    """Every pair that can be read; none where the kill came before there was a memory."""
    try:
        store = Store.open(memory, read_only=True)
    except (QuipuError, OSError):
        return frozenset()
    try:
        return frozenset((pair.id, pair.question, pair.answer) for _, pair in store.pairs())
    finally:
        store.close()


def quipu(*arguments: str | Path) -> int:
    """Run undisturbed; the exit code."""
    command = [QUIPU, *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode


def sound(memory: Path) -> bool:
    """Whether ``verify`` finds nothing."""
    try:
        return not verify(memory).problems
    except QuipuError:
        return False


def succeed(*arguments: str | Path) -> float:
    """Run undisturbed; the seconds. Anything but exit code 0 ends the benchmark."""
    start = time.perf_counter()
    if code := quipu(*arguments):
        sys.exit(f"quipu {' '.join(map(str, arguments))} ended with {code}")
    return time.perf_counter() - start


def killed(delay: float, *arguments: str | Path) -> bool:
    """Start, wait, ``kill -9``. False where the process had ended before."""
    process = subprocess.Popen(
        [QUIPU, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(delay)
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True


def check(row: Row, memory: Path, must_have: Pairs) -> Pairs:
    """``verify`` and count after a kill; the pairs that are there now."""
    now = pairs_of(memory)
    if (memory / "manifest.json").exists() and not sound(memory):
        row.verify_failed += 1
    row.pairs_lost += len(must_have - now)
    return now


def disturb_growth(
    row: Row, kills: int, command: list[str | Path], memory: Path, fresh: Callable[[], None], reference: Pairs,
    seconds: float, chance: random.Random,
) -> None:  # fmt: skip
    """Kill ``command`` again and again on one memory until it is done or three kills hit, then let it finish."""
    while row.kills < kills:
        fresh()
        had = pairs_of(memory)
        for _ in range(3):
            if row.kills == kills:
                break
            if not killed(chance.uniform(0.02, 1.0) * seconds, *command):
                row.too_late += 1
                break
            row.kills += 1
            had = check(row, memory, had)
        quipu(*command)  # a finished build says so and changes nothing
        row.trials += 1
        row.wrong_at_end += pairs_of(memory) != reference or not sound(memory)


def main() -> None:
    """Run the operations and print a row each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--documents", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="quipu-interrupt-") as temporary:
        rows = trials(Path(temporary), options, chance)
    finish(
        Result.now("interrupt", f"Interruption: {options.kills} random kills with `kill -9`", figures_of(rows)),
        options.json,
    )
    if any(row.verify_failed or row.pairs_lost or row.half_done or row.wrong_at_end for row in rows):
        sys.exit(1)


def figures_of(rows: list[Row]) -> list[Figure]:
    """The sums over all operations, and the kills of each."""
    figures = [Figure("kills of", Score(row.operation, row.kills, row.kills)) for row in rows]
    kills, trials = sum(row.kills for row in rows), sum(row.trials for row in rows)
    sums = {
        "verify failed": (sum(row.verify_failed for row in rows), kills),
        "pairs lost": (sum(row.pairs_lost for row in rows), kills),
        "half done": (sum(row.half_done for row in rows), kills),
        "wrong at end": (sum(row.wrong_at_end for row in rows), trials),
    }
    scores = [Score(name, value, n, None, False) for name, (value, n) in sums.items()]
    return [*figures, *(Figure("all operations", score, 0.0) for score in scores)]


def trials(work: Path, options: argparse.Namespace, chance: random.Random) -> list[Row]:
    """Every operation against its own undisturbed reference, each with an even share of the kills."""
    kills = [options.kills // 6 + (number < options.kills % 6) for number in range(6)]
    succeed("microworld", work / "world", "--documents", str(options.documents), "--seed", str(options.seed))
    files = sorted((work / "world" / "documents").rglob("*.txt"))
    first, second = files[: len(files) // 2], files[len(files) // 2 :]
    base, grown, memory = work / "base.quipu", work / "grown.quipu", work / "trial.quipu"

    def copied(source: Path | None) -> Callable[[], None]:
        def fresh() -> None:
            shutil.rmtree(memory, ignore_errors=True)
            if source is not None:
                shutil.copytree(source, memory)

        return fresh

    build = Row("build")
    seconds = succeed("build", *first, "-o", base)
    command: list[str | Path] = ["build", *first, "-o", memory]
    disturb_growth(build, kills[0], command, memory, copied(None), pairs_of(base), seconds, chance)

    add = Row("add")
    shutil.copytree(base, grown)
    seconds = succeed("add", grown, *second)
    command = ["add", memory, *second]
    disturb_growth(add, kills[1], command, memory, copied(base), pairs_of(grown), seconds, chance)

    # ready pairs and compaction, with no new documents
    ready = work / "pairs.jsonl"
    lines = (json.dumps({"question": f"What is number {n}?", "answer": [f"thing {n}"]}) for n in range(600))
    ready.write_text("\n".join(lines) + "\n", encoding="utf-8")
    filled = work / "filled.quipu"
    shutil.copytree(base, filled)
    seconds = succeed("add", filled, "--pairs", ready)
    imported = Row("add --pairs")
    command = ["add", memory, "--pairs", ready]
    disturb_growth(imported, kills[3], command, memory, copied(base), pairs_of(filled), seconds, chance)

    seconds = succeed("verify", filled, "--repair")
    compact = Row("verify --repair")
    command = ["verify", memory, "--repair"]
    disturb_growth(compact, kills[4], command, memory, copied(filled), pairs_of(filled), seconds, chance)

    exported = work / "all.jsonl"
    succeed("export", filled, exported)
    seconds = succeed("import", exported, work / "restored.quipu")
    restore = Row("import")
    command = ["import", exported, memory]
    disturb_growth(restore, kills[5], command, memory, copied(None), pairs_of(filled), seconds, chance)

    remove = Row("remove")
    while remove.kills < kills[2]:
        document = chance.choice(files)
        after = work / "after.quipu"
        shutil.rmtree(after, ignore_errors=True)
        shutil.copytree(grown, after)
        seconds = succeed("remove", after, "--document", document)
        reference, whole = pairs_of(after), pairs_of(grown)
        copied(grown)()
        if not killed(chance.uniform(0.3, 1.0) * seconds, "remove", memory, "--document", document):
            remove.too_late += 1
            continue
        remove.kills += 1
        now = check(remove, memory, reference)
        remove.half_done += now not in (whole, reference)
        quipu("remove", memory, "--document", document)
        remove.trials += 1
        remove.wrong_at_end += pairs_of(memory) != reference or not sound(memory)
    return [build, add, imported, remove, compact, restore]


if __name__ == "__main__":
    main()
