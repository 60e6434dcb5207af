"""``quipu build`` and ``quipu add``: documents and ready pairs into a memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from quipu.cli.llm_options import takes_llm
from quipu.cli.options import AsJson, Limit, MemoryPath, Strict
from quipu.cli.outcome import outcome_of, print_outcome
from quipu.cli.terminal import progress, remark
from quipu.errors import InputError

if TYPE_CHECKING:
    from quipu.models.remote.settings import LlmSettings

Pairs = Annotated[
    Path | None,
    typer.Option(
        "--pairs",
        metavar="FILE",
        help="Import ready pairs: a table (.csv, .tsv) whose first row names the columns question and answer, or JSON "
        "(.jsonl, .json) as of NQ-open, PAQ, WebQuestions or SQuAD; also .gz. Rows without a pair are named.",
    ),
]


@takes_llm
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
    limit: Limit = None,
    as_json: AsJson = False,
    llm: LlmSettings | None = None,
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
                llm=llm,
                **chosen,
            ) as memory,
        ):
            outcome = outcome_of(memory)
    except KeyboardInterrupt:
        remark("interrupted; what is finished is kept, and the same command continues the build")
        raise typer.Exit(130) from None
    print_outcome(outcome, documents or [], as_json)


@takes_llm
def add(
    memory: MemoryPath,
    documents: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DOCS", help="Files and folders to add or to update.", show_default=False),
    ] = None,
    pairs: Pairs = None,
    strict: Strict = False,
    limit: Limit = None,
    as_json: AsJson = False,
    llm: LlmSettings | None = None,
) -> None:
    """Add documents or ready pairs to a memory.

    A file that changed since it was last read replaces exactly its own pairs, one that was moved is followed, one that
    is gone is named.
    """
    if not documents and pairs is None:
        raise InputError("nothing to add: name documents or folders, or ready pairs with --pairs FILE")
    import quipu

    try:
        with progress() as report, quipu.open(memory, llm=llm) as opened:
            opened.add_documents(documents or [], pairs=pairs, strict=strict, progress=report)
            outcome = outcome_of(opened)
    except KeyboardInterrupt:
        remark("interrupted; what is finished is kept, and the same command adds the rest")
        raise typer.Exit(130) from None
    print_outcome(outcome, documents or [], as_json)
