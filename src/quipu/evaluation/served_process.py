"""A server in a process of its own, to be put under load, and what it is asked."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from quipu.errors import ServerError
from quipu.evaluation.load import Came, Plan

CLIENTS, CONNECTIONS = 64, 500
"""Those of a closed loop, and those over which questions come at random times."""
_READY = 300.0  # seconds that a server may load
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Load:
    """What is measured. ``seconds``: of steady load; other runs take a part of it. ``options``: of every question.

    ``documents``: how many are added beside steady load.
    """

    memory: Path
    questions: Sequence[str]
    seconds: float = 120.0
    options: tuple[tuple[str, Any], ...] = ()
    workers: int = 1
    seed: int = 0
    documents: int = 200

    @property
    def bodies(self) -> list[str]:
        """What is sent, in turn."""
        return [json.dumps({"question": question, **dict(self.options)}) for question in self.questions]


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """One that listens on this machine."""

    process: subprocess.Popen[str]
    host: str
    port: int
    memory: str

    @property
    def url(self) -> str:
        """The memory's address, as ``quipu ask`` takes it."""
        return f"http://{self.host}:{self.port}/{self.memory}"

    def plan(self, load: Load, seconds: float, connections: int = 1, rate: float = 0.0) -> Plan:
        """Its questions, asked of this server."""
        path = f"/api/v1/{self.memory}/ask"
        return Plan(self.host, self.port, path, load.bodies, seconds, connections, rate, seed=load.seed)

    def resident(self) -> int:
        """Bytes of memory that the process has."""
        found = ["ps", "-o", "rss=", "-p", str(self.process.pid)]
        return 1024 * int(subprocess.run(found, capture_output=True, text=True, check=True).stdout)

    def writers(self) -> list[int]:
        """The number of the process that writes for it, while there is one."""
        found = ["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)]
        lines = subprocess.run(found, capture_output=True, text=True, check=False).stdout.splitlines()
        return [int(line.split()[0]) for line in lines if "quipu.serving.writer" in line]

    def is_ready(self) -> bool:
        """Whether it answers questions by now."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10.0)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


def asked(plan: Plan) -> list[Came]:
    """What came, by a client in its own process."""
    done = subprocess.run(
        [sys.executable, "-m", "quipu.evaluation.load"], input=json.dumps(asdict(plan)), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise ServerError(f"the client that makes the load ended with {done.stderr.strip().splitlines()[-1:]}")
    return [Came(*row) for row in json.loads(done.stdout)]


class Beside:
    """Load that goes on while something else is done, in pieces of which each is a client's process."""

    def __init__(self, plan: Plan) -> None:
        """``plan.seconds``: of one piece."""
        self._plan = plan
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="quipu-load")
        self._error: ServerError | None = None
        self.came: list[Came] = []
        self.seconds = 0.0

    def __enter__(self) -> Beside:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """The piece that has begun is waited for; ServerError where the client could not run."""
        self._ended.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                came = asked(self._plan)
            except ServerError as error:
                self._error = error
                return
            self.came += came
            self.seconds += self._plan.seconds


@contextmanager
def serving(
    load: Load, *options: str, memory: Path | None = None, secrets: Mapping[str, str] | None = None
) -> Iterator[ServerProcess]:
    """A server of ``load.memory`` (or of another) that is ready, on this machine.

    ``secrets``: tokens, by the names of their variables. It is killed where it does not end by itself.
    """
    known = {name: value for name, value in os.environ.items() if not name.startswith("QUIPU_")}
    command = ["serve", str(memory or load.memory), "--port", "0", "--workers", str(load.workers), "--json", *options]
    process = subprocess.Popen(
        [sys.executable, "-m", "quipu", *command], stdout=subprocess.PIPE, text=True, env={**known, **(secrets or {})}
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise ServerError("the server could not be started; its reason stands above")
        said = json.loads(line)
        parts = urlsplit(str(said["url"]))
        [name] = said["memories"]
        server = ServerProcess(process, str(parts.hostname), int(parts.port or 0), str(name))
        until = time.monotonic() + _READY
        while not server.is_ready():
            if process.poll() is not None:
                raise ServerError("the server ended before it was ready; its reason stands above")
            if time.monotonic() > until:
                raise ServerError("the server was not ready in time")
            time.sleep(0.02)
        yield server
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()
        process.communicate()


@contextmanager
def copied(memory: Path) -> Iterator[Path]:
    """A copy of a memory that may be changed, gone at the end; without the jobs that a server left in it."""
    with tempfile.TemporaryDirectory(prefix="quipu-bench-", dir=memory.resolve().parent) as folder:
        ignored = shutil.ignore_patterns("serving", "*.lock")
        yield Path(shutil.copytree(memory, Path(folder) / memory.resolve().name, ignore=ignored))
