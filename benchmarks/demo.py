"""What a newcomer sees: the demo's questions with their answers, and what the README's lines of Python print.

    python benchmarks/run.py demo

Builds the example documents, asks the questions of the demo, and runs the README's first block of
Python in an empty folder beside a copy of the example documents. ``report.py`` shows both in the README.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

import quipu
from common import progress
from figures import Figure, Result
from quipu.cli.demo import as_rows, example_documents, example_questions, examples_folder
from quipu.records import Score

README = Path(__file__).parents[1] / "README.md"
GOALS = {("demo", "answered rightly"): 12.0, ("demo", "others refused"): 2.0}


def printed() -> list[str]:
    """What the README's first block of Python prints."""
    block = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert block is not None, "README.md has no block of Python"
    out, here = io.StringIO(), Path.cwd()
    with tempfile.TemporaryDirectory(prefix="quipu-readme-") as temporary:
        shutil.copytree(examples_folder(), Path(temporary) / "examples")
        os.chdir(temporary)
        try:
            with contextlib.redirect_stdout(out):
                exec(compile(block[1], "README.md", "exec"), {})
        finally:
            os.chdir(here)
    return out.getvalue().splitlines()


def run(options: argparse.Namespace) -> Result:
    """Build and ask."""
    documents, questions = example_documents(), example_questions()
    with tempfile.TemporaryDirectory(prefix="quipu-demo-") as temporary:
        start = time.perf_counter()
        memory = quipu.build(documents, Path(temporary) / "examples.quipu", progress=progress())
        seconds = time.perf_counter() - start
        with memory:
            counts = memory.info()["counts"]
            answers = memory.ask_many([question.text for question in questions])
    right = [question.is_right(answer) for question, answer in zip(questions, answers, strict=True)]
    answerable = [good for question, good in zip(questions, right, strict=True) if question.answers]
    others = [good for question, good in zip(questions, right, strict=True) if not question.answers]
    figures = [
        Figure("demo", Score("answered rightly", sum(answerable), len(answerable))),
        Figure("demo", Score("others refused", sum(others), len(others))),
        Figure("demo", Score("pairs", counts["pairs"], counts["passages"])),
        Figure("demo", Score("build, seconds", seconds, 1, None, False)),
    ]
    title = f"Demo: {len(questions)} questions about {len(documents)} small documents"
    details = {"rows": [list(row) for row in as_rows(answers)], "python": printed()}
    return Result.now("demo", title, figures, goals=GOALS, details=details)
