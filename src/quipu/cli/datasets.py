"""``quipu datasets``: which public sets recipes and benchmarks use, and how to get them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quipu.cli.options import AsJson
from quipu.cli.terminal import print_json, print_table, progress, show

group = typer.Typer(
    name="datasets",
    help="List and fetch the public data sets of recipes and benchmarks.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
Folder = Annotated[Path, typer.Option("--to", metavar="FOLDER", help="The folder of all sets.")]
_KNOWN_BY = {
    "list": "as listed",
    "note": "as at the first fetch",
    "nothing": "noted: no hash of it was known",
}


@group.command("list")
def list_(to: Folder = Path("data"), as_json: AsJson = False) -> None:
    """List the sets: what each is for, its licence, where it comes from.

    "fetch" means that `quipu datasets fetch` gets it; of "partly" and "made" sets files were made for this project
    from what their home publishes. With --json one object a line.
    """
    from quipu.datasets.sources import sources

    rows = []
    for name, item in sources().items():
        how = "made" if not item.files else "partly" if item.made else "fetch"
        there = f"{item.present(to / name)}/{len(item.files)}" if item.files else ""
        if as_json:
            print_json({"name": name, "use": item.use, "licence": item.licence, "home": item.home, "how": how,
                        "made": item.made, "files": sorted(item.files), "there": item.present(to / name)})  # fmt: skip
        rows.append((name, item.use, how, there, item.licence, item.home))
    if not as_json:
        print_table(rows, head=("set", "for", "how", f"in {to}", "licence", "home"))


@group.command()
def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of sets.", show_default=False)],
    to: Folder = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Download sets from their homes, and check them.

    Uses the network. A download that broke off is gone on with; a file that lies there is only checked. A file whose
    sha256 is not the listed one is refused; where none is listed it is noted in NAME/fetched.json and compared next
    time. Mind the licences: quipu datasets list.
    """
    from quipu.datasets.fetch import fetch as fetched
    from quipu.datasets.sources import source

    chosen = [(name, source(name)) for name in names]
    with progress() as report:
        for name, item in chosen:
            for file in fetched(name, item, to, report):
                if as_json:
                    print_json({"file": str(file.path), "sha256": file.sha256, "known_by": file.known_by,
                                "downloaded": file.came})  # fmt: skip
                else:
                    show(f"{file.path}  sha256 {file.sha256}  ({_KNOWN_BY[file.known_by]})")
            if item.made and not as_json:
                show(f"{name}: {item.made}; that cannot be fetched")
