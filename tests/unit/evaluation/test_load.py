"""The load that a server is put under: when questions come, from when on they are timed, what is counted."""

from __future__ import annotations

import asyncio
import itertools
import time
from statistics import mean

import pytest

from quipu.evaluation.bounds import summary
from quipu.evaluation.load import LOST, Came, Plan, arrivals, run


def test_questions_come_as_a_poisson_process_has_them() -> None:
    """Evenly spaced ones never queue, and make any server look good."""
    found = arrivals(50.0, 100.0, 1)
    gaps = [later - sooner for sooner, later in itertools.pairwise(found)]
    assert len(found) == pytest.approx(5000, rel=0.05) and found == sorted(found) and found[-1] < 100
    spread = mean((gap - 0.02) ** 2 for gap in gaps) ** 0.5
    assert mean(gaps) == pytest.approx(0.02, rel=0.05) and spread == pytest.approx(0.02, rel=0.1)
    assert arrivals(50.0, 100.0, 2) != found == arrivals(50.0, 100.0, 1)


async def _served(plan: Plan, stalls: float, statuses: list[int]) -> list[Came]:
    """What came of a server that answers one question at a time, the first after so many seconds."""
    one = asyncio.Lock()
    asked = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
                async with one:
                    number, asked = asked, asked + 1
                    await asyncio.sleep(0.0 if number else stalls)
                status = statuses[number % len(statuses)]
                if status == LOST:
                    return
                writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 2\r\n\r\n{}" % status)
        except (EOFError, OSError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        from dataclasses import replace

        return await run(replace(plan, host=host, port=port))


def test_a_question_is_timed_from_when_it_was_due() -> None:
    """A server that stalls is else timed for one question only, and not for those that it kept from being asked."""
    plan = Plan("", 0, "/x", ["{}"], 0.5, 4, rate=100.0)
    found = asyncio.run(_served(plan, 0.4, [200]))
    waited = [came.milliseconds for came in found]
    assert len(found) == len(arrivals(100.0, 0.5, 0))
    assert sum(wait > 100 for wait in waited) >= len(waited) / 2


def test_clients_of_a_closed_loop_wait_for_their_answers() -> None:
    """And the statuses are counted as they are: a lost answer is an error, a full queue is not."""
    began = time.perf_counter()
    found = asyncio.run(_served(Plan("", 0, "/x", ["{}"], 0.3, 2), 0.0, [200, 429, LOST, 500]))
    assert time.perf_counter() - began < 20
    counts = summary(found, 0.3)
    assert counts["asked"] == len(found) == counts["answered"] + counts["refused"] + counts["errors"]  # type: ignore[operator]
    assert counts["errors"] >= 2 and counts["refused"] >= 1 and counts["answered"] >= 1


def test_percentiles_by_hand() -> None:
    """Of what was answered, not of what was refused in no time."""
    found = [Came(0.0, float(n), 200) for n in range(1, 102)] + [Came(0.0, 0.1, 429), Came(0.0, 9.0, 504)]
    counts = summary(found, 10.0)
    assert (counts["p50_ms"], counts["p99_ms"], counts["answers_per_second"]) == (51.0, 100.0, 10.1)
    assert (counts["refused"], counts["errors"], counts["refused_at_once_p99_ms"]) == (2, 0, 0.1)
    assert summary([], 1.0)["p50_ms"] is None
