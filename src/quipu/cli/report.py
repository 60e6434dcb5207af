"""``quipu report``: all that can be said of a memory, as one HTML page."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from quipu.cli.options import AsJson, MemoryPath
from quipu.cli.terminal import print_json, progress, show
from quipu.errors import InputError


def report(
    memory: MemoryPath,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The page to write.", show_default=False)],
    questions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Questions with answers (none: the memory does not answer it): NQ-open JSONL, SQuAD JSON or "
            "WebQuestions JSON.",
        ),
    ] = None,
    latency: Annotated[
        bool,
        typer.Option("--latency", help="Ask up to 100 of the questions one by one, too, and show how long it takes."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a page about a memory: coverage, what was dropped, scores, conflicts, and how sure its answers are.

    One HTML file that needs nothing else. The same memory and questions give the same page; only --latency differs
    from run to run.
    """
    import quipu
    from quipu.datasets.questions import read_examples
    from quipu.evaluation.report_facts import gather
    from quipu.evaluation.report_page import page
    from quipu.syncing import sha256_of_file

    if latency and questions is None:
        raise InputError("--latency needs questions to ask: --questions FILE")
    examples = None if questions is None else read_examples(questions, unanswered=True)
    with progress() as tell, quipu.open(memory, read_only=True) as opened:
        facts = gather(opened, examples, timed=latency, progress=tell)
    given = ["--questions", str(questions)] if questions is not None else []
    command = shlex.join(["quipu", "report", str(memory), "-o", str(out), *given, *(["--latency"] if latency else [])])
    named = "" if questions is None else f"{questions.name} (sha256 {sha256_of_file(questions)})"
    content = page(memory.name or str(memory), facts, f"{command}  (quipu {quipu.__version__})", named).encode("utf-8")
    _write(out, content)
    if as_json:
        print_json({"memory": str(memory), "file": str(out), "bytes": len(content)})
    else:
        show(f"{out}: {len(content):,} bytes")


def _write(path: Path, content: bytes) -> None:
    """In place of what is there, once it is whole."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            beside.write_bytes(content)
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error})") from error
