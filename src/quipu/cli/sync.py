"""``quipu sync``, ``quipu documents`` and ``quipu watch``: a memory that holds what its files hold."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from quipu.cli.options import AsJson, Limit, MemoryPath, Strict
from quipu.cli.outcome import listing, outcome_of, print_outcome
from quipu.cli.terminal import print_json, print_table, progress, remark
from quipu.errors import InputError, MemoryLocked

_POLL = 2.0  # seconds between two looks at the files
Documents = Annotated[
    list[Path], typer.Argument(metavar="DOCS", help="Files and folders; folders are read recursively.")
]
Delete = Annotated[bool, typer.Option("--delete", help="Forget known files of the folders that are gone.")]
MaxDelete = Annotated[
    str,
    typer.Option(
        metavar="N|P%",
        help="Do nothing where more files are gone: a number, or a percentage of the known files, rounded up.",
    ),
]


def sync(
    memory: MemoryPath,
    documents: Documents,
    delete: Delete = False,
    max_delete: MaxDelete = "20%",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    strict: Strict = False,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Make a memory hold its files as they are now.

    New and changed files are read, renamed and moved ones followed without running a model. Files that are gone are
    named, and forgotten with --delete. A folder that is empty or cannot be read removes nothing.
    """
    import quipu
    from quipu.syncing import check_limit

    check_limit(max_delete)
    if dry_run:
        with quipu.open(memory, read_only=True) as opened:
            changes = opened.changes(documents)
        if delete:
            changes.check_deletions(max_delete)
        _print_changes({"memory": str(memory), **changes.to_json()}, delete, as_json)
        return
    try:
        with progress() as report, quipu.open(memory) as opened:
            opened.sync(documents, delete=delete, max_delete=max_delete, strict=strict, progress=report)
            outcome = outcome_of(opened)
    except KeyboardInterrupt:
        remark("interrupted; what is finished is kept, and the same command does the rest")
        raise typer.Exit(130) from None
    print_outcome(outcome, documents, as_json)


def documents(memory: MemoryPath, as_json: AsJson = False) -> None:
    """List the files that a memory was made of.

    With their title, pages, passages and pairs, when they were read, and whether they changed or are missing since.
    With --json one file a line.
    """
    import quipu

    with quipu.open(memory, read_only=True) as opened:
        if as_json:
            for row in opened.documents():
                print_json(row)
            return
        rows = [
            (row["name"], row["title"] or ("ready pairs" if row["kind"] == "pairs" else ""), row["pages"],
             row["passages"], row["pairs"], (row["read"] or "-").replace("T", " ").removesuffix("Z"), row["state"])
            for row in opened.documents()
        ]  # fmt: skip
    print_table(rows, head=("file", "title", "pages", "passages", "pairs", "read (UTC)", ""))


def watch(
    memory: MemoryPath,
    documents: Documents,
    every: Annotated[
        float, typer.Option(min=1, max=86_400, metavar="SECONDS", help="Sync this often also without a change.")
    ] = 300.0,
    delete: Delete = False,
    max_delete: MaxDelete = "20%",
    as_json: AsJson = False,
    limit: Limit = None,
) -> None:
    """Keep a memory as its files are: sync when one changes and from time to time, until Ctrl-C.

    A file that is just being written is read when it rests. Between two syncs the memory is free for other writers.
    """
    from quipu.syncing import Watch, check_limit

    check_limit(max_delete)
    watching = Watch(documents, every)
    try:
        while True:
            if watching.due() and _sync_once(memory, documents, delete, max_delete, as_json):
                watching.done()
            time.sleep(min(_POLL, every))
    except KeyboardInterrupt:
        remark("stopped; what is finished is kept")
        raise typer.Exit(130) from None


def _sync_once(memory: Path, documents: list[Path], delete: bool, max_delete: str, as_json: bool) -> bool:
    """One sync of ``watch``; False where it has to be tried again. What it cannot do is said, and watching goes on."""
    import quipu

    try:
        with quipu.open(memory, read_only=True) as opened:
            changes = opened.changes(documents)
            if not changes and not (delete and changes.gone) and opened.info()["finished"]:
                return True
        with quipu.open(memory) as opened:
            opened.sync(documents, delete=delete, max_delete=max_delete)
            outcome = outcome_of(opened)
    except MemoryLocked as error:
        remark(f"{error}; it is tried again")
        return False
    except InputError as error:
        remark(str(error))
        return True
    print_outcome(outcome, documents, as_json)
    return True


def _print_changes(changes: dict[str, Any], delete: bool, as_json: bool) -> None:
    if as_json:
        print_json(changes)
        return
    rows = [("new", name) for name in changes["new"]]
    rows += [("changed", name) for name in changes["changed"]]
    rows += [("moved", f"{former} -> {name}") for former, name in changes["moved"]]
    rows += [("forget" if delete else "gone", name) for name in changes["gone"]]
    print_table([*rows, ("unchanged", f"{changes['unchanged']:,} files")])
    for line in changes["remarks"]:
        remark(line)
    if changes["skipped"]:
        remark(f"{len(changes['skipped']):,} skipped ({listing([item['name'] for item in changes['skipped']])})")
