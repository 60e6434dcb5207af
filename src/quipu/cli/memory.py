"""``quipu remove``, ``info``, ``verify``, ``export`` and ``import``: the life of a memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quipu.cli.llm_options import takes_llm
from quipu.cli.options import AsJson, MemoryPath
from quipu.cli.terminal import print_json, print_table, progress, remark, shortened, show
from quipu.errors import InputError
from quipu.places import located_row

if TYPE_CHECKING:
    from quipu.models.remote.settings import LlmSettings


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
        show(f"{memory}: removed {removed:,} pairs")


def info(
    memory: MemoryPath,
    hashed: Annotated[
        bool,
        typer.Option("--hash", help="Show one SHA-256 of all pairs with texts, places, verdicts and keys."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a memory holds: counts, models, size on disk."""
    import quipu

    if hashed:
        from quipu.storage.content import content_hash

        with quipu.open(memory, read_only=True) as opened:
            found = content_hash(opened.store)
        if as_json:
            print_json({"memory": str(memory), "sha256": found})
        else:
            show(found)
        return
    with quipu.open(memory, read_only=True) as opened:
        facts = opened.info()
    if as_json:
        print_json(facts)
    else:
        print_table(list(_flat(facts)))


def why(
    memory: MemoryPath,
    pair: Annotated[
        str,
        typer.Argument(metavar="PAIR", help="The pair's id, or a beginning that only it has.", show_default=False),
    ],
    as_json: AsJson = False,
) -> None:
    """Say where a pair comes from.

    Document, passage, span, generator, filter, all evidence, every verdict; of a dropped pair, why it was dropped.
    """
    import quipu

    with quipu.open(memory, read_only=True) as opened:
        known = opened.why(pair)
    if as_json:
        print_json(known)
        return
    for verdict in known["verdicts"]:
        verdict["because_of"] = shortened(verdict["because_of"] or "", 60)
    if known["stored"]:
        show(" ".join(known["question"].split()))
        show(f"    {' '.join(known['answer'].split())}")
        show()
        facts = ("id", "origin", "generator", "generator_score", "filter_score", "added", "ambiguous")
        print_table([(name.replace("_", " "), known[name]) for name in facts if known[name] is not None])
        for place in known["evidence"]:
            show()
            show(located_row(place))
            if place["passage"] is not None:
                start, end = place["start"] - place["passage_start"], place["end"] - place["passage_start"]
                text = place["passage"]
                show("    " + " ".join(f"{text[:start]}»{text[start:end]}«{text[end:]}".split()))
    else:
        show(f"{known['id']} is not stored: it was dropped")
    if known["verdicts"]:
        show()
        rows = [
            (item["stage"], "kept" if item["kept"] else "dropped", item["score"], item["reason"], item["because_of"])
            for item in known["verdicts"]
        ]
        print_table(rows, head=("stage", "", "score", "reason", "because of"))


def yield_(
    memory: MemoryPath,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Passages to show, the barest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show what every passage yielded: pairs made, kept, and dropped by reason.

    made = kept + all dropped. With --json every passage, one a line.
    """
    import quipu
    from quipu.storage.provenance import barest

    with quipu.open(memory, read_only=True) as opened:
        if as_json:
            for row in opened.coverage():
                print_json(row)
            return
        found = barest(opened.coverage(), limit)
    total = found["total"]
    print_table(
        [
            ("passages", total["passages"]), ("without a pair", total["bare"]), ("pairs made", total["made"]),
            ("kept", total["kept"]), *((f"dropped: {reason}", count) for reason, count in found["dropped"].items()),
        ]
    )  # fmt: skip
    show()
    rows = [
        (
            row["kept"],
            row["made"],
            shortened(row["title"] or row["document"] or "unknown passage", 40),
            "-" if row["start"] is None else f"{row['start']}-{row['end']}",
            ", ".join(f"{count} {reason}" for reason, count in row["dropped"].items()),
        )
        for row in found["passages"]
    ]
    print_table(rows, head=("kept", "made", "document", "characters", "dropped"))


@takes_llm
def grow(
    memory: MemoryPath,
    from_log: Annotated[Path, typer.Option("--from-log", metavar="FILE", help="What `quipu ask --json` printed.")],
    as_json: AsJson = False,
    llm: LlmSettings | None = None,
) -> None:
    """Make pairs for logged questions that were refused.

    Only where a passage of the memory answers one; the same log again adds nothing.
    """
    import quipu

    with progress() as report, quipu.open(memory, llm=llm) as opened:
        result = opened.grow(from_log, progress=report)
    if as_json:
        print_json({"memory": str(memory), **result})
    else:
        print_table([(key.replace("_", " "), value) for key, value in result.items()])


def reencode(memory: MemoryPath, as_json: AsJson = False) -> None:
    """Make the keys anew after an update of quipu's encoder.

    The pairs stay as they are; calibrate again afterwards.
    """
    import quipu

    with progress() as report, quipu.open(memory) as opened:
        count = opened.reencode(progress=report)
    if as_json:
        print_json({"memory": str(memory), "keys": count})
    else:
        show(f"{memory}: made {count:,} keys anew")


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
    from quipu.storage.verify import verify as verify_memory

    with progress() as report:
        found = verify_memory(memory, repair=repair, progress=report)
    if as_json:
        print_json({"memory": str(memory), **found.to_json()})
    else:
        for item in found.problems:
            show(f"{item.kind}  {item.where}: {item.what}")
        counts = ", ".join(f"{value:,} {key}" for key, value in found.counts.items())
        count = f"{len(found.problems):,} problem{'s' if len(found.problems) > 1 else ''}"
        if not found.problems:
            show(f"{memory}: no problem found ({counts})")
        elif found.repaired:
            show(f"{memory}: {count}{', all repaired' if found.ok else '; the record itself is damaged'}")
        else:
            show(f"{memory}: {count}")
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
        show(f"{file}: {count:,} pairs")


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
    from quipu.storage.interchange import import_memory

    count = import_memory(file, memory)
    if as_json:
        print_json({"memory": str(memory), "file": str(file), "pairs": count})
    else:
        show(f"{memory}: {count:,} pairs")
