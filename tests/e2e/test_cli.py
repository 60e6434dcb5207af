"""The installed command from outside: what it prints where, and with which exit code it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quipu.cli.main import run

Quipu = Callable[..., subprocess.CompletedProcess[str]]
QUESTION = "When was the Suez Canal opened?"
ANSWER_KEYS = {"question", "text", "score", "probability", "abstained", "pair", "evidence", "milliseconds"}
EVIDENCE_KEYS = {"document", "title", "start", "end", "quote", "passage"}


def objects(text: str) -> list[dict[str, Any]]:
    """The JSON lines of an output."""
    return [json.loads(line) for line in text.splitlines()]


def test_build_reports_what_it_made_and_what_it_skipped(built: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """A file that silently fails to be read is a gap in the memory that nobody looks for."""
    (result,) = objects(built[1].stdout)
    assert result["pairs"] > 0
    assert result["passages"] >= 2
    assert [Path(item["name"]).name for item in result["skipped"]] == ["broken.pdf"]
    lines = [line for line in built[1].stderr.splitlines() if "skipped" in line]
    assert len(lines) == 1
    assert "broken.pdf: " in lines[0]


def test_ask_prints_one_object_with_the_promised_keys(quipu: Quipu, built: tuple[Path, object]) -> None:
    """Scripts rely on these names; a missing one breaks them in production, not here."""
    done = quipu("ask", built[0], QUESTION, "--json")
    assert done.returncode == 0, done.stderr
    (answer,) = objects(done.stdout)
    assert set(answer) >= ANSWER_KEYS
    assert answer["question"] == QUESTION
    assert set(answer["pair"]) == {"id", "question", "answer", "origin"}
    assert set(answer["evidence"][0]) >= EVIDENCE_KEYS
    assert 0.0 < answer["probability"] <= 1.0


def test_the_quote_stands_at_the_characters_that_are_named(quipu: Quipu, built: tuple[Path, object]) -> None:
    """Evidence that points a few characters beside the answer destroys the trust in every other answer."""
    (answer,) = objects(quipu("ask", built[0], QUESTION, "--json").stdout)
    best = answer["evidence"][0]
    assert best["quote"] in best["passage"]
    assert best["end"] - best["start"] == len(best["quote"])
    assert Path(best["document"]).name in {"suez.txt", "eiffel.md"}


def test_ask_for_a_person_shows_answer_quote_and_source(quipu: Quipu, built: tuple[Path, object]) -> None:
    """An answer without its sentence and source cannot be checked."""
    done = quipu("ask", built[0], QUESTION, "--min-probability", "0")
    (answer,) = objects(quipu("ask", built[0], QUESTION, "--min-probability", "0", "--json").stdout)
    lines = done.stdout.splitlines()
    assert lines[0].startswith(" ".join(answer["text"].split()))
    assert any("quote" in line and "»" in line and "«" in line for line in lines)
    assert any("source" in line and Path(answer["evidence"][0]["document"]).name in line for line in lines)


def test_questions_come_from_a_file_or_from_a_pipe_alike(
    quipu: Quipu, built: tuple[Path, object], tmp_path: Path
) -> None:
    """The three ways to ask must give the same answers, blank lines and JSON lines included."""
    file = tmp_path / "questions.txt"
    text = f'{QUESTION}\n\n{{"question": "How tall is the Eiffel Tower?"}}\n'
    file.write_text(text, encoding="utf-8")
    by_file = objects(quipu("ask", built[0], "--questions", file, "--json").stdout)
    by_pipe = objects(quipu("ask", built[0], "--json", stdin=text).stdout)
    one = objects(quipu("ask", built[0], "How tall is the Eiffel Tower?", "--json").stdout)
    assert [item["question"] for item in by_file] == [QUESTION, "How tall is the Eiffel Tower?"]
    assert [item["pair"] for item in by_file] == [item["pair"] for item in by_pipe]
    assert by_file[1]["pair"] == one[0]["pair"]


def test_bad_lines_of_questions_are_named_and_the_others_answered(quipu: Quipu, ready: Path, tmp_path: Path) -> None:
    """One line without a question refused the whole file; with --strict it still does."""
    file = tmp_path / "questions.jsonl"
    lines = [
        '{"question":"Who keeps the lock gates?"}', '{"question": 5}', "not json", '{"question":"Who paints them?"}',
    ]  # fmt: skip
    file.write_text("\n".join(lines), encoding="utf-8")
    done = quipu("ask", ready, "--questions", file, "--json", "--method", "lookup")
    assert done.returncode == 0
    assert [item["question"] for item in objects(done.stdout)] == ["Who keeps the lock gates?", "Who paints them?"]
    assert {item["asked_together"] for item in objects(done.stdout)} == {2}
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == [f"{file}, line 2", f"{file}, line 3"]
    assert quipu("ask", ready, "--questions", file, "--strict").returncode == 2
    file.write_text("not json", encoding="utf-8")
    done = quipu("ask", ready, "--questions", file)
    assert done.returncode == 2 and not done.stdout


def test_strange_questions_get_one_answer_each(quipu: Quipu, ready: Path) -> None:
    """By a pipe and by --questions - alike; "exit" means something at the prompt only."""
    asked = ["Who keeps the lock gates?", "!!!", "why " * 300, "exit", "[1", "\u202e\x1b[2J", "?" * 500]
    text = "\n".join(asked) + "\n"
    by_pipe = objects(quipu("ask", ready, "--json", "--method", "lookup", stdin=text).stdout)
    by_name = objects(quipu("ask", ready, "--questions", "-", "--json", "--method", "lookup", stdin=text).stdout)
    assert [item["question"] for item in by_pipe] == [line.strip() for line in asked]
    assert [item["text"] for item in by_pipe] == [item["text"] for item in by_name]


def test_who_reads_may_stop_reading(quipu: Quipu, ready: Path, tmp_path: Path) -> None:
    """As head does: no traceback of a broken pipe."""
    (tmp_path / "q.txt").write_text("Who keeps the lock gates?\n" * 3000, encoding="utf-8")
    command = shutil.which("quipu", path=str(Path(sys.executable).parent))
    asked = [str(command), "ask", str(ready), "--questions", str(tmp_path / "q.txt"), "--json", "--method", "lookup"]
    with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert json.loads(process.stdout.readline())
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def test_names_that_are_not_utf8_are_shown_as_bytes(quipu: Quipu, ready: Path, tmp_path: Path) -> None:
    """Each of these was a UnicodeEncodeError."""
    name = os.fsdecode(b"caf\xe9.csv")
    new = tmp_path / "new.quipu"
    (tmp_path / name).write_text("question,answer\nWho?,\n", encoding="utf-8")
    for arguments in (["build", "--pairs", tmp_path / name, "-o", new], ["ask", tmp_path / name, "Who?"]):
        for as_json in ([], ["--json"]):
            done = quipu(*arguments, *as_json)
            assert "caf" in done.stdout + done.stderr
            assert done.returncode == 2 and not new.exists()  # not one pair: no memory stays
            for line in done.stdout.splitlines() if as_json else ():
                json.loads(line)


def test_search_lists_ranks_in_order(quipu: Quipu, built: tuple[Path, object]) -> None:
    """Scores that do not fall with the rank mean that the fusion mixed up its rows."""
    for method in ("vector", "words", "both"):
        hits = objects(quipu("search", built[0], "canal", "-k", "3", "--method", method, "--json").stdout)
        assert [hit["rank"] for hit in hits] == list(range(1, len(hits) + 1))
        assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    assert len(quipu("search", built[0], "canal", "-k", "3").stdout.splitlines()) == 4


def pairs_by_file(memory: Path) -> dict[str, set[str]]:
    """The pairs' ids by the name of their document's file."""
    from quipu.storage.store import Store

    with Store.open(memory, read_only=True) as store:
        found: dict[str, set[str]] = {Path(document.source).name: set() for document in store.documents()}
        for _, pair in store.pairs():
            assert pair.document_id is not None
            found[Path(store.document(pair.document_id).source).name].add(pair.id)
    return found


def test_removing_and_adding_a_document_touches_its_own_pairs_only(quipu: Quipu, memory: Path, documents: Path) -> None:
    """An update that leaves pairs of the old text behind answers from a document that no longer exists."""
    before = pairs_by_file(memory)
    (removed,) = objects(quipu("remove", memory, "--document", documents / "suez.txt", "--json").stdout)
    assert removed["removed_pairs"] == len(before["suez.txt"]) > 0
    assert pairs_by_file(memory) == {"eiffel.md": before["eiffel.md"]}
    assert quipu("add", memory, documents / "suez.txt").returncode == 0
    after = pairs_by_file(memory)
    assert after["eiffel.md"] == before["eiffel.md"]
    assert after["suez.txt"]


def test_verify_finds_and_repairs(quipu: Quipu, memory: Path) -> None:
    """A damaged index must be noticed (exit code 1) and come back from the record."""
    assert quipu("verify", memory).returncode == 0
    (index,) = memory.glob("index.faiss")
    index.write_bytes(b"not an index")
    assert quipu("verify", memory).returncode == 1
    assert quipu("verify", memory, "--repair").returncode == 0
    assert quipu("verify", memory).returncode == 0


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_export_and_import_give_the_same_answers(quipu: Quipu, memory: Path, tmp_path: Path, suffix: str) -> None:
    """A backup that loses spans or vectors is found out only when it is needed."""
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    file, copy = tmp_path / f"docs{suffix}", tmp_path / "copy.quipu"
    assert quipu("export", memory, file).returncode == 0
    assert quipu("import", file, copy).returncode == 0
    (left,) = objects(quipu("ask", memory, QUESTION, "--json").stdout)
    (right,) = objects(quipu("ask", copy, QUESTION, "--json").stdout)
    assert {**left, "milliseconds": 0, "score": 0, "tried": 0} == {**right, "milliseconds": 0, "score": 0, "tried": 0}
    assert quipu("verify", copy).returncode == 0


def test_ready_pairs_make_a_memory_without_documents(quipu: Quipu, tmp_path: Path) -> None:
    """--pairs instead of documents is the quick way in for people who have pairs already."""
    (tmp_path / "pairs.csv").write_text("question,answer\nWho keeps the lock gates?,the harbour office\n", "utf-8")
    done = quipu("build", "--pairs", tmp_path / "pairs.csv", "-o", tmp_path / "p.quipu", "--json")
    assert done.returncode == 0, done.stderr
    (answer,) = objects(quipu("ask", tmp_path / "p.quipu", "who keeps the gates of the lock", "--json").stdout)
    assert answer["text"] == "the harbour office" and answer["probability"] > 0.5
    (refused,) = objects(quipu("ask", tmp_path / "p.quipu", "Who wrote Faust?", "--json").stdout)
    assert refused["text"] is None and refused["abstained"] and refused["probability"] < 0.1 and refused["reason"]
    said = quipu("ask", tmp_path / "p.quipu", "Who wrote Faust?").stdout.splitlines()
    assert said[0].startswith("(no answer: ") and "lock gates" in said[1]


def test_rows_without_a_pair_are_named_and_the_others_imported(quipu: Quipu, tmp_path: Path) -> None:
    """One empty cell stopped an import; with --strict it still does."""
    (tmp_path / "pool.csv").write_text(
        "\ufeffFrage;Antwort\n;orphan\n" + "leer?;\n" * 30 + "When does the pool open?;At 6.30\n", encoding="utf-8"
    )
    command = ("build", "--pairs", tmp_path / "pool.csv", "-o", tmp_path / "p.quipu")
    strict = quipu(*command, "--strict")
    assert strict.returncode == 2 and "pool.csv, line 2: no question" in strict.stderr
    done = quipu(*command, "--json")
    assert done.returncode == 0, done.stderr
    (report,) = objects(done.stdout)
    assert report["pairs"] == 1
    skipped = [(item["name"].rpartition("pool.csv")[2], item["reason"]) for item in report["skipped"]]
    assert skipped[:2] == [(", line 2", "no question"), (", line 3", "no answer")]
    assert len(skipped) == 21 and skipped[-1] == ("", "11 more rows without a pair")
    (answer,) = objects(quipu("ask", tmp_path / "p.quipu", "When does the pool open?", "--json").stdout)
    assert answer["text"] == "At 6.30"


def test_a_second_writer_is_told_at_once(quipu: Quipu, memory: Path, documents: Path) -> None:
    """Two writers on one memory would overwrite each other's work."""
    from quipu.storage.store import Store

    (documents / "new.md").write_text("The bridge was opened in 1932.")
    store = Store.open(memory)
    try:
        with store.transaction():  # the first takes the lock, which stays until the store is closed
            pass
        start = time.monotonic()
        done = quipu("add", memory, documents / "new.md")
        assert time.monotonic() - start < 10
    finally:
        store.close()
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert quipu("ask", memory, QUESTION).returncode == 0


def test_an_interrupted_build_says_how_to_continue(quipu: Quipu, tmp_path: Path) -> None:
    """Ctrl-C in a long build must neither lose the work nor print a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        pytest.skip("SIGINT is ignored here, as in the background of a shell")
    assert quipu("microworld", tmp_path / "world", "--documents", "12", "--seed", "1").returncode == 0
    memory = tmp_path / "world.quipu"
    command = [shutil.which("quipu", path=str(Path(sys.executable).parent)), "build", tmp_path / "world" / "documents"]
    process = subprocess.Popen(
        [*map(str, command), "-o", str(memory)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    while not (memory / "records.sqlite").exists() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(1.0)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "Traceback" not in err
        assert "same command" in err.splitlines()[-1]
    else:
        process.communicate()
    assert quipu("build", tmp_path / "world" / "documents", "-o", memory).returncode == 0
    assert quipu("verify", memory).returncode == 0
    done = quipu("eval", "open-domain", memory, tmp_path / "world" / "questions-test.jsonl", "--json",
                 "--predictions", tmp_path / "predictions.jsonl")  # fmt: skip
    assert done.returncode == 0, done.stderr
    scores = objects(done.stdout)[0]["scores"]
    assert {"EM", "F1", "recall@1", "recall@50", "questions/s"} <= set(scores)
    assert len(objects((tmp_path / "predictions.jsonl").read_text("utf-8"))) == scores["EM"]["n"]


def test_the_demo_answers_the_example_questions(quipu: Quipu) -> None:
    """The first command of the README is the first impression."""
    done = quipu("demo", "--json")
    assert done.returncode == 0, done.stderr
    answers = objects(done.stdout)
    assert answers
    assert all(answer["evidence"] for answer in answers if not answer["abstained"])


def bad(*arguments: str) -> Any:
    """A case of wrong input, named by its arguments."""
    return pytest.param(arguments, id=" ".join(arguments)[:60] or "nothing")


@pytest.mark.parametrize(
    "arguments",
    [
        bad("unravel"),
        bad("ask"),
        bad("build", "--colour", "red"),
        bad("build", "-o", "out.quipu"),
        bad("build", "missing-folder", "-o", "out.quipu"),
        bad("build", "--pairs", "missing.csv", "-o", "out.quipu"),
        bad("build", "notes.txt", "-o", "full-folder"),
        bad("build", "broken.pdf", "--strict", "-o", "out.quipu"),
        bad("build", "notes.txt", "-o", "out.quipu", "--questions-per-passage", "0"),
        bad("ask", "missing.quipu", "Who?"),
        bad("ask", "full-folder", "Who?"),
        bad("ask", "notes.txt", "Who?"),
        bad("ask", "missing.quipu", "Who?", "--questions", "notes.txt"),
        bad("ask", "missing.quipu", "Who?", "-k", "0"),
        bad("ask", "missing.quipu", "who " * 4000),
        bad("ask", "missing.quipu", "Who?", "--set", "k=" + "9" * 5000),
        bad("ask", "missing.quipu", "--questions", "missing.txt"),
        bad("grow", "missing.quipu", "--from-log", "missing.txt"),
        bad("search", "missing.quipu", " "),
        bad("ask", "missing.quipu", "Who?", "--method", "guess"),
        bad("search", "missing.quipu", "Who?"),
        bad("add", "missing.quipu", "notes.txt"),
        bad("add", "missing.quipu"),
        bad("remove", "missing.quipu"),
        bad("remove", "missing.quipu", "--document", "a", "--pair", "b"),
        bad("remove", "missing.quipu", "--document", "a"),
        bad("info", "missing.quipu"),
        bad("verify", "missing.quipu"),
        bad("export", "missing.quipu", "out.jsonl"),
        bad("import", "missing.jsonl", "out.quipu"),
        bad("import", "notes.txt", "out.quipu"),
        bad("eval", "open-domain", "missing.quipu", "notes.txt"),
        bad("eval", "open-domain", "missing.quipu", "missing.json"),
        bad("train", "missing.toml"),
        bad("train", "empty.toml"),
        bad("microworld", "full-folder"),
        bad("microworld", "out", "--documents", "1"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A traceback tells a user that quipu is broken, where only a name was mistyped."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("The Suez Canal was opened in 1869.\n", encoding="utf-8")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 this is no PDF")
    (tmp_path / "empty.toml").write_text("", encoding="utf-8")
    (tmp_path / "full-folder").mkdir()
    (tmp_path / "full-folder" / "letter.txt").write_text("not a memory", encoding="utf-8")
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = [line for line in err.splitlines() if line]
    assert len(lines) == 1, err
    assert lines[0].startswith("quipu: ")
    assert len(lines[0]) > len("quipu: ") + 10
    assert (tmp_path / "full-folder" / "letter.txt").read_text("utf-8") == "not a memory"


def test_an_unknown_document_is_an_error_and_changes_nothing(quipu: Quipu, memory: Path) -> None:
    """A mistyped name that removes nothing, silently, leaves a text in the memory that somebody wanted gone."""
    before = quipu("info", memory, "--json").stdout
    done = quipu("remove", memory, "--document", "no-such-file.txt")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert json.loads(quipu("info", memory, "--json").stdout)["counts"] == json.loads(before)["counts"]


def test_help_and_version_go_to_stdout(quipu: Quipu) -> None:
    """``quipu --help | less`` is empty where help goes to stderr."""
    assert "build" in quipu("--help").stdout
    assert quipu("--version").stdout.startswith("quipu 0.")
    bare = quipu()
    assert bare.returncode == 2
    assert "Usage" in bare.stderr
