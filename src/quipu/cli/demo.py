"""``quipu demo``: the whole way on a dozen small documents, from files to answers, in a temporary folder."""

from __future__ import annotations

import tempfile
from pathlib import Path

from quipu.cli.ask import as_rows
from quipu.cli.options import AsJson
from quipu.cli.terminal import print_json, print_table, progress, remark
from quipu.errors import InputError


def examples_folder() -> Path:
    """The example documents: inside the installed package, or beside ``src`` in a checkout."""
    import quipu

    package = Path(quipu.__file__).parent
    for folder in (package / "examples", package.parents[1] / "examples"):
        if (folder / "questions.txt").is_file():
            return folder
    raise InputError(f"{package / 'examples'}: the example documents are not installed; reinstall quipu")


def demo(as_json: AsJson = False) -> None:
    """Build the examples and ask them questions."""
    import quipu

    folder = examples_folder()
    questions = [line for line in (folder / "questions.txt").read_text("utf-8").splitlines() if line.strip()]
    documents = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "questions.txt")
    with tempfile.TemporaryDirectory(prefix="quipu-demo-") as temporary:
        with progress() as report:
            memory = quipu.build(documents, Path(temporary) / "examples.quipu", progress=report)
        with memory:
            pairs = memory.info()["counts"]["pairs"]
            remark(f"{pairs:,} pairs from {len(documents)} documents in {folder}")
            answers = memory.ask_many(questions)
    if as_json:
        for answer in answers:
            print_json(answer.to_json())
    else:
        print_table(as_rows(answers), head=("question", "answer", "probability", "source"))
