"""Arguments and options that several verbs share, so that they read and mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quipu.errors import SettingsError


def set_limits(chosen: list[str] | None) -> None:
    """Read files within these limits, each "NAME=VALUE" as of ``Limits``; SettingsError for any other."""
    if not chosen:
        return
    from dataclasses import fields, replace

    from quipu.corpus.limits import Limits, current, use

    known = {item.name: type(getattr(current(), item.name)) for item in fields(Limits)}
    for item in chosen:
        name, _, value = item.partition("=")
        try:
            use(replace(current(), **{name: known[name](float(value))}))
        except (KeyError, ValueError, OverflowError) as error:
            if isinstance(error, SettingsError):
                raise
            names = ", ".join(f"{name}=N" for name in known)
            raise SettingsError(f"--limit {item}: no limit of a file; known are {names}") from None


MemoryPath = Annotated[Path, typer.Argument(metavar="MEMORY", help="The folder of the memory.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Stop at the first file, or row of ready pairs, that cannot be read.")
]
Limit = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NAME=N",
        help="What reading one file may cost: seconds=20 of CPU time (for 20 MB; more for larger files), "
        "memory=1000000000 bytes, expanded=64000000 bytes unpacked, line=20000000 characters. May be given again.",
        callback=set_limits,
        expose_value=False,
        show_default=False,
    ),
]
