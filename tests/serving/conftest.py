"""A server over a small memory whose models are handmade; nothing of it needs a language model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")

from starlette.testclient import TestClient
from tests.full_memory import made
from tests.handmade import WordEncoder

from quipu import build as build_memory
from quipu import open as open_memory
from quipu.cli.main import run
from quipu.memory import Memory
from quipu.records import Answer
from quipu.serving.app import Server
from quipu.serving.settings import ServeSettings

ROOT = Path(__file__).parents[2]
ADMIN = "an admin's token of a test"
READER = "a reader's token of a test"
WRITER = """
import sys
from pathlib import Path
from quipu.memory import Memory
from quipu.storage.store import Store
from quipu.models.bundle import Models
from quipu.serving.writer import work
from tests.handmade import models
def opened(path):
    made = models(float(sys.argv[1]))
    return Memory(Store.open(path), Models(made["encoder"], made["writer"], made["reader"]))
work([Path(argument) for argument in sys.argv[2:]], opened)
"""


def opened(path: Path) -> Memory:
    return open_memory(path, read_only=True, encoder=WordEncoder())


def writer(path: Path, slow: float = 0.0) -> list[str]:
    """The command of a process that writes with handmade models, ``slow`` seconds a call."""
    return [sys.executable, "-c", WRITER, str(slow), str(path)]


@pytest.fixture(scope="session")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For reading only. Its cascade takes no step that a language model does: loading one takes seconds a server."""
    path = made(tmp_path_factory.mktemp("served") / "harbour.quipu")
    with open_memory(path, encoder=WordEncoder()) as opened_once:
        opened_once.keep_settings(replace(opened_once.settings, steps=("lookup", "chain")))
    return path


@contextmanager
def serving(
    path: Path,
    settings: ServeSettings | None = None,
    *,
    admin: str = "",
    reader: str = "",
    command: Sequence[str] | None = None,
) -> Iterator[TestClient]:
    """A client of a server that is ready; ``client.server`` is the server."""
    environment = {"QUIPU_ADMIN_TOKEN": admin, "QUIPU_TOKEN": reader}
    server = Server([path], settings, environment=environment, opener=opened, writer=command)
    with TestClient(server.app, base_url="http://localhost", raise_server_exceptions=False) as client:
        client.server = server  # type: ignore[attr-defined]
        wait(lambda: server.engine.why_not_ready is None)
        yield client


def refusing(memory: Memory, questions: Sequence[str], **_: object) -> list[Answer]:
    """In place of ``Memory.ask_many``: the handmade encoder is never unsure."""
    return [Answer.abstained(question, reason="nothing stored is near enough") for question in questions]


def wait(until: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@pytest.fixture(scope="session")
def client(memory: Path) -> Iterator[TestClient]:
    """Of a server on this machine, without tokens."""
    with serving(memory) as found:
        yield found


PAIRS = """question,answer
Who signs the papers?,the harbour office
When was the canal opened?,17 November 1869
How long is the canal?,193 kilometres
Who pays the pilots?,the town
What does a ship pay?,nine ducats
"""
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}

Ran = tuple[int, str, str]


@pytest.fixture
def quipu(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """The command line in this process: exit code, standard output, standard error."""

    def ran(*arguments: object) -> Ran:
        code = run([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return ran


@pytest.fixture(scope="session")
def canal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memory of ready pairs whose cascade takes no step that a language model does."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "pairs.csv").write_text(PAIRS)
    with build_memory([], folder / "canal.quipu", pairs=folder / "pairs.csv") as made:
        made.keep_settings(replace(made.settings, steps=("lookup", "chain")))
        return made.path


class Running:
    """A server's process; ``url`` is what it printed."""

    def __init__(self, *arguments: object, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "quipu", "serve", *map(str, arguments), "--json"], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**ENVIRONMENT, **environment},
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.communicate()[1])
        self.said: dict[str, Any] = json.loads(line)
        self.url = str(self.said["url"])

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
