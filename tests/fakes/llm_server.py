"""A server that speaks the part of OpenAI's API that quipu uses, and fails as it is told to.

It writes for each number of a passage the question that ``tests.handmade.NumberReader`` answers, so that what quipu
stores is known beforehand. ``/script`` sets what the next requests get; ``/log`` says what came. As a process:

    python tests/fakes/llm_server.py [--latency 0.2] [--open]

prints its address. A request whose client has gone is not counted as answered. One that has its idempotency key again
gets the reply of the first time, which is not counted again either.
"""

from __future__ import annotations

import argparse
import asyncio
import email.utils
import json
import re
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

KEY = "sk-a-key-that-must-be-nowhere"
MODEL = "fake-1"


@dataclass
class Fake:
    """The server's state. ``script``: what the next requests get, in order; then all get what is right."""

    latency: float = 0.0
    key: str | None = None
    forms: tuple[str, ...] = ("json_schema", "json_object", "text")
    script: list[str] = field(default_factory=list)
    always: str = ""
    """What every request gets that the script says nothing of."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    """How often each idempotency key was answered anew."""
    again: list[str] = field(default_factory=list)
    """Keys whose reply was sent once more."""
    tokens: int = 0
    most: int = 0
    """Requests under way at a time, at most."""
    active: int = 0
    replies: dict[str, bytes] = field(default_factory=dict)

    def app(self) -> Starlette:
        routes = [
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
            Route("/script", self.set, methods=["POST"]),
            Route("/log", self.log),
        ]
        return Starlette(routes=routes)

    async def set(self, request: Request) -> Response:
        """New settings; everything else is as at the beginning."""
        vars(self).update(vars(Fake(latency=self.latency, key=self.key, **await request.json())))
        return Response()

    async def log(self, request: Request) -> Response:
        said = {"answered": dict(self.answered), "again": self.again, "tokens": self.tokens, "most": self.most}
        return JSONResponse({**said, "requests": len(self.requests)})

    async def chat(self, request: Request) -> Response:
        body = await request.json()
        name = request.headers.get("idempotency-key", "")
        self.requests.append({"key": name, "auth": request.headers.get("authorization"), "body": body})
        self.active += 1
        self.most = max(self.most, self.active)
        try:
            what = self.script.pop(0) if self.script else self.always
            if self.key is not None and request.headers.get("authorization") != f"Bearer {self.key}":
                what = "401"
            if self.latency:
                await asyncio.sleep(self.latency)
            if await request.is_disconnected():
                return Response()
            form = body.get("response_format", {}).get("type", "text")
            if not what and form not in self.forms:
                return _error(400, f"response_format {form} is not supported")
            if what:
                failed = await self.fail(what, body)
                if failed is not None:
                    return failed
            if name in self.replies:
                self.again.append(name)
            else:
                self.answered[name] += 1
                self.replies[name] = json.dumps(self.reply(body, what)).encode()
            return Response(self.replies[name], media_type="application/json")
        finally:
            self.active -= 1

    async def fail(self, what: str, body: dict[str, Any]) -> Response | None:
        """The reply of a server that fails so; None where its reply is whole but for what ``reply`` does to it."""
        word, _, value = what.partition(" ")
        if word == "429":
            return _error(429, "too many requests", {"retry-after": value} if value else {})
        if word == "429-date":
            date = email.utils.formatdate(time.time() + float(value), usegmt=True)
            return _error(429, "too many requests", {"retry-after": date})
        if word == "echo":  # a proxy that shows what it got
            return _error(401, f"no such key: {KEY}")
        if word == "filter":
            return _error(400, "the prompt was filtered", code="content_filter")
        if word == "max_tokens" and "max_tokens" in body:
            return _error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        if word.isdigit():
            return _error(int(word), f"an error with the number {word}")
        if word == "redirect":
            return RedirectResponse("http://127.0.0.1:9/v1/chat/completions", 307)
        if word == "hang":
            await asyncio.sleep(30)
        if word == "html":
            return PlainTextResponse("<html><body>502 Bad Gateway</body></html>", media_type="text/html")
        if word == "large":
            return PlainTextResponse("x" * (2 << 20))
        if word == "drip":
            return StreamingResponse(_dripped(), media_type="application/json")
        if word == "cut":
            return Response(b'{"choices": [{"mess', headers={"content-length": "5000"})
        return None

    def reply(self, body: dict[str, Any], what: str) -> dict[str, Any]:
        text, finish = self.said(body, what), "stop"
        if what == "length" or (what == "length-once" and "at most 14" in body["messages"][1]["content"]):
            text, finish = text[: len(text) // 2], "length"
        if what == "content_filter":
            text, finish = "", "content_filter"
        sent = sum(len(message["content"]) for message in body["messages"]) // 4
        self.tokens += sent + len(text) // 4
        choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
        usage = {"prompt_tokens": sent, "completion_tokens": len(text) // 4}
        return {"id": "1", "model": MODEL, "choices": [choice], **({} if what == "no-usage" else {"usage": usage})}

    def said(self, body: dict[str, Any], what: str) -> str:
        messages = body["messages"]
        if what == "prose" or (what == "prose-once" and len(messages) == 2):
            return "I am sorry, but I would rather tell you a story."
        value = answer_to(messages[0]["content"], messages[1]["content"])
        if what == "invented":
            value = {"pairs": [{"question": "What number follows the sea of?", "answer": "4711", "sentence": 1}]}
        if what == "types":
            value = {"pairs": [{"question": 7, "answer": ["x"], "sentence": "one"}]}
        if what == "list":
            return "[1, 2]"
        text = json.dumps(value)
        if what == "key":  # in a text that is kept
            text = json.dumps({**value, "echo": KEY})
        return f"Here it is:\n```json\n{text}\n```\nI hope that helps." if what == "fenced" else text


def answer_to(system: str, user: str) -> dict[str, Any]:
    """What a good model says."""
    sentences = [line.partition("] ") for line in user.splitlines() if re.match(r"\[\d+\] ", line)]
    if system.startswith("You write"):
        return {"pairs": _pairs([text for *_, text in sentences])}
    question = re.search(r"^Question: (.*)$", user, re.MULTILINE)
    asked = question[1] if question else ""
    found = next((pair for pair in _pairs([text for *_, text in sentences]) if pair["question"] == asked), None)
    if system.startswith("You judge"):
        return {"answerable": True, "correct": found is not None, "self_contained": True, "reason": "it says so"}
    answer = None if found is None else found["answer"]
    if "quote:" in system:
        texts = re.findall(r"^\[(\d+)\] (.*?)(?=^\[\d+\] |^Question: |\Z)", user, re.MULTILINE | re.DOTALL)
        for number, text in texts:
            for pair in _pairs([text]):
                if pair["question"] == asked:
                    return {"answer": pair["answer"], "passage": int(number), "quote": pair["quote"]}
        return {"answer": None, "passage": None, "quote": None}
    return {"answer": answer, "sentence": None if found is None else found["sentence"]}


def _pairs(sentences: list[str]) -> list[dict[str, Any]]:
    pairs = []
    for number, sentence in enumerate(sentences, start=1):
        for match in re.finditer(r"\d+", sentence):
            words = re.findall(r"[A-Za-z]+", sentence[: match.start()])[-3:]
            quote = re.search(r"\W+".join(words) + r"\W+" + match[0], sentence)
            asked = {"question": f"What number follows {' '.join(words)}?", "answer": match[0], "sentence": number}
            pairs.append({**asked, "quote": quote[0] if quote else match[0]})
    return pairs


def _error(status: int, message: str, headers: dict[str, str] | None = None, code: str | None = None) -> Response:
    return JSONResponse({"error": {"message": message, "code": code}}, status, headers)


async def _dripped() -> Any:
    for _ in range(600):
        yield b" "
        await asyncio.sleep(0.05)


@contextmanager
def running(fake: Fake) -> Iterator[str]:
    """The server in a thread; the URL of its API."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(fake.app(), log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join(5)
        listening.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--open", action="store_true", help="ask for no key")
    options = parser.parse_args()
    with running(Fake(latency=options.latency, key=None if options.open else KEY)) as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
