"""Routes that change a memory: each puts a job into its journal; the writer's process does it."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
import unicodedata
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Path as InPath
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from quipu.corpus import SUFFIXES
from quipu.errors import InputError
from quipu.serving import schemas
from quipu.serving.bodies import GrowRequest, NewPairs, PairChange
from quipu.serving.context import Administered, Context, Readable, context_of, json_response, read
from quipu.serving.frame import exchange_of
from quipu.serving.jobs import ENDED, Job, Kind
from quipu.serving.openapi import CHANGED, FOLLOWED, answered
from quipu.serving.problems import Problem, retry
from quipu.serving.served import Served
from quipu.serving.stored import Id

router = APIRouter(tags=["changes"], dependencies=[Administered])
WAIT = 60.0
"""Seconds that a request waits for its job before it is told where to ask for it."""
_LOOK = 0.05  # seconds between two looks at the journal of one who waits
_STREAM_LOOK = 0.25
_KEEP_ALIVE = 15.0
_LONGEST_NAME = 200  # bytes
JobId = Annotated[str, InPath(pattern=r"^[0-9a-f]{16}$", examples=["5f2b8c1e9d3a4b67"])]


@router.post(
    "/{memory}/pairs", summary="Add pairs", status_code=201, response_model=None,
    responses=answered(schemas.PairsAdded, CHANGED, 201) | answered(schemas.JobName, (), 202),
)  # fmt: skip
async def add_pairs(request: Request, served: Readable, added: NewPairs) -> Response:
    """Up to 100 questions with their answers. Pairs that are stored already are left out; 409 where all are."""
    given = {"pairs": [[pair.question, pair.answer] for pair in added.pairs]}
    return await outcome(request, served, "add_pairs", given, 201)


@router.patch(
    "/{memory}/pairs/{pair}", summary="Change a pair", response_model=None,
    responses=answered(schemas.PairReplaced, CHANGED) | answered(schemas.JobName, (), 202),
)  # fmt: skip
async def change_pair(request: Request, served: Readable, pair: Id, change: PairChange) -> Response:
    """Another question, another answer, or both, under a new id; with another answer it stands in no document."""
    try:
        old = await asyncio.to_thread(read, served, lambda memory: memory.store.pair(pair))
    except InputError:
        raise Problem("not_found", "no pair has this id") from None
    given = {"pair": pair, "question": change.question or old.question, "answer": change.answer or old.answer}
    return await outcome(request, served, "change_pair", given, 200)


@router.delete(
    "/{memory}/pairs/{pair}", summary="Remove a pair", response_model=None,
    responses=answered(schemas.PairRemoved, CHANGED) | answered(schemas.JobName, (), 202),
)  # fmt: skip
async def remove_pair(request: Request, served: Readable, pair: Id) -> Response:
    """The pair is forgotten."""
    return await outcome(request, served, "remove_pair", {"pair": pair}, 200)


@router.put(
    "/{memory}/documents/{name}", summary="Add or replace a document", status_code=202, response_model=None,
    responses=answered(schemas.JobName, CHANGED, 202),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)  # fmt: skip
async def put_document(
    request: Request,
    served: Readable,
    name: Annotated[
        str, InPath(description="What it is called, with the suffix of its kind.", examples=["handbook.md"])
    ],
) -> Response:
    """The body is the file. What an earlier file of this name said is replaced once the new one was read to its end."""
    check_name(name)
    context = context_of(request)
    path = _incoming(context, served)
    try:
        with path.open("xb") as file:
            async for chunk in request.stream():
                await asyncio.to_thread(file.write, chunk)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return _begun(request, await _add(context, served, "add_document", {"name": name, "incoming": path.name}))


@router.delete(
    "/{memory}/documents/{document}", summary="Remove a document", status_code=202, response_model=None,
    responses=answered(schemas.JobName, CHANGED, 202),
)  # fmt: skip
async def remove_document(request: Request, served: Readable, document: Id) -> Response:
    """The document is forgotten with its pairs."""

    def known() -> bool:
        return read(served, lambda memory: document in memory.store.find_documents(document))

    if not await asyncio.to_thread(known):
        raise Problem("not_found", "no document has this id")
    return _begun(request, await _add(context_of(request), served, "remove_document", {"document": document}))


@router.post(
    "/{memory}/grow", summary="Make pairs for questions that had no answer", status_code=202, response_model=None,
    responses=answered(schemas.JobName, CHANGED, 202),
)  # fmt: skip
async def grow(request: Request, served: Readable, wanted: GrowRequest) -> Response:
    """As far as passages of the memory answer them; what is answered by now, or was grown before, adds nothing."""
    context = context_of(request)
    log = context.log
    if wanted.questions is None and log is None:
        raise Problem("invalid", "body /questions: needed, for the server keeps no log; see --question-log",
                      pointer="/questions", location="body")  # fmt: skip
    path = _incoming(context, served)

    def write() -> None:
        questions = wanted.questions or (log.refused(served.name) if log is not None else ())
        with path.open("x", encoding="ascii") as file:
            file.writelines(json.dumps({"question": question, "text": None}) + "\n" for question in questions)

    await asyncio.to_thread(write)
    return _begun(request, await _add(context, served, "grow", {"incoming": path.name}))


@router.get(
    "/jobs/{job}", summary="Show a job", response_model=None, responses=answered(schemas.JobShown, FOLLOWED)
)  # fmt: skip
def show_job(request: Request, job: JobId) -> Response:
    """How far it is, and how it ended. Jobs survive a restart of the server."""
    return json_response(_shown(context_of(request), *_find(request, job)))


@router.get(
    "/jobs/{job}/events", summary="Follow a job", response_model=None,
    responses={
        **answered(schemas.JobShown, FOLLOWED),
        200: {
            "description": "Server-sent events named `job`; the last one is of a job that has ended.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
    },
)  # fmt: skip
async def follow_job(request: Request, job: JobId) -> Response:
    """The job whenever it changes, until it ends."""
    name, found = await asyncio.to_thread(_find, request, job)
    return StreamingResponse(_events(context_of(request), name, found), media_type="text/event-stream")


@router.delete(
    "/jobs/{job}", summary="Cancel a job", response_model=None, responses=answered(schemas.JobShown, FOLLOWED)
)
def cancel_job(request: Request, job: JobId) -> Response:
    """Only one that was not begun: 409 for any other."""
    name, found = _find(request, job)
    if not context_of(request).writers.journals[name].cancel(found):
        raise Problem("running", "the job was begun, or has ended")
    return json_response(_shown(context_of(request), *_find(request, job)))


def check_name(name: str) -> None:
    """Problem where a document cannot be called so: a name becomes the last part of a path."""
    reason = None
    if unicodedata.normalize("NFC", name) != name:
        reason = "is not in the Unicode form NFC"
    elif not name.isprintable() or any(letter in name for letter in "/\\"):
        reason = "holds a character that a file's name may not have"
    elif name.startswith(".") or name != name.strip():
        reason = "begins with a full stop, or begins or ends with a space"
    elif len(name.encode()) > _LONGEST_NAME:
        reason = f"has more than {_LONGEST_NAME} bytes"
    elif os.path.splitext(name)[1].lower() not in SUFFIXES:
        reason = f"has no suffix of a kind that can be read: {', '.join(sorted(SUFFIXES))}"
    if reason is not None:
        raise Problem("invalid", f"path /name: {reason}", pointer="/name", location="path")


def _incoming(context: Context, served: Served) -> Path:
    """A new file for what a job is to work on."""
    folder = context.writers.journals[served.name].incoming
    folder.mkdir(parents=True, exist_ok=True)
    return folder / secrets.token_hex(16)


async def _add(context: Context, served: Served, kind: Kind, given: Mapping[str, Any]) -> Job:
    if context.engine.draining:
        raise retry("draining", "the server is being stopped", 5)
    job = await asyncio.to_thread(context.writers.journals[served.name].add, kind, given)
    context.writers.wake()
    return job


async def outcome(request: Request, served: Served, kind: Kind, given: Mapping[str, Any], status: int) -> Response:
    """The outcome of a job that is short; where others are before it, the job after a while."""
    job = await perform(context_of(request), served, kind, given)
    return _begun(request, job) if job.report is None else json_response(dict(job.report), status)


async def perform(
    context: Context, served: Served, kind: Kind, given: Mapping[str, Any], seconds: float | None = None
) -> Job:
    """A job, done, with its report; as it is after so many seconds (``WAIT``), where others are before it.

    Problem where it could not be done.
    """
    job = await _add(context, served, kind, given)
    journal = context.writers.journals[served.name]
    until = time.monotonic() + (WAIT if seconds is None else seconds)
    while job.state not in ENDED and time.monotonic() < until and not context.engine.draining:
        await asyncio.sleep(_LOOK)
        job = await asyncio.to_thread(journal.again, job)
    if job.state in ENDED and job.state != "done":
        raise Problem(job.code or "running", job.detail or "the job was cancelled")
    return job


def _begun(request: Request, job: Job) -> Response:
    response = json_response({"job": job.id}, 202)
    response.headers["location"] = f"{request.scope.get('root_path', '')}/api/v1/jobs/{job.id}"
    return response


def _find(request: Request, job_id: str) -> tuple[str, Job]:
    """A job and its memory's name; Problem where there is none, or the token is not for its memory."""
    found = context_of(request).writers.find(job_id)
    token = exchange_of(request.scope).token
    if found is None or (token is not None and not token.allows(found[0])):
        raise Problem("not_found", "there is no job of this id")
    return found


def _shown(context: Context, memory: str, job: Job) -> dict[str, Any]:
    shown = {"memory": memory, **job.to_json()}
    return shown | {"detail": None if job.detail is None else context.shown(job.detail)}


async def _events(context: Context, memory: str, job: Job) -> AsyncIterator[str]:
    journal = context.writers.journals[memory]
    told: dict[str, Any] | None = None
    spoken = time.monotonic()
    while True:
        shown = _shown(context, memory, job)
        if shown != told:
            told, spoken = shown, time.monotonic()
            yield f"event: job\ndata: {json.dumps(shown)}\n\n"
        elif time.monotonic() - spoken > _KEEP_ALIVE:
            spoken = time.monotonic()
            yield ": still there\n\n"
        if job.state in ENDED or context.engine.draining:
            return
        await asyncio.sleep(_STREAM_LOOK)
        job = await asyncio.to_thread(journal.again, job)
