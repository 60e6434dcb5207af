"""Data sets from a server: resumed, checked, and refused where they are another file than before."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from quipu.cli.main import run
from quipu.datasets.fetch import fetch
from quipu.datasets.sources import Source, source, sources
from quipu.errors import InputError, SettingsError

TEXT = bytes(range(256)) * 3000
SHA = hashlib.sha256(TEXT).hexdigest()


class Home(ThreadingHTTPServer):
    """A server of one file; ``breaks``: so many answers end half-way. ``asked``: the Range of each request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.content, self.mark, self.breaks = TEXT, '"one"', 0
        self.asked: list[str | None] = []

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Answers(BaseHTTPRequestHandler):
    server: Home

    def do_GET(self) -> None:
        home, wanted = self.server, self.headers.get("Range")
        home.asked.append(wanted)
        if self.path != "/a.jsonl":
            self.send_error(404)
            return
        whole = wanted is None or self.headers.get("If-Range") != home.mark
        start = 0 if whole or wanted is None else int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start == len(home.content):
            self.send_error(416)
            return
        self.send_response(200 if whole else 206)
        self.send_header("ETag", home.mark)
        self.send_header("Content-Length", str(len(home.content) - start))
        self.end_headers()
        rest = home.content[start:]
        if home.breaks:
            home.breaks -= 1
            rest = rest[: len(rest) // 2]
        self.wfile.write(rest)

    def log_message(self, *words: object) -> None:
        """Silent."""


@pytest.fixture
def home() -> Iterator[Home]:
    with Home() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def of(home: Home, **fields: object) -> Source:
    """A set of one file at that server."""
    values = {"use": "", "licence": "", "home": home.base, "base": home.base, "files": {"a.jsonl": "a.jsonl"}}
    return Source(**(values | fields))  # type: ignore[arg-type]


def test_a_hash_that_nobody_knew_is_noted_and_compared_the_next_time(home: Home, tmp_path: Path) -> None:
    """A file that changed at its home would silently move every figure."""
    events: list[dict[str, object]] = []
    (first,) = fetch("x", of(home), tmp_path, events.append)
    assert (first.sha256, first.known_by, first.came) == (SHA, "nothing", True)
    assert first.path == tmp_path / "x" / "a.jsonl" and first.path.read_bytes() == TEXT
    assert events[-1] == {"stage": "x/a.jsonl", "done": len(TEXT), "total": len(TEXT), "unit": "bytes"}
    assert json.loads((tmp_path / "x" / "fetched.json").read_text()) == {"a.jsonl": SHA}
    (again,) = fetch("x", of(home), tmp_path)
    assert (again.known_by, again.came) == ("note", False) and len(home.asked) == 1
    first.path.unlink()
    home.content = TEXT + b"!"
    with pytest.raises(InputError, match=r"not .*that of an earlier fetch.* which was not kept"):
        list(fetch("x", of(home), tmp_path))
    assert not first.path.exists()
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == ["fetched.json"]


def test_a_listed_hash_is_kept_to(home: Home, tmp_path: Path) -> None:
    """The list must win over what lies there, and a wrong file must not be taken for the right one."""
    (found,) = fetch("x", of(home, sha256={"a.jsonl": SHA}), tmp_path)
    assert found.known_by == "list"
    found.path.write_bytes(b"spoilt")
    with pytest.raises(InputError, match=r"a\.jsonl: its sha256 is .*quipu's list; remove it to get it anew"):
        list(fetch("x", of(home, sha256={"a.jsonl": SHA}), tmp_path))
    assert found.path.read_bytes() == b"spoilt"  # it is the user's


def test_a_download_that_broke_off_goes_on(home: Home, tmp_path: Path) -> None:
    """Gigabytes would begin anew; and the rest of another version must never be put behind the first half."""
    home.breaks = 1
    with pytest.raises(InputError, match=r"broken off after 384,000 of 768,000 bytes; run it again"):
        list(fetch("x", of(home), tmp_path))
    (found,) = fetch("x", of(home), tmp_path)
    assert found.sha256 == SHA and home.asked == [None, "bytes=384000-"]
    found.path.unlink()
    (tmp_path / "x" / "fetched.json").unlink()
    home.breaks = 1
    with pytest.raises(InputError, match="broken off"):
        list(fetch("x", of(home), tmp_path))
    home.content, home.mark = b"quite another", '"two"'
    (found,) = fetch("x", of(home), tmp_path)
    assert found.path.read_bytes() == b"quite another"


def test_a_part_that_is_whole_is_no_dead_end(home: Home, tmp_path: Path) -> None:
    """A kill between the last byte and the renaming would make every later fetch fail."""
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "a.jsonl.part").write_bytes(TEXT)
    (folder / "a.jsonl.part.version").write_text('"one"')
    (found,) = fetch("x", of(home), tmp_path)
    assert found.sha256 == SHA and home.asked == ["bytes=768000-", None]


def test_errors_say_what_to_do(home: Home, tmp_path: Path) -> None:
    """Without network, with a wrong address, and of a set that is not to be had."""
    with pytest.raises(InputError, match=r"gone: the server says 404 Not Found"):
        list(fetch("x", of(home, files={"a.jsonl": "gone"}), tmp_path))
    nowhere = of(home, base="http://127.0.0.1:9/")
    with pytest.raises(InputError, match=r"cannot be reached \(.*\); check the network"):
        list(fetch("x", nowhere, tmp_path))
    with pytest.raises(InputError, match=r"x cannot be fetched: .*\(by hand\) of what http"):
        list(fetch("x", of(home, files={}, made="by hand"), tmp_path))


def test_the_list_is_whole() -> None:
    """An address without https could be tampered with; a hash of a file that is not fetched would never be compared."""
    for name, item in sources().items():
        assert item.use and item.licence and item.home, name
        assert bool(item.files) == bool(item.base) and (item.files or item.made), name
        assert set(item.sha256) <= set(item.files), name
        assert all(len(digest) == 64 for digest in item.sha256.values())
        assert all(urlsplit(item.base + path).scheme == "https" for path in item.files.values())
    with pytest.raises(SettingsError, match="did you mean squad"):
        source("sqad")


def test_the_verbs(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is printed must name the file and whether its hash was known."""
    monkeypatch.setattr("quipu.datasets.sources.sources", lambda: {"x": of(home, licence="MIT", use="a test")})
    assert run(["datasets", "fetch", "x", "--to", str(tmp_path)]) == 0
    assert f"a.jsonl  sha256 {SHA}  (noted: no hash of it was known)" in capsys.readouterr().out
    assert run(["datasets", "list", "--to", str(tmp_path), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["name"], row["how"], row["there"], row["licence"]) == ("x", "fetch", 1, "MIT")
    assert run(["datasets", "fetch", "y"]) == 2
    assert "'y' is no data set of quipu" in capsys.readouterr().err
