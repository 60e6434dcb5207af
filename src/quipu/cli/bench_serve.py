"""``quipu bench serve``: how a server of a memory bears load."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from quipu.cli.options import AsJson, MemoryPath
from quipu.cli.terminal import print_json, print_table, remark
from quipu.errors import InputError

IDLE = 0.5
"""The load average above which nothing is measured."""
_ASKED = 500  # stored questions that are asked where none are given


def serve(
    memory: MemoryPath,
    questions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Questions to ask, one a line; without it those of stored pairs.", show_default=False
        ),
    ] = None,
    method: Annotated[
        Literal["cascade", "lookup", "passage", "read", "hops", "chain", "span"], typer.Option(help="As for `ask`.")
    ] = "cascade",
    rerank: Annotated[bool, typer.Option("--rerank/--no-rerank", help="As for `ask`.")] = False,
    seconds: Annotated[
        float, typer.Option(min=1, metavar="N", help="Of steady load; other runs take a half or a quarter of it.")
    ] = 120.0,
    workers: Annotated[int, typer.Option(min=1, max=64, metavar="N", help="As for `serve`.")] = 1,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the times at which questions come.")] = 0,
    documents: Annotated[
        int, typer.Option(min=5, metavar="N", help="Documents that are added to a copy of the memory beside the load.")
    ] = 200,
    anyway: Annotated[bool, typer.Option("--anyway", help="Measure although the machine has other work.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure how a server answers under load: alone, steady, near its most, far above it, while its memory changes.

    The most is found by 64 clients; then questions come at random times over 500 connections, whatever the server does.
    On copies of the memory documents are added, and processes killed, beside such load. Each run has bounds, and it is
    said whether they were reached. All of it takes about four times the seconds of steady load.
    """
    from quipu.evaluation.served import measure
    from quipu.evaluation.served_process import Load

    load = check_idle(anyway)
    options = (("method", method), ("rerank", rerank))
    asked = stored_questions(memory) if questions is None else _given(questions)
    runs = measure(
        Load(memory, asked, seconds, options, workers, seed, documents), lambda name: remark(f"measuring: {name}")
    )
    if as_json:
        print_json(
            {"memory": str(memory), "questions": len(asked), "seconds": seconds, "workers": workers, "load": load,
             "cores": os.cpu_count(), "runs": [run.to_json() for run in runs]}
        )  # fmt: skip
        return
    names = ("asked", "answered", "refused", "errors", "answers_per_second", "p50_ms", "p99_ms")
    print_table(
        [(run.name, *(run.figures.get(name) for name in names)) for run in runs],
        head=("run", *(name.replace("_", " ") for name in names)),
    )
    print_table(
        [(run.name, bound.name, bound.value, f"{'>=' if bound.at_least else '<='} {bound.limit:g}",
          "reached" if bound.reached else "MISSED") for run in runs for bound in run.bounds],
        head=("run", "bound", "value", "goal", ""),
    )  # fmt: skip


def check_idle(anyway: bool) -> float:
    """The load average; InputError where the machine has other work, unless it is to be measured all the same."""
    load = os.getloadavg()[0]
    if load > IDLE and not anyway:
        raise InputError(
            f"the load average is {load:.1f}, and figures beside other work say nothing: wait until it is {IDLE} or "
            "less, or give --anyway"
        )
    return load


def stored_questions(memory: Path, most: int = _ASKED) -> list[str]:
    """Questions of stored pairs, from all over the memory; InputError where there is none."""
    import quipu

    with quipu.open(memory, read_only=True) as opened:
        step = max(1, opened.store.count() // most)
        found = [pair.question for at, (_, pair) in enumerate(opened.store.pairs()) if at % step == 0]
    if not found:
        raise InputError(f"{memory}: no pair is stored; give --questions FILE")
    return found[:most]


def _given(file: Path) -> list[str]:
    from quipu.cli.questions import questions_of

    found = [item for item in questions_of(file) if isinstance(item, str)]
    if not found:
        raise InputError(f"{file}: no question in it")
    return found
