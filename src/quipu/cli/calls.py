"""``quipu calls``: what external models were asked for a memory, and what it cost."""

from __future__ import annotations

from typing import Annotated

import typer

from quipu.cli.options import AsJson, MemoryPath
from quipu.cli.terminal import print_json, print_table, show


def calls(
    memory: MemoryPath,
    forget: Annotated[
        bool,
        typer.Option("--forget", help="Forget all calls and their replies; making the same again is paid again."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what external models were asked for a memory: calls, tokens, cost, failures by role."""
    import quipu
    from quipu.storage.ledger import forget_calls, used

    if forget:
        with quipu.open(memory) as opened:
            count = forget_calls(opened.store)
        if as_json:
            print_json({"memory": str(memory), "forgotten": count})
        else:
            show(f"{memory}: forgot {count:,} calls")
        return
    with quipu.open(memory, read_only=True) as opened:
        found = used(opened.store)
    if as_json:
        print_json({"memory": str(memory), "roles": {role: item.to_json() for role, item in found.items()}})
        return
    if not found:
        show(f"{memory}: no external model was asked")
        return
    head = ("role", "calls", "failed", "refused", "tokens sent", "tokens received", "tokens counted here", "cost")
    rows = [
        (role, item.calls, item.failed, item.refused, item.tokens_in, item.tokens_out,
         "" if not item.estimated else f"in {item.estimated:,} calls", "-" if item.cost is None else f"{item.cost:.4f}")
        for role, item in found.items()
    ]  # fmt: skip
    print_table(rows, head=head)
