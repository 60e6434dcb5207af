"""Calls in, replies out: each is paid once, kept as it arrives, and a run stops where it must."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from quipu.errors import RunStopped
from quipu.models.protocols import NO_REPLY, SupportsLedger
from quipu.models.remote.exchange import Exchange, Outcome, loaded
from quipu.models.remote.pacing import BudgetReached, Gate, Spent, Stopping, Worst
from quipu.models.remote.prompts import Call, Dialect, key
from quipu.models.remote.replies import REFUSED, UNREADABLE, Reply, json_in, reply_of
from quipu.models.remote.settings import LlmSettings, key_of
from quipu.records import ModelCall

IN_A_ROW = 20
"""Calls that fail one after another before a run gives up."""
PATIENCE = 5.0
"""Seconds that replies under way are awaited when a run is interrupted."""
T = TypeVar("T")
_Job = tuple[Call, dict[str, Any], str]


class Client:
    """One external model for one run. Close it; it is a context manager.

    The requests run in an event loop of a thread of its own; the ledger is written by the thread that asks.
    """

    def __init__(
        self,
        settings: LlmSettings,
        ledger: SupportsLedger,
        *,
        dialect: Dialect | None = None,
        note: Callable[[Dialect], None] = lambda dialect: None,
    ) -> None:
        """``dialect``: what an earlier run found out; ``note`` is told what this one does.

        SettingsError where the key is missing, MissingExtra without httpx2.
        """
        loaded()
        self.settings, self._ledger, self._note = settings, ledger, note
        self._dialect, self._understood = dialect or Dialect(), False
        self._key = key_of(settings)
        self._row = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gate: Gate | None = None
        self._exchange: Exchange | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connections and the thread."""
        loop, self._loop = self._loop, None
        if loop is not None and self._exchange is not None:
            with contextlib.suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(self._exchange.close(), loop).result(PATIENCE)
            loop.call_soon_threadsafe(loop.stop)

    @property
    def spent(self) -> Spent:
        """What this run has used so far."""
        return Spent() if self._gate is None else self._gate.spent

    def read(
        self,
        calls: Sequence[Call],
        parse: Callable[[dict[str, Any]], T],
        shorter: Callable[[Call], Call] | None = None,
    ) -> list[T | str]:
        """What ``parse`` makes of each reply's object (ValueError: it does not fit), or why there is nothing.

        A reply that cannot be read is asked for once more; one that was cut off, as what ``shorter`` makes of it.
        """
        calls = list(calls)
        replies = self.ask(calls)
        cut = [at for at, reply in enumerate(replies) if shorter and reply and reply.cut_off]
        if cut and shorter is not None:
            for at in cut:
                calls[at] = shorter(calls[at])
            for at, reply in zip(cut, self.ask([calls[at] for at in cut]), strict=True):
                replies[at] = reply
        found, faults = [], {}
        for at, reply in enumerate(replies):
            said, fault = _parsed(reply, parse)
            found.append(said)
            if fault and reply is not None and not reply.cut_off:
                faults[at] = calls[at].repaired(reply.text, fault)
        for at, reply in zip(faults, self.ask(list(faults.values())), strict=True):
            found[at] = _parsed(reply, parse)[0]
        return found

    def ask(self, calls: Sequence[Call]) -> list[Reply | None]:
        """The reply to each call; None where none came. What the ledger holds is not sent.

        RunStopped where the budget or the patience of the run is at its end, ServerError where nothing can succeed.
        """
        known: dict[str, Reply | None] = {}
        for call in calls:
            if self._understood:
                break
            reply = self._probe(call)
            known[self._job(call)[2]] = reply
        jobs = [self._job(call) for call in calls]
        pending: dict[str, _Job] = {}
        for job in jobs:
            if job[2] not in known and job[2] not in pending:
                stored = self._ledger.reply(job[2])
                if stored is None:
                    pending[job[2]] = job
                else:
                    known[job[2]] = reply_of(stored)
        for outcome in self._send(list(pending.values())):
            known[outcome.key] = _reply(outcome)
        return [known[job[2]] for job in jobs]

    def _probe(self, call: Call) -> Reply | None:
        """The reply to a call, sent in the forms that a server may understand, the strictest first."""
        first = tried = self._dialect
        while True:
            self._dialect = tried
            job = self._job(call)
            stored = self._ledger.reply(job[2])
            if stored is None:
                (outcome,) = self._send([job])
                rejected = outcome.status == "rejected"
                following = (tried.without(outcome.response) or tried.plainer()) if rejected else None
                if rejected and following is None:
                    self._count(outcome)
                if outcome.status == "failed" or (rejected and following is None):
                    self._dialect = first
                    return None
                if following is not None:
                    tried = following
                    continue
                reply = _reply(outcome)
            else:
                reply = reply_of(stored)
            following = tried.plainer()
            if following is None or reply is None or reply.cut_off or reply.refused or _has_json(reply.text):
                self._understood = True
                self._note(tried)
                return reply
            tried = following

    def _job(self, call: Call) -> _Job:
        body = call.body(self.settings.model, self._dialect)
        return call, body, key(self.settings, body)

    def _send(self, jobs: Sequence[_Job]) -> list[Outcome]:
        """The outcomes, each recorded as it arrives."""
        if not jobs:
            return []
        if self._gate is not None and self._gate.stopping:
            raise RunStopped("the run with the external model was stopped; open the memory anew to go on")
        out: queue.SimpleQueue[Outcome | BaseException | None] = queue.SimpleQueue()
        running = asyncio.run_coroutine_threadsafe(self._all(deque(jobs), out), self._started())
        found: list[Outcome] = []
        try:
            while (item := out.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                found.append(item)
                self._record(item)
                if item.status != "rejected" or self._understood:  # else it is a form that the server does not know
                    self._count(item)
        except BaseException as error:
            self._wind_down(running, out)
            if isinstance(error, BudgetReached):
                raise RunStopped(self._over_budget(error.worst)) from None
            raise
        return found

    async def _all(self, jobs: deque[_Job], out: queue.SimpleQueue[Outcome | BaseException | None]) -> None:
        exchange = self._exchange
        assert exchange is not None

        async def work() -> None:
            while jobs:
                call, body, name = jobs.popleft()
                try:
                    out.put(await exchange.send(call, body, name))
                except Stopping:
                    return
                except Exception as error:
                    jobs.clear()
                    out.put(error)
                    return

        try:
            await asyncio.gather(*(work() for _ in range(min(len(jobs), self.settings.concurrency))))
        finally:
            out.put(None)

    def _record(self, outcome: Outcome) -> None:
        failed = outcome.status in ("failed", "rejected")
        self._ledger.record(
            ModelCall(
                outcome.key, outcome.call.role, outcome.call.document, outcome.call.passage, self.settings.model,
                outcome.request_sha256, outcome.response, outcome.tokens_in, outcome.tokens_out, outcome.cost,
                "failed" if failed else outcome.status, outcome.attempts,
            )
        )  # fmt: skip

    def _count(self, outcome: Outcome) -> None:
        if outcome.status not in ("failed", "rejected"):
            self._row = 0
            return
        self._row += 1
        if self.settings.on_error == "stop" or self._row >= IN_A_ROW:
            many = f"{IN_A_ROW} calls in a row failed, the last one: " if self._row >= IN_A_ROW else ""
            raise RunStopped(
                f"{self.settings.endpoint}: {many}{outcome.response}; what was paid is kept, and the same command "
                "continues"
            )

    def _wind_down(self, running: Future[None], out: queue.SimpleQueue[Outcome | BaseException | None]) -> None:
        """Send nothing more, and keep what arrives within ``PATIENCE``."""
        loop, gate = self._loop, self._gate
        if loop is None or gate is None:
            return
        gate.stopping = True
        asyncio.run_coroutine_threadsafe(gate.stop(), loop)
        end = time.monotonic() + PATIENCE
        try:
            while (item := out.get(timeout=max(0.001, end - time.monotonic()))) is not None:
                if isinstance(item, Outcome):
                    self._record(item)
        except queue.Empty:
            running.cancel()

    def _over_budget(self, worst: Worst) -> str:
        settings, spent = self.settings, self.spent
        if settings.max_cost is not None:
            said = f"{spent.cost:.4f} of {settings.max_cost:g} are spent, and the next call could take {worst.cost:.4f}"
        else:
            most = settings.max_tokens or 0
            said = f"{spent.tokens:,} of {most:,} tokens are used, and the next call could take {worst.tokens:,}"
        return f"the budget of this run is at its end: {said}; what was paid is kept, and the same command continues"

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = loop = asyncio.new_event_loop()
            self._gate = Gate(self.settings)
            self._exchange = Exchange(self.settings, self._key, self._gate)
            threading.Thread(target=_run, args=(loop,), name="quipu-llm", daemon=True).start()
        return self._loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


def _reply(outcome: Outcome) -> Reply | None:
    if outcome.status == "refused":
        return Reply("", False, True, None, None)
    return reply_of(outcome.response) if outcome.status in ("ok", "estimated") else None


def _has_json(text: str) -> bool:
    try:
        json_in(text)
    except ValueError:
        return False
    return True


def _parsed(reply: Reply | None, parse: Callable[[dict[str, Any]], T]) -> tuple[T | str, str]:
    """What a reply says or why it says nothing; and what is wrong with its form, "" where that is right."""
    if reply is None:
        return NO_REPLY, ""
    if reply.refused:
        return REFUSED, ""
    try:
        return parse(json_in(reply.text)), ""
    except ValueError as error:
        return UNREADABLE, str(error)
