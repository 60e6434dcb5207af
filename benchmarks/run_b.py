"""Documentation that is on any Debian machine: built into a memory and asked ten questions.

    python benchmarks/run_b.py [PATH ...] [--files 400] [--memory FOLDER] [--questions FILE] [--json]

PATH defaults to /usr/share/doc. Every ``--files``-th part of the readable files is taken evenly, so that a few
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

from quipu.corpus import SUFFIXES

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


def main() -> None:
    """Build, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path, default=[Path("/usr/share/doc")])
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--kilobytes", type=int, default=64, help="leave out larger files, so that many can be read")
    parser.add_argument("--memory", type=Path, help="keep the memory here")
    parser.add_argument("--questions", type=Path, help="one question a line, instead of the ten")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    files = chosen(options.paths, options.files, 1000 * options.kilobytes)
    if not files:
        sys.exit(f"no readable files under {', '.join(map(str, options.paths))}")
    questions = options.questions.read_text("utf-8").splitlines() if options.questions else list(QUESTIONS)
    with tempfile.TemporaryDirectory(prefix="quipu-run-b-") as temporary:
        memory = options.memory or Path(temporary) / "docs.quipu"
        asked = Path(temporary) / "questions.txt"
        asked.write_text("\n".join(questions) + "\n", encoding="utf-8")
        (built,), seconds = quipu("build", *map(str, files), "-o", str(memory))
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        answers, _ = quipu("ask", str(memory), "--questions", str(asked))
        size = sum(file.stat().st_size for file in memory.rglob("*") if file.is_file())
    skipped = Counter(item["reason"] for item in built["skipped"])
    result = {
        "files": len(files),
        "by_suffix": dict(Counter(path.suffix.lower() for path in files)),
        "megabytes": sum(path.stat().st_size for path in files) / 1e6,
        "skipped": len(built["skipped"]),
        "skipped_by_reason": dict(skipped),
        "passages": built["passages"],
        "pairs": built["pairs"],
        "build_seconds": seconds,
        "peak_rss_mib": peak,
        "memory_megabytes": size / 1e6,
        "answers": answers,
    }
    if options.json:
        print(json.dumps(result, ensure_ascii=False))
        return
    for key, value in result.items():
        if key != "answers":
            print(f"| {key.replace('_', ' ')} | {value if not isinstance(value, float) else f'{value:,.1f}'} |")
    print("\n| question | answer | score | matched question | source | ms |\n|---|---|---|---|---|---|")
    for item in answers:
        pair, evidence = item["pair"] or {}, (item["evidence"] or [{}])[0]
        cells = (item["question"], item["text"], f"{item['score']:.3f}", pair.get("question"), evidence.get("document"))
        row = " | ".join(str(cell).replace("|", "/") for cell in cells)
        print(f"| {row} | {item['milliseconds']:.1f} |")


if __name__ == "__main__":
    main()
