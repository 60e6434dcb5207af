"""``quipu report``: the file, its figures, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.full_memory import made

import quipu
from quipu.cli.main import run

PAIRS = "question,answer\nWho signs the papers?,the harbour office\nHow long is the canal?,193 kilometres\n"
QUESTIONS = [
    {"question": "Who signs the papers?", "answer": ["the harbour office"]},
    {"question": "How long is the canal?", "answer": ["193 kilometres"]},
    {"question": "Who painted the ceiling?", "answer": []},
]


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("reported") / "harbour.quipu")


def test_the_same_memory_gives_the_same_bytes(
    harbour: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    """A date, a size of a journal or an order that changes makes two reports of one memory differ."""
    path, out = harbour, tmp_path / "report.html"
    assert run(["report", str(path), "-o", str(out), "--json"]) == 0
    first = out.read_bytes()
    assert json.loads(capsys.readouterr().out) == {"memory": str(path), "file": str(out), "bytes": len(first)}
    assert run(["report", str(path), "-o", str(out)]) == 0
    assert out.read_bytes() == first and len(first) < 2_000_000
    assert [item.name for item in tmp_path.iterdir() if item.name.startswith(".")] == []


def test_labelled_questions_are_asked(tmp_path: Path) -> None:
    """Risk and reliability of real models, or a question without an answer that is left out, would go unseen."""
    (tmp_path / "pairs.csv").write_text(PAIRS)
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    with quipu.build([], tmp_path / "m.quipu", pairs=tmp_path / "pairs.csv") as memory:
        memory.keep_settings(replace(memory.settings, steps=("lookup",)))
    out = tmp_path / "report.html"
    command = ["report", str(tmp_path / "m.quipu"), "-o", str(out), "--questions", str(tmp_path / "q.jsonl")]
    assert run(command) == 0
    shown = out.read_text(encoding="utf-8")
    assert "<p>3 questions of <bdi>q.jsonl (sha256 " in shown and "latency" not in shown
    assert shown.count('class="chart"') == 3
    assert run(command) == 0
    assert out.read_text(encoding="utf-8") == shown


def test_what_cannot_be_is_refused(harbour: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback, or half a page in place of the one that was there."""
    path, out = harbour, tmp_path / "none" / "report.html"
    for arguments, said in (
        ([str(path), "-o", str(out)], "cannot be written (No such file or directory)"),
        ([str(path), "-o", str(tmp_path / "r.html"), "--latency"], "--latency needs questions"),
        ([str(tmp_path), "-o", str(tmp_path / "r.html")], "is no memory"),
        ([str(path), "-o", str(tmp_path / "r.html"), "--questions", str(tmp_path / "no.jsonl")], "no.jsonl"),
    ):
        assert run(["report", *arguments]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "r.html").exists()
