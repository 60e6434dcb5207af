"""The page's files: what they may hold, under which headers they are sent, and that nobody needs a token for them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.testclient import TestClient
from tests.serving.conftest import READER, serving, wait

from quipu.cli.main import run
from quipu.serving.settings import ServeSettings
from quipu.serving.web import FILES, PATHS

PAGE = Path(__file__).parents[2] / "src/quipu/serving/page"
SINKS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|setHTML|document\.write|createContextualFragment|DOMParser|srcdoc|\beval\b"
    r"|new Function|set(?:Timeout|Interval)\(\s*[\"'`]|javascript:|createPolicy|\.(?:href|src)\s*=|localStorage|cookie"
)


def test_no_script_can_make_markup_of_text() -> None:
    """One innerHTML, and a document's title is a program."""
    scripts = sorted(PAGE.glob("*.js"))
    assert len(scripts) > 1
    for script in scripts:
        assert SINKS.findall(script.read_text()) == [], script.name


def test_the_page_holds_no_script_or_style_of_its_own() -> None:
    """The browser would not run it, and whoever then allows it allows everybody's."""
    text = (PAGE / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\son[a-z]+=", text) == []
    assert set(re.findall(r"""(?:src|href)="([^"]*)""", text)) <= {path.removeprefix("/") for path in PATHS}
    for file in PAGE.iterdir():
        found = re.findall(r"https?://[^\s\"']+|url\(|@import", file.read_text())
        assert found == (["http://www.w3.org/2000/svg"] if file.suffix == ".svg" else []), file.name


def test_the_page_is_small() -> None:
    """It is in the wheel of everybody, and is read by those who want to know what it does."""
    assert sum(len(content) for content in FILES.values()) <= 60_000
    assert {file.name for file in PAGE.iterdir()} == set(FILES)


def test_it_is_sent_under_strict_rules(client: TestClient) -> None:
    """Without these headers the last lock is only that nobody ever wrote a wrong line of JavaScript."""
    for path in PATHS:
        response = client.get(path)
        assert response.status_code == 200 and response.content == FILES[path.rpartition("/")[2] or "index.html"]
        rules = dict(rule.partition(" ")[::2] for rule in response.headers["content-security-policy"].split("; "))
        nothing = dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'")
        own = dict.fromkeys(("script-src", "style-src", "img-src", "connect-src"), "'self'")
        assert rules == {**nothing, **own, "require-trusted-types-for": "'script'"}
        assert len(response.headers.get_list("content-security-policy")) == 1
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["cross-origin-opener-policy"] == "same-origin"
        assert response.headers["cache-control"] == "no-cache"
    assert client.get("/").headers["content-type"].startswith("text/html")
    assert client.get("/page/app.js").headers["content-type"].startswith("text/javascript")
    assert "script-src" not in client.get("/livez").headers["content-security-policy"]


@pytest.mark.parametrize("name", ["%2e%2e%2fweb.py", "none.js", "..%5cweb.py"])
def test_nothing_else_is_sent(client: TestClient, name: str) -> None:
    """A name that becomes a path gives away the server's own files."""
    assert client.get(f"/page/{name}").status_code == 404


def test_the_page_comes_before_the_token(memory: Path) -> None:
    """A browser sends no token when it opens an address: the page that asks for it would never be seen."""
    with serving(memory, reader=READER) as client:
        assert {client.get(path).status_code for path in PATHS} == {200}
        assert client.get("/api/v1/memories").status_code == 401


def test_a_proxy_may_strip_a_prefix(memory: Path) -> None:
    """Behind ``--root-path`` the paths that need no token are none any more, and nothing loads."""
    with serving(memory, ServeSettings(root_path="/answers"), reader=READER) as client:
        behind = TestClient(client.app, base_url="http://localhost", root_path="/answers")
        assert behind.get("/answers/page/app.js").status_code == 200
        assert behind.get("/answers/livez").status_code == 200
        answer = behind.get("/answers/api/v1/memories")
        assert answer.status_code == 401 and answer.headers["cache-control"] == "no-store"


def test_open_opens_the_page(
    memory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Before the server listens the browser would show that nothing is there; and no browser reaches a Unix socket."""
    seen: list[str] = []

    def listens(_: object, started: Callable[[str], None]) -> None:
        seen.append("listens")
        started("http://x:1")

    monkeypatch.setattr("webbrowser.open", seen.append)
    monkeypatch.setattr("quipu.serving.app.Server", lambda *_: SimpleNamespace(context=SimpleNamespace(memories=())))
    monkeypatch.setattr("quipu.serving.run.run", listens)
    assert run(["serve", str(memory), "--open"]) == 0
    wait(lambda: seen == ["listens", "http://x:1"])
    assert run(["serve", str(memory), "--open", "--uds", str(tmp_path / "socket")]) == 2
    assert "--uds" in capsys.readouterr().err and len(seen) == 2
