"""The routes of OpenAI's API: memories as models that answer the last question of a conversation, and embeddings.

No language model writes here, so that nothing of a conversation but its last question counts, and parameters of
sampling change nothing. What would have to be in a response and cannot be is refused.
"""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from quipu.answering.answerer import METHODS, Method
from quipu.memory import Memory
from quipu.models.protocols import SupportsCount
from quipu.serving.answering import GONE, Asking, answers_to, wait
from quipu.serving.context import Context, context_of, json_response, read, readable
from quipu.serving.frame import exchange_of
from quipu.serving.openai_bodies import ChatRequest, EmbeddingRequest, question_in
from quipu.serving.openai_replies import BACKGROUND, Completion, Reply, link_of
from quipu.serving.problems import OPENAI, Problem
from quipu.serving.served import Served

router = APIRouter(prefix=OPENAI, include_in_schema=False)  # OpenAI describes it


@dataclass(frozen=True, slots=True)
class Embedding:
    """What the memory's encoder makes of texts: keys (width,) float32 of unit length."""

    @property
    def budget_ms(self) -> None:
        """No bound."""
        return None

    def run(self, memory: Memory, questions: Sequence[str], budget_ms: float | None) -> Sequence[tuple[Any, int]]:
        """Each key with the tokens of its text. Problem where the encoder would cut a text off."""
        encoder = memory.models.encoder()
        tokens = count(memory, questions)
        if isinstance(encoder, SupportsCount) and max(tokens) > encoder.max_length:
            said = f"input: a text of {max(tokens):,} tokens; the encoder reads {encoder.max_length:,}"
            raise Problem("invalid", said, param="input")
        return list(zip(encoder.encode(questions), tokens, strict=True))


@router.get("/models")
def models(request: Request) -> Response:
    """Every memory that the token is for."""
    allowed = context_of(request).allowed(exchange_of(request.scope).token)
    return json_response({"object": "list", "data": [_model(name, served) for name, served in allowed.items()]})


@router.get("/models/{model}")
def show_model(request: Request, model: str) -> Response:
    """A memory, or a memory with a method."""
    return json_response(_model(model, _find(request, model)[0]))


@router.post("/chat/completions")
async def chat(request: Request, asked: ChatRequest) -> Response:
    """The answer to the last message of the user."""
    context = context_of(request)
    served, method = _find(request, asked.model)
    asked.check()
    question = question_in(asked.prompt)
    if question is None:
        context.metrics.background(served.name)
        reply, tokens = Reply(BACKGROUND), [0, 0]
    else:
        found = await answers_to(request, served, Asking(None, method, False, None, None, None, None), [question])
        if found is None:
            return Response(status_code=GONE)
        links = await asyncio.to_thread(_links, context, served, found[0]["evidence"])
        reply = Reply.of(found[0], context.settings.chat_sources, links)
        tokens = await asyncio.to_thread(count, served.memory, [question, reply.content])
    completion = Completion(
        f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), asked.model, _fingerprint(served), reply, *tokens
    )
    if asked.stream:
        with_usage = asked.stream_options is not None and bool(asked.stream_options.include_usage)
        events = "".join(completion.events(usage=with_usage))  # the answer is whole before its first word is known
        return _noted(Response(events, media_type="text/event-stream"), asked.ignored)
    return _noted(json_response(completion.whole()), asked.ignored)


@router.post("/embeddings")
async def embeddings(request: Request, asked: EmbeddingRequest) -> Response:
    """The keys that the memory's encoder makes of texts. A text is refused that the encoder would cut off."""
    served, method = _find(request, asked.model)
    if method != "cascade":
        raise _no_model(asked.model)
    width = served.memory.store.width
    if asked.dimensions not in (None, width):
        raise Problem("unsupported", f"dimensions: the encoder makes {width}", param="dimensions")
    ticket = await wait(request, context_of(request), served.name, Embedding(), asked.texts)
    if ticket is None:
        return Response(status_code=GONE)
    data = [
        {"object": "embedding", "index": number, "embedding": _written(key, asked.encoding_format)}
        for number, (key, _) in enumerate(ticket.results)
    ]
    tokens = sum(tokens for _, tokens in ticket.results)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return _noted(json_response({"object": "list", "data": data, "model": asked.model, "usage": usage}), asked.ignored)


def count(memory: Memory, texts: Sequence[str]) -> list[int]:
    """Tokens of each text as the memory's encoder reads it; words, of an encoder that does not count."""
    encoder = memory.models.encoder()
    return encoder.count(texts) if isinstance(encoder, SupportsCount) else [len(text.split()) for text in texts]


def _find(request: Request, model: str) -> tuple[Served, Method]:
    """The memory and the method that a model's name stands for: NAME, or NAME:METHOD. Problem where it is none."""
    name, _, method = model.rpartition(":")
    for memory, known in ((model, "cascade"), (name, method)):
        if known in METHODS and memory in context_of(request).memories:
            try:
                return readable(request, memory), known
            except Problem:
                break
    raise _no_model(model)


def _no_model(model: str) -> Problem:
    return Problem("model_not_found", f"there is no model {model[:100]!r}; see {OPENAI}/models", param="model")


def _model(name: str, served: Served) -> dict[str, Any]:
    """``created``: when the memory's manifest was written, in seconds since 1970."""
    created = int(os.stat(served.path / "manifest.json").st_mtime)
    return {"id": name, "object": "model", "created": created, "owned_by": "quipu"}


def _fingerprint(served: Served) -> str:
    """Of the model by which the memory was made."""
    return "_".join(["fp", *(digest[:12] for digest in served.memory.store.models.values())])


def _links(context: Context, served: Served, evidence: Sequence[Mapping[str, Any]]) -> list[str | None]:
    """The address of each piece of evidence; None everywhere on a server that nobody reaches by a public address."""
    public_url = context.settings.public_url
    if public_url is None:
        return [None] * len(evidence)

    def document(memory: Memory, place: Mapping[str, Any]) -> str | None:
        found = [] if place["document"] is None else memory.store.find_documents(place["document"])
        return found[0] if found else None

    ids = read(served, lambda memory: [document(memory, place) for place in evidence])
    return [link_of(public_url, served.name, place, known) for place, known in zip(evidence, ids, strict=True)]


def _written(key: Any, form: str | None) -> list[float] | str:
    if form == "base64":
        return base64.b64encode(np.asarray(key, dtype="<f4").tobytes()).decode()
    return [float(number) for number in key]


def _noted(response: Response, ignored: str) -> Response:
    if ignored:
        response.headers["x-quipu-ignored"] = ignored
    return response
