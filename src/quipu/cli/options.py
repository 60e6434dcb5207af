"""Arguments and options that several verbs share, so that they read and mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MemoryPath = Annotated[Path, typer.Argument(metavar="MEMORY", help="The folder of the memory.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Stop at the first file, or row of ready pairs, that cannot be read.")
]
