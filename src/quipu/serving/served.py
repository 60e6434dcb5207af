"""The memories of a server: their names, and each opened for reading."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import quipu
from quipu.errors import InputError
from quipu.memory import Memory

RESERVED = frozenset({"memories", "jobs"})
"""Names that stand in the API's paths for something else."""
Opener = Callable[[Path], Memory]


def named_memories(paths: Sequence[Path]) -> dict[str, Path]:
    """The folders by the names under which they are served: the folder's own, without ``.quipu``.

    InputError where two would have one name, or a folder's name is none.
    """
    found: dict[str, Path] = {}
    for path in paths:
        name = path.resolve().name.removesuffix(".quipu")
        if not name or not name.isprintable() or name in RESERVED:
            raise InputError(
                f"{path}: a memory is served under its folder's name, and this one cannot be; rename the folder"
            )
        if name in found:
            raise InputError(f"{found[name]} and {path} would both be served as {name}; rename one of the folders")
        found[name] = path
    return found


def open_memory(path: Path) -> Memory:
    """A memory as the server reads it."""
    return quipu.open(path, read_only=True)


class Served:
    """One memory. A ``Memory`` notices a new manifest itself; where the whole record was replaced it is opened anew."""

    def __init__(self, name: str, path: Path, opener: Opener = open_memory) -> None:
        """FormatError where there is no memory at ``path``."""
        self.name, self.path = name, path
        self._opener = opener
        self._record = self._stamp()
        self._memory = opener(path)

    @property
    def memory(self) -> Memory:
        """The memory as it is now."""
        return self._memory

    def refresh(self) -> Memory:
        """Open the memory again if another was put into its place; only the thread that answers calls this."""
        record = self._stamp()
        if record is not None and record != self._record:
            former, self._memory, self._record = self._memory, self._opener(self.path), record
            former.close()
        return self._memory

    def warm(self) -> None:
        """Load models and index, so that the first question does not wait for them."""
        self._memory.ask("Is this memory ready?")

    def close(self) -> None:
        """Let the folder go."""
        self._memory.close()

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path / "records.sqlite")
        except OSError:
            return None
        return found.st_dev, found.st_ino
