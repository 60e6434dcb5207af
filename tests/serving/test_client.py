"""The client: it asks a server as one asks a folder, and says in one line what is wrong."""

from __future__ import annotations

import http.server
import json
import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from tests.full_memory import ASKED
from tests.handmade import WordEncoder
from tests.serving.conftest import ADMIN, READER, opened, wait, writer

from quipu import api, client
from quipu.cli.main import run
from quipu.errors import InputError, ServerError
from quipu.records import Answer, Dated, Document, Elsewhere, Evidence, Mark, NearestSentence, Passage, QAPair, Span
from quipu.records import StepTrace as Step
from quipu.serving.app import Server
from quipu.serving.settings import ServeSettings


@contextmanager
def listening(*paths: Path, token: str = "", admin: str = "", **more: Any) -> Iterator[str]:
    """The address of a server in a thread of this process; ``more``: of uvicorn. With ``admin`` it may write."""
    settings = ServeSettings(burst=100_000, rate=1e6, writable=bool(admin))
    environment = {"QUIPU_TOKEN": token, "QUIPU_ADMIN_TOKEN": admin}
    server = Server(list(paths), settings, environment=environment, opener=opened, writer=writer(paths[0]))
    running = uvicorn.Server(uvicorn.Config(server.app, port=0, log_config=None, ws="none", **more))
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        wait(lambda: running.started and server.engine.why_not_ready is None)
        port = running.servers[0].sockets[0].getsockname()[1]
        yield f"http{'s' if 'ssl_certfile' in more else ''}://127.0.0.1:{port}"
    finally:  # else a test that fails waits for its server for good
        running.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def url(memory: Path) -> Iterator[str]:
    with listening(memory, token=READER) as found:
        yield found


Shown = Callable[..., tuple[int, str, str]]


@pytest.fixture
def quipu(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shown:
    """The command line in this process, with handmade models: exit code, standard output, standard error."""
    monkeypatch.setenv("QUIPU_TOKEN", READER)
    real = api.open
    monkeypatch.setattr(api, "open", lambda path, **_: real(path, read_only=True, encoder=WordEncoder()))

    def ran(*arguments: object) -> tuple[int, str, str]:
        code = run([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return ran


def timeless(text: str) -> str:
    return re.sub(r'\d+\.\d+ ms|"milliseconds": [0-9.e-]+', "some ms", text)


OPTIONS = [
    (), ("--json",), ("--explain",), ("--json", "--method", "lookup", "--min-probability", "0"),
    ("--explain", "--method", "lookup", "--min-probability", "0", "-k", "3"),
    ("--prefer", "newest", "--min-probability", "0"),
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_a_server_is_asked_as_a_folder_is(
    url: str, memory: Path, tmp_path: Path, quipu: Shown, options: tuple[str, ...]
) -> None:
    """Two outputs for one memory: a script that works beside the folder breaks behind the server."""
    file = tmp_path / "questions.txt"
    file.write_text("\n".join(ASKED))
    for asked in ([ASKED[1]], ["--questions", file]):
        code, known, said = quipu("ask", memory, *asked, *options)
        assert code == 0 and known, said
        code, found, said = quipu("ask", f"{url}/harbour", *asked, *options)
        assert (code, timeless(found)) == (0, timeless(known)), said


def test_the_functions_give_what_the_memory_gives(url: str, memory: Path) -> None:
    """``Answer`` for ``Answer``, more of them than a request takes."""
    many = [*ASKED, *(f"How long is pier {n}?" for n in range(70))]
    with opened(memory) as direct:
        known = direct.ask_many(many, method="lookup", min_probability=0.0)
    found = client.ask_many(f"{url}/harbour", many, token=READER, method="lookup", min_probability=0.0)
    assert [_plain(answer) for answer in found] == [_plain(answer) for answer in known]
    one = client.ask(url, ASKED[1], token=READER, method="lookup", min_probability=0.0)
    assert _plain(one) == _plain(known[1]) and one.evidence[0].quote == "22 metres"
    assert client.ask_many(url, [], token=READER) == []


def _plain(answer: Answer) -> object:
    return json.loads(json.dumps(replace(answer, milliseconds=0.0).to_json()))


def test_json_is_an_answer_again() -> None:
    """What is lost on the way is missing only from what users of a server see: a place, a block, a date."""
    text = "Piers\n\nPier 3 is long. It has 22 metres.\nPier 4 | 29 metres"
    marks = (
        Mark(Span(0, 5), "heading", 2, 1, 1), Mark(Span(7, 40), "paragraph", 0, 1, 3),
        Mark(Span(41, 59), "row", 0, 2, 4),
    )  # fmt: skip
    document = Document.make("piers.md", "Piers", text, marks=marks)
    passage = Passage.make(document, Span(0, len(text)))
    pair = QAPair.make("How long is pier 3?", "22 metres", span=Span(30, 39), origin="generated")
    over_both = Evidence(pair, passage, Span(30, 47), 0.5, "piers.md", text[30:47])
    within = Evidence(None, passage, Span(30, 39), 0.5, "piers.md", text[30:39])
    ready = Evidence(QAPair.make("q", "a", origin="imported", line=7), None, None, 0.1, "ready.csv")
    whole = Evidence(None, passage, None, 0.0, "piers.md")
    answer = Answer(
        "How long is pier 3?", "22 metres", 0.9, None, (over_both, within, ready, whole), "lookup", "said", 1.5, "held",
        (Step("lookup", "22 metres", 0.9, "sure", 1.0, None),), True,
        NearestSentence("It has 22 metres.", "piers.md", "Piers", 23, 40, 1, 3, ("Piers",)), Dated("2024", "file"),
        (Elsewhere("23 metres", ready, Dated("2023-01", "added"), False), Elsewhere("x", within)),
    )  # fmt: skip
    again = client.answer_of(json.loads(json.dumps(answer.to_json())))
    assert again.to_json() == answer.to_json()
    assert [item.place for item in again.evidence] == [item.place for item in answer.evidence]
    from quipu.cli.ask import _sentence

    assert [_sentence(item) for item in again.evidence[:2]] == [_sentence(item) for item in answer.evidence[:2]]
    assert _sentence(within) == "It has »22 metres«."


class _Elsewhere(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        if self.path.startswith("/moved"):
            self.send_response(307)
            self.send_header("location", "http://localhost:1/api/v1/x/ask")
            self.send_header("content-length", "0")
            self.end_headers()
            return
        body = b"<html>" if self.path.startswith("/page") else b'{"question": "x"}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None: ...


def test_what_is_wrong_is_one_line(
    url: str, memory: Path, tmp_path: Path, quipu: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, and how to mend it; a traceback of a socket helps nobody, and a token never follows a redirect."""
    other = http.server.HTTPServer(("127.0.0.1", 0), _Elsewhere)
    thread = threading.Thread(target=other.serve_forever)
    thread.start()
    elsewhere = f"http://127.0.0.1:{other.server_port}"
    monkeypatch.setattr(client, "PATIENCE", 0.0)

    def fails(address: str, *options: object, said: str) -> None:
        code, found, error = quipu("ask", address, "How long is pier 3?", *options)
        assert (code, found) == (2, "") and len(error.splitlines()) == 1 and said in error, error

    try:
        fails("http://127.0.0.1:1/x", said="is `quipu serve` running?")
        fails("http://no.such.host.invalid/x", said="no server can be reached")
        fails("https" + url.removeprefix("http") + "/harbour", said="no safe connection")
        fails(f"{elsewhere}/page/x", said="no quipu server (status 200)")
        fails(f"{elsewhere}/x", said="not those of this version")
        fails(f"{elsewhere}/moved/x", said="leads to http://localhost:1")
        fails(f"{url}/nothing", said="no memory of this name")
        fails("http://:80/x", said="not the address of a server")
        fails("http://localhost:99999/x", said="not the address of a server")
        fails(f"{url}/harbour?x", said="not the address of a server")
        fails(f"{url}/harbour", "-k", 201, said="/k")
        fails(f"{url}/harbour", "--set", "read_pairs=3", said="--set is for a memory in a folder")
        monkeypatch.setenv("QUIPU_TOKEN", "a wrong token of a test")
        fails(f"{url}/harbour", said="QUIPU_TOKEN is not known there")
        monkeypatch.setenv("QUIPU_TOKEN", "a token\nof two lines")
        fails(f"{url}/harbour", said="characters that no token has")
        monkeypatch.delenv("QUIPU_TOKEN")
        fails(f"{url}/harbour", said="a token is needed, in QUIPU_TOKEN")
    finally:
        other.shutdown()
        thread.join()
        other.server_close()


def test_the_server_is_asked_which_memory_it_has(memory: Path, tmp_path: Path) -> None:
    """Guessing would answer from the wrong one."""
    shutil.copytree(memory, tmp_path / "quay.quipu")
    with listening(memory, tmp_path / "quay.quipu") as url:
        for address in (url, f"{url}/"):
            with pytest.raises(
                InputError, match=r"say which memory, as http.*[0-9]/NAME; the server has harbour, quay"
            ):
                client.ask(address, "Who?", token="")
        answer = client.ask(f"{url}/quay", ASKED[1], token="", method="lookup", min_probability=0.0)
        assert answer.text == "22 metres"


def test_a_busy_server_is_asked_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand questions of a file must not stop at the first 429; and no client may wait for good."""
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    calls = iter([True, True])
    real = client.Service._exchange

    def busy(service: client.Service, *arguments: object) -> object:
        if next(calls, False):
            problem = {"code": "queue_full", "detail": "512 questions are waiting"}
            return 429, {"retry-after": "3"}, json.dumps(problem).encode()
        return real(service, *arguments)

    monkeypatch.setattr(client.Service, "_exchange", busy)
    assert client.ask(url, ASKED[1], token=READER).question == ASKED[1]
    assert waited == [3.0] or waited == [3.0, 3.0]
    calls = iter([True] * 100)
    monkeypatch.setattr(client, "PATIENCE", 1.0)
    with pytest.raises(ServerError, match="512 questions are waiting") as caught:
        client.ask(url, ASKED[1], token=READER)
    assert caught.value.code == "queue_full"


def test_answers_of_a_server_are_marked_at_the_prompt(
    memory: Path, url: str, tmp_path: Path, quipu: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of a folder are. "right" that is asked as a question, or noted nowhere, teaches nothing."""
    copied = Path(shutil.copytree(memory, tmp_path / "harbour.quipu"))

    def prompted(address: str, *lines: str) -> list[str]:
        given = iter([*lines, "exit"])
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("builtins.input", lambda _: next(given))
        code, found, said = quipu("ask", address, "--method", "lookup", "--min-probability", 0)
        assert code == 0
        return [found, *said.splitlines()[1:]]

    with listening(copied, token=READER, admin=ADMIN) as writable:
        _, *said = prompted(f"{writable}/harbour", ASKED[1], "wrong", ASKED[1], "wrong")
        assert said == ["quipu: noted; it will not be given to this question again"] * 2
    with opened(copied) as left:
        marked = {mark.answer: mark.right for mark in left.feedback()}
    assert marked == {"15 metres": False, "3 rooms": True, "22 metres": False, "5 rooms": False}  # two were there
    _, said_no = prompted(f"{url}/harbour", ASKED[1], "right")
    assert "without --writable" in said_no


def test_a_question_that_is_too_long_for_a_server_is_named(url: str, tmp_path: Path, quipu: Shown) -> None:
    """The others of the file are answered."""
    file = tmp_path / "questions.txt"
    file.write_text(f"{'why ' * 600}\n{ASKED[1]}\n")
    code, found, said = quipu("ask", f"{url}/harbour", "--questions", file, "--json")
    assert code == 0 and len(found.splitlines()) == 1 and "line 1: longer than a question may be (2,000" in said


def test_over_tls_and_behind_a_proxy_that_strips_a_path(
    memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that nobody vouches for is refused; health needs no token below a path either."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    made += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key)]
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    subprocess.run([*made, "-out", str(certificate)], check=True, capture_output=True)
    with listening(memory, token=READER, root_path="/q", ssl_keyfile=key, ssl_certfile=certificate) as url:
        with pytest.raises(ServerError, match="no safe connection"):
            client.ask(f"{url}/harbour", ASKED[1], token=READER)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        answer = client.ask(f"{url}/harbour", ASKED[1], token=READER, method="lookup", min_probability=0.0)
        assert answer.text == "22 metres"
        health = httpx2.get(f"{url}/readyz", verify=ssl.create_default_context(cafile=str(certificate)))
        assert health.status_code == 200
    with pytest.raises(InputError, match=r"--ssl-certfile .* cannot be used"):
        Server([memory], ServeSettings(ssl_keyfile=tmp_path / "none", ssl_certfile=certificate), opener=opened)
