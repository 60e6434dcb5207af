"""Changes: jobs in a journal, done by a process of its own that may be killed at any moment."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.handmade import models
from tests.serving.conftest import ADMIN, serving, wait, writer

from quipu.memory import Memory
from quipu.models.bundle import Models
from quipu.serving import schemas
from quipu.serving.app import Server
from quipu.serving.jobs import ATTEMPTS, Journal
from quipu.serving.settings import ServeSettings
from quipu.serving.writer import drain
from quipu.serving.writing import Writers
from quipu.storage.store import Store
from quipu.storage.verify import verify

M = "/api/v1/harbour"
HARBOUR = b"# Harbour\n\nThe harbour was dug in 1877 by many men.\n"
QUAY = b"# Harbour\n\nThe quay was built in 1923 by few men.\n"


def writing(path: Path) -> Memory:
    made: dict[str, Any] = models()
    return Memory(Store.open(path), Models(made["encoder"], made["writer"], made["reader"]))


@pytest.fixture
def copied(memory: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(memory, tmp_path / "harbour.quipu"))


@pytest.fixture
def journal(copied: Path) -> Journal:
    return Journal(copied)


Editor = TestClient


@pytest.fixture(scope="module")
def editor(memory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """A client with an admin's token, of a server whose writer is a process."""
    path = Path(shutil.copytree(memory, tmp_path_factory.mktemp("edited") / "harbour.quipu"))
    with serving(
        path, ServeSettings(writable=True, burst=100_000, rate=1e6), admin=ADMIN, command=writer(path)
    ) as client:
        client.headers["authorization"] = f"Bearer {ADMIN}"
        yield client
    assert verify(path).ok


def ended(client: Editor, job: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def look() -> bool:
        found.update(client.get(f"/api/v1/jobs/{job}").json())
        return found["state"] in ("done", "failed", "cancelled")

    wait(look)
    assert set(found) == set(schemas.JobShown.model_fields)
    return found


def put(client: Editor, name: str, content: bytes) -> dict[str, Any]:
    response = client.put(f"{M}/documents/{name}", content=content)
    assert response.status_code == 202, response.text
    assert response.headers["location"].endswith(response.json()["job"])
    return ended(client, response.json()["job"])


def test_a_pair_is_added_changed_and_removed(editor: Editor) -> None:
    """Each answers at once, and the next question knows of it."""
    ask = {"question": "Who signs the papers?", "method": "lookup", "min_probability": 0.0}
    pair = {"question": "Who signs the papers?", "answer": "The office"}
    added = editor.post(f"{M}/pairs", json={"pairs": [pair, {"question": "Who pays?", "answer": "The town"}]})
    assert added.status_code == 201 and added.json()["added"] == 2
    assert editor.post(f"{M}/ask", json=ask).json()["text"] == "The office"
    again = editor.post(f"{M}/pairs", json={"pairs": [pair]})
    assert again.status_code == 409 and again.json()["code"] == "exists"
    first = added.json()["ids"][0]
    assert editor.get(f"{M}/pairs/{first}").json()["origin"] == "user"
    changed = editor.patch(f"{M}/pairs/{first}", json={"answer": "The harbour office"})
    assert changed.status_code == 200 and changed.json()["replaces"] == first
    assert editor.post(f"{M}/ask", json=ask).json()["text"] == "The harbour office"
    assert editor.get(f"{M}/pairs/{first}").status_code == 404
    taken = editor.patch(f"{M}/pairs/{changed.json()['id']}", json={"question": "Who pays?", "answer": "The town"})
    assert taken.status_code == 409
    assert editor.post(f"{M}/ask", json=ask).json()["text"] == "The harbour office"
    gone = editor.delete(f"{M}/pairs/{changed.json()['id']}")
    assert gone.json() == {"removed": changed.json()["id"]}
    assert editor.delete(f"{M}/pairs/{changed.json()['id']}").status_code == 404
    assert editor.patch(f"{M}/pairs/{first}", json={"answer": "x"}).status_code == 404
    assert editor.patch(f"{M}/pairs/{first}", json={}).status_code == 422


def test_a_question_that_is_put_better_keeps_its_place(editor: Editor) -> None:
    """Its answer stands where it stood; only a new answer has no source."""
    old = next(p for p in editor.get(f"{M}/pairs?origin=generated").json()["pairs"] if p["start"] is not None)
    new = editor.patch(f"{M}/pairs/{old['id']}", json={"question": "How many metres has this pier?"}).json()
    why = editor.get(f"{M}/pairs/{new['id']}").json()
    assert why["evidence"][0]["start"] == old["start"] and why["answer"] == old["answer"]
    other = editor.patch(f"{M}/pairs/{new['id']}", json={"answer": "nobody knows"}).json()
    assert editor.get(f"{M}/pairs/{other['id']}").json()["evidence"] == []


def test_a_document_is_added_replaced_and_removed(editor: Editor) -> None:
    """Under the name it was given, with exactly its own pairs at any time."""
    done = put(editor, "harbour.md", HARBOUR)
    assert done["state"] == "done" and done["report"]["pairs"] == 1 and done["stage"] == "pairs"
    pairs = editor.get(f"{M}/pairs", params={"document": "harbour.md"}).json()["pairs"]
    assert [pair["answer"] for pair in pairs] == ["1877"]
    assert put(editor, "harbour.md", HARBOUR)["report"]["unchanged"] == 1
    assert put(editor, "harbour.md", QUAY)["state"] == "done"
    pairs = editor.get(f"{M}/pairs", params={"document": "harbour.md"}).json()["pairs"]
    assert [pair["answer"] for pair in pairs] == ["1923"]
    [document] = editor.get(f"{M}/documents", params={"source": "harbour.md"}).json()["documents"]
    removed = editor.delete(f"{M}/documents/{document['id']}")
    assert removed.status_code == 202
    assert ended(editor, removed.json()["job"])["report"] == {"removed_pairs": 1}
    assert editor.get(f"{M}/documents", params={"source": "harbour.md"}).json()["documents"] == []
    assert editor.delete(f"{M}/documents/{document['id']}").status_code == 404
    serving_folder = editor.server.context.memories["harbour"].path / "serving"  # type: ignore[attr-defined]
    assert list((serving_folder / "uploads").iterdir()) == list((serving_folder / "incoming").iterdir()) == []


def test_what_cannot_be_read_fails_with_the_readers_line(editor: Editor) -> None:
    """And nothing of it stays."""
    failed = put(editor, "broken.pdf", b"%PDF-1.7 this is no PDF")
    assert failed["state"] == "failed" and failed["code"] == "unusable" and "broken.pdf" in failed["detail"]
    assert put(editor, "empty.txt", b"")["detail"] == "empty.txt: empty"
    path = editor.server.context.memories["harbour"].path  # type: ignore[attr-defined]
    assert str(path) not in json.dumps(failed)
    assert list((path / "serving" / "uploads").iterdir()) == []


NAMES = [
    "x.exe", "noending", ".x.md", "a%CC%88.md", "b.md%00", "x" * 198 + ".md", "C:%5Cx.md", "..%5Cx.md", " x.md",
    "x%0A.md", "%E2%80%AEx.md",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_could_be_a_path_is_refused(editor: Editor, name: str) -> None:
    """The one attack that every upload server has had."""
    response = editor.put(f"{M}/documents/{name}", content=b"x")
    assert response.status_code == 422 and response.json()["pointer"] == "/name"


@pytest.mark.parametrize("name", ["..%2Fx.md", "%2Fetc%2Fx.md", "..", "."])
def test_a_path_is_no_name(editor: Editor, name: str) -> None:
    """A slash never reaches the route."""
    assert editor.put(f"{M}/documents/{name}", content=b"x").status_code in (404, 405)


def test_a_job_is_followed_to_its_end(editor: Editor) -> None:
    """Events that stop short leave a page waiting for good."""
    job = editor.put(f"{M}/documents/followed.md", content=HARBOUR).json()["job"]
    with editor.stream("GET", f"/api/v1/jobs/{job}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        told = [json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line.startswith("data: ")]
    assert [item["id"] for item in told] == [job] * len(told)
    assert told[-1]["state"] == "done" and told[0]["state"] in ("queued", "running")
    assert editor.delete(f"/api/v1/jobs/{job}").json()["code"] == "running"
    assert editor.get("/api/v1/jobs/0123456789abcdef").status_code == 404


def test_a_name_of_another_file_is_not_taken_over(journal: Journal, tmp_path: Path) -> None:
    """Whoever uploads docs/0.md must not replace the operator's file of that name."""
    own = tmp_path / "own.md"
    own.write_bytes(QUAY)
    with writing(journal.memory) as memory:
        memory.add_document(own, name="own.md")
    for name, code in (("own.md", "exists"), (str(own), "invalid"), ("../own.md", "invalid"), ("..", "invalid")):
        job = journal.add("add_document", {"name": name, "incoming": "00"})
        (journal.incoming / "00").write_bytes(HARBOUR)
        drain(journal, writing)
        assert journal.again(job).code == code
    assert own.read_bytes() == QUAY
    with writing(journal.memory) as memory:
        assert [pair.answer for _, pair in memory.store.pairs()].count("1877") == 0


def test_no_address_of_a_document_is_fetched(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A document that has the server call an address inside its network is the oldest way in."""
    called: list[object] = []

    def connect(_: socket.socket, address: object) -> int:
        called.append(address)
        raise OSError("a test goes nowhere")

    listening = socket.create_server(("127.0.0.1", 0))  # for readers in a process of their own, which are not patched
    listening.setblocking(False)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect)
    page = f"""<html><head><base href="{address}/"><link rel="stylesheet" href="{address}/a.css"></head><body>
<p>The harbour was dug in 1877.</p><img src="{address}/b.png"><iframe src="{address}/c"></iframe>
<a href="{address}/d">more</a></body></html>"""
    text = f"# Harbour\n\n![quay]({address}/e.png) [more]({address}/f) <{address}/g>\n\nThe quay was built in 1923.\n"
    for name, content in (("page.html", page), ("text.md", text)):
        (journal.incoming / "00").parent.mkdir(parents=True, exist_ok=True)
        (journal.incoming / "00").write_text(content)
        job = journal.add("add_document", {"name": name, "incoming": "00"})
        drain(journal, writing)
        assert journal.again(job).state == "done", journal.again(job)
    with pytest.raises(BlockingIOError):
        listening.accept()
    listening.close()
    assert called == []


def test_a_cancelled_job_is_never_begun(journal: Journal) -> None:
    """Cancelled means not done."""
    job = journal.add("add_pairs", {"pairs": [["q", "a"]]})
    assert journal.cancel(job) and not journal.cancel(job)
    assert drain(journal, writing) == 0
    assert journal.again(job).state == "cancelled"


def test_another_writer_is_waited_for_and_then_named(journal: Journal) -> None:
    """A job that gives up at once fails whenever somebody runs ``quipu add``; one that never does hangs."""
    descriptor = os.open(journal.memory / "writer.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    job = journal.add("add_pairs", {"pairs": [["q", "a"]]})
    drain(journal, writing, locked=0.05)
    assert journal.again(job).code == "locked"
    os.close(descriptor)
    job = journal.add("add_pairs", {"pairs": [["q", "a"]]})
    drain(journal, writing, locked=0.05)
    assert journal.again(job).state == "done"


KINDS: list[tuple[str, Callable[[Memory], dict[str, Any]]]] = [
    ("add_pairs", lambda memory: {"pairs": [["Who signs?", "the office"]]}),
    ("remove_pair", lambda memory: {"pair": next(memory.store.pairs())[1].id}),
    ("change_pair", lambda memory: {"pair": next(memory.store.pairs())[1].id, "question": "New?", "answer": "Yes"}),
    ("remove_document", lambda memory: {"document": next(memory.store.documents()).id}),
    ("add_document", lambda memory: {"name": "harbour.md", "incoming": "00"}),
]


@pytest.mark.parametrize(("kind", "given"), KINDS, ids=[kind for kind, _ in KINDS])
def test_a_job_that_is_begun_again_is_done_once(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, kind: Any, given: Callable[[Memory], dict[str, Any]]
) -> None:
    """Killed after its commit and before its last line in the journal, a job must neither fail nor act twice."""
    with writing(journal.memory) as memory:
        job = journal.add(kind, given(memory))
    (journal.incoming / "00").write_bytes(HARBOUR)
    monkeypatch.setattr(Journal, "succeed", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        drain(journal, writing)
    monkeypatch.undo()
    assert journal.again(job).state == "running"
    with writing(journal.memory) as memory:
        before = memory.store.counts()
    drain(journal, writing)
    assert journal.again(job).state == "done", journal.again(job)
    with writing(journal.memory) as memory:
        assert memory.store.counts() == before
    assert verify(journal.memory).ok


def test_a_job_that_kills_its_writer_is_given_up(journal: Journal) -> None:
    """Else one poisoned document keeps all others waiting for good."""
    job = journal.add("add_pairs", {"pairs": [["q", "a"]]})
    for _ in range(ATTEMPTS):
        assert journal.begin(journal.again(job))
    assert not journal.begin(journal.again(job))
    assert journal.again(job).state == "failed" and journal.next() is None


def test_a_writer_that_never_begins_is_not_started_for_good(journal: Journal, tmp_path: Path) -> None:
    """A process that dies at its first line took up a core for good, and its job was never said to fail."""
    times = tmp_path / "times"
    dying = f"open({str(times)!r}, 'a').write('x'); raise SystemExit(3)"
    jobs = [
        journal.add("add_pairs", {"pairs": [["q", "a"]]}),
        journal.add("add_document", {"name": "x.md", "incoming": "00"}),
    ]
    (journal.incoming / "00").write_bytes(HARBOUR)
    writers = Writers({"harbour": journal}, [sys.executable, "-S", "-c", dying])
    writers.start()
    wait(lambda: journal.next() is None)
    assert [(job.state, job.code) for job in map(journal.again, jobs)] == [("failed", "internal")] * 2
    assert "died 3 times" in str(journal.again(jobs[0]).detail) and times.read_text() == "x" * 2 * ATTEMPTS
    assert list(journal.incoming.iterdir()) == []
    writers.close()


def test_a_restart_is_no_death(journal: Journal) -> None:
    """A build that takes longer than three restarts of its server was given up."""
    job = journal.add("add_pairs", {"pairs": [["q", "a"]]})
    for _ in range(2 * ATTEMPTS):
        assert journal.begin(journal.again(job))
        journal.put_back()
    assert journal.again(job).attempts == 1
    assert drain(journal, writing) == 1 and journal.again(job).state == "done"


def test_kill_9_loses_nothing(copied: Path) -> None:
    """The writer dies in the middle of a document, and the server after it: the next one ends the job."""
    settings = ServeSettings(writable=True, burst=100_000)
    with serving(copied, settings, admin=ADMIN, command=writer(copied, slow=0.5)) as client:
        client.headers["authorization"] = f"Bearer {ADMIN}"
        pair = {"pairs": [{"question": "Who signs?", "answer": "The office"}]}
        assert client.post(f"{M}/pairs", json=pair).status_code == 201
        job = client.put(f"{M}/documents/harbour.md", content=HARBOUR).json()["job"]
        server: Server = client.server  # type: ignore[attr-defined]
        wait(lambda: client.get(f"/api/v1/jobs/{job}").json()["state"] == "running")
        time.sleep(0.2)
        process = server.context.writers.process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        wait(lambda: server.context.writers.process not in (None, process))
        assert (
            client.post(f"{M}/ask", json={"question": "Who signs?", "method": "lookup"}).json()["text"] == "The office"
        )
    assert Journal(copied).find(job) is not None
    with serving(copied, settings, admin=ADMIN, command=writer(copied)) as client:
        client.headers["authorization"] = f"Bearer {ADMIN}"
        assert ended(client, job)["state"] == "done"
        pairs = client.get(f"{M}/pairs", params={"document": "harbour.md"}).json()["pairs"]
        assert [pair["answer"] for pair in pairs] == ["1877"]
        assert client.get(f"{M}/pairs", params={"q": "Who signs"}).json()["pairs"]
    assert verify(copied).ok


def test_the_writer_is_what_the_module_runs() -> None:
    """The tests' command must differ in its models only."""
    assert Writers({}, None)._command == [sys.executable, "-m", "quipu.serving.writer"]
