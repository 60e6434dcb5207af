"""``quipu bench serve`` on a server of this process: every run is made, and its bounds are judged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from tests.handmade import WordEncoder
from tests.serving.conftest import Ran
from tests.serving.test_client import listening

from quipu import api
from quipu.evaluation import served
from quipu.evaluation.served import Load, Run, _Server


def test_every_run_is_made(memory: Path, monkeypatch: pytest.MonkeyPatch, quipu: Callable[..., Ran]) -> None:
    """A run that measures nothing, or a bound that nobody looks at, holds for good."""
    started: list[tuple[str, ...]] = []

    @contextmanager
    def server(_: Load, *options: str) -> Iterator[_Server]:
        started.append(options)
        with listening(memory) as url:
            parts = urlsplit(url)
            process = SimpleNamespace(pid=1)
            yield _Server(process, str(parts.hostname), int(parts.port or 0), "/api/v1/harbour/ask")

    real = api.open
    monkeypatch.setattr(api, "open", lambda path, **_: real(path, read_only=True, encoder=WordEncoder()))
    monkeypatch.setattr(served, "_server", server)
    monkeypatch.setattr(_Server, "resident", lambda _: 1_000_000)
    monkeypatch.setattr("os.getloadavg", lambda: (0.6, 0.0, 0.0))
    code, _, said = quipu("bench", "serve", memory, "--method", "lookup")
    assert code == 2 and "--busy" in said and not started
    code, printed, said = quipu("bench", "serve", memory, "--method", "lookup", "--seconds", 1, "--busy", "--json")
    assert code == 0, said
    found = json.loads(printed)
    runs = {run["name"]: Run(**run) for run in found["runs"]}
    assert list(runs) == [
        "direct", "one client", "most", "steady", "knee", "overload", "slow senders", "without batches"
    ]  # fmt: skip
    assert started == [(), ("--batch", "1")]
    for name in list(runs)[1:-1]:
        assert runs[name].figures["answered"] and runs[name].figures["errors"] == 0, runs[name]
    assert all(runs[name].bounds for name in list(runs) if name not in ("direct", "most"))
    assert set(runs["overload"].bounds) >= {"memory + <= 50 MB", "429 within 50 ms"}
