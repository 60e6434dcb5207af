"""How many requests may be under way, how many in a minute, and what they may cost: asked before each is sent."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from quipu.models.remote.settings import LlmSettings

GOOD = 50
"""Replies without a complaint after which one more request may be under way."""
_MINUTE = 60.0


class Stopping(Exception):
    """Nothing more is to be sent."""


@dataclass(slots=True)
class Spent:
    """What a run has used. ``reserved``: the most that requests under way may add."""

    cost: float = 0.0
    tokens: int = 0
    reserved_cost: float = 0.0
    reserved_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Worst:
    """The most that one request can use."""

    tokens_in: int
    tokens_out: int
    cost: float

    @classmethod
    def of(cls, settings: LlmSettings, body: bytes, most: int) -> Worst:
        """A token is at least a byte of what is sent, templates aside."""
        tokens = len(body) + 64
        return cls(tokens, most, settings.cost(tokens, most) or 0.0)

    @property
    def tokens(self) -> int:
        """Sent and received."""
        return self.tokens_in + self.tokens_out


class BudgetReached(Exception):
    """The next request could cost more than is left; ``worst``: how much."""

    def __init__(self, worst: Worst) -> None:
        super().__init__()
        self.worst = worst


class Gate:
    """Lets requests through. For one event loop; every change wakes those that wait."""

    def __init__(self, settings: LlmSettings, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock``: seconds."""
        self._settings, self._clock = settings, clock
        self.limit = settings.concurrency
        self.active = 0
        self.spent = Spent()
        self.stopping = False
        self._good = 0
        self._sent: deque[tuple[float, int]] = deque()
        self._changed = asyncio.Condition()

    async def enter(self, worst: Worst) -> None:
        """Wait for a place and take it, with the worst case reserved.

        BudgetReached where not even an idle run could pay, Stopping where nothing more is to be sent.
        """
        tokens = worst.tokens_in // 4 + worst.tokens_out  # what a minute is likely to be charged
        async with self._changed:
            while True:
                if self.stopping:
                    raise Stopping
                affords = self._affords(worst)
                if not affords and self.active == 0:
                    raise BudgetReached(worst)
                delay = self._delay(tokens)
                if affords and self.active < self.limit and delay <= 0:
                    break
                await self._wait(delay if delay > 0 else None)
            self.active += 1
            self.spent.reserved_cost += worst.cost
            self.spent.reserved_tokens += worst.tokens
            self._sent.append((self._clock(), tokens))

    async def leave(self, worst: Worst, cost: float, tokens: int) -> None:
        """Give the place back; what was really used takes the place of what was reserved."""
        async with self._changed:
            self.active -= 1
            self.spent.reserved_cost = self.spent.reserved_cost - worst.cost if self.active else 0.0
            self.spent.reserved_tokens -= worst.tokens
            self.spent.cost += cost
            self.spent.tokens += tokens
            self._changed.notify_all()

    def good(self) -> None:
        """A reply came: after many, one more request at a time."""
        self._good += 1
        if self._good >= GOOD and self.limit < self._settings.concurrency:
            self.limit += 1
            self._good = 0

    def throttled(self) -> None:
        """The server says that it is too much: half as many at a time."""
        self.limit = max(1, self.limit // 2)
        self._good = 0

    async def stop(self) -> None:
        """Let nothing more through."""
        async with self._changed:
            self.stopping = True
            self._changed.notify_all()

    async def pause(self, seconds: float) -> None:
        """Wait so long; Stopping where that has become needless."""
        end = self._clock() + seconds
        async with self._changed:
            while (left := end - self._clock()) > 0:
                if self.stopping:
                    raise Stopping
                await self._wait(left)
            if self.stopping:
                raise Stopping

    async def _wait(self, seconds: float | None) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return

    def _affords(self, worst: Worst) -> bool:
        settings, spent = self._settings, self.spent
        if settings.max_cost is not None and spent.cost + spent.reserved_cost + worst.cost > settings.max_cost:
            return False
        used = spent.tokens + spent.reserved_tokens + worst.tokens
        return settings.max_tokens is None or used <= settings.max_tokens

    def _delay(self, tokens: int) -> float:
        """Seconds until the minute has room for one more request of so many tokens."""
        now = self._clock()
        while self._sent and self._sent[0][0] <= now - _MINUTE:
            self._sent.popleft()
        delay = 0.0
        if self._settings.rpm is not None and len(self._sent) >= self._settings.rpm:
            delay = self._sent[len(self._sent) - self._settings.rpm][0] + _MINUTE - now
        if self._settings.tpm is not None:
            used = sum(count for _, count in self._sent)
            for at, count in self._sent:
                if used + tokens <= self._settings.tpm:
                    break
                used -= count
                delay = max(delay, at + _MINUTE - now)
        return delay
