"""The code of the README and of the guide runs as it stands: what people copy first must not fail."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from quipu.cli.demo import examples_folder

ROOT = Path(__file__).parents[2]
README, GUIDE = "README.md", "docs/guide.md"
Quipu = Callable[..., subprocess.CompletedProcess[str]]


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [block for named, block in re.findall(r"```(\w+)\n(.*?)```", text, flags=re.DOTALL) if named == language]


@pytest.fixture
def folder(documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the files that the pages speak of."""
    shutil.copytree(documents, tmp_path / "docs")
    shutil.copytree(examples_folder(), tmp_path / "examples")
    (tmp_path / "docs" / "broken.pdf").unlink()
    (tmp_path / "docs" / "new.md").write_text("# Locks\n\nThe Panama Canal has locks at Gatun.\n", encoding="utf-8")
    (tmp_path / "questions.txt").write_text("When was the canal opened?\n", encoding="utf-8")
    (tmp_path / "asked.txt").write_text("When was the canal opened?\nWho was the queen of Mars?\n", encoding="utf-8")
    labelled = '{"question": "When was the canal opened?", "answers": ["1869"]}\n'
    (tmp_path / "labelled.jsonl").write_text(labelled, encoding="utf-8")
    (tmp_path / "pairs.csv").write_text("question,answer\nWho keeps the gates?,the harbour office\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands(page: str) -> list[list[str]]:
    """Lines of shell blocks that run quipu by itself, except what takes hours, never ends, or asks a server."""
    lines = [line for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]
    words = [shlex.split(line, comments=True) for line in lines if line.startswith("quipu ")]
    long = ("train", "calibrate", "eval", "demo", "bench", "watch", "serve")
    return [line[1:] for line in words if line[1] not in long and not any("://" in word for word in line)]


@pytest.mark.parametrize(("page", "least"), [(README, 5), (GUIDE, 20)])
def test_the_shell_commands_run_in_their_order(folder: Path, quipu: Quipu, page: str, least: int) -> None:
    """An option that was renamed lives on in the README, where nobody types it but new users."""
    run = commands(page)
    assert len(run) >= least
    for arguments in run:
        into = Path(arguments[-1]) if ">" in arguments else None
        arguments = arguments[: arguments.index(">")] if into else arguments
        if "PAIR-ID" in arguments:
            found = quipu("search", "docs.quipu", "canal", "--json", cwd=folder).stdout.splitlines()[0]
            arguments[arguments.index("PAIR-ID")] = json.loads(found)["pair"]["id"][:10]
        done = quipu(*arguments, cwd=folder)
        assert done.returncode == 0, (arguments, done.stderr)
        if into:
            into.write_text(done.stdout, encoding="utf-8")


def test_the_python_blocks_run(folder: Path) -> None:
    """The same for the names of the API; what the README's block prints is shown below it, and must still be true."""
    printed = {}
    for page in (README, GUIDE):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            for block in blocks(page, "python"):
                exec(compile(block, page, "exec"), {})
        printed[page] = out.getvalue()
    assert "the harbour office" in printed[GUIDE]
    text = (ROOT / README).read_text(encoding="utf-8")
    (shown,) = re.findall(r"<!-- printed: .*?```text\n(.*?)```", text, flags=re.DOTALL)
    # probabilities may differ in the last digit from machine to machine
    assert [line.split(" (")[0] for line in printed[README].splitlines()] == [
        line.split(" (")[0] for line in shown.splitlines()
    ]


def test_the_readme_is_short() -> None:
    """It had grown to a manual, in which a newcomer does not find the two commands; what is longer goes to docs/."""
    assert len((ROOT / README).read_text(encoding="utf-8").split()) <= 900
