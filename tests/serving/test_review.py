"""Pairs that are reviewed over HTTP: what waits, what a decision does, and who is told that somebody was faster."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from starlette.testclient import TestClient
from tests.serving.conftest import ADMIN, READER, serving, writer

from quipu.serving import schemas
from quipu.serving.settings import ServeSettings
from quipu.storage.verify import verify

M = "/api/v1/harbour"


@pytest.fixture(scope="module")
def editor(memory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client with an admin's token, of a server whose writer is a process."""
    path = Path(shutil.copytree(memory, tmp_path_factory.mktemp("reviewed") / "harbour.quipu"))
    settings = ServeSettings(writable=True, burst=100_000, rate=1e6)
    with serving(path, settings, admin=ADMIN, reader=READER, command=writer(path)) as client:
        client.headers["authorization"] = f"Bearer {ADMIN}"
        yield client
    assert verify(path).ok


def waiting(client: TestClient, **query: Any) -> list[dict[str, Any]]:
    found = client.get(f"{M}/review", params=query)
    assert found.status_code == 200, found.text
    for item in found.json()["pairs"]:
        assert set(schemas.ReviewItem.model_fields) <= set(item)
    pairs: list[dict[str, Any]] = found.json()["pairs"]
    return pairs


def decide(client: TestClient, item: dict[str, Any], decision: str, **more: Any) -> Any:
    given = {"decision": decision, "version": item["version"], **more}
    return client.post(f"{M}/review/{item['id']}", json=given)


def test_what_waits_is_decided_and_taken_back(editor: TestClient) -> None:
    """A decision about another pair than the one that was seen; an undo that does not bring it back."""
    first, second, third = waiting(editor, limit=3)
    assert first["evidence"] and first["waits"] == "uncertain"
    before = editor.get(f"{M}/review").json()["waiting"]
    assert decide(editor, first, "accept").json() == {"id": first["id"], "replaces": first["id"], "decision": "accept"}
    assert [item["id"] for item in waiting(editor, limit=2)] == [second["id"], third["id"]]
    assert waiting(editor, limit=1, skip=1)[0]["id"] == third["id"] and waiting(editor, pair=first["id"]) == []
    assert decide(editor, second, "reject", note="stands elsewhere").json()["id"] == second["id"]
    assert editor.get(f"{M}/pairs/{second['id']}").json()["stored"] is False
    again = {"pairs": [{"question": second["question"], "answer": second["answer"]}]}
    assert editor.post(f"{M}/pairs", json=again).json()["added"] == 0
    edited = decide(editor, third, "edit", question="How many metres?").json()
    assert edited["replaces"] == third["id"] != edited["id"]
    assert editor.get(f"{M}/pairs/{edited['id']}").json()["evidence"][0]["start"] == third["evidence"][0]["start"]
    assert editor.get(f"{M}/review").json()["waiting"] == before - 3
    for item in (edited, second, first):
        back = editor.post(f"{M}/review/{item['id']}", json={"decision": "undo"})
        assert back.status_code == 200, back.text
    assert back.json()["id"] == first["id"]
    assert editor.get(f"{M}/review").json()["waiting"] == before
    assert waiting(editor, pair=third["id"])[0]["version"] == third["version"]
    assert editor.post(f"{M}/review/{first['id']}", json={"decision": "undo"}).status_code == 404


def test_the_second_of_two_reviewers_is_told(editor: TestClient) -> None:
    """Both looked at the same pair; the later decision would be about something that its reviewer never saw."""
    item = waiting(editor, limit=1)[0]
    assert decide(editor, item, "edit", answer="nobody knows").status_code == 200
    for decision, more in (("accept", {}), ("reject", {}), ("edit", {"answer": "x"})):
        late = decide(editor, item, decision, **more)
        assert late.status_code == 409 and late.json()["code"] == "changed", late.text
    other = waiting(editor, limit=1)[0]
    assert decide(editor, {**other, "version": "0" * 16}, "accept").status_code == 409
    said = decide(editor, other, "edit", question=other["question"], answer=other["answer"])
    assert said.status_code == 422 and said.json()["code"] == "unusable"


@pytest.mark.parametrize(
    "given",
    [
        {"decision": "accept"}, {"decision": "undo", "version": "0" * 16}, {"decision": "edit", "version": "0" * 16},
        {"decision": "accept", "version": "0" * 16, "answer": "x"}, {"decision": "perhaps", "version": "0" * 16},
        {"decision": "edit", "version": "0" * 16, "answer": " "}, {"decision": "reject", "version": "x"},
    ],
)  # fmt: skip
def test_half_a_decision_is_none(editor: TestClient, given: dict[str, str]) -> None:
    """A default for what was left out decides something that nobody meant."""
    assert editor.post(f"{M}/review/{'0' * 32}", json=given).status_code == 422


def test_only_an_administrator_reviews(editor: TestClient, client: TestClient) -> None:
    """Whoever may ask must not learn what is in doubt, nor take anything away."""
    headers = {"authorization": f"Bearer {READER}"}
    for sent in (editor.get(f"{M}/review", headers=headers), editor.post(f"{M}/review/ab", json={}, headers=headers)):
        assert sent.status_code == 403
    assert client.get(f"{M}/review").status_code == 401
