"""The tools of MCP: what each takes, does and gives. Every question waits in the engine's queue, as the API's do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR
from pydantic import Field
from starlette.requests import Request

from quipu.serving import mcp_texts as texts
from quipu.serving.answering import Asking, Searching, counted, wait
from quipu.serving.bodies import AnswerText, Given, Question
from quipu.serving.changes import perform
from quipu.serving.context import Context, administered, read
from quipu.serving.engine import Operation, Ticket
from quipu.serving.frame import exchange_of
from quipu.serving.problems import Problem
from quipu.serving.schemas import Memories, Shown, Why
from quipu.serving.served import Served
from quipu.serving.stored import facts, find_pair

WAIT = 30.0
"""Seconds for which a call waits for its change: clients give up after sixty."""
PAIR = r"^[0-9a-f]{1,32}$"
MemoryName = Annotated[str | None, Field(description="The memory's name, as list_memories gives it.")]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. ``request``: the HTTP request; None over stdio, where it is who started the process."""

    context: Context
    request: Request | None

    @property
    def memories(self) -> Mapping[str, Served]:
        """Those that the caller's token is for."""
        return self.context.allowed(None if self.request is None else exchange_of(self.request.scope).token)

    def served(self, name: str | None) -> Served:
        """The memory of this name, or the only one; Problem where there is none, or one must be named."""
        known = self.memories
        if name is None and len(known) == 1:
            return next(iter(known.values()))
        if name is None:
            raise Problem("invalid", f"arguments /memory: name one of {', '.join(known)}", pointer="/memory")
        if name not in known:
            raise Problem("not_found", f"there is no memory of this name; there are {', '.join(known) or 'none'}")
        return known[name]

    def check_writing(self) -> None:
        """Problem where the caller may not change anything."""
        if self.request is not None:
            administered(self.request)
        elif not self.context.settings.writable:
            raise Problem("read_only", "the server was started without --writable")

    @property
    def may_write(self) -> bool:
        """Whether ``check_writing`` lets the caller pass."""
        try:
            self.check_writing()
        except Problem:
            return False
        return True

    async def answered(self, served: Served, operation: Operation, question: str) -> Ticket:
        """The question, answered; MCPError, which nobody hears, where the client went away."""
        ticket = await wait(self.request, self.context, served.name, operation, [question])
        if ticket is None:
            raise MCPError(INTERNAL_ERROR, "the client went away")
        return ticket


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: its arguments and the fields of its result are the schemas that clients are told."""

    title: str
    description: str
    arguments: type[Given]
    result: type[Shown]
    run: Callable[[Caller, Any], Awaitable[tuple[str, Shown | Mapping[str, Any]]]] = field(repr=False)
    writes: bool = False


class AskArguments(Given):
    """A question to one memory."""

    question: Question
    memory: MemoryName = None
    min_probability: (
        Annotated[float, Field(ge=0, le=1, description="Give no answer that is less probable; 0 gives any.")] | None
    ) = None


class SearchArguments(Given):
    """A question whose nearest pairs are wanted."""

    question: Question
    memory: MemoryName = None
    k: Annotated[int, Field(ge=1, le=200, description="How many pairs.")] = 10


class WhyArguments(Given):
    """A pair, by its id or a beginning of it."""

    pair: Annotated[str, Field(pattern=PAIR, description="The pair's id, as ask and search give it.")]
    memory: MemoryName = None


class NoArguments(Given):
    """Nothing."""


class RememberArguments(Given):
    """A question with its answer."""

    question: Question
    answer: AnswerText
    memory: MemoryName = None


async def ask(caller: Caller, asked: AskArguments) -> tuple[str, Shown]:
    """The answer, as ``quipu ask`` finds it."""
    served = caller.served(asked.memory)
    options = Asking(None, "cascade", False, asked.min_probability, None, None, None)
    ticket = await caller.answered(served, options, asked.question)
    await counted(caller.context, served.name, ticket)
    given = texts.answer_given(ticket.results[0], served.name)
    return texts.answer_text(given), given


async def search(caller: Caller, asked: SearchArguments) -> tuple[str, Shown]:
    """The nearest pairs, as ``quipu search`` finds them."""
    served = caller.served(asked.memory)
    ticket = await caller.answered(served, Searching(asked.k, "both"), asked.question)
    found = texts.PairsFound(
        pairs=[texts.pair_found(hit, served.name) for hit in ticket.results[0]], memory=served.name
    )
    return texts.found_text(found), found


async def why(caller: Caller, asked: WhyArguments) -> tuple[str, Mapping[str, Any]]:
    """What ``quipu why --json`` prints."""
    served = caller.served(asked.memory)
    known = await asyncio.to_thread(read, served, lambda memory: find_pair(memory, asked.pair))
    return texts.why_text(known), known


async def list_memories(caller: Caller, _: NoArguments) -> tuple[str, Mapping[str, Any]]:
    """Those that the caller may read."""

    def listed() -> Sequence[dict[str, Any]]:
        return [facts(caller.context, served) for served in caller.memories.values()]

    memories = await asyncio.to_thread(listed)
    return texts.memories_text(memories), {"memories": memories}


async def remember(caller: Caller, given: RememberArguments) -> tuple[str, Shown]:
    """Store a pair, as POST ``/pairs`` does."""
    served = caller.served(given.memory)
    job = await perform(caller.context, served, "add_pairs", {"pairs": [[given.question, given.answer]]}, WAIT)
    stored = texts.Remembered(memory=served.name, job=job.id)
    if job.report is not None:
        pair = str(job.report["ids"][0])
        stored = texts.Remembered(
            memory=served.name, pair=pair, pair_uri=texts.resource(served.name, "pairs", pair)
        )  # fmt: skip
    return texts.remembered_text(stored), stored


TOOLS: Mapping[str, Tool] = {
    "ask": Tool(
        "Ask a memory",
        "Answer a question from a memory of documents, with the probability that the answer is right and the place "
        "where it stands; or say that the memory does not answer it, and then nothing may be invented. Ask one short, "
        "complete question; what was asked before is not known.",
        AskArguments, texts.AnswerGiven, ask,
    ),
    "search": Tool(
        "Search a memory",
        "Find the stored questions, with their answers and places, that are nearest to a question. Nothing is judged: "
        "the nearest may be about something else. To see what a memory knows of a subject, or after ask had no answer.",
        SearchArguments, texts.PairsFound, search,
    ),
    "why": Tool(
        "Say where a pair comes from",
        "Show a stored pair with the passage of the document that it comes from, and the checks that it passed.",
        WhyArguments, Why, why,
    ),
    "list_memories": Tool(
        "List the memories", "Name the memories that can be asked, and say what each holds.", NoArguments, Memories,
        list_memories,
    ),
    "remember": Tool(
        "Remember an answer",
        "Store a question with its answer in a memory, for good. Only what the user wants to be kept, in their words.",
        RememberArguments, texts.Remembered, remember, writes=True,
    ),
}  # fmt: skip
