"""The engine: one thread that answers for all memories, and the bounded queue before it.

Questions that wait for the same memory with the same options are answered together, at most ``batch`` of them; the
engine takes what is there and never waits for more. A question that comes alone passes those of long lists that came
less than ``HEAD_START`` seconds before it, so that lists wait for people and yet none starves.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any, Protocol

from quipu.errors import QuipuError
from quipu.memory import Memory
from quipu.serving.problems import Problem, retry
from quipu.serving.served import Served

HEAD_START = 1.0
"""Seconds by which a question that comes alone is older than it is."""
_IDLE = 0.5  # seconds after which the thread looks whether it should end


class Operation(Protocol):
    """What is done with questions: hashable, so that equal ones are done together."""

    @property
    def budget_ms(self) -> float | None:
        """Milliseconds for one question, its wait included; None: no bound."""

    def run(self, memory: Memory, questions: Sequence[str], budget_ms: float | None) -> Sequence[Any]:
        """The results, in order; ``budget_ms`` is what of the budget is left."""


@dataclass(slots=True)
class Ticket:
    """One request: its questions wait until their results are there. Times are the engine's clock, in seconds."""

    memory: str
    operation: Operation
    arrived: float
    results: list[Any]
    missing: int
    future: Future[Ticket] = field(default_factory=Future)
    begun: float | None = None
    ended: float = 0.0
    together: int = 0
    """Questions of the largest batch in which one of these was answered."""

    @property
    def alone(self) -> bool:
        """Whether it is one question."""
        return len(self.results) == 1

    @property
    def queue_ms(self) -> float:
        """Milliseconds until the first of its questions was taken up."""
        return 1000 * ((self.begun or self.ended) - self.arrived)

    @property
    def answer_ms(self) -> float:
        """Milliseconds from then until the last was answered."""
        return 1000 * (self.ended - (self.begun or self.ended))


@dataclass(slots=True)
class _Item:
    ticket: Ticket
    place: int
    question: str


class Watcher(Protocol):
    """Who is told what the engine does; see ``quipu.serving.metrics``."""

    def batch(self, size: int, begun: Sequence[Ticket]) -> None:
        """So many questions were answered together; ``begun`` are the requests that waited until then."""


class Engine:
    """Owns the memories while it runs. ``submit`` may be called from any thread."""

    def __init__(
        self,
        memories: Mapping[str, Served],
        *,
        queue: int = 512,
        queue_ms: float = 2_000.0,
        batch: int = 32,
        clock: Callable[[], float] = time.monotonic,
        watcher: Watcher | None = None,
    ) -> None:
        """``queue``: questions that may wait; ``queue_ms``: how long the first of a request may."""
        self._memories = memories
        self._most, self._queue_ms, self._batch = queue, queue_ms, batch
        self._clock, self._watcher = clock, watcher
        self._lanes: tuple[deque[_Item], deque[_Item]] = (deque(), deque())
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._busy = 0
        self._seconds = 0.05  # for one question, as the last batches took
        self.draining = False
        self.why_not_ready: str | None = "the models are being loaded"
        self.failed = False

    @property
    def size(self) -> int:
        """Questions that wait."""
        return len(self._lanes[0]) + len(self._lanes[1])

    def submit(self, memory: str, operation: Operation, questions: Sequence[str]) -> Future[Ticket]:
        """Have the questions answered; the future's result holds what the operation made of each.

        Problem ``draining`` or ``not_ready``, or ``queue_full`` where they would be more than may wait. The future
        raises Problem ``deadline``, or what the operation raised. To give up, cancel it.
        """
        with self._changed:
            if self.draining:
                raise retry("draining", "the server is being stopped", 5)
            if self.why_not_ready is not None:
                raise retry("not_ready", self.why_not_ready, 2)
            if self.size + len(questions) > self._most:
                self._drop_stale()
                if self.size + len(questions) > self._most:
                    wait = self.size * self._seconds
                    raise retry("queue_full", f"{self.size:,} questions are waiting, {self._most:,} may", wait)
            ticket = Ticket(memory, operation, self._clock(), [None] * len(questions), len(questions))
            lane = self._lanes[0 if ticket.alone else 1]
            lane.extend(_Item(ticket, place, question) for place, question in enumerate(questions))
            self._changed.notify_all()
        return ticket.future

    def start(self) -> None:
        """Load every memory in the engine's thread, then answer until ``close``."""
        self._thread = threading.Thread(target=self._run, name="quipu-engine", daemon=True)
        self._thread.start()

    def drain(self) -> None:
        """Take no more questions; those that wait are answered."""
        with self._changed:
            self.draining = True

    def close(self, seconds: float = 1.0) -> bool:
        """Answer what waits, for at most so many seconds, and end the thread: whether it has ended."""
        self.drain()
        with self._changed:
            self._changed.wait_for(lambda: not self.size and not self._busy, seconds)
            self._closing = True
            for item in self._items():
                _fail(item.ticket, retry("draining", "the server was stopped", 5))
            for lane in self._lanes:
                lane.clear()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(seconds)
        return self._thread is None or not self._thread.is_alive()

    def work(self) -> int:
        """Answer one batch, if something waits: how many questions. For the engine's thread, and for tests."""
        with self._changed:
            items = self._take()
            self._busy = len(items)
        if not items:
            return 0
        began = self._clock()
        begun = []
        for item in items:
            if item.ticket.begun is None:
                item.ticket.begun = began
                begun.append(item.ticket)
        try:
            self._answer(items)
        finally:
            spent = self._clock() - began
            with self._changed:
                self._seconds += 0.2 * (spent / len(items) - self._seconds)
                self._busy = 0
                self._changed.notify_all()
        if self._watcher is not None:
            self._watcher.batch(len(items), begun)
        return len(items)

    def _run(self) -> None:
        try:
            for served in self._memories.values():
                served.warm()
            self.why_not_ready = None
        except QuipuError as error:
            self.why_not_ready, self.failed = str(error), True
        except Exception:
            traceback.print_exc()
            self.why_not_ready, self.failed = "the models could not be loaded", True
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self.size or self._closing, _IDLE)
                if self._closing:
                    return
            self.work()

    def _items(self) -> list[_Item]:
        return [*self._lanes[0], *self._lanes[1]]

    def _take(self) -> list[_Item]:
        """The next batch: the oldest question, and those after it that can be answered with it."""
        self._drop_stale()
        waiting = sorted(self._items(), key=_due)
        if not waiting:
            return []
        first = waiting[0].ticket
        taken = [
            item for item in waiting
            if item.ticket.memory == first.memory and item.ticket.operation == first.operation
        ][: self._batch]  # fmt: skip
        for number, lane in enumerate(self._lanes):
            gone = {id(item) for item in taken if item.ticket.alone == (number == 0)}
            if gone:
                kept = [item for item in lane if id(item) not in gone]
                lane.clear()
                lane.extend(kept)
        return taken

    def _drop_stale(self) -> None:
        """Forget questions whose client went away or gave up, and fail those that waited too long."""
        now = self._clock()
        for lane in self._lanes:
            for _ in range(len(lane)):
                item = lane.popleft()
                ticket = item.ticket
                if ticket.future.done():
                    continue
                waited = 1000 * (now - ticket.arrived)
                budget = ticket.operation.budget_ms
                if (ticket.begun is None and waited > self._queue_ms) or (budget is not None and waited >= budget):
                    ticket.ended = now
                    _fail(ticket, Problem("deadline", f"the question was not answered after {waited:,.0f} ms"))
                    continue
                lane.append(item)

    def _answer(self, items: Sequence[_Item]) -> None:
        """Answer questions together; where that fails, each by itself, so that one harms no other."""
        try:
            results = self._results(items)
        except Exception as error:
            if len(items) > 1:
                for item in items:
                    if not item.ticket.future.done():
                        self._answer([item])
                return
            if not isinstance(error, QuipuError | Problem):
                traceback.print_exc()
            items[0].ticket.ended = self._clock()
            _fail(items[0].ticket, error)
            return
        ended = self._clock()
        for item, result in zip(items, results, strict=True):
            ticket = item.ticket
            ticket.results[item.place] = result
            ticket.missing -= 1
            ticket.ended = ended
            ticket.together = max(ticket.together, len(items))
            if not ticket.missing:
                _succeed(ticket)

    def _results(self, items: Sequence[_Item]) -> Sequence[Any]:
        first = items[0].ticket
        budget = first.operation.budget_ms
        if budget is not None:  # the same for all of them: what the longest wait left
            budget -= 1000 * (self._clock() - min(item.ticket.arrived for item in items))
            budget = max(budget, 0.001)
        memory = self._memories[first.memory].refresh()
        return first.operation.run(memory, [item.question for item in items], budget)


def _due(item: _Item) -> float:
    return item.ticket.arrived - (HEAD_START if item.ticket.alone else 0.0)


def _succeed(ticket: Ticket) -> None:
    try:
        ticket.future.set_result(ticket)
    except InvalidStateError:  # cancelled meanwhile
        return


def _fail(ticket: Ticket, error: Exception) -> None:
    try:
        if not ticket.future.done():
            ticket.future.set_exception(error)
    except InvalidStateError:
        return
