"""``quipu shard`` and ``quipu merge``: one memory becomes several, several become one."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Literal

import typer

from quipu.cli.options import AsJson, MemoryPath
from quipu.cli.terminal import print_json, show


def shard(
    memory: MemoryPath,
    into: Annotated[int, typer.Option("--into", min=1, max=1000, metavar="N", help="How many.", show_default=False)],
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where they are made.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Cut a memory into several smaller ones, by document.

    A document stays whole, together with those of its file and those that hold the same answers; the parts have about
    as many pairs each. The memory itself stays as it is. Parts are asked together with: quipu ask A QUESTION --also B
    """
    from quipu.storage.splitting import shard as cut
    from quipu.storage.store import Store

    with Store.open(memory, read_only=True) as store:
        made = cut(store, to, into)
    if as_json:
        parts = [{"memory": str(path), "pairs": count} for path, count in made]
        print_json({"memory": str(memory), "parts": parts})
        return
    for path, count in made:
        show(f"{path}: {count:,} pairs")


def merge(
    memories: Annotated[list[Path], typer.Argument(metavar="MEMORY...", help="The folders.", show_default=False)],
    to: Annotated[Path, typer.Option("--to", metavar="MEMORY", help="The folder to make.", show_default=False)],
    prefer: Annotated[
        Literal["newest"] | None,
        typer.Option("--prefer", help="Of different documents of one name take the one that was read last."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put memories together into a new one.

    Their keys must be of one encoder. A document that is in several comes from where it was read last.
    """
    from quipu.storage.splitting import merge as join
    from quipu.storage.store import Store

    with ExitStack() as stack:
        stores = [stack.enter_context(Store.open(path, read_only=True)) for path in memories]
        count = join(stores, to, newest=prefer == "newest")
    if as_json:
        print_json({"memory": str(to), "pairs": count})
    else:
        show(f"{to}: {count:,} pairs")
