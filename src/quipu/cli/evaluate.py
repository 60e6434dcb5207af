"""``quipu eval`` and ``quipu microworld``: measure a memory; make a world whose answers are known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from quipu.cli.options import AsJson, MemoryPath
from quipu.cli.terminal import print_json, print_table, progress, remark, shortened, show, show_text

if TYPE_CHECKING:
    from quipu.evaluation.tasks.neighbours import Asked


def open_domain(
    memory: MemoryPath,
    questions: Annotated[
        Path,
        typer.Argument(metavar="QUESTIONS", help="NQ-open JSONL, SQuAD JSON or WebQuestions JSON.", show_default=False),
    ],
    method: Annotated[str, typer.Option(metavar="M", help="How answers are found.")] = "lookup",
    k: Annotated[int, typer.Option("-k", min=1, metavar="N", help="Stored pairs that recall looks at.")] = 50,
    rerank: Annotated[bool, typer.Option("--rerank/--no-rerank", help="With the reranker or without.")] = False,
    predictions: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every prediction as JSONL.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask questions with known answers: EM, F1, recall@K, questions/s."""
    import quipu
    from quipu.datasets.questions import read_examples
    from quipu.evaluation.tasks.open_domain import evaluate

    examples = read_examples(questions)
    with quipu.open(memory, read_only=True) as opened:
        report = evaluate(opened, examples, method=method, k=k, predictions=predictions, rerank=rerank)
    if as_json:
        print_json({"memory": str(memory), "questions": str(questions), **report.to_json()})
    else:
        show_text(report.text())


def compare(
    memory: MemoryPath,
    questions: Annotated[
        Path,
        typer.Argument(metavar="QUESTIONS", help="NQ-open JSONL, SQuAD JSON or WebQuestions JSON.", show_default=False),
    ],
    methods: Annotated[
        list[str] | None, typer.Option(metavar="M", help="Only these rows; may be given again.", show_default=False)
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Every n-th question, N in all.")] = None,
    fid: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="A trained FiD, to read 20 and 100 passages.")
    ] = None,
    writer: Annotated[Path | None, typer.Option(metavar="FOLDER", help="A trained closed-book writer.")] = None,
    as_json: AsJson = False,
) -> None:
    """All ways to answer beside each other: quipu's own, readers of passages, and controls."""
    import quipu
    from quipu.datasets.questions import read_examples
    from quipu.evaluation.report import table
    from quipu.evaluation.tasks import compare as task
    from quipu.evaluation.tasks.open_domain import spread

    examples = read_examples(questions)
    examples = spread(examples, limit or len(examples))
    with quipu.open(memory, read_only=True) as opened:
        reports = task.compare(opened, examples, methods or (), fid, writer)
    if as_json:
        print_json({report.system: report.to_json() for report in reports})
    else:
        show_text(table(reports, ("EM", "F1", "recall@50", "questions/s", "p50 ms", "p95 ms", "words read", "MB")))


def twins(
    encoder: Annotated[
        list[str] | None,
        typer.Option(metavar="FOLDER", help="Encoders to compare beside the one that ships; may be given again."),
    ] = None,
    reranker: Annotated[str, typer.Option(metavar="NAME", help="The reranker.")] = "quipu-small/reranker",
    coverage: Annotated[float, typer.Option(metavar="SHARE", help="Paraphrases that must pass.")] = 0.9,
    as_json: AsJson = False,
) -> None:
    """Near-twins: questions that are only like a stored one.

    For each scorer the share of twins that pass a bar which true paraphrases pass, over 1,500 items of 16 kinds.
    """
    from quipu.evaluation.tasks import twins as task
    from quipu.evaluation.twins.suite import suite

    reports = task.evaluate(suite("test"), task.shipped(encoder or (), reranker), coverage)
    if as_json:
        print_json({report.system: report.to_json() for report in reports})
    else:
        print_table(task.rows(reports), head=("false hits, %", *(report.system for report in reports)))


def neighbours(
    memory: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Build the memory here and keep it, or ask the one that is there."),
    ] = None,
    documents: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the first N documents.")] = None,
    list_wrong: Annotated[bool, typer.Option("--list", help="Show every answer that is wrong.")] = False,
    as_json: AsJson = False,
) -> None:
    """Questions next door: does a memory answer what its documents do not say?

    Twenty invented documents are built into a memory, in a temporary folder without --memory, and asked 200 questions
    that they answer and 200 that they only seem to answer. The goal: 5 % of these answered at most, 80 % of those
    rightly.
    """
    import tempfile

    import quipu
    from quipu.evaluation.neighbours.suite import documents as files
    from quipu.evaluation.neighbours.suite import suite
    from quipu.evaluation.tasks import neighbours as task

    with tempfile.TemporaryDirectory(prefix="quipu-neighbours-") as temporary, progress() as report:
        path = memory or Path(temporary) / "neighbours.quipu"
        if memory is None or not memory.exists():
            quipu.build(files(documents), path, progress=report).close()
        with quipu.open(path, read_only=True) as opened:
            asked = task.ask_all(
                suite(documents), opened.ask_many,
                lambda done, total: report({"stage": "asking", "done": done, "total": total, "unit": "questions"}),
            )  # fmt: skip
    found, bad = task.evaluate(asked), task.wrong(asked)
    if as_json:
        print_json({**found.to_json(), "wrong": [row.to_json() for row in bad]})
        return
    show_text(found.text())
    for metric, goal in task.GOALS.items():
        show(f"goal: {metric} {'at least' if found[metric].higher_is_better else 'at most'} {goal:g} %")
    if list_wrong:
        show()
        head = ("probability", "step", "kind", "question", "said", "document")
        print_table([_wrong(row) for row in bad], head=head)


def _wrong(row: Asked) -> tuple[object, ...]:
    """A line of the list of wrong answers."""
    said = row.answer
    return (
        said.probability, said.route, row.item.kind, shortened(row.item.question, 80), shortened(said.text or "", 50),
        row.item.document,
    )  # fmt: skip


def selective(
    memory: MemoryPath,
    questions: Annotated[
        Path,
        typer.Argument(metavar="QUESTIONS", help="NQ-open JSONL, SQuAD JSON or WebQuestions JSON.", show_default=False),
    ],
    min_probability: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, metavar="P", help="Instead of the memory's threshold.")
    ] = None,
    method: Annotated[Literal["lookup", "cascade"], typer.Option(help="Every step, or lookup alone.")] = "cascade",
    rerank: Annotated[bool, typer.Option("--rerank/--no-rerank", help="With the reranker or without.")] = False,
    k: Annotated[int, typer.Option("-k", min=1, metavar="N", help="Stored pairs to look at.")] = 50,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the curves to a .png or .svg file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Does the memory know when it knows? Risk, coverage, calibration.

    Of a cascade every step is shown too: alone ("passage"), and together with those before it ("to passage").
    """
    import quipu
    from quipu.datasets.questions import read_examples
    from quipu.evaluation.report import table
    from quipu.evaluation.tasks import selective as task

    examples = read_examples(questions)
    with quipu.open(memory, read_only=True) as opened:
        report, said = task.evaluate(opened, examples, threshold=min_probability, k=k, rerank=rerank, method=method)
        steps = task.by_step(opened, examples, k=k, rerank=rerank) if method == "cascade" else {}
    reports = task.step_reports(steps)
    if as_json:
        own = {"memory": str(memory), "questions": str(questions), **report.to_json()}
        print_json(own | {"steps": {step.system: step.to_json() for step in reports}})
    else:
        show_text(report.text())
        if reports:
            show()
            show_text(table(reports, task.STEP_METRICS))
    if plot is not None:
        task.plot(plot, said, questions.name, steps)


def calibrate(
    memory: MemoryPath,
    questions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Questions with answers (none: the memory does not answer it); else the memory is asked about itself.",
        ),
    ] = None,
    from_feedback: Annotated[
        bool,
        typer.Option(
            "--from-feedback", help="On the answers that were marked as right or wrong; 20 of each at least are needed."
        ),
    ] = False,
    target_precision: Annotated[
        float, typer.Option(min=0.0, max=1.0, metavar="P", help="How often an answer that is given must be right.")
    ] = 0.95,
    rerank: Annotated[
        bool, typer.Option("--rerank/--no-rerank", help="For asking with the reranker or without.")
    ] = False,
    count: Annotated[int, typer.Option(min=50, metavar="N", help="Questions to ask itself.")] = 300,
    seed: Annotated[int, typer.Option(metavar="N", help="Which questions it asks itself.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Fit how probable an answer is, and when to hold it back.

    Curve and threshold are kept in the memory and used by every `quipu ask` from then on. Where no threshold is as
    precise as wanted, the memory stays as it was and the exit code is 1.
    """
    import quipu
    from quipu.datasets.questions import read_examples

    examples = None if questions is None else read_examples(questions, unanswered=True)
    with quipu.open(memory) as opened:
        result = quipu.calibrate(
            opened, examples, target_precision=target_precision, rerank=rerank, count=count, seed=seed,
            from_feedback=from_feedback,
        )  # fmt: skip
    steps = result.pop("steps") if not as_json else ()
    if as_json:
        print_json({"memory": str(memory), **result})
    else:
        print_table([(key.replace("_", " "), value) for key, value in result.items()])
        columns = ("scorer", "questions", "right", "answered", "precision", "ece", "threshold")
        show()
        print_table([tuple(row.get(name) for name in columns) for row in steps], head=columns)
    if not result["reached"]:
        best = result["best_precision"]
        remark(
            f"a precision of {target_precision:g} is out of reach, {best:.2f} is possible; {memory} keeps its threshold"
        )
        raise typer.Exit(1)


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
