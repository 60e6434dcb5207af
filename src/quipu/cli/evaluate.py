"""``quipu eval`` and ``quipu microworld``: measure a memory; make a world whose answers are known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quipu.cli.options import AsJson, MemoryPath
from quipu.cli.terminal import print_json, print_table


def open_domain(
    memory: MemoryPath,
    questions: Annotated[
        Path,
        typer.Argument(metavar="QUESTIONS", help="NQ-open JSONL, SQuAD JSON or WebQuestions JSON.", show_default=False),
    ],
    method: Annotated[str, typer.Option(metavar="M", help="How answers are found.")] = "lookup",
    k: Annotated[int, typer.Option("-k", min=1, metavar="N", help="Stored pairs that recall looks at.")] = 50,
    predictions: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every prediction as JSONL.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask questions with known answers: EM, F1, recall@K, questions/s."""
    import quipu
    from quipu.evaluation.tasks.open_domain import evaluate, read_examples

    examples = read_examples(questions)
    with quipu.open(memory, read_only=True) as opened:
        report = evaluate(opened, examples, method=method, k=k, predictions=predictions)
    if as_json:
        print_json({"memory": str(memory), "questions": str(questions), **report.to_json()})
    else:
        print(report.text())


def microworld(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to make.", show_default=False)],
    documents: Annotated[int, typer.Option(min=1, metavar="N", help="How many documents.")] = 2000,
    seed: Annotated[int, typer.Option(metavar="N", help="The world's seed.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Write an invented world with known answers.

    The folder holds documents, the facts behind them, and questions with their answers, spans and chains.
    """
    from quipu.evaluation.microworld import make

    summary = make(out, documents, seed).to_json()
    if as_json:
        print_json(summary)
    else:
        print_table([(key.replace("_", " "), str(value)) for key, value in summary.items()])
