"""What a benchmark is: a name, examples, a way to ask a system, and a way to score what it said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from quipu.errors import InputError
from quipu.evaluation.report import Report
from quipu.records import Example, Score


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a system said to one question: its answer (None: it abstained) and, best first, what it looked at.

    ``ranked`` holds the answers of the pairs found; ``passages`` the texts of the passages read, where it reads.
    """

    question: str
    text: str | None
    ranked: tuple[str, ...] = ()
    passages: tuple[str, ...] = ()


class System(Protocol):
    """Anything that answers questions in batches."""

    @property
    def name(self) -> str:
        """What the row of the table is called."""
        ...

    def predict(self, questions: Sequence[str]) -> list[Prediction]:
        """One prediction a question, in order."""
        ...


class Task(Protocol):
    """A benchmark."""

    @property
    def name(self) -> str:
        """What the benchmark is called."""
        ...

    def examples(self) -> Sequence[Example]:
        """Questions with accepted answers."""
        ...

    def score(self, predictions: Sequence[Prediction]) -> list[Score]:
        """Figures for ``predictions``, which stand in the order of the examples."""
        ...


def run(
    task: Task, system: System, *, settings: dict[str, Any] | None = None, predictions: Path | None = None
) -> Report:
    """Ask ``system`` all questions of ``task`` and score it; writes the predictions to a file if one is named."""
    examples = task.examples()
    if not examples:
        raise InputError(f"the task {task.name} has no questions")
    said = system.predict([example.question for example in examples])
    if predictions is not None:
        write_predictions(predictions, examples, said)
    return Report(task.name, system.name, tuple(task.score(said)), settings or {})


def write_predictions(path: Path, examples: Sequence[Example], predictions: Sequence[Prediction]) -> None:
    """JSONL: id, question, prediction, answers, one line an example."""
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        for example, said in zip(examples, predictions, strict=True):
            row = {
                "id": example.id,
                "question": example.question,
                "prediction": said.text,
                "answers": list(example.answers),
                "ranked": list(said.ranked[:10]),
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
