"""The small memory of ``tests.full_memory`` for the frameworks, by itself and at a server's address."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.full_memory import made
from tests.handmade import WordEncoder

import quipu
from quipu.memory import Memory
from quipu.records import Answer

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"  # before it is imported
os.environ["HF_DATASETS_OFFLINE"] = "1"

ASKED = "How long is pier 3?"


def opened(path: Path) -> Memory:
    return quipu.open(path, read_only=True, encoder=WordEncoder())


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its cascade takes no step that a language model does."""
    path = made(tmp_path_factory.mktemp("frameworks") / "harbour.quipu")
    with quipu.open(path, encoder=WordEncoder()) as memory:
        memory.keep_settings(replace(memory.settings, steps=("lookup", "chain")))
    return path


@pytest.fixture(scope="session")
def memory(folder: Path) -> Iterator[Memory]:
    with opened(folder) as found:
        yield found


@pytest.fixture(scope="session")
def url(folder: Path) -> Iterator[str]:
    """Of a real server that asks for a token, which stands in QUIPU_TEST_TOKEN."""
    pytest.importorskip("fastapi", reason="a server needs the extra serve")
    from tests.serving.browser import listening

    from quipu.serving.app import Server
    from quipu.serving.settings import ServeSettings

    token = "a reader's token of the frameworks"
    os.environ["QUIPU_TEST_TOKEN"] = token
    with listening(Server([folder], ServeSettings(), environment={"QUIPU_TOKEN": token}, opener=opened)) as found:
        yield found + "harbour"
    del os.environ["QUIPU_TEST_TOKEN"]


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The handmade encoder is never unsure; here every answer is refused, with a probability of 0.3."""

    def ask(memory: Memory, question: str, **_: object) -> Answer:
        return Answer.abstained(question, reason="not sure", probability=0.3, held="21")

    monkeypatch.setattr(Memory, "ask", ask)


@pytest.fixture
def sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is answered has a probability, 0.75: the handmade models have none."""
    ask = Memory.ask
    monkeypatch.setattr(Memory, "ask", lambda *given, **options: replace(ask(*given, **options), probability=0.75))
