"""Ask a server (``quipu serve``) as one asks a memory: ``ask`` and ``ask_many``, which give the same ``Answer``.

It stands on the standard library alone, so that a base install can ask. A redirect is not followed, for the token
would go along.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from quipu.errors import InputError, ServerError
from quipu.records import Answer, Dated, Elsewhere, Evidence, Heading, Mark, NearestSentence, Passage, QAPair, Span
from quipu.records import StepTrace as Step
from quipu.text import from_json

QUESTIONS = 64
"""Questions in one request."""
TOKEN = "QUIPU_TOKEN"
"""The variable of the environment that holds the token."""
PATIENCE = 60.0
"""Seconds that a request is tried again where the server says that it is too busy, or not ready yet."""
_CONNECT = 10.0  # seconds
_LATER = ("queue_full", "rate_limited", "not_ready", "deadline")  # what passes by itself
_HEADERS = {"content-type": "application/json", "accept": "application/json", "user-agent": "quipu"}


def ask(
    url: str, question: str, *, token: str | None = None, timeout: float = 600.0, **options: Any
) -> Answer:  # fmt: skip
    """Answer one question: ``Memory.ask`` over the network.

    ``url``: "http://host:port/memory"; without the memory's name where the server has only one. ``token``: without it
    QUIPU_TOKEN of the environment. ``timeout``: seconds. ``options``: those of the API, as ``method`` or
    ``min_probability``. InputError for a URL that cannot be one, ServerError where the server refuses or is not there.
    """
    return ask_many(url, [question], token=token, timeout=timeout, **options)[0]


def ask_many(
    url: str, questions: Sequence[str], *, token: str | None = None, timeout: float = 600.0, **options: Any
) -> list[Answer]:  # fmt: skip
    """Answer several questions, 64 in a request; in order. Otherwise as ``ask``."""
    with Service(url, token=token, timeout=timeout) as service:
        parts = [questions[at : at + QUESTIONS] for at in range(0, len(questions), QUESTIONS)]
        return [answer_of(row) for part in parts for row in service.ask(part, options)]


class Service:
    """A memory that a server answers for, over one connection that is kept."""

    def __init__(self, url: str, *, token: str | None = None, timeout: float = 600.0) -> None:
        """As ``ask`` takes them; nothing is sent yet."""
        self.url = url
        parts = urlsplit(url)
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or parts.username:
            raise InputError(f"{url}: not the address of a server, such as http://localhost:8765/docs")
        self._token = os.environ.get(TOKEN, "") if token is None else token
        if not self._token.isascii() or not (self._token.isprintable()):
            raise InputError(f"the token for {url} holds characters that no token has; see {TOKEN}")
        self._timeout = timeout
        self._connection: http.client.HTTPConnection = (
            http.client.HTTPSConnection(host, port, timeout=_CONNECT)
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, port, timeout=_CONNECT)
        )
        before, _, name = parts.path.rpartition("/")
        self._base = f"{before.rstrip('/')}/api/v1"
        self._name = unquote(name)

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()

    @property
    def name(self) -> str:
        """The memory's; where the URL names none the server is asked which it has."""
        self._name = self._name or self._only()
        return self._name

    def ask(self, questions: Sequence[str], options: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The objects of the API for at most ``QUESTIONS`` questions, in order; options that are None are left out."""
        given = {name: value for name, value in options.items() if value is not None}
        asked: dict[str, Any] = {"question": questions[0]} if len(questions) == 1 else {"questions": list(questions)}
        found = self._call("POST", f"/{quote(self.name, safe='')}/ask", {**given, **asked})
        rows = [found] if len(questions) == 1 else found.get("answers")
        if not isinstance(rows, list) or len(rows) != len(questions):
            raise self._foreign()
        return rows

    def search(self, question: str, k: int) -> list[dict[str, Any]]:
        """The ``k`` stored pairs nearest to a question, best first, as the API gives them."""
        found = self._call("POST", f"/{quote(self.name, safe='')}/search", {"question": question, "k": k}).get("hits")
        if not isinstance(found, list):
            raise self._foreign()
        return found

    def judge(self, answer_id: str, verdict: str, expected: str | None = None) -> int:
        """Say that an answer is "right", "wrong" or "useless", and what was ``expected``: how many marks are kept.

        ``answer_id``: as the answer's object has it. ServerError where the server keeps none.
        """
        given = {"answer_id": answer_id, "verdict": verdict} | ({} if expected is None else {"expected": expected})
        found = self._call("POST", f"/{quote(self.name, safe='')}/feedback", given)
        return int(found.get("marks", 1))  # a job that others are before will keep it

    def _only(self) -> str:
        names = [str(row["name"]) for row in self._call("GET", "/memories")["memories"]]
        if len(names) != 1:
            known = f"has {', '.join(sorted(names))}" if names else "has none for this token"
            raise InputError(f"{self.url}: say which memory, as {self.url.rstrip('/')}/NAME; the server {known}")
        return names[0]

    def _call(self, method: str, path: str, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The object that the server answers with; a request that comes too early is made again."""
        body = None if given is None else json.dumps(given).encode()
        until = time.monotonic() + PATIENCE
        while True:
            status, headers, content = self._exchange(method, self._base + path, body)
            try:
                found = from_json(content.decode("utf-8"))
            except ValueError:
                found = None
            if not isinstance(found, dict):
                raise self._foreign(status, headers.get("location"))
            if status in (200, 202):
                return found
            problem = self._refused(status, found)
            wait = _seconds(headers.get("retry-after"))
            hurried = given is not None and "budget_ms" in given
            if problem.code not in _LATER or hurried or time.monotonic() + wait > until:
                raise problem
            time.sleep(wait)

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers by their names in lower case, and body."""
        headers = _HEADERS | ({"authorization": f"Bearer {self._token}"} if self._token else {})
        try:
            if (kept := self._connection.sock) is None:
                self._connection.connect()
                self._connection.sock.settimeout(self._timeout)
            try:
                self._connection.request(method, path, body, headers)
                response = self._connection.getresponse()
            except (http.client.RemoteDisconnected, ConnectionError):
                self._connection.close()
                if kept is None:
                    raise
                return self._exchange(method, path, body)  # a connection that was kept may have been closed meanwhile
            content = response.read()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, content
        except ssl.SSLError as error:
            self.close()
            reason = getattr(error, "verify_message", "") or error.reason or "no TLS there"
            raise ServerError(f"{self.url}: no safe connection ({reason})") from error
        except TimeoutError as error:
            self.close()
            raise ServerError(f"{self.url}: no answer came in time") from error
        except OSError as error:
            self.close()
            raise ServerError(
                f"{self.url}: no server can be reached there ({error.strerror or error}); is `quipu serve` running?"
            ) from error
        except (http.client.HTTPException, ValueError) as error:
            self.close()
            raise self._foreign() from error

    def _refused(self, status: int, problem: Mapping[str, Any]) -> ServerError:
        code, detail = problem.get("code"), problem.get("detail")
        if not isinstance(code, str) or not isinstance(detail, str):
            return self._foreign(status)
        if code == "unauthorized":
            detail = f"the token in {TOKEN} is not known there" if self._token else f"a token is needed, in {TOKEN}"
        return ServerError(f"{self.url}: {detail}", code)

    def _foreign(self, status: int | None = None, location: str | None = None) -> ServerError:
        said = "" if status is None else f" (status {status}{f', which leads to {location}' if location else ''})"
        return ServerError(f"{self.url}: what answers there is no quipu server{said}")


def answer_of(row: Mapping[str, Any]) -> Answer:
    """The ``Answer`` whose ``to_json`` is this; ServerError for anything else. Scores of evidence are not sent: 0."""
    try:
        return Answer(
            row["question"], row["text"], _number(row["score"]), row["probability"],
            tuple(map(_evidence, row["evidence"])), row["route"], row["reason"],
            row["milliseconds"], row["held"],
            tuple(Step(*(item[part.name] for part in fields(Step))) for item in row["tried"]), row["generated"],
            None if row["nearest"] is None else _nearest(row["nearest"]), _dated(row["date"]),
            tuple(_elsewhere(item) for item in row["elsewhere"]),
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError, InputError) as error:
        raise ServerError(f"the server's answers are not those of this version of quipu ({error!r})") from error


def _evidence(item: Mapping[str, Any]) -> Evidence:
    span = None if item["start"] is None else Span(item["start"], item["end"])
    pair = item["stored_pair"]
    if pair is not None:
        pair = QAPair(
            pair["id"], pair["question"], pair["answer"], None, span, pair["origin"], line=item["line"]
        )  # fmt: skip
    passage = None
    if item["passage"] is not None:
        start, text = item["passage_start"], item["passage"]
        place = item["page"], item["line"]
        blocks = [Mark(Span(row["start"], row["end"]), row["kind"], 1, *place) for row in item["blocks"]]
        within = Span(start, start + len(text))
        headings = tuple(Heading(0, text) for text in item["headings"])
        marks = tuple(blocks) or ((Mark(within, "paragraph", 0, *place),) if any(place) else ())
        passage = Passage("", "", item["title"] or "", text, within, marks, headings)
    return Evidence(pair, passage, span, 0.0, item["document"], item["quote"])


def _elsewhere(item: Mapping[str, Any]) -> Elsewhere:
    return Elsewhere(item["text"], _evidence(item), _dated(item["date"]), item["newer"])


def _nearest(item: Mapping[str, Any]) -> NearestSentence:
    known = {part.name: item[part.name] for part in fields(NearestSentence)}
    return NearestSentence(**known | {"headings": tuple(item["headings"])})


def _dated(item: Mapping[str, Any] | None) -> Dated | None:
    return None if item is None else Dated(item["text"], item["by"])


def _number(value: float | None) -> float:
    """JSON has no infinite numbers: an answer without any candidate has the lowest score."""
    return float("-inf") if value is None else value


def _seconds(given: str | None) -> float:
    """Of the header Retry-After, one at least."""
    return float(given) if given is not None and given.isdecimal() else 1.0
