"""Several processes at one address: they answer alike, are counted together, and end together."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from tests.serving.conftest import ADMIN, Ran, Running, wait

from quipu.serving.settings import ServeSettings
from quipu.serving.workers import settings_from_json, settings_to_json


def children(process: int) -> set[int]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()]
    return {int(row[0]) for row in rows if int(row[1]) == process and "quipu.serving.worker" in row[2]}


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def running(canal: Path, tmp_path: Path) -> Iterator[Running]:
    copied = shutil.copytree(canal, tmp_path / "canal.quipu")
    found = Running(copied, "--port", 0, "--workers", 2, "--writable", QUIPU_ADMIN_TOKEN=ADMIN)
    yield found
    found.end()


def test_workers_share_an_address(running: Running) -> None:
    """One that dies takes no other along, and SIGTERM ends them all: a forgotten one keeps answering from old files."""
    url = running.url
    wait(lambda: "\nquipu_ready 1.0" in httpx2.get(f"{url}/metrics", timeout=120).text, 600)
    workers = children(running.process.pid)
    assert len(workers) == 2

    def ask() -> str:
        body = {"question": "Who signs the papers?", "method": "lookup", "min_probability": 0.0}
        response = httpx2.post(f"{url}/api/v1/canal/ask", json=body, timeout=120)
        assert response.status_code == 200, response.text
        return str(response.json()["text"])

    assert {ask() for _ in range(12)} == {"the harbour office"}
    counted = 'quipu_requests_total{route="/api/v1/{memory}/ask",status="200"} 12.0'
    assert counted in httpx2.get(f"{url}/metrics", timeout=120).text  # whichever of them is asked
    assert 'quipu_pairs{memory="canal"} 5.0' in httpx2.get(f"{url}/metrics", timeout=120).text
    pair = {"pairs": [{"question": "Who feeds the pilots?", "answer": "the cook"}]}
    admin = {"authorization": f"Bearer {ADMIN}"}
    added = httpx2.post(f"{url}/api/v1/canal/pairs", json=pair, headers=admin, timeout=120)
    assert added.status_code in (201, 202), added.text
    if added.status_code == 202:  # the machine is busy
        job = f"{url}{added.headers['location']}"
        wait(lambda: httpx2.get(job, headers=admin, timeout=120).json()["state"] == "done", 600)
    [victim, *_] = workers
    os.kill(victim, signal.SIGKILL)
    wait(lambda: len(children(running.process.pid) - {victim}) == 2, 300)
    assert ask() == "the harbour office"
    workers = children(running.process.pid)
    assert running.stop() == 0
    assert not any(map(alive, workers))


def test_workers_end_with_the_process_that_started_them(running: Running) -> None:
    """After kill -9 of the first process the port must be free for the next server."""
    workers = children(running.process.pid)
    running.process.kill()
    wait(lambda: not any(map(alive, workers)), 300)
    assert workers


def test_what_workers_are_told_is_what_they_hear() -> None:
    """A setting that gets lost on the way is one that each worker decides for itself."""
    settings = ServeSettings(
        uds=Path("/s"), token_file=Path("t"), cors=("http://a.example",), watch=("a=b",), workers=3, writable=True
    )
    assert settings_from_json(settings_to_json(settings)) == settings


def test_a_worker_that_cannot_begin_ends_all(
    canal: Path, monkeypatch: pytest.MonkeyPatch, quipu: Callable[..., Ran]
) -> None:
    """To start it over and over would hide why; the reason is one line."""
    from quipu.serving import workers

    real = workers.settings_to_json
    monkeypatch.setattr(workers, "settings_to_json", lambda settings: real(settings) | {"token_file": "/no/such/file"})
    code, _, said = quipu("serve", canal, "--port", 0, "--workers", 2)
    assert code == 2 and len(said.splitlines()) == 1 and "no such file" in said
