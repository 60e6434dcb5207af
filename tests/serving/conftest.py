"""A server over a small memory whose models are handmade; nothing of it needs a language model."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")

from starlette.testclient import TestClient
from tests.full_memory import made
from tests.handmade import WordEncoder

import quipu
from quipu.facade import Memory
from quipu.records import Answer
from quipu.serving.app import Server
from quipu.serving.settings import ServeSettings

ROOT = Path(__file__).parents[2]
ADMIN = "an admin's token of a test"
READER = "a reader's token of a test"
WRITER = """
import sys
from pathlib import Path
from quipu.facade import Memory
from quipu.memory.store import Store
from quipu.models.loaded import Models
from quipu.serving.writer import work
from tests.handmade import models
def opened(path):
    made = models(float(sys.argv[1]))
    return Memory(Store.open(path), Models(made["encoder"], made["writer"], made["reader"]))
work([Path(argument) for argument in sys.argv[2:]], opened)
"""


def opened(path: Path) -> Memory:
    return quipu.open(path, read_only=True, encoder=WordEncoder())


def writer(path: Path, slow: float = 0.0) -> list[str]:
    """The command of a process that writes with handmade models, ``slow`` seconds a call."""
    return [sys.executable, "-c", WRITER, str(slow), str(path)]


@pytest.fixture(scope="session")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For reading only."""
    return made(tmp_path_factory.mktemp("served") / "harbour.quipu")


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


def wait(until: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def client(memory: Path) -> Iterator[TestClient]:
    """Of a server on this machine, without tokens."""
    with serving(memory) as found:
        yield found
