"""What a new user waits for, and how much memory it takes: install, ``--help``, the first answer, ask and build.

    python benchmarks/run.py cold-start [--runs 9] [--venv FOLDER]

Makes a fresh virtual environment, installs this checkout and its model packages without extras, builds a memory of the
example documents, and starts the installed command ``--runs`` times for each figure: for a question that lookup alone
answers, for the same by every step, and for one that nothing answers. ``--venv`` keeps and reuses an environment; then
the install is not measured. Peak memory is the kernel's figure for each process (its largest resident set).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
import venv
from pathlib import Path
from statistics import median

from common import say
from figures import Figure, Result
from quipu.cli.demo import example_documents
from quipu.records import Score

ROOT = Path(__file__).parents[1]
ASKED = "Who won the first Tour de France?"
STARTS = {
    "--help": ("--help",),
    "first answer by lookup": ("ask", "MEMORY", ASKED, "--method", "lookup"),
    "first answer by the cascade": ("ask", "MEMORY", ASKED),
    "first refusal by the cascade": ("ask", "MEMORY", "Who is the president of Argentina?"),
}
GOALS = {
    ("--help", "seconds"): 0.15,
    ("first answer by lookup", "seconds"): 1.0,
    ("first refusal by the cascade", "peak MB"): 600.0,
    ("build", "peak MB"): 2000.0,
}
# As a user has it: modules are compiled once, not at every start.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def timed(*command: str | Path) -> tuple[float, float]:
    """Wall seconds and peak resident megabytes of a command that must succeed."""
    start = time.perf_counter()
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([str(part) for part in command], stdout=quiet, stderr=quiet, env=ENVIRONMENT)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return time.perf_counter() - start, usage.ru_maxrss * 1024 / 1e6


def megabytes(folder: Path) -> float:
    """Bytes of all files under ``folder``, in millions; links are not followed."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6


def install(folder: Path) -> list[Figure]:
    """Make the environment and install quipu with its models, without extras; pip itself does not count."""
    say("installing ...")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    site = next((folder / "lib").glob("python*")) / "site-packages"
    before = megabytes(site)
    packages = sorted(path.parent for path in (ROOT / "packages").glob("*/pyproject.toml"))
    seconds, _ = timed(python, "-m", "pip", "install", "--quiet", *packages, ROOT)
    listed = subprocess.run([python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True)
    count = len(json.loads(listed.stdout)) - 1
    return [
        Figure("base install", Score("seconds", seconds, 1, None, False)),
        Figure("base install", Score("MB", megabytes(site) - before, 1, None, False)),
        Figure("base install", Score("packages", count, 1, None, False)),
    ]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--venv", type=Path)


def run(options: argparse.Namespace) -> Result:
    """Measure."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="quipu-cold-") as temporary:
        folder = options.venv or Path(temporary) / "venv"
        if not (folder / "bin" / "quipu").exists():
            figures += install(folder)
        command, memory = folder / "bin" / "quipu", Path(temporary) / "examples.quipu"
        seconds, peak = timed(command, "build", *example_documents(), "-o", memory)
        figures.append(Figure("build", Score("seconds", seconds, 1, None, False)))
        figures.append(Figure("build", Score("peak MB", peak, 1, None, False)))
        for name, words in STARTS.items():
            some = [memory if word == "MEMORY" else word for word in words]
            timed(command, *some)  # compiles modules, fills the file cache
            times, peaks = zip(*(timed(command, *some) for _ in range(options.runs)), strict=True)
            say(f"{name}: {min(times):.3f} to {max(times):.3f} s")
            figures.append(Figure(name, Score("seconds", median(times), options.runs, None, False)))
            figures.append(Figure(name, Score("peak MB", max(peaks), options.runs, None, False)))
    title = f"Install, start and memory: medians of {options.runs} starts, the example documents"
    return Result.now("cold-start", title, figures, goals=GOALS)
