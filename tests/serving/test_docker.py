"""What is written for containers, systemd and teams: it names options that are there, and gives no more than needed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import typer.main
from tests.serving.conftest import ROOT

from quipu.cli.main import app

DOCKER = ROOT / "docker"


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every call of ``quipu`` in these files, as (where, arguments)."""
    for line in (DOCKER / "Dockerfile").read_text().splitlines():
        if line.startswith("CMD ["):
            yield "Dockerfile", json.loads(line.removeprefix("CMD "))
    [command] = re.findall(r"command:\s*(\[.*?\])", (DOCKER / "compose.yaml").read_text(), re.DOTALL)
    yield "compose.yaml", json.loads(command)
    [started] = re.findall(r"^ExecStart=\S+/quipu (.*)$", (DOCKER / "quipu.service").read_text(), re.MULTILINE)
    yield "quipu.service", started.split()
    for page in ("team.md", "serving.md"):
        text = (ROOT / "docs" / page).read_text()
        for block in re.findall(r"^```(?:sh|text)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            for line in block.splitlines():
                if found := re.match(r"(?:\S*/)?quipu ([a-z].*)", line.partition("  #")[0]):
                    yield page, found[1].split()


def test_options_that_are_written_down_are_there() -> None:
    """A service that does not start after an update, because its option was renamed."""
    top = typer.main.get_command(app)
    seen = 0
    for where, [verb, *arguments] in commands():
        command = top.commands[verb]  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            command = command.commands[arguments[0]]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        named = {word for word in arguments if re.match(r"--?[a-z]", word)}
        assert named <= known, (where, verb, named - known)
        seen += 1
    assert seen > 15


def test_the_image_gives_nothing_away() -> None:
    """A server that runs as root, or whose image holds a token, is one mistake from being somebody else's machine."""
    lines = (DOCKER / "Dockerfile").read_text().splitlines()
    last = len(lines) - 1 - [line.startswith("FROM ") for line in reversed(lines)].index(True)
    final = lines[last:]
    user = next(number for number, line in enumerate(final) if line.startswith("USER "))
    assert final[user] == "USER 10001:10001"
    assert not any(line.startswith(("RUN", "COPY", "ADD")) for line in final[user:])
    assert any(line.startswith("HEALTHCHECK") for line in final) and "/readyz" in "".join(final)
    assert not re.search(r"latest|sudo|chmod 777|QUIPU_TOKEN|QUIPU_ADMIN_TOKEN|^ADD ", "\n".join(lines), re.MULTILINE)
    compose = (DOCKER / "compose.yaml").read_text()
    for needed in ("read_only: true", 'cap_drop: ["ALL"]', "no-new-privileges:true", '"127.0.0.1:8765:8765"'):
        assert needed in compose
    grace = re.search(r"stop_grace_period: (\d+)s", compose)
    assert grace is not None and int(grace[1]) > 15  # what the workers have for their last answers
    service = (DOCKER / "quipu.service").read_text()
    for needed in ("User=quipu", "KillMode=mixed", "ProtectSystem=strict", "NoNewPrivileges=yes", "TimeoutStopSec=20"):
        assert needed in service


def test_what_is_copied_is_not_ignored() -> None:
    """An image without its models is built for minutes before that is noticed."""
    wanted = {
        line.removeprefix("!") for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines() if "!" in line
    }
    copied = set()
    for line in (DOCKER / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            copied |= set(line.split()[1:-1])
    assert copied == wanted and all((ROOT / name).exists() for name in wanted)
