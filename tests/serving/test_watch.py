"""What a server changes by itself, or has to look for: watched folders, questions to grow from, pairs by state."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.serving.conftest import ADMIN, opened, serving, wait
from tests.serving.test_jobs import writing

from quipu.errors import InputError
from quipu.serving import watching
from quipu.serving.jobs import Journal
from quipu.serving.settings import ServeSettings
from quipu.serving.watching import Watcher, watched_folders
from quipu.serving.writer import drain
from quipu.serving.writing import Writers
from quipu.syncing import Watch

M = "/api/v1/harbour"


@pytest.fixture
def journal(memory: Path, tmp_path: Path) -> Journal:
    return Journal(Path(shutil.copytree(memory, tmp_path / "harbour.quipu")))


def test_files_are_synced_when_they_rest(tmp_path: Path) -> None:
    """A file that is read while it is being written is stored in half; one that is never looked at again stays old."""
    file, now = tmp_path / "a.txt", [100.0]
    file.write_text("one")
    watch = Watch([tmp_path], 50.0, lambda: now[0])
    assert watch.due() and watch.due()  # until it was done
    watch.done()
    assert not watch.due()
    file.write_text("three")
    assert not watch.due()  # it may still be written
    assert watch.due()
    watch.done()
    assert not watch.due()
    now[0] += 51
    assert watch.due() and not watch.due()
    file.unlink()
    assert not watch.due() and watch.due()


def test_a_watched_folder_is_followed(journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New, changed and gone files, by the process that writes; one that cannot be read is told to the operator once."""
    monkeypatch.setattr(watching, "POLL", 0.02)
    folder = tmp_path / "new"
    folder.mkdir()
    stones = {"granite": 3001, "marble": 3003, "slate": 3005, "basalt": 3007, "chalk": 3009, "flint": 3011}
    for stone, tonnes in stones.items():
        (folder / f"{stone}.md").write_text(f"# Stones\n\nThe {stone} weighs {tonnes} tonnes.\n")
    writers = Writers({"harbour": journal}, wake=lambda: drain(journal, writing))
    watcher = Watcher(writers, {"harbour": [str(folder)]}, delete=True)

    def answers() -> set[int]:
        with opened(journal.memory) as memory:
            return {int(pair.answer) for _, pair in memory.store.pairs() if pair.answer.startswith("30")}

    watcher.start()
    try:
        wait(lambda: answers() == set(stones.values()))
        (folder / "granite.md").write_text("# Stones\n\nThe granite weighs 3099 tonnes, and is sold.\n")
        (folder / "flint.md").unlink()
        wait(lambda: answers() == {3099, 3003, 3005, 3007, 3009})
        wait(lambda: watcher._memories[0].job is None)
        jobs = len(list(journal._rows("", ())))
        time.sleep(0.2)
        assert jobs <= 3 and len(list(journal._rows("", ()))) == jobs  # none where nothing changed
    finally:
        watcher.close()


def test_what_is_to_be_watched_is_named(tmp_path: Path) -> None:
    """A folder that is synced with the wrong memory answers strangers' questions."""
    here = str(tmp_path)
    assert watched_folders([here, here], ["a"]) == {"a": [here, here]}
    assert watched_folders([f"a={here}", f"b={here}"], ["a", "b"]) == {"a": [here], "b": [here]}
    with pytest.raises(InputError, match="say for which memory, as a="):
        watched_folders([here], ["a", "b"])
    with pytest.raises(InputError, match="no such file or folder"):
        watched_folders([f"{here}/none"], ["a"])


@pytest.fixture
def editor(journal: Journal, tmp_path: Path) -> TestClient:
    """Of a server whose writer does nothing, with a log of two questions without an answer, one to this memory."""
    log = tmp_path / "log.jsonl"
    lines: list[object] = [
        {"memory": "harbour", "question": "Who?", "text": None}, {"memory": "quay", "question": "No?", "text": None},
        {"memory": "harbour", "question": "Yes?", "text": "yes"}, "half a line",
    ]  # fmt: skip
    log.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"memory": "har')
    settings = ServeSettings(writable=True, question_log=log, burst=10_000)
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    with serving(journal.memory, settings, admin=ADMIN, command=command) as client:
        client.headers["authorization"] = f"Bearer {ADMIN}"
        yield client


def test_questions_to_grow_from_wait_in_a_job(editor: TestClient, journal: Journal) -> None:
    """Those that were given, or those of the log; a job that pointed at the log would grow what came later."""
    for body, questions in (({"questions": ["Where?", "Wann — 🙂?"]}, ["Where?", "Wann — 🙂?"]), ({}, ["Who?"])):
        response = editor.post(f"{M}/grow", json=body)
        assert response.status_code == 202, response.text
        job = journal.find(response.json()["job"])
        assert job is not None and job.kind == "grow"
        rows = (journal.incoming / str(job.given["incoming"])).read_text().splitlines()
        assert [json.loads(row) for row in rows] == [{"question": question, "text": None} for question in questions]
    assert editor.post(f"{M}/grow", json={"questions": []}).status_code == 422
    assert editor.post(f"{M}/grow", json={"log": "/etc/passwd"}).status_code == 422
    editor.server.context.writers.journals["harbour"].cancel(job)  # type: ignore[attr-defined]


def test_without_a_log_the_questions_must_be_given(journal: Journal) -> None:
    """An empty job that succeeds would look as if nothing could be grown."""
    with serving(journal.memory, ServeSettings(writable=True), admin=ADMIN) as client:
        client.headers["authorization"] = f"Bearer {ADMIN}"
        response = client.post(f"{M}/grow", json={})
        assert response.status_code == 422 and response.json()["pointer"] == "/questions"


def test_the_writer_grows(journal: Journal) -> None:
    """The job does what the verb does, and leaves no question behind."""
    job = journal.add("grow", {"incoming": "00"})
    asked = journal.incoming / "00"
    asked.write_text(json.dumps({"question": "Zebra?", "text": None}) + "\n")
    drain(journal, writing)
    done = journal.again(job)
    assert done.state == "done" and done.report is not None and done.report["refused"] == 1, done
    assert not asked.exists()


def test_pairs_by_state(memory: Path) -> None:
    """A reviewer who is shown a wrong pair among right ones, or not at all, does not mend it."""
    with serving(memory) as client:

        def pairs(state: str) -> set[str]:
            found = client.get(f"{M}/pairs", params={"state": state, "limit": 200}).json()["pairs"]
            return {pair["id"] for pair in found}

        every = {pair["id"] for pair in client.get(f"{M}/pairs", params={"limit": 200}).json()["pairs"]}
        with opened(memory) as direct:
            ambiguous = {
                pair for (pair,) in direct.store.connection.execute("SELECT id FROM pairs WHERE ambiguous > ''")
            }
            marks = {(mark.pair, mark.right) for mark in direct.feedback()}
        known = {
            "ambiguous": ambiguous, "right": {pair for pair, right in marks if right} & every,
            "wrong": {pair for pair, right in marks if not right} & every,
        }  # fmt: skip
        assert known["ambiguous"] and all(pairs(state) == ids for state, ids in known.items())
        assert pairs("plain") == every - set().union(*known.values())
        assert client.get(f"{M}/pairs", params={"state": "odd"}).status_code == 422
