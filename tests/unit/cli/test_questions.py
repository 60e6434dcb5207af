"""Questions from files: what is one, what is not, and that one bad line spoils nothing."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from pathlib import Path

import pytest

from quipu.cli.ask import _batches
from quipu.cli.questions import BadLine, questions_of
from quipu.errors import InputError
from quipu.text import LONGEST_QUESTION


def read(path: Path, data: str | bytes) -> list[str | tuple[str, str]]:
    """The questions of a file with these contents; of bad lines place and reason."""
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return [(item.where, item.reason) if isinstance(item, BadLine) else item for item in questions_of(path)]


def test_bad_lines_of_json_are_named_and_the_others_read(tmp_path: Path) -> None:
    """One line without a question refused the whole file."""
    path = tmp_path / "q.jsonl"
    lines = [
        '{"question":"Where are backups stored?"}', '{"question": 5}', "not json", "", "[" * 9000, '{"question": " "}',
        '{"question": "\\ud800?"}', '{"question": ' + "9" * 5000 + "}", json.dumps({"question": "why " * 5000}),
        '"Who started Ferry?"',
    ]  # fmt: skip
    found = read(path, "\n".join(lines))
    assert [item for item in found if isinstance(item, str)] == ["Where are backups stored?", "Who started Ferry?"]
    bad = dict(item for item in found if not isinstance(item, str))
    assert list(bad) == [f"{path}, line {line}" for line in (2, 3, 5, 6, 7, 8, 9)]
    assert "not JSON" in bad[f"{path}, line 3"] and "too deeply" in bad[f"{path}, line 5"]
    assert "too many digits" in bad[f"{path}, line 8"] and "10,000" in bad[f"{path}, line 9"]
    assert read(tmp_path / "q.txt", "\n".join(lines))[0] == "Where are backups stored?"
    assert len(read(tmp_path / "q.txt", "\n".join(lines))) == 9  # its first line is JSON: all are


def test_plain_lines_are_questions_as_they_stand(tmp_path: Path) -> None:
    """Punctuation alone, brackets, and "exit", which means something at the prompt only."""
    lines = ["Who started Ferry?", "!!!", "why " * 300, "exit", "[1, 2", "{what}", '{"question": "Who?"}']
    expected = [line.strip() for line in lines[:-1]] + ["Who?"]
    assert read(tmp_path / "q.txt", "\n".join(lines)) == expected
    assert read(tmp_path / "q.txt", "\r\n".join(lines).encode("utf-16")) == expected
    assert read(tmp_path / "q.txt", "Où est le café?\r\n".encode("cp1252")) == ["Où est le café?"]


def test_a_line_of_a_million_words_is_named(tmp_path: Path) -> None:
    """It would be read for minutes, to be cut to its first words."""
    found = read(tmp_path / "q.txt", "who " * 1_000_000 + "\nWho?\n")
    assert found[1:] == ["Who?"] and "line 1" in found[0][0]


def test_standard_input_is_read_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that asks and waits for the answer must get it before it asks again."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as file, os.fdopen(writing, "wb", buffering=0) as asking:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
        questions = questions_of(Path("-"))
        asking.write("\ufeffWho?\n".encode())
        assert next(questions) == "Who?"
        asking.write(b"\xff\xfe\n")
        assert isinstance(bad := next(questions), BadLine) and bad.where == "standard input, line 2"
        long = threading.Thread(target=asking.write, args=(b"w" * (5 * LONGEST_QUESTION) + b"\nWhen?\n",))
        long.start()
        assert isinstance(next(questions), BadLine)
        assert next(questions) == "When?"
        long.join()


def test_a_pipe_by_name(tmp_path: Path) -> None:
    """What a shell gives for <(command)."""
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=("Who?\nWhen?",))
    writer.start()
    assert list(questions_of(tmp_path / "pipe")) == ["Who?", "When?"]
    writer.join()


@pytest.mark.parametrize("name", ["missing.txt", "folder"])
def test_what_is_no_file_is_an_error(tmp_path: Path, name: str) -> None:
    """One line with the name."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=name):
        list(questions_of(tmp_path / name))


def test_batches_name_bad_lines_and_fail_where_nothing_can_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """With --strict at the first; else only where there is no question at all."""
    bad = BadLine("q, line 2", "no question")
    assert list(_batches(["a", bad, "b", "c"], 2, strict=False)) == [["a", "b"], ["c"]]
    assert capsys.readouterr().err == "quipu: q, line 2: no question\n"
    with pytest.raises(InputError, match="q, line 2: no question"):
        list(_batches(["a", bad], 1, strict=True))
    with pytest.raises(InputError, match="not one line"):
        list(_batches([bad], 1, strict=False))
    assert list(_batches([], 1, strict=True)) == []
