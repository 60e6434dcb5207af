"""``quipu build`` and ``quipu add``: documents and ready pairs into a memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from quipu.cli.options import AsJson, MemoryPath, Strict
from quipu.cli.terminal import duration, print_json, print_table, progress, remark, show
from quipu.errors import InputError

if TYPE_CHECKING:
    from quipu.api import Memory

Pairs = Annotated[
    Path | None,
    typer.Option(
        "--pairs",
        metavar="FILE",
        help="Import ready pairs: a table (.csv, .tsv) whose first row names the columns question and answer, or JSON "
        "(.jsonl, .json) as of NQ-open, PAQ, WebQuestions or SQuAD; also .gz. Rows without a pair are named.",
    ),
]


def build(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="MEMORY", help="The folder to make.")],
    documents: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DOCS", help="Files and folders; folders are read recursively.", show_default=False),
    ] = None,
    pairs: Pairs = None,
    questions_per_passage: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Ask N questions a passage, by sampling where spans are few."),
    ] = None,
    pair_threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="P",
            help="Keep pairs that are good with at least this probability: more and worse ones below 0.4, fewer and "
            "better ones above.",
            show_default=False,
        ),
    ] = None,
    filter: Annotated[
        Literal["local", "global"],
        typer.Option(help="Check pairs against their own passage, or against every passage of the memory too."),
    ] = "local",
    ambiguous: Annotated[
        Literal["drop", "mark"], typer.Option(help="What becomes of pairs that another passage answers otherwise.")
    ] = "drop",
    seed: Annotated[int, typer.Option(metavar="N", help="The seed of sampled questions.")] = 0,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Make a memory from documents or ready pairs.

    A build that was interrupted continues where it stopped when the same command is given again.
    """
    if not documents and pairs is None:
        raise InputError("nothing to build from: name documents or folders, or ready pairs with --pairs FILE")
    import quipu

    chosen: dict[str, Any] = {} if pair_threshold is None else {"pair_threshold": pair_threshold}
    try:
        with (
            progress() as report,
            quipu.build(
                documents or [],
                output,
                pairs=pairs,
                questions_per_passage=questions_per_passage,
                seed=seed,
                strict=strict,
                progress=report,
                filter=filter,
                ambiguous=ambiguous,
                **chosen,
            ) as memory,
        ):
            result = _result(memory)
    except KeyboardInterrupt:
        remark("interrupted; what is finished is kept, and the same command continues the build")
        raise typer.Exit(130) from None
    _print(result, as_json)


def add(
    memory: MemoryPath,
    documents: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DOCS", help="Files and folders to add or to update.", show_default=False),
    ] = None,
    pairs: Pairs = None,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Add documents or ready pairs to a memory.

    A document that changed since it was last read replaces exactly its own pairs.
    """
    if not documents and pairs is None:
        raise InputError("nothing to add: name documents or folders, or ready pairs with --pairs FILE")
    import quipu

    try:
        with progress() as report, quipu.open(memory) as opened:
            if documents:
                opened.add_documents(documents, strict=strict, progress=report)
            if pairs is not None:
                opened.add_pairs_file(pairs, strict=strict, progress=report)
            result = _result(opened)
    except KeyboardInterrupt:
        remark("interrupted; what is finished is kept, and the same command adds the rest")
        raise typer.Exit(130) from None
    _print(result, as_json)


def _result(memory: Memory) -> dict[str, Any]:
    """What a build or an addition did, as ``--json`` prints it."""
    return {"memory": str(memory.path), **memory.report.to_json()}


def _print(result: dict[str, Any], as_json: bool) -> None:
    """The result for a script or for a person; files that were skipped are named last, one line each."""
    if as_json:
        print_json(result)
    else:
        show(f"{result['memory']}: {result['pairs']:,} pairs from {result['passages']:,} passages")
        dropped = result["dropped"]
        if dropped:
            print_table([[count, reason] for reason, count in sorted(dropped.items(), key=lambda item: -item[1])])
        if result["seconds"]:
            show(f"{duration(result['seconds'])}, {result['passages_per_second']:.1f} passages/s")
    for item in result["skipped"]:
        remark(f"skipped {item['name']}: {item['reason']}")
