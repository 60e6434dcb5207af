"""How a server bears load: what it can do, and how it answers below that, near it, and far above it.

Every run has bounds that must hold. The server is a process, the client another; "direct" is the same memory asked in
this process, one question at a time. Steady load is half of what the server can do.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from quipu.evaluation.bounds import Bound, Run, number, ratio, sound, summary
from quipu.evaluation.load import Plan
from quipu.evaluation.served_changes import added, killed
from quipu.evaluation.served_process import CLIENTS, CONNECTIONS, Beside, Load, Say, ServerProcess, asked, serving
from quipu.text import finite

MANY, SLOW = 900, 200
"""Connections of an overload, and clients that send slowly."""
_DIRECT = 200  # questions that are asked without a server
_WAIT = 2_000.0  # milliseconds that `quipu serve` lets a question wait
_CLOSE = 1e-4  # by which a probability may differ
BATCHES = {"look-up": ({"method": "lookup", "rerank": False}, 4.0),
           "look-up, reranked": ({"method": "lookup", "rerank": True}, 1.5)}  # fmt: skip
"""How many times as much a server with batches has to do, by what it does."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What the runs before found. ``direct``: milliseconds of a question without a server; ``most``: answers a second
    at most; ``steady``: a run at half of that, once there was one."""

    server: ServerProcess
    load: Load
    direct: float
    most: float
    answers: Sequence[Mapping[str, Any]]
    steady: Run | None = None

    def plan(self, share: float, seconds: float, connections: int | None = None) -> Plan:
        """Questions at random times, at a share of the most that the server can do."""
        return self.server.plan(self.load, seconds, connections or CONNECTIONS, share * self.most)


def measure(load: Load, say: Say) -> list[Run]:
    """All runs; ServerError where the server cannot be started."""
    say("direct")
    answers, direct = _direct(load)
    runs = [Run("direct", {"p50_ms": direct})]
    batched: dict[str, float] = {}
    with serving(load) as server:
        for make in (_alone, _most):
            runs.append(make(server, load, direct))
            say(runs[-1].name)
        most = float(runs[-1].figures["answers_per_second"] or 0.0)
        if not most:
            return runs
        known = _Known(server, load, direct, most, answers)
        for name, run in _RUNS.items():
            say(name)
            runs.append(run(known))
            if name == "steady":
                known = replace(known, steady=runs[-1])
        for name, (options, _) in BATCHES.items():
            batched[name] = _rate(server, load, options)
    say("micro-batching")
    runs.append(_batching(load, batched))
    for name, change in (("adding", added), ("kill -9", killed)):
        say(name)
        runs.append(change(load, 0.5 * most))
    return runs


def _alone(server: ServerProcess, load: Load, direct: float) -> Run:
    seconds = load.seconds / 12
    found = summary(asked(server.plan(load, seconds)), seconds)
    more = number(found["p50_ms"]) - direct
    return Run("one client", found, (Bound("p50 over direct, ms", more, 3), *sound(found)))


def _most(server: ServerProcess, load: Load, direct: float) -> Run:
    seconds = load.seconds / 4
    return Run("most", summary(asked(server.plan(load, seconds, CLIENTS)), seconds))


def _steady(known: _Known) -> Run:
    seconds = known.load.seconds
    found = summary(asked(known.plan(0.5, seconds)), seconds)
    bounds = (
        Bound("p50 by direct", ratio(found["p50_ms"], known.direct), 1.5),
        Bound("p99 by p50", ratio(found["p99_ms"], found["p50_ms"]), 10),
    )
    return Run("steady", found, (*sound(found, all_answered=True), *bounds))


def _same(known: _Known) -> Run:
    """Every answer that was given without a server is asked for beside steady load."""
    from quipu.client import Service

    given = dict(known.load.options)
    differ = 0
    with Beside(known.plan(0.5, max(1.0, known.load.seconds / 12))) as load, Service(known.server.url) as service:
        for direct in known.answers:
            [found] = service.ask([direct["question"]], given)
            differ += not is_same(direct, found)
    figures = summary(load.came, load.seconds)
    return Run("same answers", {**figures, "compared": len(known.answers)}, (Bound("answers that differ", differ, 0),))


def is_same(direct: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether an answer of the API is the direct one: text, step, reason and evidence, and as probable."""
    if any(direct[name] != found[name] for name in ("text", "route", "reason", "pair", "evidence", "elsewhere")):
        return False
    one, other = direct["probability"], found["probability"]
    return one is other or (None not in (one, other) and math.isclose(one, other, abs_tol=_CLOSE, rel_tol=0.0))


def _knee(known: _Known) -> Run:
    seconds = known.load.seconds / 2
    found = summary(asked(known.plan(0.9, seconds)), seconds)
    return Run("knee", found, (Bound("p99 by direct", ratio(found["p99_ms"], known.direct), 25), *sound(found)))


def _overload(known: _Known) -> Run:
    seconds, rest = known.load.seconds / 2, min(5.0, known.load.seconds)
    before = known.server.resident()
    found = summary(asked(known.plan(3.0, seconds, MANY)), seconds)
    grown = (known.server.resident() - before) / 1e6
    time.sleep(rest)
    after = summary(asked(known.plan(0.5, rest)), rest)
    bounds = (
        Bound("answers by the most", number(found["answers_per_second"]) / known.most, 0.9, at_least=True),
        Bound("p99 of refusals, ms", found["refused_at_once_p99_ms"] or 0.0, 50),
        Bound("p99, ms", number(found["p99_ms"]), _WAIT + 5 * known.direct),
        Bound("memory grown, MB", grown, 50),
        Bound("p50 after 5 s by steady", ratio(after["p50_ms"], _steadily(known, "p50_ms")), 1.2),
    )
    return Run("overload", {**found, "p50_after_ms": after["p50_ms"]}, (*sound(found), *bounds))


def _senders(known: _Known) -> Run:
    seconds = known.load.seconds / 2
    found = summary(asked(replace(known.plan(0.5, seconds), slow=SLOW)), seconds)
    bounds = [
        Bound(f"{name} by steady", ratio(found[f"{name}_ms"], _steadily(known, f"{name}_ms")), 1.2)
        for name in ("p50", "p99")
    ]
    return Run("slow senders", found, (*sound(found, all_answered=True), *bounds))


_RUNS: Mapping[str, Callable[[_Known], Run]] = {
    "steady": _steady, "same answers": _same, "knee": _knee, "overload": _overload, "slow senders": _senders,
}  # fmt: skip


def _steadily(known: _Known, figure: str) -> float | None:
    return None if known.steady is None else known.steady.figures[figure]


def _batching(load: Load, batched: Mapping[str, float]) -> Run:
    """The most that a server does without batches; ``batched``: with them, by the names of ``BATCHES``."""
    figures: dict[str, float | int | None] = {}
    bounds = []
    with serving(load, "--batch", "1") as server:
        for name, (options, least) in BATCHES.items():
            single = _rate(server, load, options)
            figures |= {f"{name}, in batches, per second": batched[name], f"{name}, one by one, per second": single}
            gain = batched[name] / single if single else 0.0
            bounds.append(Bound(f"{name}: answers by those one by one", gain, least, at_least=True))
    return Run("micro-batching", figures, tuple(bounds))


def _rate(server: ServerProcess, load: Load, options: Mapping[str, Any]) -> float:
    """Answers a second, of a closed loop."""
    seconds = load.seconds / 8
    found = summary(asked(server.plan(replace(load, options=tuple(options.items())), seconds, CLIENTS)), seconds)
    return number(found["answers_per_second"])


def _direct(load: Load) -> tuple[list[dict[str, Any]], float]:
    """Answers that this process gives, and the median of their milliseconds; asked once before, as a server was."""
    from quipu import api

    answers, times = [], []
    with api.open(load.memory, read_only=True) as memory:
        memory.ask(load.questions[0], **dict(load.options))
        for question in load.questions[:_DIRECT]:
            began = time.perf_counter()
            answer = memory.ask(question, **dict(load.options))
            times.append(1000 * (time.perf_counter() - began))
            answers.append(json.loads(json.dumps(finite(answer.to_json()))))
    return answers, median(times)
