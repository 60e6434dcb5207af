"""Routes that ask: ``ask`` and ``search``. They wait in the engine's queue."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from quipu.answering.answerer import Method
from quipu.answering.conflicts import Prefer
from quipu.answering.proposal import place_of
from quipu.answering.retrieve import Method as SearchMethod
from quipu.memory import Memory
from quipu.records import Answer
from quipu.serving.bodies import AskRequest, SearchRequest
from quipu.serving.context import Context, Readable, context_of, json_response
from quipu.serving.engine import Operation, Ticket
from quipu.serving.frame import exchange_of
from quipu.serving.openapi import ASKED, answered
from quipu.serving.schemas import Answers, AnswerShown, Hits
from quipu.serving.served import Served

router = APIRouter(tags=["answers"])
GONE = 499
"""What is noted of a request whose client went away."""


@dataclass(frozen=True, slots=True)
class Asking:
    """``Memory.ask_many`` with these options."""

    k: int | None
    method: Method
    rerank: bool
    min_probability: float | None
    precision: float | None
    budget_ms: float | None
    prefer: Prefer | None

    def run(self, memory: Memory, questions: Sequence[str], budget_ms: float | None) -> Sequence[Answer]:
        """The answers, in order."""
        return memory.ask_many(
            questions, k=self.k, method=self.method, rerank=self.rerank, min_probability=self.min_probability,
            precision=self.precision, budget_ms=budget_ms, prefer=self.prefer,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Searching:
    """``Memory.search_many`` with these options; of each hit what ``quipu search --json`` prints."""

    k: int
    method: SearchMethod

    @property
    def budget_ms(self) -> None:
        """No bound."""
        return None

    def run(self, memory: Memory, questions: Sequence[str], budget_ms: float | None) -> Sequence[list[dict[str, Any]]]:
        """The hits of each question, in order."""
        found = []
        for hits in memory.search_many(questions, self.k, method=self.method):
            places = [(hit, place_of(hit, memory.store)) for hit in hits]
            found.append([{**asdict(hit), "document": place.document, **asdict(place.place)} for hit, place in places])
        return found


@router.post(
    "/{memory}/ask", summary="Ask one question, or up to 64", response_model=None,
    responses=answered(AnswerShown | Answers, ASKED),
)  # fmt: skip
async def ask(request: Request, served: Readable, asked: AskRequest) -> Response:
    """The answer with its probability and its source, or none with the reason: what `quipu ask --json` prints.

    A question gets the same answer whether it is asked alone, in a list, or while others ask.
    """
    options = Asking(
        asked.k, asked.method, asked.rerank, asked.min_probability, asked.precision, asked.budget_ms, asked.prefer
    )
    found = await answers_to(request, served, options, asked.asked)
    if found is None:
        return Response(status_code=GONE)
    if not asked.explain:
        found = [answer | {"tried": []} for answer in found]
    return json_response(found[0] if asked.questions is None else {"answers": found})


@router.post(
    "/{memory}/search", summary="Find the stored pairs nearest to a question", response_model=None,
    responses=answered(Hits, ASKED),
)  # fmt: skip
async def search(request: Request, served: Readable, asked: SearchRequest) -> Response:
    """The pairs with their places, best first: what `quipu search --json` prints."""
    ticket = await wait(request, context_of(request), served.name, Searching(asked.k, asked.method), [asked.question])
    return Response(status_code=GONE) if ticket is None else json_response({"hits": ticket.results[0]})


async def answers_to(
    request: Request, served: Served, options: Asking, questions: Sequence[str]
) -> list[dict[str, Any]] | None:
    """What the API gives for each question; None where the client went away."""
    context = context_of(request)
    ticket = await wait(request, context, served.name, options, questions)
    return None if ticket is None else await counted(context, served.name, ticket)


async def counted(context: Context, memory: str, ticket: Ticket) -> list[dict[str, Any]]:
    """What the API gives for each question, once it is in the metrics and in the log."""
    found, ids = [], []
    for answer in ticket.results:
        context.metrics.answer(memory, answer)
        found.append(answer.to_json() | {"asked_together": ticket.together, "memory": memory})
        ids.append({"answer_id": context.answer_ids.sign(memory, answer)})
    if context.log is not None:  # without the ids: who reads the log may not speak for those who asked
        await asyncio.to_thread(context.log.write, found)
    return [answer | signed for answer, signed in zip(found, ids, strict=True)]


async def wait(
    request: Request | None, context: Context, memory: str, operation: Operation, questions: Sequence[str]
) -> Ticket | None:
    """Have the questions answered; None where the client goes away, whose questions are dropped then.

    Without a request (of a client at the other end of a pipe) they are dropped when this is cancelled.
    """
    future: Future[Ticket] = context.engine.submit(memory, operation, questions)
    answer = asyncio.wrap_future(future)
    if request is None:
        return await answer
    leaving = asyncio.ensure_future(_left(request))
    exchange = exchange_of(request.scope)
    try:
        await asyncio.wait((answer, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            return None
        ticket = await answer
        exchange.queue_ms, exchange.answer_ms = ticket.queue_ms, ticket.answer_ms
        return ticket
    finally:
        answer.cancel()
        leaving.cancel()
        with suppress(asyncio.CancelledError):
            await leaving


async def _left(request: Request) -> None:
    """Ends when the client goes away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
