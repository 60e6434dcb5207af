"""``quipu remove``, ``info``, ``verify``, ``export`` and ``import``: the life of a memory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from quipu.cli.options import AsJson, MemoryPath
from quipu.cli.terminal import print_json, print_table, progress, remark
from quipu.errors import InputError


def remove(
    memory: MemoryPath,
    document: Annotated[
        str | None, typer.Option(metavar="D", help="A document: its path as it was built, its file, or its id.")
    ] = None,
    pair: Annotated[str | None, typer.Option(metavar="ID", help="One pair, by its id.")] = None,
    as_json: AsJson = False,
) -> None:
    """Forget a document with all its pairs, or one pair.

    The rows are deleted at once; `quipu verify MEMORY --repair` also rewrites the files, so that no byte remains.
    """
    if (document is None) == (pair is None):
        raise InputError("say what to remove: --document D or --pair ID, one of them")
    import quipu

    with quipu.open(memory) as opened:
        removed = opened.remove(document=document) if document is not None else opened.remove(pair=pair)
    if as_json:
        print_json({"memory": str(memory), "document": document, "pair": pair, "removed_pairs": removed})
    else:
        print(f"{memory}: removed {removed:,} pairs")


def info(memory: MemoryPath, as_json: AsJson = False) -> None:
    """Show what a memory holds: counts, models, size on disk."""
    import quipu

    with quipu.open(memory, read_only=True) as opened:
        facts = opened.info()
    if as_json:
        print_json(facts)
    else:
        print_table(list(_flat(facts)))


def _flat(facts: dict[str, Any], prefix: str = "") -> list[tuple[str, object]]:
    """Nested facts as rows "models.encoder  sha256"."""
    rows: list[tuple[str, object]] = []
    for key, value in facts.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", f"{value:,}" if type(value) is int and key != "seed" else value))
    return rows


def verify(
    memory: MemoryPath,
    repair: Annotated[
        bool, typer.Option("--repair", help="Rebuild what is derived and rewrite the files without removed bytes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check every hash, span, vector and count.

    The exit code is 1 where a problem remains.
    """
    from quipu.memory.verify import verify as verify_memory

    with progress() as report:
        found = verify_memory(memory, repair=repair, progress=report)
    if as_json:
        print_json({"memory": str(memory), **found.to_json()})
    else:
        for item in found.problems:
            print(f"{item.kind}  {item.where}: {item.what}")
        counts = ", ".join(f"{value:,} {key}" for key, value in found.counts.items())
        count = f"{len(found.problems):,} problem{'s' if len(found.problems) > 1 else ''}"
        if not found.problems:
            print(f"{memory}: no problem found ({counts})")
        elif found.repaired:
            print(f"{memory}: {count}{', all repaired' if found.ok else '; the record itself is damaged'}")
        else:
            print(f"{memory}: {count}")
    if not found.ok:
        if not repair and any(item.derived for item in found.problems):
            remark(f"what is derived comes back with: quipu verify {memory} --repair")
        raise typer.Exit(1)


def export(
    memory: MemoryPath,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where to write: .jsonl or .parquet.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Write a whole memory into one file.

    `quipu import` makes the same memory of it again.
    """
    import quipu

    with quipu.open(memory, read_only=True) as opened:
        count = opened.export(file)
    if as_json:
        print_json({"memory": str(memory), "file": str(file), "pairs": count})
    else:
        print(f"{file}: {count:,} pairs")


def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .jsonl or .parquet that export wrote.", show_default=False)
    ],
    memory: Annotated[Path, typer.Argument(metavar="MEMORY", help="The folder to make.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Make a memory from an exported file.

    Ready pairs in other formats come in by `quipu build --pairs`.
    """
    from quipu.memory.interchange import import_memory

    count = import_memory(file, memory)
    if as_json:
        print_json({"memory": str(memory), "file": str(file), "pairs": count})
    else:
        print(f"{memory}: {count:,} pairs")
