"""``quipu serve`` and ``quipu token`` as they are run: a real uvicorn, real sockets, real signals."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.serving.conftest import ROOT, Ran, Running, wait
from tests.serving.test_api import timeless

QUESTIONS = [
    "Who signs the papers?", "When was the canal opened?", "How long is the canal?", "Who is the king of France?",
]  # fmt: skip


@pytest.fixture(scope="module")
def running(canal: Path) -> Iterator[Running]:
    found = Running(canal, "--port", 0, "--queue-ms", 60_000)
    wait(lambda: httpx2.get(f"{found.url}/readyz").status_code == 200, 120)
    yield found
    found.end()


@pytest.mark.parametrize("options", [(), ("--method", "lookup", "--min-probability", "0")], ids=["cascade", "lookup"])
def test_it_answers_as_quipu_ask_does(
    running: Running, canal: Path, tmp_path: Path, options: tuple[str, ...], quipu: Callable[..., Ran]
) -> None:
    """Alone, and from 32 clients at once: two ways to ask that differ leave nobody to believe."""
    file = tmp_path / "questions.txt"
    file.write_text("\n".join(QUESTIONS))
    _, printed, _ = quipu("ask", canal, "--questions", file, "--json", *options)
    known = {answer["question"]: timeless(answer) for answer in map(json.loads, printed.splitlines())}
    assert len(known) == len(QUESTIONS)
    given = {"method": "lookup", "min_probability": 0.0} if options else {}
    for question in QUESTIONS:
        answer = httpx2.post(f"{running.url}/api/v1/canal/ask", json={"question": question, **given}).json()
        assert timeless(answer) == known[question]

    async def ask(client: httpx2.AsyncClient, number: int) -> dict[str, Any]:
        question = QUESTIONS[number % len(QUESTIONS)]
        response = await client.post("/api/v1/canal/ask", json={"question": question, **given})
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def crowd() -> list[dict[str, Any]]:
        async with httpx2.AsyncClient(base_url=running.url, timeout=60) as client:
            return await asyncio.gather(*(ask(client, number) for number in range(32)))

    found = asyncio.run(crowd())
    for answer in found:
        assert timeless(answer) == known[answer["question"]]
    assert max(answer["asked_together"] for answer in found) > 1


def test_the_head_of_a_request_is_bounded(running: Running) -> None:
    """A head without an end would be kept in memory without an end."""
    host, port = running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(1_000):
                client.sendall(b"x" * 10_000)
            raise AssertionError("ten million bytes of a head were taken")
    assert httpx2.get(f"{running.url}/livez").status_code == 200


def test_the_body_of_a_real_request_is_counted(running: Running) -> None:
    """In chunks, over a real connection: 413 while it is still being sent."""

    def endless() -> Iterator[bytes]:
        for _ in range(3_000):
            yield b" " * 1_000

    response = httpx2.post(
        f"{running.url}/api/v1/canal/ask", content=endless(), headers={"content-type": "application/json"}
    )
    assert response.status_code == 413 and response.headers["connection"] == "close"


def test_it_stops_when_it_is_told_to(running: Running) -> None:
    """A supervisor takes any other exit code for a crash; a dropped question is an error for somebody."""

    async def stopped() -> list[int]:
        async with httpx2.AsyncClient(base_url=running.url, timeout=60) as client:
            body = {"questions": QUESTIONS * 16, "method": "lookup"}
            asked = [asyncio.create_task(client.post("/api/v1/canal/ask", json=body)) for _ in range(7)]
            while "quipu_queue_size 0.0" in (await client.get("/metrics")).text:
                pass
            running.process.send_signal(signal.SIGTERM)
            return [(await task).status_code for task in asked]

    statuses = asyncio.run(stopped())
    assert 200 in statuses and set(statuses) <= {200, 503}
    assert running.process.wait(30) == 0
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{running.url}/livez")


def test_a_unix_socket_and_tokens(canal: Path, tmp_path: Path, quipu: Callable[..., Ran]) -> None:
    """The socket is its owner's, and is not taken from a server that lives; a token is revoked while it runs."""
    path, file = tmp_path / "s", tmp_path / "tokens"
    left = socket.socket(socket.AF_UNIX)  # of a server that was killed
    left.bind(str(path))
    left.close()
    code, made, said = quipu("token", "new", "--to", file, "--memory", "canal")
    secret = made.strip()
    assert code == 0 and secret.startswith("quipu_") and secret not in said
    _, listed, _ = quipu("token", "list", file, "--json")
    token = json.loads(listed)
    assert token["memories"] == ["canal"] and token["scope"] == "read" and "sha256" not in token
    server = Running(canal, "--uds", path, "--token-file", file)
    try:
        assert server.url == f"unix:{path}" and path.stat().st_mode & 0o077 == 0
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path)), base_url="http://localhost") as client:
            headers = {"authorization": f"Bearer {secret}"}
            assert client.get("/livez").json()["status"] == "alive"
            code, _, said = quipu("serve", canal, "--uds", path)
            assert code == 2 and "cannot be listened on" in said
            assert client.get("/api/v1/canal").status_code == 401
            assert client.get("/api/v1/canal", headers=headers).status_code == 200
            assert quipu("token", "revoke", file, token["id"])[0] == 0
            assert client.get("/api/v1/canal", headers=headers).status_code == 401
            assert client.get("/api/v1/canal").status_code == 401
        assert server.stop(signal.SIGINT) == 0
        assert not path.exists()
    finally:
        server.end()


def test_one_request_without_a_socket(canal: Path, quipu: Callable[..., Ran]) -> None:
    """For a first try, and for a container's build: exit code 0 for 200 and 1 for anything else."""
    code, found, _ = quipu("serve", canal, "--get", "/api/v1/canal/pairs?limit=1&q=signs")
    assert code == 0 and json.loads(found)["pairs"][0]["answer"] == "the harbour office"
    code, found, _ = quipu("serve", canal, "--get", "/api/v1/nothing")
    assert code == 1 and json.loads(found)["code"] == "not_found"


def test_what_cannot_be_served_is_one_line(canal: Path, tmp_path: Path, quipu: Callable[..., Ran]) -> None:
    """Exit code 2, and how to mend it."""
    twin = tmp_path / "canal"
    shutil.copytree(canal, twin)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for arguments, said in (
            ([canal, twin], "would both be served as canal"),
            ([tmp_path / "nothing"], "nothing"),
            ([tmp_path / "jobs.quipu"], "rename the folder"),
            ([canal, "--host", "0.0.0.0"], "quipu token new"),
            ([canal, "--writable"], "quipu token new --admin"),
            ([canal, "--token-file", tmp_path / "none"], "no such file"),
            ([canal, "--max-body", "much"], "--max-body takes a size"),
            ([canal, "--cors", "*"], "--cors *"),
            ([canal, "--cors", "https://a.example/x"], "https://a.example"),
            ([canal, "--ssl-keyfile", "key"], "--ssl-certfile"),
            ([canal, "--port", taken.getsockname()[1]], "--port 0"),
        ):
            code, _, error = quipu("serve", *arguments)
            assert code == 2 and len(error.splitlines()) == 1 and said in error, (arguments, code, error)


def test_without_the_extra_one_line_says_what_to_install() -> None:
    """A traceback that ends in the name of a package leaves its user to search."""
    code = "import sys; sys.modules['fastapi'] = None\nfrom quipu.cli.main import run\nsys.exit(run(['serve', 'x']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "pip install 'quipu-qa[serve]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_nobody_else_loads_it() -> None:
    """``import quipu``, ``--help`` and the tokens must not wait for a web framework."""
    code = (
        "import sys, quipu, quipu.cli.main, quipu.cli.serve, quipu.cli.token, quipu.serving.tokens\n"
        "assert quipu.cli.main.run(['--help']) == 0\n"
        "heavy = {'fastapi', 'starlette', 'uvicorn', 'pydantic', 'prometheus_client', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
