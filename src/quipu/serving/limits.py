"""Token buckets: so many at once, so many a second, for each key."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

_KEYS = 10_000  # keys remembered: the longest unused are forgotten first, and are full again


class Buckets:
    """A bucket of ``burst`` for each key that fills by ``rate`` a second."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` in seconds."""
        self._rate, self._burst, self._clock = rate, float(burst), clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> float:
        """Take one out of the key's bucket: 0.0, or the seconds after which there will be one."""
        now = self._clock()
        left, since = self._left.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._rate)
        taken = left >= 1
        self._left[key] = (left - 1 if taken else left, now)
        if len(self._left) > _KEYS:
            self._left.popitem(last=False)
        return 0.0 if taken else (1 - left) / self._rate
