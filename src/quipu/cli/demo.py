"""``quipu demo``: the whole way on a dozen small documents, from files to answers, in a temporary folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quipu.cli.options import AsJson
from quipu.cli.terminal import print_json, print_table, progress, remark, shortened
from quipu.errors import InputError

if TYPE_CHECKING:
    from quipu.records import Answer

QUESTIONS = Path(__file__).with_name("demo_questions.jsonl")
HEAD = ("question", "answer", "probability", "source")


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the demo with the answers that are accepted; none where the documents do not answer it."""

    text: str
    answers: tuple[str, ...]

    def is_right(self, answer: Answer) -> bool:
        """Whether the answer is an accepted one, or was rightly held back."""
        from quipu.text import exact_match

        if answer.text is None:
            return not self.answers
        return bool(exact_match(answer.text, self.answers))


def examples_folder() -> Path:
    """The example documents: inside the installed package, or beside ``src`` in a checkout."""
    import quipu

    package = Path(quipu.__file__).parent
    for folder in (package / "examples", package.parents[1] / "examples"):
        if folder.is_dir():
            return folder
    raise InputError(f"{package / 'examples'}: the example documents are not installed; reinstall quipu")


def example_documents() -> list[Path]:
    """Every example document, in order."""
    return sorted(path for path in examples_folder().rglob("*") if path.is_file())


def example_questions() -> list[Question]:
    """The questions, those that the documents answer first."""
    lines = QUESTIONS.read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [Question(row["question"], tuple(row["answers"])) for row in rows]


def as_rows(answers: Sequence[Answer]) -> list[tuple[Any, ...]]:
    """One row per answer, under ``HEAD``: question, answer, how probable it is, and the file that it stands in."""
    return [
        (
            shortened(answer.question, 60),
            "(no answer)" if answer.text is None else shortened(answer.text, 48),
            "-" if answer.probability is None else f"{answer.probability:.2f}",
            "" if answer.text is None else _source(answer),
        )
        for answer in answers
    ]


def tally(questions: Sequence[Question], answers: Sequence[Answer]) -> str:
    """How many were answered rightly, and how many of the others were refused, in words."""
    right = [question.is_right(answer) for question, answer in zip(questions, answers, strict=True)]
    answerable = [good for question, good in zip(questions, right, strict=True) if question.answers]
    others = [good for question, good in zip(questions, right, strict=True) if not question.answers]
    return (
        f"{sum(answerable)} of {len(answerable)} questions answered rightly, {sum(others)} of {len(others)} refused "
        "that no document answers"
    )


def demo(as_json: AsJson = False) -> None:
    """Build the example documents into a memory and ask it questions.

    Two of the questions are answered nowhere in the documents: an honest memory says so.
    """
    import tempfile

    import quipu

    documents, questions = example_documents(), example_questions()
    with tempfile.TemporaryDirectory(prefix="quipu-demo-") as temporary:
        with progress() as report:
            memory = quipu.build(documents, Path(temporary) / "examples.quipu", progress=report)
        with memory:
            pairs = memory.info()["counts"]["pairs"]
            remark(f"{pairs:,} pairs from {len(documents)} documents in {examples_folder()}")
            answers = memory.ask_many([question.text for question in questions])
    if as_json:
        for answer in answers:
            print_json(answer.to_json())
        return
    print_table(as_rows(answers), head=HEAD)
    remark(tally(questions, answers))


def _source(answer: Answer) -> str:
    """The name of the file that the best evidence stands in."""
    document = answer.evidence[0].document if answer.evidence else None
    return Path(document).name if document else ""
