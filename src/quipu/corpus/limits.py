"""How much a file may cost that is read. Readers ask ``current()``; ``use`` sets it for all files that are read."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from quipu.errors import ReadError, SettingsError

SIZE = 20_000_000  # bytes; a larger file may take as many times the seconds


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost; over a limit it is skipped with the reason. SettingsError for values of 0 or less.

    ``seconds``: of CPU time, for a file of up to 20 MB; a larger one may take as many times more as it is larger.
    ``memory``: bytes of address space of the process that reads. ``expanded``: bytes that are unpacked from a file, and
    bytes of text of one document. ``line``: characters in one line of a file that has a document per line.
    """

    seconds: float = 20.0
    memory: int = 1_000_000_000
    expanded: int = 64_000_000  # a thousand pages of a Word file take about 5 MB
    line: int = 20_000_000

    def __post_init__(self) -> None:
        for item in fields(self):
            if not 0 < getattr(self, item.name) < math.inf:
                raise SettingsError(f"limit {item.name} must be a number above 0, not {getattr(self, item.name)}")

    def seconds_for(self, size: int) -> float:
        """CPU seconds for a file of ``size`` bytes."""
        return self.seconds * max(1.0, size / SIZE)

    def check_expanded(self, size: int) -> None:
        """ReadError where ``size`` bytes are more than may be unpacked."""
        if size > self.expanded:
            raise ReadError(f"unpacks to more than {shown_bytes(self.expanded)}; --limit expanded=N allows more")


_current = Limits()


def current() -> Limits:
    """The limits of this process."""
    return _current


def use(limits: Limits) -> None:
    """Set the limits of this process."""
    global _current
    _current = limits


def shown_bytes(size: int) -> str:
    """Bytes for people: "64 MB"."""
    return f"{size / 1e6:,.0f} MB" if size >= 1_000_000 else f"{size:,} bytes"
