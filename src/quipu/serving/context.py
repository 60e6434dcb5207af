"""What the routes share: the server's memories, engine and settings, and what a request's token allows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from quipu.errors import InputError
from quipu.memory import Memory
from quipu.serving.answer_ids import AnswerIds
from quipu.serving.engine import Engine
from quipu.serving.frame import exchange_of
from quipu.serving.jobs import Journal
from quipu.serving.log import QuestionLog
from quipu.serving.metrics import Metrics
from quipu.serving.problems import Problem
from quipu.serving.served import Opener, Served, named_memories, open_memory
from quipu.serving.settings import ServeSettings
from quipu.serving.tokens import Keyring, Token
from quipu.serving.writing import Writers
from quipu.text import finite

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Context:
    """What one server is made of."""

    settings: ServeSettings
    keyring: Keyring
    memories: Mapping[str, Served]
    engine: Engine
    metrics: Metrics
    writers: Writers
    log: QuestionLog | None
    answer_ids: AnswerIds

    @classmethod
    def open(
        cls,
        paths: Sequence[FilePath],
        settings: ServeSettings,
        keyring: Keyring,
        opener: Opener = open_memory,
        writer: Sequence[str] | None = None,
        wake: Callable[[], None] | None = None,
    ) -> Context:
        """Everything for these memories; InputError where one cannot be opened.

        ``writer`` and ``wake``: as of ``Writers``.
        """
        named = named_memories(paths)
        memories = {name: Served(name, path, opener) for name, path in named.items()}
        metrics = Metrics()
        engine = Engine(
            memories, queue=settings.queue, queue_ms=settings.queue_ms, batch=settings.batch, watcher=metrics
        )
        metrics.observe(engine, memories)
        log = None if settings.question_log is None else QuestionLog(settings.question_log)
        writers = Writers({name: Journal(path) for name, path in named.items()}, writer, wake)
        return cls(settings, keyring, memories, engine, metrics, writers, log, AnswerIds(keyring))

    def start(self) -> None:
        """Load the memories, and do what was left to be written."""
        self.engine.start()
        if self.settings.writable:
            self.writers.start()

    def close(self) -> None:
        """Let everything go. A batch that does not end keeps its memory, which ends with the process."""
        self.writers.close()
        if self.engine.close():
            for served in self.memories.values():
                served.close()
        if self.log is not None:
            self.log.close()

    def allowed(self, token: Token | None) -> dict[str, Served]:
        """The memories that a token is for, by name; without one all."""
        return {name: served for name, served in self.memories.items() if token is None or token.allows(name)}

    def shown(self, text: str) -> str:
        """A text for clients: the folders of the memories are named as the memories are."""
        for name, served in self.memories.items():
            for path in {str(served.path.resolve()), str(served.path)}:
                text = text.replace(path, name)
        return text


def context_of(request: Request) -> Context:
    """The server's."""
    found = request.app.state.context
    assert isinstance(found, Context)
    return found


def readable(
    request: Request,
    memory: Annotated[str, Path(description="A memory's name, as `/api/v1/memories` lists it.", examples=["canal"])],
) -> Served:
    """The memory of the path; Problem where there is none, or the token is not for it, which is not told apart."""
    found = context_of(request).allowed(exchange_of(request.scope).token).get(memory)
    if found is None:
        raise Problem("not_found", "there is no memory of this name; see /api/v1/memories")
    return found


def administered(request: Request) -> None:
    """Problem where the request may not change anything: 401 without a token, 403 with one for reading."""
    token = exchange_of(request.scope).token
    if token is None:
        raise Problem("unauthorized", "a token is needed: Authorization: Bearer TOKEN",
                      {"WWW-Authenticate": 'Bearer realm="quipu"'})  # fmt: skip
    if token.scope != "admin":
        raise Problem("wrong_scope", "this needs a token made with: quipu token new --admin")
    if not context_of(request).settings.writable:
        raise Problem("read_only", "the server was started without --writable")


Readable = Annotated[Served, Depends(readable)]
Administered = Depends(administered)


def read(served: Served, reading: Callable[[Memory], Found]) -> Found:
    """What ``reading`` makes of the memory; again where the memory was opened anew meanwhile."""
    memory = served.memory
    try:
        return reading(memory)
    except InputError:
        if served.memory is memory:
            raise
        return reading(served.memory)


def json_response(content: Any, status: int = 200) -> Response:
    """JSON as ``quipu ... --json`` prints it: an infinite number is null."""
    text = json.dumps(finite(content), allow_nan=False)
    return Response(text, status, media_type="application/json")
