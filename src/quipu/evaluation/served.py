"""How a server bears load: what it can do, and how it answers below that, near it, and far above it.

Every run has bounds that must hold. The server is a process, the client another; "direct" is the same memory asked in
this process, one question at a time. Steady load is half of what the server can do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlsplit

from quipu.errors import ServerError
from quipu.evaluation.load import Came, Plan

CLIENTS, CONNECTIONS, MANY, SLOW = 64, 500, 900, 200
_READY = 300.0  # seconds that a server may load
_DIRECT = 200  # questions that are asked without a server
_WAIT = 2_000.0  # milliseconds that `quipu serve` lets a question wait
Figures = dict[str, float | int | None]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Run:
    """What one run gave. ``bounds``: each with whether it held."""

    name: str
    figures: Figures
    bounds: dict[str, bool]


@dataclass(frozen=True, slots=True)
class Load:
    """What is measured. ``seconds``: of steady load; other runs take a part of it. ``options``: of every question."""

    memory: Path
    questions: Sequence[str]
    seconds: float = 120.0
    options: tuple[tuple[str, Any], ...] = ()
    workers: int = 1
    seed: int = 0

    @property
    def bodies(self) -> list[str]:
        """What is sent, in turn."""
        return [json.dumps({"question": question, **dict(self.options)}) for question in self.questions]


def measure(load: Load, say: Say) -> list[Run]:
    """All runs; ServerError where the server cannot be started."""
    say("direct")
    direct = _direct(load)
    runs = [Run("direct", {"p50_ms": direct}, {})]
    with _server(load) as server:
        plan = Plan(server.host, server.port, server.path, load.bodies, load.seconds, 1, seed=load.seed)
        for make in (_alone, _most):
            say(make.__name__.strip("_"))
            runs.append(make(server, plan, direct))
        most = float(runs[-1].figures["answers_per_second"] or 0.0)
        if not most:
            return runs
        for name, run in (("steady", _steady), ("knee", _knee), ("overload", _overload), ("slow senders", _senders)):
            say(name)
            runs.append(run(server, replace(plan, connections=CONNECTIONS, rate=0.5 * most), direct, most, runs))
    say("without batches")
    with _server(load, "--batch", "1") as server:
        plan = Plan(server.host, server.port, server.path, load.bodies, load.seconds / 4, CLIENTS, seed=load.seed)
        single = summary(server.ask(plan), plan.seconds)
    rerank = dict(load.options).get("rerank", False)
    least = 1.5 if rerank or dict(load.options).get("method", "cascade") != "lookup" else 4.0
    ratio = most / (single["answers_per_second"] or 1.0)
    figures: Figures = {"answers_per_second": single["answers_per_second"], "gain": ratio}
    return [*runs, Run("without batches", figures, {f"batches give >= {least:g} times": ratio >= least})]


def summary(came: Sequence[Came], seconds: float) -> Figures:
    """Counts, rate and times of the answers that were given (status 200); percentiles in milliseconds."""
    good = sorted(item.milliseconds for item in came if item.status == 200)
    cuts = quantiles(good, n=100, method="inclusive") if len(good) > 1 else good * 99
    busy = sorted(item.milliseconds for item in came if item.status == 429)
    return {
        "asked": len(came), "answered": len(good),
        "refused": sum(item.status in (429, 503, 504) for item in came),
        "errors": sum(item.status not in (200, 429, 503, 504) for item in came),
        "answers_per_second": len(good) / seconds,
        "p50_ms": cuts[49] if cuts else None, "p99_ms": cuts[98] if cuts else None,
        "refused_at_once_p99_ms": busy[int(0.99 * (len(busy) - 1))] if busy else None,
    }  # fmt: skip


def _alone(server: _Server, plan: Plan, direct: float) -> Run:
    found = summary(server.ask(replace(plan, seconds=plan.seconds / 12)), plan.seconds / 12)
    more = _number(found["p50_ms"]) - direct
    return Run("one client", {**found, "more_ms": more}, {"p50 <= direct + 3 ms": more <= 3.0, **_sound(found)})


def _most(server: _Server, plan: Plan, direct: float) -> Run:
    seconds = plan.seconds / 4
    return Run("most", summary(server.ask(replace(plan, seconds=seconds, connections=CLIENTS)), seconds), {})


def _steady(server: _Server, plan: Plan, direct: float, most: float, runs: Sequence[Run]) -> Run:
    found = summary(server.ask(plan), plan.seconds)
    half, last = _number(found["p50_ms"]), _number(found["p99_ms"])
    bounds = {"p50 <= 1.5 times direct": half <= 1.5 * direct, "p99 <= 10 times p50": last <= 10 * half}
    return Run("steady", found, {**_sound(found, all_answered=True), **bounds})


def _knee(server: _Server, plan: Plan, direct: float, most: float, runs: Sequence[Run]) -> Run:
    seconds = plan.seconds / 2
    found = summary(server.ask(replace(plan, rate=0.9 * most, seconds=seconds)), seconds)
    bound = {"p99 <= 25 times direct": _number(found["p99_ms"]) <= 25 * direct}
    return Run("knee", found, {**bound, **_sound(found)})


def _overload(server: _Server, plan: Plan, direct: float, most: float, runs: Sequence[Run]) -> Run:
    seconds = plan.seconds / 2
    before = server.resident()
    found = summary(server.ask(replace(plan, rate=3 * most, seconds=seconds, connections=MANY)), seconds)
    grown = (server.resident() - before) / 1e6
    time.sleep(min(5.0, plan.seconds))
    after = summary(server.ask(replace(plan, seconds=min(5.0, plan.seconds))), min(5.0, plan.seconds))
    steady = next(run.figures for run in runs if run.name == "steady")
    at_once = found["refused_at_once_p99_ms"]
    bounds = {
        "answers >= .9 of the most": _number(found["answers_per_second"]) >= 0.9 * most,
        "429 within 50 ms": at_once is None or at_once <= 50,
        "p99 <= wait + 5 times direct": _number(found["p99_ms"]) <= _WAIT + 5 * direct,
        "memory + <= 50 MB": grown <= 50,
        "steady again after 5 s": _number(after["p50_ms"]) <= 1.2 * _number(steady["p50_ms"]),
    }
    return Run("overload", {**found, "grown_mb": grown, "p50_after_ms": after["p50_ms"]}, bounds)


def _senders(server: _Server, plan: Plan, direct: float, most: float, runs: Sequence[Run]) -> Run:
    seconds = plan.seconds / 2
    found = summary(server.ask(replace(plan, seconds=seconds, slow=SLOW)), seconds)
    steady = next(run.figures for run in runs if run.name == "steady")
    bounds = {
        f"{name} within 20 % of steady": _number(found[f"{name}_ms"]) <= 1.2 * _number(steady[f"{name}_ms"])
        for name in ("p50", "p99")
    }
    return Run("slow senders", found, {**bounds, **_sound(found, all_answered=True)})


def _sound(found: Figures, *, all_answered: bool = False) -> dict[str, bool]:
    bounds = {"0 errors": found["errors"] == 0}
    return bounds | ({"0 refused": found["refused"] == 0} if all_answered else {})


def _number(value: float | None) -> float:
    """Infinite where nothing was answered, so that no bound holds."""
    return float("inf") if value is None else value


def _direct(load: Load) -> float:
    """Milliseconds of a question in this process, the median; asked once before, as a server that is ready was."""
    from quipu import api

    with api.open(load.memory, read_only=True) as memory:
        memory.ask(load.questions[0], **dict(load.options))
        times = []
        for question in load.questions[:_DIRECT]:
            began = time.perf_counter()
            memory.ask(question, **dict(load.options))
            times.append(1000 * (time.perf_counter() - began))
    return median(times)


@dataclass(frozen=True, slots=True)
class _Server:
    process: subprocess.Popen[str]
    host: str
    port: int
    path: str

    def ask(self, plan: Plan) -> list[Came]:
        """What came, by a client in its own process."""
        done = subprocess.run(
            [sys.executable, "-m", "quipu.evaluation.load"], input=json.dumps(asdict(plan)), capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise ServerError(f"the client that makes the load ended with {done.stderr.strip().splitlines()[-1:]}")
        return [Came(*row) for row in json.loads(done.stdout)]

    def resident(self) -> int:
        """Bytes of memory that the process has."""
        said = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(self.process.pid)], capture_output=True, text=True, check=True
        ).stdout
        return 1024 * int(said)


@contextmanager
def _server(load: Load, *options: str) -> Iterator[_Server]:
    """A server of the memory that is ready, on this machine, without tokens."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QUIPU_")}
    command = ["serve", str(load.memory), "--port", "0", "--workers", str(load.workers), "--json", *options]
    process = subprocess.Popen(
        [sys.executable, "-m", "quipu", *command], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise ServerError("the server could not be started; its reason stands above")
        said = json.loads(line)
        parts = urlsplit(str(said["url"]))
        [name] = said["memories"]
        server = _Server(process, str(parts.hostname), int(parts.port or 0), f"/api/v1/{name}/ask")
        ready = Plan(server.host, server.port, server.path, load.bodies[:1], 0.2, 1)
        until = time.monotonic() + _READY
        while not any(came.status == 200 for came in server.ask(ready)):
            if time.monotonic() > until or process.poll() is not None:
                raise ServerError("the server was not ready in time")
            time.sleep(0.5)
        yield server
    finally:
        process.terminate()
        process.communicate()
