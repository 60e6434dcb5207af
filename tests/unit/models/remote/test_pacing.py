"""When a request may be sent: with a clock of the test, so that a minute takes no time."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from quipu.models.remote.exchange import retry_after
from quipu.models.remote.pacing import GOOD, BudgetReached, Gate, Stopping, Worst
from quipu.models.remote.settings import LlmSettings


def gate(clock: Any = lambda: 0.0, **settings: Any) -> Gate:
    return Gate(LlmSettings(url="http://localhost/v1", model="m", **settings), clock)


def test_a_budget_is_never_exceeded() -> None:
    """Eight requests that each fit alone would together spend more than the user allowed."""

    async def run(seed: int) -> None:
        rng = random.Random(seed)
        door = gate(max_cost=1.0, price_in=1.0, price_out=1.0, concurrency=8)
        worst = Worst(100, 100, 0.09)

        async def work() -> None:
            while True:
                await door.enter(worst)
                await asyncio.sleep(rng.random() / 2000)
                await door.leave(worst, rng.choice([0.0, 0.03, 0.09]), 1)
                assert door.spent.cost + door.spent.reserved_cost <= 1.0 + 1e-9

        results = await asyncio.gather(*(work() for _ in range(8)), return_exceptions=True)
        assert all(isinstance(item, BudgetReached) for item in results)
        assert 1.0 - 0.09 < door.spent.cost <= 1.0 and door.spent.reserved_cost == 0.0

    for seed in range(3):
        asyncio.run(run(seed))


def test_tokens_are_bounded_alike() -> None:
    """Without prices the number of tokens is all that stops a run."""

    async def run() -> None:
        door = gate(max_tokens=250)
        worst = Worst(60, 40, 0.0)
        await door.enter(worst)
        await door.leave(worst, 0.0, 100)
        await door.enter(worst)
        await door.leave(worst, 0.0, 51)
        with pytest.raises(BudgetReached):
            await door.enter(worst)

    asyncio.run(run())


def test_too_many_halves_and_many_good_ones_restore() -> None:
    """A server that is overrun stays so, or a single 429 slows the run for ever."""
    door = gate(concurrency=8)
    door.throttled()
    door.throttled()
    assert door.limit == 2
    for _ in range(GOOD):
        door.good()
    assert door.limit == 3
    for _ in range(9):
        door.throttled()
    assert door.limit == 1
    for _ in range(40 * GOOD):
        door.good()
    assert door.limit == 8


def test_a_minute_has_so_many_requests_and_tokens() -> None:
    """A provider bans whoever ignores its limits."""
    now = 0.0
    door = gate(lambda: now, rpm=3, tpm=1000)
    worst = Worst(400, 200, 0.0)  # 300 tokens, as they are likely to be counted

    async def run() -> None:
        nonlocal now
        for second in range(3):
            now = float(second)
            await door.enter(worst)
        assert door._delay(100) == 58.0  # the fourth request: when the first is a minute old
        now = 61.5
        assert door._delay(100) == 0.0  # two left: those of the seconds 1 and 2 were sent 60.5 and 59.5 ago
        assert door._delay(701) == 0.5
        now = 200.0
        assert door._delay(5000) == 0.0  # one that no minute has room for goes alone

    asyncio.run(run())


def test_stopping_wakes_whoever_waits() -> None:
    """Ctrl-C would otherwise wait for a server's ten minutes."""

    async def run() -> None:
        door = gate(concurrency=1)
        worst = Worst(1, 1, 0.0)
        await door.enter(worst)
        waiting = [asyncio.create_task(door.enter(worst)), asyncio.create_task(door.pause(600))]
        await asyncio.sleep(0)
        await door.stop()
        found = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 2)
        assert all(isinstance(item, Stopping) for item in found)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None), ("", None), ("7", 7.0), ("1.5", 1.5), ("0", 0.0), ("-3", 0.0), ("100000", 600.0), ("nan", None),
        ("Thu, 01 Jan 1970 00:20:30 GMT", 30.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0), ("soon", None),
        ("Fri, 99 Jan 9999", None), ("inf", 600.0),
    ],
)  # fmt: skip
def test_retry_after_in_both_forms(value: str | None, seconds: float | None) -> None:
    """A date that is not understood is hammered; a number without bound stops a run for a day."""
    assert retry_after(value, 1200.0) == seconds
