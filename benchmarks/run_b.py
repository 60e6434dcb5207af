"""Documentation that is on any Debian machine: built into a memory and asked ten questions.

    python benchmarks/run.py run-b [--paths PATH ...] [--files 400] [--memory FOLDER]

The path defaults to /usr/share/doc. Every ``--files``-th part of the readable files is taken evenly, so that a few
packages do not fill the run. The build runs as the installed command in a process of its own; its peak memory is the
kernel's figure for that process. The answers are printed as they came, right or wrong.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from common import say, size
from figures import Figure, Result
from quipu.corpus import SUFFIXES
from quipu.records import Score

QUESTIONS = (
    "Who wrote Users and Groups in the Debian System?",
    "Which environment variable should a frontend set when it invokes dpkg?",
    "Which group lets users use an audio device?",
    "What is the name of the header file of libffi?",
    "Who is the author of bzip2?",
    "Which licence is libffi distributed under?",
    "Which tool of Valgrind detects memory errors?",
    "Which git command is used to find the change that introduced a bug?",
    "What does the user nobody own?",
    "When was the Suez Canal opened?",
)


def chosen(roots: list[Path], limit: int, most_bytes: int) -> list[Path]:
    """At most ``limit`` files of ``most_bytes`` at most that quipu reads, evenly from the sorted list of them."""
    found = sorted(
        path
        for root in roots
        for path in ([root] if root.is_file() else root.rglob("*"))
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not path.is_symlink()
        and path.stat().st_size <= most_bytes
    )
    if len(found) <= limit:
        return found
    return [found[index * len(found) // limit] for index in range(limit)]


def quipu(*arguments: str) -> tuple[list[dict[str, Any]], float]:
    """The JSON lines that the installed command printed, and its seconds; its progress goes to our stderr."""
    start = time.perf_counter()
    command = [str(Path(sys.executable).parent / "quipu"), *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()], time.perf_counter() - start


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.add_argument("--paths", nargs="*", type=Path, default=[Path("/usr/share/doc")])
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--kilobytes", type=int, default=64, help="leave out larger files, so that many can be read")
    parser.add_argument("--memory", type=Path, help="keep the memory here")


def run(options: argparse.Namespace) -> Result:
    """Build and ask."""
    files = chosen(options.paths, options.files, 1000 * options.kilobytes)
    if not files:
        sys.exit(f"no readable files under {', '.join(map(str, options.paths))}")
    with tempfile.TemporaryDirectory(prefix="quipu-run-b-") as temporary:
        memory = options.memory or Path(temporary) / "docs.quipu"
        asked = Path(temporary) / "questions.txt"
        asked.write_text("\n".join(QUESTIONS) + "\n", encoding="utf-8")
        (built,), seconds = quipu("build", *map(str, files), "-o", str(memory))
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
        answers, _ = quipu("ask", str(memory), "--questions", str(asked))
        bytes_of = size(memory)
    for reason, count in Counter(item["reason"] for item in built["skipped"]).items():
        say(f"skipped: {count} with {reason}")
    scores = [
        Score("files", len(files), len(files)),
        Score("skipped", len(built["skipped"]), len(files), None, False),
        Score("MB", sum(path.stat().st_size for path in files) / 1e6, len(files)),
        Score("passages", built["passages"], built["passages"]),
        Score("pairs", built["pairs"], built["pairs"]),
        Score("passages/s", built["passages"] / seconds, built["passages"]),
        Score("peak MB", peak, 1, None, False),
        Score("memory, MB", bytes_of / 1e6, 1, None, False),
        Score("questions answered", sum(not item["abstained"] for item in answers), len(answers)),
    ]
    kept = [{name: item[name] for name in ("question", "text", "probability", "evidence")} for item in answers]
    for item in kept:
        item["evidence"] = [part["document"] for part in item["evidence"]][:1]
        say(f"{item['question']} {item['text']} ({item['probability']}) {item['evidence']}")
    title = f"Run B: {len(files)} files of documentation from a Debian machine"
    figures = [Figure("build", score) for score in scores]
    return Result.now("run-b", title, figures, details={"answers": kept})
