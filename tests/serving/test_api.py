"""The routes that read: what they answer, what they refuse, and that they say what the command line says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.full_memory import ASKED
from tests.serving.conftest import opened, serving

import quipu
from quipu.serving import schemas

M = "/api/v1/harbour"


def timeless(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what differs from one run to the next."""
    apart = ("milliseconds", "asked_together", "memory", "answer_id")
    kept = {name: value for name, value in answer.items() if name not in apart}
    kept["tried"] = [{**step, "milliseconds": 0} for step in kept["tried"]]
    return kept


def strict(model: Any, found: Any) -> None:
    """Fails where a field is missing, or is not in the schema."""

    def check(model: Any, found: Any) -> None:
        assert set(found) == set(model.model_fields), (model, set(found) ^ set(model.model_fields))

    check(model, found)
    model.model_validate(found)


def test_answers_are_those_of_the_memory(client: TestClient, memory: Path) -> None:
    """A server with its own rules would answer otherwise than ``quipu ask``, and nobody could say which is right."""
    with opened(memory) as direct:
        for options in ({"method": "lookup"}, {"method": "lookup", "min_probability": 0.0}, {"k": 3}):
            known = [timeless(json.loads(json.dumps(direct.ask(q, **options).to_json()))) for q in ASKED]
            alone = [client.post(f"{M}/ask", json={"question": q, **options}).json() for q in ASKED]
            many = client.post(f"{M}/ask", json={"questions": ASKED, **options}).json()["answers"]
            assert [timeless(answer) for answer in alone] == known
            assert [timeless(answer) for answer in many] == known
            assert {answer["memory"] for answer in alone + many} == {"harbour"}
            assert {answer["asked_together"] for answer in many} == {len(ASKED)}


def test_an_answer_has_the_fields_of_its_schema(client: TestClient) -> None:
    """A client that is made from the schema breaks on the first field that is not in it."""
    answer = client.post(f"{M}/ask", json={"question": ASKED[1], "method": "lookup", "min_probability": 0.0}).json()
    strict(schemas.AnswerShown, answer)
    assert answer["text"] == "22 metres"
    for evidence in answer["evidence"]:
        strict(schemas.PlaceShown, evidence)


def test_explain_is_the_steps(client: TestClient) -> None:
    """Whoever does not want them would pay for them."""
    question = {"question": ASKED[1]}
    assert client.post(f"{M}/ask", json=question).json()["tried"]
    assert client.post(f"{M}/ask", json={**question, "explain": False}).json()["tried"] == []


def test_hits_are_those_of_the_memory(client: TestClient, memory: Path) -> None:
    """The pairs in order, with their places."""
    found = client.post(f"{M}/search", json={"question": ASKED[2], "k": 4}).json()["hits"]
    with opened(memory) as direct:
        assert [hit["pair"]["id"] for hit in found] == [hit.pair.id for hit in direct.search(ASKED[2], 4)]
    for hit in found:
        strict(schemas.HitShown, hit)
    assert found[0]["line"] == 9 and found[0]["document"].endswith("ready.csv")


def test_memories_are_described_without_their_paths(client: TestClient, memory: Path) -> None:
    """A path tells a stranger the names of users and disks."""
    response = client.get("/api/v1/memories")
    [found] = response.json()["memories"]
    strict(schemas.MemoryShown, found)
    assert found["counts"]["pairs"] == 32 and found["calibrated"] is True and found["writable"] is False
    assert client.get(M).json() == found
    assert str(memory.parent) not in response.text


def test_every_pair_is_on_exactly_one_page(client: TestClient, memory: Path) -> None:
    """A cursor that skips or repeats at the edge of a page loses pairs without a sign."""
    found, after = [], None
    while True:
        page = client.get(f"{M}/pairs", params={"limit": 7, **({"after": after} if after else {})}).json()
        found += page["pairs"]
        after = page["next"]
        if after is None:
            break
    with opened(memory) as direct:
        assert [pair["id"] for pair in found] == [pair.id for _, pair in direct.store.pairs()]
    strict(schemas.StoredPair, found[0])


def test_pairs_can_be_chosen(client: TestClient, memory: Path) -> None:
    """By document, origin and letters, together."""
    every = client.get(f"{M}/pairs", params={"limit": 200}).json()["pairs"]
    imported = client.get(f"{M}/pairs", params={"origin": "imported", "limit": 200}).json()["pairs"]
    assert imported == [pair for pair in every if pair["origin"] == "imported"] and len(imported) == 20
    source = next(pair["document"] for pair in every if pair["origin"] == "generated")
    of_one = client.get(f"{M}/pairs", params={"document": source, "limit": 200}).json()["pairs"]
    assert of_one == [pair for pair in every if pair["document"] == source]
    assert [p["answer"] for p in client.get(f"{M}/pairs", params={"q": "HOUSE 17"}).json()["pairs"]] == ["17 rooms"]
    assert client.get(f"{M}/pairs", params={"q": "house 17", "origin": "generated"}).json()["pairs"] == []
    assert client.get(f"{M}/pairs", params={"document": "no such"}).json()["pairs"] == []
    assert client.get(f"{M}/pairs", params={"q": "%"}).json()["pairs"] == []


def test_a_pair_is_what_quipu_why_prints(client: TestClient, memory: Path) -> None:
    """Where it comes from, by its id or a beginning."""
    with opened(memory) as direct:
        pair = direct.search(ASKED[0], 1)[0].pair
        known = json.loads(json.dumps(direct.why(pair.id)))
        dropped = next(pair for (pair,) in direct.store.connection.execute("SELECT pair FROM verdicts WHERE kept = 0"))
    assert client.get(f"{M}/pairs/{pair.id}").json() == known
    assert client.get(f"{M}/pairs/{pair.id[:12]}").json() == known
    assert client.get(f"{M}/pairs/{dropped}").json()["stored"] is False


def test_documents_and_their_texts(client: TestClient, memory: Path) -> None:
    """Offsets of a text are those of the answers' spans."""
    answer = client.post(f"{M}/ask", json={"question": ASKED[1], "method": "lookup", "min_probability": 0.0}).json()
    place = answer["evidence"][0]
    [document] = client.get(f"{M}/documents", params={"source": place["document"]}).json()["documents"]
    strict(schemas.DocumentShown, document)
    assert client.get(f"{M}/documents/{document['id']}").json() == document
    span = {"start": place["start"], "end": place["end"]}
    piece = client.get(f"{M}/documents/{document['id']}/text", params=span).json()
    strict(schemas.TextShown, piece)
    assert piece["text"] == place["quote"] and piece["characters"] == document["characters"]
    whole = client.get(f"{M}/documents/{document['id']}/text").json()
    assert whole["text"][piece["start"] : piece["end"]] == piece["text"]
    assert whole["end"] == document["characters"]
    past = client.get(f"{M}/documents/{document['id']}/text", params={"start": 10**6}).json()
    assert past["text"] == "" and past["start"] == past["end"] == 10**6
    assert len(client.get(f"{M}/documents").json()["documents"]) == 7
    too_long = client.get(f"{M}/documents/{document['id']}/text", params={"start": 0, "end": 20_001})
    assert too_long.status_code == 422 and too_long.json()["pointer"] == "/end"


def test_coverage_adds_up(client: TestClient, memory: Path) -> None:
    """made = kept + dropped, as the verb says."""
    found = client.get(f"{M}/coverage", params={"limit": 2}).json()
    strict(schemas.CoverageShown, found)
    with opened(memory) as direct:
        rows = list(direct.coverage())
    assert found["total"]["made"] == sum(row["made"] for row in rows)
    assert found["total"]["made"] == found["total"]["kept"] + sum(found["dropped"].values())
    assert [row["kept"] for row in found["passages"]] == sorted(row["kept"] for row in rows)[:2]


BAD = [
    (b"{", 400, "not_json", None),
    (b"", 422, "invalid", ""),
    (b"\xff", 400, "not_json", None),
    (b"[" * 100_000, 400, "not_json", None),
    (b'{"question":"x","k":' + b"1" * 5_000 + b"}", 400, "not_json", None),
    (b"[]", 422, "invalid", ""),
    (b"{}", 422, "invalid", ""),
    (b'{"question":"x","questions":["y"]}', 422, "invalid", ""),
    (b'{"question":"x","x~/y":1}', 422, "invalid", "/x~0~1y"),
    (b'{"question":""}', 422, "invalid", "/question"),
    (b'{"question":" \\n"}', 422, "invalid", "/question"),
    (b'{"question":"a\\u0000b"}', 422, "invalid", "/question"),
    (b'{"question":"\\ud800"}', 422, "invalid", "/question"),
    (b'{"question":"' + b"x" * 2_001 + b'"}', 422, "invalid", "/question"),
    (b'{"question":7}', 422, "invalid", "/question"),
    (b'{"questions":[]}', 422, "invalid", "/questions"),
    (b'{"questions":["a",""]}', 422, "invalid", "/questions/1"),
    (b'{"questions":[' + b",".join([b'"x"'] * 65) + b"]}", 422, "invalid", "/questions"),
    (b'{"question":"x","k":0}', 422, "invalid", "/k"),
    (b'{"question":"x","k":201}', 422, "invalid", "/k"),
    (b'{"question":"x","k":"1"}', 422, "invalid", "/k"),
    (b'{"question":"x","k":1e999}', 422, "invalid", "/k"),
    (b'{"question":"x","min_probability":NaN}', 422, "invalid", "/min_probability"),
    (b'{"question":"x","min_probability":1.1}', 422, "invalid", "/min_probability"),
    (b'{"question":"x","min_probability":0.5,"precision":0.5}', 422, "invalid", ""),
    (b'{"question":"x","method":"magic"}', 422, "invalid", "/method"),
    (b'{"question":"x","method":"lookup","budget_ms":5}', 422, "invalid", ""),
    (b'{"question":"x","budget_ms":0}', 422, "invalid", "/budget_ms"),
]


@pytest.mark.parametrize(("body", "status", "code", "pointer"), BAD, ids=lambda value: repr(value)[:40])
def test_bad_bodies_are_refused_by_name(
    client: TestClient, body: bytes, status: int, code: str, pointer: str | None
) -> None:
    """A 500 for what a client did wrong is an alarm for nothing; an answer to half a request is worse."""
    response = client.post(f"{M}/ask", content=body, headers={"content-type": "application/json"})
    problem = response.json()
    assert (response.status_code, problem["code"], problem.get("pointer")) == (status, code, pointer), problem
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status and problem["title"] and problem["detail"] and problem["type"] == "about:blank"
    assert problem["request_id"] == response.headers["x-request-id"]
    assert len(response.content) < 2_000


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/nothing", 404), ("/api/v1/nothing/pairs", 404), ("/nowhere", 404), ("/api/v1/../livez", 404),
        (f"{M}/pairs/0000", 404), (f"{M}/pairs/xyz", 422), (f"{M}/pairs/{'0' * 33}", 422),
        (f"{M}/documents/00", 404), (f"{M}/documents/00/text", 404), (f"{M}/pairs?limit=0", 422),
        (f"{M}/pairs?limit=201", 422), (f"{M}/pairs?after=!", 422), (f"{M}/pairs?after=AAAA", 422),
        (f"{M}/pairs?after=__________8", 422), (f"{M}/pairs?origin=magic", 422), (f"{M}/pairs?q=%00", 422),
        (f"{M}/coverage?limit=x", 422), (f"{M}/documents?source=%00", 422), (f"{M}/ask", 405),
    ],
)  # fmt: skip
def test_bad_paths_and_queries_are_refused(client: TestClient, path: str, status: int) -> None:
    """None of them reaches the memory."""
    response = client.get(path)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] not in ("Not Found", "Method Not Allowed")


@pytest.mark.parametrize(("path", "status"), [("/livez", 200), ("/", 200), (M, 200), (f"{M}/ask", 405), ("/x", 404)])
def test_head_is_get_without_its_body(client: TestClient, path: str, status: int) -> None:
    """Balancers look at health by HEAD, and take 405 for a server that is ill."""
    found, got = client.head(path), client.get(path)
    assert found.status_code == got.status_code == status and found.content == b""
    for name in ("content-type", "content-security-policy"):
        assert found.headers[name] == got.headers[name]


def test_what_was_not_foreseen_is_told_to_the_operator_alone(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stack in the response shows a stranger how the server is made; none in the log leaves nothing to mend."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("the secret of the house")

    monkeypatch.setattr("quipu.serving.stored.barest", broken)
    response = client.get(f"{M}/coverage", headers={"x-request-id": "abc-1"})
    assert response.status_code == 500 and response.json()["code"] == "internal"
    assert "secret" not in response.text and "Traceback" not in response.text
    said = capsys.readouterr().err
    assert "request abc-1" in said and "the secret of the house" in said


def test_a_failure_in_the_engine_is_one_clients_alone(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that answers must outlive every error."""
    monkeypatch.setattr("quipu.memory.Memory.ask_many", lambda *_, **__: 1 / 0)
    assert client.post(f"{M}/ask", json={"question": "x"}).status_code == 500
    monkeypatch.undo()
    assert client.post(f"{M}/ask", json={"question": "x"}).status_code == 200


def test_an_input_error_names_the_memory_and_not_its_folder(client: TestClient, memory: Path) -> None:
    """The command line's lines name paths."""
    response = client.post(f"{M}/ask", json={"question": "x", "precision": 0.999999, "method": "span"})
    assert response.status_code == 422 and response.json()["code"] == "unusable"
    assert str(memory) not in response.text


def test_metrics_count_what_was_answered(memory: Path) -> None:
    """An operator who sees no refusals believes that there are none. No label holds a text."""
    with serving(memory) as client:
        client.post(f"{M}/ask", json={"questions": ["How long is pier 3?", "Zebra?"], "min_probability": 0.9999})
        client.post(f"{M}/ask", json={"question": ""})
        text = client.get("/metrics").text
    assert 'quipu_requests_total{route="/api/v1/{memory}/ask",status="200"} 1.0' in text
    assert 'quipu_refused_total{reason="invalid"} 1.0' in text
    answers = [line for line in text.splitlines() if line.startswith("quipu_answers_total{")]
    assert sum(float(line.split()[-1]) for line in answers) == 2
    assert "quipu_batch_size_sum 2.0" in text and "quipu_queue_size 0.0" in text and "quipu_ready 1.0" in text
    assert 'quipu_pairs{memory="harbour"} 32.0' in text
    assert "Zebra" not in text and "pier" not in text and "_created" not in text


def test_the_question_log_is_what_grow_reads(memory: Path, tmp_path: Path) -> None:
    """A log in another form would be read as empty."""
    from quipu.building.growing import refused_in
    from quipu.serving.settings import ServeSettings

    log = tmp_path / "asked.jsonl"
    with serving(memory, ServeSettings(question_log=log)) as client:
        client.post(f"{M}/ask", json={"question": "Who was the king?", "min_probability": 1.0})
        client.post(f"{M}/ask", json={"question": ASKED[1], "method": "lookup", "min_probability": 0.0})
    assert len(log.read_text().splitlines()) == 2
    assert log.stat().st_mode & 0o077 == 0
    assert [question for question, _ in refused_in(log)] == ["Who was the king?", ASKED[1]]


def test_a_new_calibration_and_a_new_folder_are_noticed(tmp_path: Path) -> None:
    """A server that answers from what it read at its start lies after every update."""
    from tests.full_memory import calibration, made
    from tests.handmade import WordEncoder

    from quipu.memory import Memory

    path = made(tmp_path / "one" / "harbour.quipu")
    with serving(path) as client:
        ask = {"question": ASKED[1], "method": "lookup", "min_probability": 0.0}
        before = client.post(f"{M}/ask", json=ask).json()
        with quipu.open(path, encoder=WordEncoder()) as writing:
            assert isinstance(writing, Memory)
            writing.keep_calibration(calibration(0.99))
        assert before["text"] == "22 metres"
        client.post(f"{M}/ask", json=ask)
        served = client.server.context.memories["harbour"]  # type: ignore[attr-defined]
        own = served.memory.own_calibration()
        assert own is not None and own.floor == 0.99
        other = tmp_path / "two" / "harbour.quipu"
        with quipu.build([], other, pairs=_pairs(tmp_path), encoder=WordEncoder()):
            pass
        path.rename(tmp_path / "old")
        other.rename(path)
        answer = client.post(f"{M}/ask", json={"question": "Who signs?", "method": "lookup", "min_probability": 0.0})
        assert answer.json()["text"] == "the office"
        assert client.get(f"{M}/pairs").json()["pairs"][0]["answer"] == "the office"


def _pairs(folder: Path) -> Path:
    file = folder / "pairs.csv"
    file.write_text("question,answer\nWho signs?,the office\n")
    return file
