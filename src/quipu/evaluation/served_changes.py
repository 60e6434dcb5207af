"""A server whose memory is changed while it is under load, and one that is killed.

Both work on a copy of the memory.
"""

from __future__ import annotations

import math
import os
import random
import secrets
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

from quipu.client import Service
from quipu.errors import QuipuError, ServerError
from quipu.evaluation.bounds import Bound, Figures, Run, number, sound, summary
from quipu.evaluation.served_process import CONNECTIONS, Beside, Load, ServerProcess, copied, serving

REMOVED = 5
"""Documents that are removed again."""
_PIECE = 1 / 12  # of the seconds of steady load, in which load goes on beside something else
_SHORTEST = 60.0  # seconds after which adding is interrupted, at least: models are loaded first
_INTERRUPTED = 130  # the exit code of it
_GIVEN_UP = 10.0  # seconds after which a pair is not waited for any more
_AFTER = 1.0  # seconds for which what was removed is asked for
_JOBS = 60.0  # seconds that jobs of a server that was killed may take
_LOOK = 0.02
_LOOK_UP = {"method": "lookup", "min_probability": 0.0}


def added(load: Load, rate: float) -> Run:
    """Documents are added by ``quipu add`` beside load of so many questions a second, and some removed again.

    When a pair was committed is seen in the record, by whoever reads it. Adding is interrupted after the seconds of
    steady load, for it may take far longer than what is to be found out.
    """
    with copied(load.memory) as memory, serving(load, memory=memory) as server:
        folder = memory.parent / "documents"
        made = _documents(folder, load.documents, load.seed)
        piece = server.plan(load, max(1.0, load.seconds * _PIECE), CONNECTIONS, rate)
        with Beside(piece) as beside, Service(server.url) as service:
            writer = _quipu("add", str(memory), str(folder))
            lags = _lags(memory, service, writer, max(_SHORTEST, load.seconds))
            if writer.returncode not in (0, _INTERRUPTED):
                raise ServerError("the documents could not be added; the reason stands above")
            known = _answers(memory)
            stored = {name: said for name, said in made.items() if said in known}
            leaked = 0
            for name in list(stored)[:: max(1, len(stored) // REMOVED)][:REMOVED]:
                if _quipu("remove", str(memory), "--document", str(folder / name)).wait():
                    raise ServerError("a document could not be removed; the reason stands above")
                leaked += _leaked(service, *stored[name])
        found = summary(beside.came, beside.seconds)
    slowest = max(lags, default=None)
    figures: Figures = {**found, "documents": len(stored), "pairs_awaited": len(lags), "slowest_s": slowest}
    bounds = (
        *sound(found),
        Bound("new pair answers after, s", number(slowest), 2),
        Bound("answers from what was removed", leaked if stored else math.inf, 0),
    )
    return Run("adding", figures, bounds)


def _documents(folder: Path, count: int, seed: int) -> dict[str, tuple[str, str]]:
    """Files with a question and its answer each, by their names. No other text has such answers."""
    chosen = random.Random(seed)
    folder.mkdir()
    found = {}
    for station in range(count):
        question, answer = f"What is the call sign of relay station {station}?", f"KX{chosen.randrange(10**8):08d}"
        name = f"station-{station:04d}.md"
        (folder / name).write_text(f"# Relay station {station}\n\nQ: {question}\n\nA: {answer}\n", encoding="utf-8")
        found[name] = question, answer
    return found


def _lags(memory: Path, service: Service, writer: subprocess.Popen[bytes], seconds: float) -> list[float]:
    """Seconds from the commit of a pair to its answer, of as many pairs as come one after the other.

    ``writer`` is interrupted after so many seconds.
    """
    lags = []
    until = time.monotonic() + seconds
    with closing(_read(memory / "records.sqlite")) as record:
        [last] = record.execute("SELECT ifnull(max(row), 0) FROM pairs").fetchone()
        ended = False
        while not ended:
            ended = writer.poll() is not None  # and look once more
            newest = "SELECT row, question, answer FROM pairs WHERE row > ? ORDER BY row DESC LIMIT 1"
            pair = record.execute(newest, (last,)).fetchone()
            if time.monotonic() > until:
                writer.send_signal(signal.SIGINT)
                until = math.inf
            if pair is None:
                time.sleep(_LOOK)
                continue
            began = time.monotonic()
            last, question, answer = pair
            while (lag := time.monotonic() - began) < _GIVEN_UP:
                if service.ask([question], _LOOK_UP)[0]["text"] == answer:
                    lag = time.monotonic() - began
                    break
            lags.append(lag)
    return lags


def _answers(memory: Path) -> set[tuple[str, str]]:
    """Every stored question with its answer."""
    with closing(_read(memory / "records.sqlite")) as record:
        return set(record.execute("SELECT question, answer FROM pairs"))


def _read(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{database}?mode=ro", uri=True)


def _leaked(service: Service, question: str, answer: str) -> int:
    """How often an answer comes that was removed."""
    until = time.monotonic() + _AFTER
    count = 0
    while time.monotonic() < until:
        [found] = service.ask([question], _LOOK_UP)
        count += answer in str(found)
    return count


def killed(load: Load, rate: float) -> Run:
    """Answers are marked under load; the process that writes is killed, then the server; then another one starts."""
    from quipu import api
    from quipu.storage.verify import verify

    admin = {"QUIPU_ADMIN_TOKEN": secrets.token_hex(16)}
    kept: list[tuple[str, str]] = []
    with copied(load.memory) as memory:
        with serving(load, "--writable", memory=memory, secrets=admin) as server:
            piece = server.plan(load, max(1.0, load.seconds * _PIECE), CONNECTIONS, rate)
            marking = threading.Thread(target=_mark, args=(server, load.questions, kept), name="quipu-marks")
            marking.start()
            with Beside(piece) as beside:
                _until(lambda: bool(kept and server.writers()), _JOBS)
                for pid in server.writers():
                    os.kill(pid, signal.SIGKILL)
                count = len(kept)
                time.sleep(load.seconds * 2 * _PIECE)
                _until(lambda: len(kept) > count, _JOBS)
                came, seconds = list(beside.came), beside.seconds
                server.process.kill()
                server.process.wait()
            marking.join()
        began = time.monotonic()
        with serving(load, "--writable", memory=memory, secrets=admin) as server:
            ready = time.monotonic() - began
            _until(lambda: not _waiting(memory), _JOBS)
        problems = len(verify(memory).problems)
        with api.open(memory, read_only=True) as opened:
            lost = set(kept) - {(mark.question, mark.answer) for mark in opened.feedback() if mark.right}
    found = summary(came, seconds or 1.0)
    bounds = (
        *sound(found), Bound("marks lost", len(lost), 0), Bound("problems of verify", problems, 0),
        Bound("ready after, s", ready, 2),
    )  # fmt: skip
    return Run("kill -9", {**found, "marks": len(set(kept))}, bounds)


def _mark(server: ServerProcess, questions: Sequence[str], kept: list[tuple[str, str]]) -> None:
    """Say that answers are right, one after the other, as long as there is a server; ``kept``: what it has kept."""
    with suppress(QuipuError), Service(server.url) as service:
        for question in _endless(questions):
            [found] = service.ask([question], _LOOK_UP)
            if found["text"] is not None and service.judge(found["answer_id"], "right"):
                kept.append((question, str(found["text"])))


def _endless(questions: Sequence[str]) -> Iterator[str]:
    while True:
        yield from questions


def _waiting(memory: Path) -> int:
    """Jobs that have not ended."""
    with closing(_read(memory / "serving" / "jobs.sqlite")) as jobs:
        return int(jobs.execute("SELECT count(*) FROM jobs WHERE ended IS NULL").fetchone()[0])


def _until(holds: Callable[[], bool], seconds: float) -> None:
    """Wait until something holds, or the time is over."""
    until = time.monotonic() + seconds
    while not holds() and time.monotonic() < until:
        time.sleep(_LOOK)


def _quipu(*arguments: str) -> subprocess.Popen[bytes]:
    """The command line in a process of its own; what is wrong it says itself."""
    return subprocess.Popen([sys.executable, "-m", "quipu", *arguments], stdout=subprocess.DEVNULL)
