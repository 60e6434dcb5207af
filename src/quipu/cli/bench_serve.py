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
    busy: Annotated[bool, typer.Option("--busy", help="Measure although the machine has other work.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure how a server answers under load: alone, steady, near its most, far above it, and beside slow senders.

    The most is found by 64 clients; then questions come at random times over 500 connections, whatever the server does.
    Each run has bounds, and it is said whether they held.
    """
    from dataclasses import asdict

    from quipu.evaluation.served import Load, measure

    load = os.getloadavg()[0]
    if load > IDLE and not busy:
        raise InputError(
            f"the load average is {load:.1f}, and figures beside other work say nothing: wait until it is {IDLE} or "
            "less, or give --busy"
        )
    options = (("method", method), ("rerank", rerank))
    asked = _stored(memory) if questions is None else _given(questions)
    runs = measure(Load(memory, asked, seconds, options, workers, seed), lambda name: remark(f"measuring: {name}"))
    if as_json:
        print_json(
            {"memory": str(memory), "questions": len(asked), "seconds": seconds, "workers": workers, "load": load,
             "cores": os.cpu_count(), "runs": [asdict(run) for run in runs]}
        )  # fmt: skip
        return
    names = ("asked", "answered", "refused", "errors", "answers_per_second", "p50_ms", "p99_ms")
    print_table(
        [(run.name, *(run.figures.get(name) for name in names)) for run in runs],
        head=("run", *(name.replace("_", " ") for name in names)),
    )
    print_table(
        [(run.name, bound, "held" if held else "NOT HELD") for run in runs for bound, held in run.bounds.items()],
        head=("run", "bound", ""),
    )


def _given(file: Path) -> list[str]:
    from quipu.cli.questions import questions_of

    found = [item for item in questions_of(file) if isinstance(item, str)]
    if not found:
        raise InputError(f"{file}: no question in it")
    return found


def _stored(memory: Path) -> list[str]:
    """Questions of stored pairs, from all over the memory."""
    import quipu

    with quipu.open(memory, read_only=True) as opened:
        count = opened.store.count()
        found = [
            pair.question for at, (_, pair) in enumerate(opened.store.pairs()) if at % max(1, count // _ASKED) == 0
        ]
    if not found:
        raise InputError(f"{memory}: no pair is stored; give --questions FILE")
    return found[:_ASKED]
