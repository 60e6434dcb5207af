"""``quipu mcp`` as an assistant runs it: a process, two pipes, and nothing but the protocol in them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp")
from mcp import Client, StdioServerParameters
from tests.full_memory import ASKED
from tests.serving.conftest import ROOT, opened

from quipu.cli.main import run

COMMAND = """
import ctypes, os, sys
import quipu
from quipu.cli.main import run
from tests.handmade import WordEncoder
def noisily(*arguments, known=quipu.open, **named):  # as libraries do that print, in Python, in C, and of a child
    print("a library is loaded")
    os.write(1, b"0 %\\r100 %\\n")
    ctypes.CDLL(None).puts(b"of C")
    os.system("echo of a child")
    return known(*arguments, **named, encoder=WordEncoder())
quipu.open = noisily
sys.exit(run(sys.argv[1:]))
"""
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), "OMP_NUM_THREADS": "1"}
QUIPU = [sys.executable, "-c", COMMAND]


def blocks() -> dict[str, Any]:
    """The JSON that docs/serving.md shows, by the way its server is reached."""
    texts = re.findall(r"```json\n(.*?)```", (ROOT / "docs/serving.md").read_text(), re.DOTALL)
    found = [json.loads(text)["mcpServers"] for text in texts if "mcpServers" in text]
    return {"url" if "url" in server else "command": server for servers in found for server in servers.values()}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_json_that_is_shown_starts_it(memory: Path, mode: str) -> None:
    """A client whose configuration was copied from the documentation says only that the server failed."""
    shown = blocks()["command"]
    assert shown["command"] == "quipu" and shown["args"][0] == "mcp" and Path(shown["args"][1]).is_absolute()
    asked = StdioServerParameters(
        command=QUIPU[0], args=[*QUIPU[1:], "mcp", str(memory), *shown["args"][2:]], env=ENVIRONMENT
    )  # fmt: skip

    async def use() -> list[Any]:
        async with Client(asked, mode=mode) as client:
            assert client.server_info is not None and client.server_info.name == "quipu"
            assert "nothing may be invented" in (client.instructions or "")
            # more than one at once, as agents ask: each is answered, none waits for a reply to another
            return await asyncio.gather(*(client.call_tool("ask", {"question": question}) for question in ASKED))

    found = asyncio.run(use())
    with opened(memory) as direct:
        known = [direct.ask(question).text for question in ASKED]
    assert [result.structured_content["answer"] for result in found] == known


def test_the_json_of_the_server_names_its_path() -> None:
    """The address of ``quipu serve`` with its usual port, and the header that its tokens come in."""
    shown = blocks()["url"]
    assert shown["url"] == "http://127.0.0.1:8765/mcp"
    assert list(shown["headers"]) == ["Authorization"] and shown["headers"]["Authorization"].startswith("Bearer ")


def test_every_line_is_the_protocols(memory: Path) -> None:
    """One line that a library prints ends the conversation in most clients, and says nothing of why."""
    call = {"jsonrpc": "2.0", "method": "tools/call"}
    spoken = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        call | {"id": 2, "params": {"name": "ask", "arguments": {"question": ASKED[1]}}},
        call | {"id": 3, "params": {"name": "ask", "arguments": {}}},
    ]  # fmt: skip
    process = subprocess.Popen(
        [*QUIPU, "mcp", str(memory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **ENVIRONMENT},
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    heard = {}
    for message in spoken:
        process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()
        if "id" in message:
            answer = json.loads(process.stdout.readline())
            heard[answer["id"]] = answer["result"]
    rest, said = process.communicate()  # the end of its input is its end
    assert process.returncode == 0, said
    assert rest == "" and set(heard) == {1, 2, 3}
    assert heard[2]["structuredContent"]["answer"] == "22 metres" and heard[3]["isError"]
    for noise in ("a library is loaded", "100 %", "of C", "of a child"):
        assert noise in said


def test_what_cannot_be_offered_is_one_line(memory: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and how to mend it, in the client's log; standard output stays the protocol's."""
    for arguments, known in (([tmp_path / "nothing"], "nothing"), ([memory, memory], "both be served as harbour")):
        assert run(["mcp", *map(str, arguments)]) == 2
        out, said = capfd.readouterr()
        assert out == "" and len(said.splitlines()) == 1 and known in said


def test_without_the_extra_one_line_says_what_to_install() -> None:
    """A traceback that ends in the name of a package leaves its user to search."""
    code = "import sys; sys.modules['mcp'] = None\nfrom quipu.cli.main import run\nsys.exit(run(['mcp', 'x']))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **ENVIRONMENT}
    )
    assert done.returncode == 2 and "pip install 'quipu-qa[serve]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1 and done.stdout == ""
