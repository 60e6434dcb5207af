"""Load for a server, from a process of its own: ``python -m quipu.evaluation.load`` takes a plan and gives what came.

Closed loop: so many clients, each asks again when it was answered, which finds out what a server can do. Open loop:
questions come when a Poisson process has them come, whatever the server does, as users do; a time is counted from the
moment at which the question was due, so that a server that stalls is not spared the questions that it kept waiting.
Nothing but the standard library is loaded: the client shares the machine with the server.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

LOST = 0
"""The status of a request to which no answer came."""
_PATIENCE = 60.0  # seconds that an answer is waited for


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of whom. ``bodies``: JSON texts, asked in turn.

    ``rate``: questions a second of an open loop over ``connections`` that are kept; 0: a closed loop of so many
    clients. ``slow``: further connections that send a body at a byte a second.
    """

    host: str
    port: int
    path: str
    bodies: Sequence[str]
    seconds: float
    connections: int
    rate: float = 0.0
    slow: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Came:
    """One answer: when it was due (seconds from the beginning), its milliseconds from then on, its status."""

    due: float
    milliseconds: float
    status: int


class _Connection:
    """An HTTP connection that is kept."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> int:
        """The status of the answer, read to its end; ``LOST`` where none came."""
        try:
            async with asyncio.timeout(_PATIENCE):
                if self._streams is None:
                    self._streams = await asyncio.open_connection(self._plan.host, self._plan.port)
                reader, writer = self._streams
                writer.write(request)
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                status = int(head[9:12])
                length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length))
                if b"\r\nconnection: close" in head:
                    self.close()
                return status
        except (OSError, ValueError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            self.close()
            return LOST

    def close(self) -> None:
        """Let it go; the next question opens it anew."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def run(plan: Plan) -> list[Came]:
    """Ask as planned: every answer, in the order in which they came."""
    requests = [_request(plan, body) for body in plan.bodies]
    connections = [_Connection(plan) for _ in range(plan.connections)]
    try:
        async with _slow(plan):
            loop = _open if plan.rate else _closed
            return await loop(plan, requests, connections)
    finally:
        for connection in connections:
            connection.close()


async def _closed(plan: Plan, requests: Sequence[bytes], connections: Sequence[_Connection]) -> list[Came]:
    found: list[Came] = []
    began = time.perf_counter()

    async def client(number: int, connection: _Connection) -> None:
        while (due := time.perf_counter()) - began < plan.seconds:
            status = await connection.ask(requests[number % len(requests)])
            found.append(Came(due - began, 1000 * (time.perf_counter() - due), status))
            number += len(connections)
            if status == LOST:
                await asyncio.sleep(0.01)

    await asyncio.gather(*(client(number, connection) for number, connection in enumerate(connections)))
    return found


async def _open(plan: Plan, requests: Sequence[bytes], connections: Sequence[_Connection]) -> list[Came]:
    found: list[Came] = []
    free: asyncio.Queue[_Connection] = asyncio.Queue()
    for connection in connections:
        free.put_nowait(connection)
    began = time.perf_counter()

    async def ask(due: float, request: bytes) -> None:
        connection = await free.get()
        try:
            status = await connection.ask(request)
        finally:
            free.put_nowait(connection)
        found.append(Came(due, 1000 * (time.perf_counter() - began - due), status))

    async with asyncio.TaskGroup() as tasks:
        for number, due in enumerate(arrivals(plan.rate, plan.seconds, plan.seed)):
            await asyncio.sleep(max(0.0, began + due - time.perf_counter()))
            tasks.create_task(ask(due, requests[number % len(requests)]))
    return found


def arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """When a Poisson process of so many a second has something come, within so many seconds."""
    chosen = random.Random(seed)
    found: list[float] = []
    now = chosen.expovariate(rate)
    while now < seconds:
        found.append(now)
        now += chosen.expovariate(rate)
    return found


@asynccontextmanager
async def _slow(plan: Plan) -> AsyncIterator[None]:
    """Connections that send a byte of a body now and then, and are there again when they are closed."""

    async def send() -> None:
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(plan.host, plan.port)
                try:
                    writer.write(_head(plan, 10_000))
                    while not writer.is_closing():
                        writer.write(b" ")
                        await writer.drain()
                        await asyncio.sleep(1.0)
                finally:
                    writer.close()
            await asyncio.sleep(0.1)

    tasks = [asyncio.create_task(send()) for _ in range(plan.slow)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _head(plan: Plan, length: int) -> bytes:
    return (
        f"POST {plan.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


def _request(plan: Plan, body: str) -> bytes:
    sent = body.encode()
    return _head(plan, len(sent)) + sent


def main() -> None:
    """Read a plan from standard input, write what came to standard output."""
    given: dict[str, Any] = json.load(sys.stdin)
    found = asyncio.run(run(Plan(**given)))
    json.dump([list(asdict(came).values()) for came in found], sys.stdout)


if __name__ == "__main__":
    main()
