"""Run the pages that newcomers copy from, and write what their commands print: ``python docs/run_pages.py [PAGE...]``.

Blocks of ``sh`` and ``python`` run in their order in one folder for all pages, with ``examples/`` in it. What a block
prints on standard output stands in the block of ``text`` right below it, if there is one. The test of the pages runs
them in the same way and compares, but for what differs from machine to machine (``comparable``).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parent
# In the order in which they run: the first builds the memory that the others ask.
PAGES = (
    "quickstart.md", "how-it-works.md", "tutorials/manuals.md", "tutorials/faq.md", "tutorials/encoder.md",
    "tutorials/papers.md",
)  # fmt: skip
_BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```\n(?:\n?```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)
_TIME = re.compile(r"\d[\d,.]* ms\b")  # is not shown: it tells of the machine, and of what else it did
_VARIES = (
    # what a model made, counted: another processor may put a pair on the other side of a threshold
    (re.compile(r"^(pairs made|kept|dropped: .*?)  +\d+\n|^ +\d+ +\d+  .*\n", re.MULTILINE), ""),
    (re.compile(r"^ *\d+  [a-z].*\n", re.MULTILINE), ""),
    (re.compile(r"\d+ +\d+ +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "NOW"),
    (re.compile(r"(?:\d[\d,.]*|…) (ms|s|min)\b"), r"# \1"),
    (re.compile(r"\d[\d,]* (pairs|questions)\b"), r"# \1"),
    (re.compile(r"\d+\.\d+"), "#.#"),  # probabilities and scores
    (re.compile(r"\b[0-9a-f]{10,64}\b"), "ID"),
    (re.compile(r" +"), " "),
)


@dataclass(frozen=True, slots=True)
class Run:
    """A block of a page, what it printed, and what the page says that it prints (None: nothing is said)."""

    code: str
    printed: str
    shown: str | None


def run_page(page: str, folder: Path) -> Iterator[Run]:
    """Run the blocks of a page in ``folder``; RuntimeError with the output of one that fails."""
    command = shutil.which("quipu", path=str(Path(sys.executable).parent))
    path = f"{Path(command).parent}:{os.environ['PATH']}" if command else os.environ["PATH"]
    for block in _BLOCK.finditer((DOCS / page).read_text(encoding="utf-8")):
        language, code, shown = block.groups()
        program = ["bash", "-euo", "pipefail", "-c", code] if language == "sh" else [sys.executable, "-c", code]
        done = subprocess.run(
            program, cwd=folder, env={**os.environ, "PATH": path, "COLUMNS": "120"}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{page}: exit code {done.returncode} of\n{code}\n{done.stdout}\n{done.stderr}")
        yield Run(code, done.stdout, shown)


def comparable(text: str) -> list[str]:
    """Lines without times, probabilities, ids, counts of pairs and widths of columns."""
    for pattern, instead in _VARIES:
        text = pattern.sub(instead, text)
    return [line.strip() for line in text.strip().splitlines()]


def prepare(folder: Path) -> None:
    """Put into a new folder what every page finds there."""
    shutil.copytree(DOCS.parent / "examples", folder / "examples")


def main() -> int:
    """Run the pages that are named, or all, and write what they print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help=f"some of {', '.join(PAGES)}; none: all")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="run here, where an earlier page left its memory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as new:
        folder = options.work or Path(new)
        if not (folder / "examples").exists():
            prepare(folder)
        for page in options.pages or PAGES:
            write_printed(page, folder)
    return 0


def write_printed(page: str, folder: Path) -> None:
    """Run a page in ``folder`` and write into it what its blocks print."""
    path = DOCS / page
    text = path.read_text(encoding="utf-8")
    for run in run_page(page, folder):
        if run.shown is not None:
            at = text.index(f"```text\n{run.shown}```\n", text.index(run.code))
            rest = text[at:].removeprefix(f"```text\n{run.shown}")
            printed = _TIME.sub("… ms", run.printed.rstrip())
            text = f"{text[:at]}```text\n{printed}\n{rest}"
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
