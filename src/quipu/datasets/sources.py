"""Where the public sets come from: ``sources.toml``, the list of those that recipes and benchmarks use."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

from quipu.datasets.io import find
from quipu.errors import SettingsError
from quipu.settings import from_mapping, read_toml


@dataclass(frozen=True, slots=True)
class Source:
    """A set. ``files``: name in its folder -> path behind ``base``; ``sha256`` of some of them.

    ``made``: what of it was made for this project out of its home's files, and so cannot be fetched.
    """

    use: str
    licence: str
    home: str
    base: str = ""
    made: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)

    def present(self, folder: Path) -> int:
        """How many of its files lie in a folder, compressed or not."""
        return sum(find(folder, [name]) is not None for name in self.files)


@cache
def sources() -> dict[str, Source]:
    """Every set by its name, which is its folder's too."""
    with resources.as_file(resources.files("quipu.datasets").joinpath("sources.toml")) as path:
        return {name: from_mapping(Source, row, f"{path.name}, {name}") for name, row in read_toml(path).items()}


def source(name: str) -> Source:
    """One of them; SettingsError for another name."""
    known = sources()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise SettingsError(f"{name!r} is no data set of quipu{hint} (quipu datasets list shows them)")
    return known[name]
