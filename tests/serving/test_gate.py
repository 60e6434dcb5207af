"""Who comes in: tokens, scopes, rates, origins, hosts, and bodies that are too long or too slow."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.serving.conftest import ADMIN, READER, opened, serving, wait

from quipu.errors import InputError, QuipuError
from quipu.serving import gate
from quipu.serving.app import Server
from quipu.serving.limits import Buckets
from quipu.serving.settings import ServeSettings
from quipu.serving.tokens import Keyring, new_token, read_tokens, revoke_token

M = "/api/v1/harbour"


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_the_file_of_tokens_holds_no_token(tmp_path: Path) -> None:
    """Whoever reads a backup must not be able to ask with it."""
    file = tmp_path / "tokens.jsonl"
    secret, token = new_token(file, "read", ["harbour"])
    other, _ = new_token(file, "admin")
    assert secret not in file.read_text() and secret.removeprefix("quipu_") not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    keyring = Keyring(file, {})
    assert keyring.find(secret) == token and token.allows("harbour") and not token.allows("canal")
    found = keyring.find(other)
    assert found is not None and found.scope == "admin" and found.allows("canal")
    assert keyring.find(secret[:-1]) is None and keyring.find("") is None and keyring.find("é\ud800") is None


def test_a_token_that_is_revoked_opens_nothing_more(tmp_path: Path) -> None:
    """A server that must be restarted for it leaves the door open until somebody does."""
    file = tmp_path / "tokens.jsonl"
    secret, token = new_token(file, "read")
    kept, _ = new_token(file, "read")
    keyring = Keyring(file, {})
    assert keyring.find(secret)
    assert revoke_token(file, token.id[:6]).id == token.id
    assert keyring.find(secret) is None and keyring.find(kept)
    file.unlink()
    assert keyring.find(kept) is None
    with pytest.raises(InputError, match="no token's id begins"):
        revoke_token(_with_one(file), "zz")


def _with_one(file: Path) -> Path:
    new_token(file, "read")
    return file


BROKEN = [
    "{", "[]", '{"id": "a"}', '{"id":"a","sha256":"zz","scope":"read","memories":null,"created":""}',
    '{"id":"a","sha256":"' + "0" * 64 + '","scope":"root","memories":null,"created":""}',
]  # fmt: skip


@pytest.mark.parametrize("line", BROKEN)
def test_a_line_that_is_no_token_is_named(tmp_path: Path, line: str) -> None:
    """Passing over it would lock out its owner without a word."""
    file = tmp_path / "tokens"
    file.write_text(line + "\n")
    with pytest.raises(InputError, match="tokens, line 1"):
        read_tokens(file)


def test_a_short_secret_of_the_environment_is_refused() -> None:
    """Plain digests are only safe for what cannot be guessed."""
    with pytest.raises(InputError, match="QUIPU_TOKEN has 6 characters"):
        Keyring(None, {"QUIPU_TOKEN": "secret"})


def test_scopes_and_memories(memory: Path, tmp_path: Path) -> None:
    """A token for one memory must not show that another is there; one for reading must not write."""
    file = tmp_path / "tokens"
    foreign, _ = new_token(file, "admin", ["canal"])
    settings = ServeSettings(token_file=file, writable=True)
    with serving(memory, settings, admin=ADMIN, reader=READER) as client:
        assert client.get("/livez").status_code == client.get("/readyz").status_code == 200
        assert client.get("/readyz").json()["memories"] == []
        for path in (M, f"{M}/pairs", "/metrics", "/openapi.json", "/api/v1/memories", "/nowhere"):
            response = client.get(path)
            assert response.status_code == 401 and response.headers["www-authenticate"].startswith("Bearer"), path
        assert client.get(M, headers=bearer("wrong")).status_code == 401
        assert client.get(M, headers={"authorization": "Basic eDp5"}).status_code == 401
        assert client.get(M, headers=bearer(READER)).status_code == 200
        assert client.get(M, headers=bearer(foreign)).status_code == 404
        assert client.get("/api/v1/memories", headers=bearer(foreign)).json() == {"memories": []}
        pair = {"pairs": [{"question": "a", "answer": "b"}]}
        assert client.post(f"{M}/pairs", json=pair, headers=bearer(READER)).json()["code"] == "wrong_scope"
        assert client.post(f"{M}/pairs", json=pair, headers=bearer(foreign)).status_code == 404
        assert client.put(f"{M}/documents/a.md", content=b"x", headers=bearer(READER)).status_code == 403
        assert client.get("/api/v1/jobs/0000000000000000", headers=bearer(READER)).status_code == 403
        assert client.get("/api/v1/jobs/0000000000000000", headers=bearer(ADMIN)).status_code == 404


def test_nothing_is_written_without_being_asked_for(memory: Path) -> None:
    """An admin's token alone does not make a server writable."""
    with serving(memory, admin=ADMIN) as client:
        assert client.get(M).status_code == 200  # reading is open on this machine, and no token for it is known
        pair = {"pairs": [{"question": "a", "answer": "b"}]}
        assert client.post(f"{M}/pairs", json=pair, headers=bearer(ADMIN)).json()["code"] == "read_only"
        assert client.post(f"{M}/pairs", json=pair).status_code == 401
        assert client.get(M, headers=bearer("wrong")).status_code == 401
    assert not (memory / "serving").exists()


@pytest.mark.parametrize(
    "settings",
    [ServeSettings(host="0.0.0.0"), ServeSettings(host="192.0.2.1"), ServeSettings(public_url="https://a.example"),
     ServeSettings(writable=True)],
)  # fmt: skip
def test_the_world_is_not_let_in_by_mistake(memory: Path, settings: ServeSettings) -> None:
    """An address beyond this machine without tokens publishes every document."""
    with pytest.raises(QuipuError, match="quipu token new") as caught:
        Server([memory], settings, environment={}, opener=opened)
    assert caught.value.exit_code == 2


def test_a_bucket_fills_with_the_time() -> None:
    """Two at once and one every half second."""
    now = [0.0]
    buckets = Buckets(2.0, 2, lambda: now[0])
    assert [buckets.take("a") for _ in range(3)] == [0.0, 0.0, 0.5]
    assert buckets.take("b") == 0.0
    now[0] = 0.25
    assert buckets.take("a") == 0.25
    now[0] = 0.5
    assert buckets.take("a") == 0.0
    now[0] = 100.0
    assert [buckets.take("a") for _ in range(3)] == [0.0, 0.0, 0.5]


def test_rates(memory: Path) -> None:
    """One token must not take the whole server; wrong ones are not tried without an end."""
    with serving(memory, ServeSettings(rate=0.01, burst=3), reader=READER) as client:
        assert [client.get(M, headers=bearer(READER)).status_code for _ in range(4)] == [200, 200, 200, 429]
        response = client.get(M, headers=bearer(READER))
        assert int(response.headers["retry-after"]) > 1 and response.json()["code"] == "rate_limited"
        wrong = [client.get(M, headers=bearer(f"wrong {n}")).status_code for n in range(14)]
        assert wrong[:10] == [401] * 10 and wrong[12:] == [429, 429]
        assert client.get("/livez").status_code == 200


ORIGINS = [
    ({}, 200), ({"sec-fetch-site": "same-origin"}, 200), ({"sec-fetch-site": "none"}, 200),
    ({"sec-fetch-site": "cross-site"}, 403), ({"sec-fetch-site": "same-site"}, 403),
    ({"origin": "http://localhost"}, 200), ({"origin": "http://evil.example"}, 403), ({"origin": "null"}, 403),
    ({"origin": "http://localhost", "sec-fetch-site": "cross-site"}, 403),
    ({"origin": "https://friend.example", "sec-fetch-site": "cross-site"}, 200),
]  # fmt: skip


def test_foreign_pages_change_nothing(memory: Path) -> None:
    """A browser sends what any page tells it to, to this machine too."""
    with serving(memory, ServeSettings(cors=("https://friend.example",))) as client:
        for headers, status in ORIGINS:
            response = client.post(f"{M}/search", json={"question": "x"}, headers=headers)
            assert response.status_code == status, headers
        allowed = client.get("/livez", headers={"origin": "https://friend.example"})
        assert allowed.headers["access-control-allow-origin"] == "https://friend.example"
        foreign = client.get("/livez", headers={"origin": "http://evil.example"})
        assert "access-control-allow-origin" not in foreign.headers
        asked = {"origin": "https://friend.example", "access-control-request-method": "POST"}
        assert client.options(f"{M}/ask", headers=asked).status_code == 200
        assert client.options(f"{M}/ask", headers=asked | {"origin": "http://evil.example"}).status_code == 400


def test_without_cors_no_page_is_let_in(memory: Path) -> None:
    """Not even to read."""
    with serving(memory) as client:
        response = client.get(M, headers={"origin": "http://evil.example"})
        assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost", 200), ("localhost:8765", 200), ("127.0.0.1:1", 200), ("[::1]:80", 200), ("LOCALHOST", 200),
     ("evil.example", 421), ("localhost.evil.example", 421), ("127.0.0.1.evil.example:80", 421), ("", 400)],
)  # fmt: skip
def test_only_its_own_names(client: Any, host: str, status: int) -> None:
    """A foreign name that leads here (DNS rebinding) makes a foreign page same-origin."""
    assert client.get("/livez", headers={"host": host}).status_code == status


def test_a_public_address_and_any_address(memory: Path) -> None:
    """Behind a proxy the proxy's name; on every address the addresses, which no page can rebind."""
    with serving(memory, ServeSettings(public_url="https://a.example"), reader=READER) as client:
        assert client.get("/livez", headers={"host": "a.example"}).status_code == 200
        assert client.get("/livez", headers={"host": "10.1.2.3"}).status_code == 421
    with serving(memory, ServeSettings(host="0.0.0.0"), reader=READER) as client:
        assert client.get("/livez", headers={"host": "10.1.2.3:8765"}).status_code == 200
        assert client.get("/livez", headers={"host": "a.example"}).status_code == 421


def test_every_response_has_the_headers_of_safety(client: Any) -> None:
    """One that lacks them is the one that is attacked."""
    bad = client.get("/livez", headers={"host": "evil.example"})
    for response in (client.get("/livez"), client.get(M), client.get("/nowhere"), bad, client.post(f"{M}/ask")):
        assert response.headers["content-security-policy"].startswith("default-src 'none'")
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["cross-origin-opener-policy"] == "same-origin"
        assert response.headers["x-request-id"]
        assert response.headers["server-timing"].startswith("queue;dur=")
    assert client.get(M).headers["cache-control"] == "no-store"
    assert client.get("/livez", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert client.get("/livez", headers={"x-request-id": "a b"}).headers["x-request-id"] != "a b"
    assert client.post(f"{M}/ask", content=b"{}", headers={"content-type": "text/plain"}).status_code == 415


async def sent(server: Server, method: str, path: str, chunks: AsyncIterator[bytes], headers: dict[str, str]) -> Any:
    """Status and problem of a request whose body comes in chunks, without a length."""
    status, body = 0, b""

    async def receive() -> dict[str, Any]:
        async for chunk in chunks:
            return {"type": "http.request", "body": chunk, "more_body": True}
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status, body
        status = message.get("status", status)
        body += message.get("body", b"")

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "headers": [(k.encode(), v.encode()) for k, v in {"host": "localhost", **headers}.items()],
    }  # fmt: skip
    await server.app(scope, receive, send)
    return status, json.loads(body)


JSON = {"content-type": "application/json"}


def endless(seen: list[int], pause: float = 0.0) -> Callable[[], AsyncIterator[bytes]]:
    async def chunks() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(pause)
            seen[0] += 1_000
            yield b" " * 1_000

    return chunks


def test_a_body_is_refused_before_it_is_read_whole(memory: Path) -> None:
    """A body without an end, or one that only says that it is long, must not fill the memory."""
    seen = [0]
    with serving(memory, ServeSettings(max_body=10_000)) as client:
        status, problem = asyncio.run(sent(client.server, "POST", f"{M}/ask", endless(seen)(), JSON))  # type: ignore[attr-defined]
        assert (status, problem["code"]) == (413, "too_large") and seen[0] == 11_000
        said = asyncio.run(
            sent(client.server, "POST", f"{M}/ask", endless(seen)(), {**JSON, "content-length": "10001"})  # type: ignore[attr-defined]
        )
        assert said[0] == 413 and seen[0] == 11_000
        bad = asyncio.run(sent(client.server, "POST", f"{M}/ask", endless(seen)(), {**JSON, "content-length": "-1"}))  # type: ignore[attr-defined]
        assert bad[0] == 413 and seen[0] == 11_000


def test_an_upload_is_counted_and_leaves_nothing(memory: Path, tmp_path: Path) -> None:
    """Chunk by chunk, against its own limit; a stranger's is not read at all."""
    import shutil

    path = tmp_path / "harbour.quipu"
    shutil.copytree(memory, path)
    seen = [0]
    settings = ServeSettings(max_upload=10_000, writable=True)
    with serving(path, settings, admin=ADMIN, command=["true"]) as client:
        target = f"{M}/documents/long.txt"
        status, _ = asyncio.run(sent(client.server, "PUT", target, endless(seen)(), {}))  # type: ignore[attr-defined]
        assert status == 401 and seen[0] == 0
        status, problem = asyncio.run(sent(client.server, "PUT", target, endless(seen)(), bearer(ADMIN)))  # type: ignore[attr-defined]
        assert (status, problem["code"]) == (413, "too_large") and seen[0] == 11_000
    assert list((path / "serving" / "incoming").iterdir()) == []


def test_a_body_that_trickles_is_given_up(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few hundred of them would hold every connection."""
    monkeypatch.setattr(gate, "BODY_SECONDS", 0.05)
    with serving(memory, ServeSettings(max_body=10_000)) as client:
        status, problem = asyncio.run(sent(client.server, "POST", f"{M}/ask", endless([0], 0.02)(), JSON))  # type: ignore[attr-defined]
    assert (status, problem["code"]) == (408, "slow_body")


def test_a_client_that_leaves_takes_its_questions_along(memory: Path) -> None:
    """Else an impatient reload doubles the work."""
    with serving(memory) as client:
        server: Server = client.server  # type: ignore[attr-defined]
        engine = server.engine
        body = json.dumps({"question": "Is anybody there?"}).encode()

        async def leave() -> None:
            messages: list[dict[str, Any]] = [
                {"type": "http.request", "body": body, "more_body": False}, {"type": "http.disconnect"}
            ]  # fmt: skip

            async def receive() -> dict[str, Any]:
                return messages.pop(0)

            async def send(_: Any) -> None:
                return None

            scope = {
                "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
                "path": f"{M}/ask", "raw_path": b"", "query_string": b"", "root_path": "", "client": None,
                "server": None, "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
            }  # fmt: skip
            await server.app(scope, receive, send)

        taking, engine._take = engine._take, lambda: []  # type: ignore[method-assign]
        asyncio.run(leave())
        assert engine.size == 1
        engine._take = taking  # type: ignore[method-assign]
        wait(lambda: engine.size == 0)
        asked = client.get("/metrics").text
    assert "quipu_batch_size_count 0.0" in asked
