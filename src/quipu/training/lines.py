"""JSONL files by line number, read when asked for: in memory are only where each line begins."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from quipu.errors import FormatError, InputError


class Lines:
    """The lines of files as one sequence of objects. ``limit``: a sample of so many, drawn by ``seed``.

    ``before``: a piece of text in each line; ``lengths`` counts the bytes in front of it (of the line where None).
    """

    def __init__(
        self, paths: Sequence[Path], *, limit: int | None = None, seed: int = 13, before: str | None = None
    ) -> None:
        places = []
        mark = None if before is None else before.encode()
        for number, path in enumerate(paths):
            at = 0
            if not path.is_file():
                raise InputError(f"{path}: training data not found")
            with path.open("rb") as file:
                for line in file:
                    if line.strip():
                        places.append((number, at, len(line) if mark is None else max(1, line.find(mark))))
                    at += len(line)
        table = np.array(places, dtype=np.int64).reshape(-1, 3)
        if limit is not None and limit < len(table):
            table = table[sorted(random.Random(seed).sample(range(len(table)), limit))]
        self._files, self._starts, self.lengths = table[:, 0], table[:, 1], table[:, 2]
        self._paths = paths
        self._open: dict[int, IO[bytes]] = {}

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, row: int) -> dict[str, Any]:
        """The object of a line; FormatError where it is none."""
        number, start = int(self._files[row]), int(self._starts[row])
        if number not in self._open:
            self._open[number] = self._paths[number].open("rb")
        file = self._open[number]
        file.seek(start)
        try:
            content = json.loads(file.readline())
        except json.JSONDecodeError as error:
            raise FormatError(f"{self.place(row)}: not JSON ({error}); make the file again") from error
        if not isinstance(content, dict):
            raise FormatError(f"{self.place(row)}: not a JSON object; make the file again")
        return content

    def place(self, row: int) -> str:
        """Where a line stands, for messages."""
        return f"{self._paths[int(self._files[row])]}, byte {int(self._starts[row])}"


def whole_lines(path: Path) -> int:
    """The number of lines in a file that is written line by line; a last one that was cut off is taken away first.

    A file that does not exist has none.
    """
    if not path.exists():
        return 0
    count = end = 0
    with path.open("r+b") as file:
        for line in file:
            if not line.endswith(b"\n"):
                file.truncate(end)
                break
            count += 1
            end += len(line)
    return count


@dataclass(slots=True)
class Order:
    """Which examples a step sees: a function of its number; examples of like length together."""

    lengths: Any
    batch: int
    seed: int
    _order: list[Any] = field(default_factory=list, init=False)
    _epoch: int = field(default=-1, init=False)

    def at(self, step: int) -> list[int]:
        """Numbers of the examples of a step."""
        epoch, place = divmod(step, -(-len(self.lengths) // self.batch))
        if epoch != self._epoch:
            draws = np.random.default_rng(self.seed * 1_000_003 + epoch)
            order = np.argsort(self.lengths * draws.uniform(0.8, 1.2, len(self.lengths)), kind="stable")
            self._order = [order[first : first + self.batch] for first in range(0, len(order), self.batch)]
            draws.shuffle(self._order)
            self._epoch = epoch
        return [int(row) for row in self._order[place]]
