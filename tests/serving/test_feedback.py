"""What is said of answers: who may say it, of what, and what the memory makes of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.full_memory import ASKED
from tests.serving.conftest import ADMIN, READER, opened, refusing, serving, writer
from tests.serving.test_api import strict

from quipu.serving import schemas
from quipu.serving.answer_ids import AnswerIds
from quipu.serving.settings import ServeSettings
from quipu.serving.tokens import Keyring
from quipu.storage.verify import verify

M = "/api/v1/harbour"
HOUSE = "What of house 7?"
Said = Callable[..., Any]


def ask(client: TestClient, question: str, **options: object) -> dict[str, Any]:
    body = {"question": question, **(options or {"method": "lookup", "min_probability": 0.0})}
    found: dict[str, Any] = client.post(f"{M}/ask", json=body).json()
    return found


def say(client: TestClient, answer: dict[str, Any], verdict: str, **more: object) -> Any:
    return client.post(f"{M}/feedback", json={"answer_id": answer["answer_id"], "verdict": verdict, **more})


def marks(client: TestClient) -> dict[tuple[str, str], tuple[bool, str | None, str]]:
    with opened(client.server.context.memories["harbour"].path) as memory:  # type: ignore[attr-defined]
        return {(m.question, m.answer): (m.right, m.pair, m.source) for m in memory.feedback()}


@pytest.fixture(scope="module")
def client(memory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """With a token for reading, of a server whose writer is a process."""
    path = Path(shutil.copytree(memory, tmp_path_factory.mktemp("judged") / "harbour.quipu"))
    settings = ServeSettings(writable=True, burst=100_000, rate=1e6)
    with (
        pytest.MonkeyPatch.context() as patched,
        serving(path, settings, admin=ADMIN, reader=READER, command=writer(path)) as found,
    ):
        patched.setattr("quipu.serving.changes.WAIT", 600.0)  # a busy machine starts the writer late
        found.headers["authorization"] = f"Bearer {READER}"
        yield found
    assert verify(path).ok


def test_a_wrong_answer_does_not_come_back(client: TestClient) -> None:
    """Feedback that is thanked for and forgotten teaches people to give none; what was expected is not answered."""
    answer = ask(client, HOUSE)
    assert answer["text"] == "7 rooms"
    response = say(client, answer, "wrong", expected="seven small rooms")
    assert response.status_code == 200 and response.json() == {"verdict": "wrong", "marks": 2}
    strict(schemas.FeedbackKept, response.json())
    found = marks(client)
    assert found[HOUSE, "7 rooms"] == (False, answer["pair"]["id"], answer["evidence"][0]["document"])
    assert found[HOUSE, "seven small rooms"][0] is True
    assert ask(client, HOUSE)["text"] not in ("7 rooms", "seven small rooms")
    assert say(client, answer, "right").json()["marks"] == 1  # the other way takes it back
    assert ask(client, HOUSE)["text"] == "7 rooms"


def test_what_marks_nothing_is_counted(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is no answer: to mark it would write a mark of nothing."""
    before = marks(client)
    given = ask(client, ASKED[1])
    monkeypatch.setattr("quipu.memory.Memory.ask_many", refusing)
    refused = ask(client, "Who was the king?")
    for answer, verdict in ((given, "useless"), (refused, "right"), (refused, "wrong")):
        assert say(client, answer, verdict).json() == {"verdict": verdict, "marks": 0}
    assert marks(client) == before
    text = client.get("/metrics").text
    assert 'quipu_feedback_total{memory="harbour",verdict="useless"} 1.0' in text
    assert say(client, refused, "wrong", expected="Louis").json()["marks"] == 1
    assert marks(client)["Who was the king?", "Louis"] == (True, None, "")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        (lambda body: body | {"answer_id": ""}, "/answer_id"),
        (lambda body: body | {"answer_id": "é." + "A" * 43}, "/answer_id"),
        (lambda body: body | {"answer_id": body["answer_id"].partition(".")[0]}, "/answer_id"),
        (lambda body: body | {"answer_id": body["answer_id"].partition(".")[0] + "."}, "/answer_id"),
        (lambda body: body | {"answer_id": "A" + body["answer_id"][1:]}, "/answer_id"),
        (lambda body: body | {"answer_id": "W10." + body["answer_id"].partition(".")[2]}, "/answer_id"),
        (lambda body: body | {"verdict": "bad"}, "/verdict"),
        (lambda body: body | {"expected": " "}, "/expected"),
        (lambda body: body | {"expected": "the 9 ROOMS"}, "/expected"),
        (lambda body: body | {"verdict": "right", "expected": "x"}, ""),
        (lambda body: body | {"answer": "x"}, "/answer"),
    ],
)
def test_only_what_was_answered_can_be_judged(client: TestClient, change: Said, pointer: str) -> None:
    """Whoever may ask could else mark any text of any question, and take answers away that nobody was given."""
    answer = ask(client, "What of house 9?")
    body = {"answer_id": answer["answer_id"], "verdict": "wrong"}
    response = client.post(f"{M}/feedback", json=change(body))
    assert (response.status_code, response.json()["pointer"]) == (422, pointer), response.text
    assert ask(client, "What of house 9?")["text"] == "9 rooms"


def test_what_was_removed_is_not_brought_back(client: TestClient) -> None:
    """A mark of an answer whose pair was removed would keep the text that somebody wanted gone."""
    answer = ask(client, "What of house 11?")
    with_admin = {"authorization": f"Bearer {ADMIN}"}
    added = client.post(
        f"{M}/pairs", json={"pairs": [{"question": "Who keeps the key?", "answer": "Mrs Dunn"}]}, headers=with_admin
    ).json()
    key = ask(client, "Who keeps the key?")
    assert key["text"] == "Mrs Dunn"
    assert client.delete(f"{M}/pairs/{added['ids'][0]}", headers=with_admin).status_code == 200
    response = say(client, key, "wrong")
    assert response.status_code == 404 and "no longer in the memory" in response.json()["detail"]
    assert not [answer for _, answer in marks(client) if answer == "Mrs Dunn"]
    assert say(client, answer, "right").json()["marks"] == 1


def test_a_server_that_does_not_write_only_counts(
    memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thanks for a mark that is kept nowhere; and the log of questions must stay what ``quipu grow`` reads."""
    from quipu.building.growing import refused_in

    log = tmp_path / "asked.jsonl"
    with serving(memory, ServeSettings(question_log=log)) as client:
        answer = ask(client, HOUSE)
        assert say(client, answer, "useless").status_code == 200
        monkeypatch.setattr("quipu.memory.Memory.ask_many", refusing)
        assert say(client, ask(client, "Who was the king?"), "useless").status_code == 200
        for verdict, more in (("wrong", {}), ("right", {}), ("useless", {"expected": "x"})):
            response = say(client, answer, verdict, **more)
            assert response.status_code == 403 and response.json()["code"] == "read_only"
        other = client.post("/api/v1/nothing/feedback", json={"answer_id": answer["answer_id"], "verdict": "useless"})
        assert other.status_code == 404
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line.get("verdict") for line in lines] == [None, "useless", None, "useless"]
    assert "answer_id" not in log.read_text()
    assert [refused for _, refused in refused_in(log)] == [False, True]


def test_an_id_outlives_a_restart_and_not_its_token(memory: Path) -> None:
    """Feedback comes minutes later, from another process of the server; a memory's id says nothing of another's."""
    from quipu.serving.problems import Problem

    with opened(memory) as direct:
        answer = direct.ask(HOUSE, method="lookup", min_probability=0.0)

    def ids(**environment: str) -> AnswerIds:
        return AnswerIds(Keyring(None, environment))

    signed = ids(QUIPU_ADMIN_TOKEN=ADMIN, QUIPU_TOKEN=READER).sign("harbour", answer)
    assert ids(QUIPU_ADMIN_TOKEN=ADMIN).read("harbour", signed).answer == "7 rooms"
    for other, name in (
        (ids(QUIPU_ADMIN_TOKEN=ADMIN), "canal"), (ids(QUIPU_ADMIN_TOKEN=READER), "harbour"), (ids(), "harbour"),
        (ids(QUIPU_TOKEN=ADMIN), "harbour"),
    ):  # fmt: skip
        with pytest.raises(Problem, match="not the id of an answer"):
            other.read(name, signed)
    alone = ids()
    assert alone.read("harbour", alone.sign("harbour", answer)).question == HOUSE
