"""Several processes that answer at one address: they share its socket, and this one starts those again that die.

This process answers nothing. It keeps the one that writes, watches the files, and ends when it is told to, once the
workers have answered what they were asked. A worker that ends before it ever listened ends all: what kept it from
listening keeps the next one too. Should this process be killed, the workers notice and end by themselves.
"""

from __future__ import annotations

import json
import os
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from prometheus_client import multiprocess

from quipu.errors import QuipuError
from quipu.serving.answer_ids import KEY
from quipu.serving.app import Server
from quipu.serving.metrics import SHARED
from quipu.serving.settings import ServeSettings
from quipu.settings import from_mapping

LISTENS, JOB, FAILED = "listens", "job", "failed"
"""What a worker says on its standard output, the last with the reason."""
_LONG = 30.0  # seconds: whoever lived so long was well, and the longest pause before another is started
_MORE = 5.0  # seconds beyond those for the last answers before a worker is killed


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    began: float
    listens: bool = False
    said: bytearray = field(default_factory=bytearray)


class Workers:
    """The processes of one server."""

    def __init__(self, server: Server, listening: socket.socket, drain: float) -> None:
        """``listening``: the socket that they share; ``drain``: seconds that they have for their last answers."""
        self._server, self._listening, self._drain = server, listening, drain
        settings = server.context.settings
        self._count = settings.workers
        paths = [str(served.path) for served in server.context.memories.values()]
        self._told = json.dumps(
            {"memories": paths, "settings": settings_to_json(settings), "socket": listening.fileno()}
        ).encode()
        self._selector = selectors.DefaultSelector()
        self._alive: dict[int, _Worker] = {}  # by the number of its pipe
        self._due: list[float] = []  # when others are to be started
        self._failed = 0  # that died young, one after the other

    def run(self, started: Callable[[], None]) -> None:
        """Answer until SIGTERM or SIGINT; QuipuError where a worker cannot be started."""
        with tempfile.TemporaryDirectory(prefix="quipu-metrics-") as folder, _signals() as stop:
            self._selector.register(stop, selectors.EVENT_READ)
            environment = {**os.environ, SHARED: folder, KEY: secrets.token_hex(32)}
            try:
                self._server.start_writing()
                for _ in range(self._count):
                    self._start(environment)
                self._keep(stop, started, environment, folder)
            finally:
                self._end(stop)
                self._selector.close()
                self._server.close()

    def _start(self, environment: dict[str, str]) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "quipu.serving.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            pass_fds=(self._listening.fileno(),), env=environment,
            start_new_session=True,  # Ctrl-C is for this process, which passes it on once
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        with suppress(OSError):  # it has ended already, which its standard output says
            process.stdin.write(self._told + b"\n")
            process.stdin.flush()
        self._alive[process.stdout.fileno()] = _Worker(process, time.monotonic())
        self._selector.register(process.stdout, selectors.EVENT_READ)

    def _keep(self, stop: socket.socket, started: Callable[[], None], environment: dict[str, str], folder: str) -> None:
        said = False
        while True:
            now = time.monotonic()
            for when in [when for when in self._due if when <= now]:
                self._due.remove(when)
                self._start(environment)
            for key, _ in self._selector.select(max(0.0, min(self._due) - now) if self._due else None):
                if key.fileobj is stop:
                    return
                worker = self._alive[key.fd]
                if not (read := os.read(key.fd, 4096)):
                    self._died(key.fd, said, folder)
                    continue
                worker.said += read
                *lines, rest = worker.said.split(b"\n")
                worker.said = rest
                for line in lines:
                    self._hear(worker, line.decode("utf-8", "replace"), said)
            if not said and all(worker.listens for worker in self._alive.values()):
                said = True
                started()

    def _hear(self, worker: _Worker, line: str, said: bool) -> None:
        what, _, reason = line.partition(" ")
        if what == LISTENS:
            worker.listens = True
        elif what == JOB:
            self._server.context.writers.wake()
        elif what == FAILED:
            if not said:
                raise QuipuError(reason)
            sys.stderr.write(f"quipu: worker {worker.process.pid}: {reason}\n")

    def _died(self, pipe: int, said: bool, folder: str) -> None:
        """Note that a worker ended, and when another is to take its place; QuipuError before all of them listened."""
        worker = self._alive.pop(pipe)
        assert worker.process.stdout is not None
        self._selector.unregister(worker.process.stdout)
        code = worker.process.wait()
        _close(worker)
        multiprocess.mark_process_dead(worker.process.pid, folder)  # type: ignore[no-untyped-call]
        if not said:
            raise QuipuError(f"a worker ended with code {code} before it listened")
        lived = time.monotonic() - worker.began
        self._failed = 0 if lived > _LONG else self._failed + 1
        pause = 0.0 if not self._failed else min(_LONG, 0.1 * 2**self._failed)
        sys.stderr.write(f"quipu: worker {worker.process.pid} ended with code {code}; another is started\n")
        self._due.append(time.monotonic() + pause)

    def _end(self, stop: socket.socket) -> None:
        """Have every worker answer what it was asked, and end; a second signal does not wait for that."""
        for worker in self._alive.values():
            worker.process.terminate()
        until = time.monotonic() + self._drain + _MORE
        with suppress(BlockingIOError):
            stop.recv(64)  # the signal that was the first
        for worker in self._alive.values():
            while worker.process.poll() is None and time.monotonic() < until:
                with suppress(BlockingIOError):
                    if stop.recv(64):
                        until = time.monotonic() + 1.0
                        worker.process.terminate()
                time.sleep(0.05)
            worker.process.kill()
            worker.process.wait()
            _close(worker)


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """A socket that can be read when SIGTERM or SIGINT came."""
    read, write = socket.socketpair()
    read.setblocking(False)
    write.setblocking(False)
    former = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    before = signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
    try:
        yield read
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in former.items():
            signal.signal(number, handler)
        read.close()
        write.close()


def _close(worker: _Worker) -> None:
    for pipe in (worker.process.stdin, worker.process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def settings_to_json(settings: ServeSettings) -> dict[str, Any]:
    """For ``settings_from_json`` in another process."""
    found = {item.name: getattr(settings, item.name) for item in fields(settings)}
    return {name: str(value) if isinstance(value, Path) else value for name, value in found.items()}


def settings_from_json(row: dict[str, Any]) -> ServeSettings:
    """What ``settings_to_json`` was given."""
    return from_mapping(ServeSettings, row, "settings")
