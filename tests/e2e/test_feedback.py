"""Answers that people marked: kept, exported, verified; a wrong one never comes back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.handmade import WordEncoder, models
from tests.old_memories import as_format

import quipu
from quipu.cli import ask as cli_ask
from quipu.cli import asking
from quipu.cli.main import run
from quipu.errors import InputError
from quipu.memory import Memory
from quipu.records import Answer, QAPair
from quipu.storage.interchange import import_memory
from quipu.storage.schema import FORMAT_VERSION
from quipu.storage.store import Store
from quipu.storage.verify import verify

QUESTION = "Who keeps the key of the tower?"


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    """Two answers to a question, and another question."""
    (tmp_path / "a.csv").write_text(f"question,answer\n{QUESTION},Ana\nWho keeps the key of the gate?,Ana\n")
    (tmp_path / "b.csv").write_text(f"question,answer\n{QUESTION},Ben\n")
    with quipu.build([], tmp_path / "m", pairs=tmp_path / "a.csv", encoder=WordEncoder()) as made:
        made.add_pairs_file(tmp_path / "b.csv")
        yield made


def said(memory: Memory, question: str = QUESTION) -> str | None:
    return memory.ask(question, method="lookup").text


def test_a_wrong_answer_never_returns(memory: Memory) -> None:
    """Nobody marks an answer twice: one that comes back is no longer believed, nor is the memory."""
    first = memory.ask(QUESTION, method="lookup")
    assert first.text == "Ana" and first.elsewhere[0].text == "Ben"
    memory.mark(first, False)
    again = memory.ask(QUESTION, method="lookup", prefer="both")
    assert again.text == "Ben" and again.elsewhere == ()
    assert said(memory, "who keeps the key of the tower") == "Ben"
    assert said(memory, "Who keeps the key, the key of the tower?") == "Ben"  # a near key
    assert said(memory, "Who keeps the key of the gate?") == "Ana"
    assert said(memory, "Who does not keep the key of the tower?") == "Ana"
    memory.add([QAPair.make(QUESTION, "ana.")])
    assert said(memory) == "Ben"
    memory.mark_text(QUESTION, "Ana", True)
    assert said(memory) == "Ana"
    memory.mark_text(QUESTION, "Ana", False)
    memory.mark_text(QUESTION, "Ben", False)
    assert memory.ask(QUESTION, method="lookup", min_probability=0.0).text is None
    with pytest.raises(InputError, match="there is no answer to mark"):
        memory.mark(Answer.abstained(QUESTION, reason="nothing"), True)
    with pytest.raises(InputError, match="must not be empty"):
        memory.mark_text(QUESTION, " ", True)
    marked = {(item.answer, item.right, item.source[-5:]) for item in memory.feedback() if item.marked}
    assert marked == {("Ana", False, "a.csv"), ("Ben", False, "b.csv")}
    assert memory.info()["marked"] == {"right": 0, "wrong": 2}


def test_marks_are_exported_imported_verified_and_made_anew(memory: Memory, tmp_path: Path) -> None:
    """A mark that is lost on the way, or changed unseen, lets the wrong answer return."""
    memory.mark(memory.ask(QUESTION, method="lookup"), False)
    memory.export(tmp_path / "all.jsonl")
    import_memory(tmp_path / "all.jsonl", tmp_path / "copy")
    with quipu.open(tmp_path / "copy", encoder=WordEncoder()) as copy:
        assert list(copy.feedback()) == list(memory.feedback()) and said(copy) == "Ben"
    memory.close()
    with quipu.open(tmp_path / "m", encoder=WordEncoder("of another name")) as opened:
        opened.reencode()
        assert said(opened) == "Ben"
    assert verify(tmp_path / "m").problems == []
    lines = (tmp_path / "all.jsonl").read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if json.loads(line)["record"] == "feedback")
    for field, value in (("answer", "Cleo"), ("is_right", 7), ("vector", "AAAA")):
        changed = [*lines[:at], json.dumps(json.loads(lines[at]) | {field: value}), *lines[at + 1 :]]
        (tmp_path / "bad.jsonl").write_text("\n".join(changed) + "\n")
        with pytest.raises(InputError, match=f"line {at + 1}: cannot be used"):
            import_memory(tmp_path / "bad.jsonl", tmp_path / "bad")
    with sqlite3.connect(tmp_path / "m" / "records.sqlite") as record:
        record.execute("UPDATE feedback SET is_right = 1")
    record.close()
    assert [item.where.split(":")[0] for item in verify(tmp_path / "m").problems] == ["feedback"]


def test_marks_go_with_what_is_removed_and_outlive_an_update(tmp_path: Path) -> None:
    """A removed document must leave no word behind; a comma mended in it must not bring the wrong answer back."""
    file = tmp_path / "tower.txt"
    file.write_text("The tower has 77 rooms. Its height is 91 metres.")
    asked = "What number follows height is?"
    with quipu.build(file, tmp_path / "m", **models()) as memory:  # type: ignore[arg-type]
        assert said(memory, asked) == "91 metres"
        memory.mark(memory.ask(asked, method="lookup"), False)
        assert "91" not in (said(memory, asked) or "")
        file.write_text("The tower has 77 rooms! Its height is 91 metres.")
        memory.add_documents([file])
        assert "91" not in (said(memory, asked) or "") and memory.store.count() == 2
        file.rename(tmp_path / "moved.txt")
        memory.sync([tmp_path / "moved.txt"])
        assert "91" not in (said(memory, asked) or "")
        memory.remove(document=str(tmp_path / "moved.txt"))
        assert list(memory.feedback()) == []
        pair = QAPair.make(QUESTION, "Ana")
        memory.add([pair])
        memory.mark(memory.ask(QUESTION, method="lookup"), False)
        memory.remove(pair=pair.id)
        assert list(memory.feedback()) == []


def test_a_memory_of_format_6_takes_marks_once_it_is_opened_for_writing(memory: Memory, tmp_path: Path) -> None:
    """An older memory has no table of marks: it must answer as it is, and be brought forward whole."""
    memory.close()
    as_format(tmp_path / "m", 6)
    with quipu.open(tmp_path / "m", read_only=True, encoder=WordEncoder()) as old:
        assert old.store.format == 6 and said(old) == "Ana" and list(old.feedback()) == []
        assert old.info()["marked"] == {"right": 0, "wrong": 0}
        old.export(tmp_path / "old.jsonl")
    assert verify(tmp_path / "m").problems == []
    with quipu.open(tmp_path / "m", encoder=WordEncoder()) as opened:
        opened.mark(opened.ask(QUESTION, method="lookup"), False)
        assert said(opened) == "Ben" and opened.store.format == FORMAT_VERSION
    assert verify(tmp_path / "m").problems == []


def test_a_reader_hears_of_a_mark_and_the_prompt_takes_one(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The prompt reads while another process may write: it must not hold the lock, and must see its own mark."""
    memory.close()
    lines = iter(["right", QUESTION, "W", QUESTION, "r", "exit"])
    monkeypatch.setattr("builtins.input", lambda _: next(lines))
    with quipu.open(tmp_path / "m", read_only=True, encoder=WordEncoder()) as reader:
        local = asking._Local(reader, {"method": "lookup", "min_probability": 0.0})
        cli_ask._prompt(local.name, lambda line: local.ask([line]), local.mark)
        assert "will not be given" in capsys.readouterr().err
        assert {(item.answer, item.right) for item in reader.feedback()} == {("Ana", False), ("Ben", True)}
    Store.open(tmp_path / "m").close()


def test_the_verb_lists_and_refuses(memory: Memory, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script must know what was marked, and hear of a command that says only half."""
    memory.mark_text(QUESTION, "Ana", False)
    memory.close()
    assert run(["feedback", str(tmp_path / "m")]) == 0
    assert "wrong  20" in capsys.readouterr().out
    assert run(["feedback", str(tmp_path / "m"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["answer"] == "Ana"
    assert run(["feedback", str(tmp_path / "m"), QUESTION]) == 2
    assert run(["feedback", str(tmp_path / "m"), "--answer", "Ana"]) == 2
