"""Keys and values of passages that were read lately, up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from quipu.models.lm.engine import Prefix


class PrefixCache:
    """Least recently used first out; safe for several threads."""

    def __init__(self, limit: int) -> None:
        """``limit``: bytes; 0 keeps nothing."""
        self.limit, self.bytes = limit, 0
        self._kept: OrderedDict[tuple[int, ...], Prefix] = OrderedDict()
        self._lock = Lock()

    def grow(self, limit: int) -> None:
        """Keep up to ``limit`` bytes from now on, if that is more than before; a cache that keeps nothing stays so."""
        self.limit = max(self.limit, limit) if self.limit else 0

    def get(self, ids: tuple[int, ...]) -> Prefix | None:
        """What is kept of the passage with these token ids."""
        with self._lock:
            found = self._kept.get(ids)
            if found is not None:
                self._kept.move_to_end(ids)
            return found

    def put(self, ids: tuple[int, ...], prefix: Prefix) -> None:
        """Keep it; what was used longest ago makes room."""
        size = prefix.states.nbytes
        with self._lock:
            if size > self.limit or ids in self._kept:
                return
            self._kept[ids] = prefix
            self.bytes += size
            while self.bytes > self.limit:
                self.bytes -= self._kept.popitem(last=False)[1].states.nbytes
