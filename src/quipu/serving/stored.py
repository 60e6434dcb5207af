"""Routes that show what is stored: memories, pairs, documents, coverage."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator
from starlette.requests import Request
from starlette.responses import Response

from quipu.answering.answerer import METHODS
from quipu.memory import Memory
from quipu.serving import schemas
from quipu.serving.context import Context, Readable, context_of, json_response, read
from quipu.serving.frame import exchange_of
from quipu.serving.openapi import READ, answered
from quipu.serving.problems import Problem
from quipu.serving.served import Served
from quipu.storage.provenance import barest
from quipu.text import is_unicode

router = APIRouter(tags=["memories"])
CHARACTERS = 20_000
"""Of a document's text in one response."""
Limit = Annotated[int, Query(ge=1, le=200, description="At most so many.")]
After = Annotated[str | None, Query(max_length=64, description="The `next` of the page before.")]
Id = Annotated[str, Path(pattern=r"^[0-9a-f]{1,32}$", examples=["3f1d0c5a9b7e42d86a10c4f2e95b7d38"])]


def _plain(text: str | None) -> str | None:
    if text is not None and ("\x00" in text or not is_unicode(text)):
        raise ValueError("holds a NUL character or a lone surrogate")
    return text


Name = Annotated[str | None, AfterValidator(_plain), Query(max_length=4_096)]
_PAIRS = """SELECT p.row, p.id, p.question, p.answer, p.origin, d.source, p.start, p."end", {line}, p.generator,
 p.generator_score, p.filter_score FROM pairs p LEFT JOIN documents d ON d.id = p.document WHERE p.row > ?"""
_DOCUMENTS = """SELECT d.row, d.id, d.source, d.file, d.title, letters(d.text),
 (SELECT count(*) FROM passages a WHERE a.document = d.id), (SELECT count(*) FROM pairs p WHERE p.document = d.id)
 FROM documents d WHERE d.row > ?"""


@router.get(
    "/memories", summary="List the memories", response_model=None,
    responses=answered(schemas.Memories, ("unauthorized", "rate_limited", "internal")),
)  # fmt: skip
def memories(request: Request) -> Response:
    """Those that the token is for."""
    context = context_of(request)
    allowed = context.allowed(exchange_of(request.scope).token)
    return json_response({"memories": [facts(context, served) for served in allowed.values()]})


@router.get(
    "/{memory}", summary="Show a memory", response_model=None, responses=answered(schemas.MemoryShown, READ)
)  # fmt: skip
def memory(request: Request, served: Readable) -> Response:
    """What it holds, its models, and the methods by which it can be asked."""
    return json_response(facts(context_of(request), served))


@router.get("/{memory}/pairs", summary="List pairs", response_model=None, responses=answered(schemas.Pairs, READ))
def pairs(
    served: Readable,
    document: Annotated[Name, Query(description="Of this document: its id, source or file.")] = None,
    origin: Annotated[Literal["generated", "document", "imported", "user"] | None, Query()] = None,
    state: Annotated[
        Literal["ambiguous", "right", "wrong", "plain"] | None,
        Query(
            description="Another passage answers it otherwise; its answer was marked as right, or as wrong; none of it."
        ),
    ] = None,
    q: Annotated[Name, Query(description="With these letters in the question or the answer, case aside.")] = None,
    limit: Limit = 50,
    after: After = None,
) -> Response:
    """In the order in which they were stored, a page at a time."""

    def reading(memory: Memory) -> dict[str, Any]:
        store = memory.store
        condition, values = "", [_row(after)]
        arguments: list[Any] = list(values)
        if document is not None:
            found = store.find_documents(document)
            condition += f" AND p.document IN ({','.join('?' * len(found))})"
            arguments += found
        if origin is not None:
            condition += " AND p.origin = ?"
            arguments.append(origin)
        if state is not None:
            condition += f" AND {_state(state, store.format)}"
        if q:
            condition += " AND (instr(lower(p.question), lower(?)) OR instr(lower(p.answer), lower(?)))"
            arguments += [q, q]
        query = _PAIRS.format(line="p.line" if store.format >= 5 else "NULL")
        rows = store.connection.execute(f"{query}{condition} ORDER BY p.row LIMIT ?", (*arguments, limit)).fetchall()
        return {"pairs": [_named(schemas.StoredPair, row) for row in rows], "next": _next(rows, limit)}

    return json_response(read(served, reading))


@router.get(
    "/{memory}/pairs/{pair}", summary="Say where a pair comes from", response_model=None,
    responses=answered(schemas.Why, READ),
)  # fmt: skip
def why(served: Readable, pair: Id) -> Response:
    """Document, passage, span, scores, every place that says the same, every verdict: what `quipu why --json` prints.

    A beginning of the id will do. Of a pair that was dropped, why it was dropped.
    """

    return json_response(read(served, lambda memory: find_pair(memory, pair)))


@router.get(
    "/{memory}/documents", summary="List documents", response_model=None, responses=answered(schemas.Documents, READ)
)  # fmt: skip
def documents(
    served: Readable,
    source: Annotated[Name, Query(description="Only those of this source, as answers name it, or file.")] = None,
    limit: Limit = 50,
    after: After = None,
) -> Response:
    """In the order in which they were added, a page at a time."""

    return json_response(read(served, lambda memory: find_documents(memory, source, limit, after)))


@router.get(
    "/{memory}/documents/{document}", summary="Show a document", response_model=None,
    responses=answered(schemas.DocumentShown, READ),
)  # fmt: skip
def document(served: Readable, document: Id) -> Response:
    """Its source, its title, and how much is stored of it."""

    def reading(memory: Memory) -> dict[str, Any]:
        row = memory.store.connection.execute(f"{_DOCUMENTS} AND d.id = ?", (0, document)).fetchone()
        if row is None:
            raise Problem("not_found", "no document has this id")
        return _named(schemas.DocumentShown, row)

    return json_response(read(served, reading))


@router.get(
    "/{memory}/documents/{document}/text", summary="Read a piece of a document", response_model=None,
    responses=answered(schemas.TextShown, READ),
)  # fmt: skip
def text(
    served: Readable,
    document: Id,
    start: Annotated[int, Query(ge=0, le=1 << 40)] = 0,
    end: Annotated[int | None, Query(ge=0, le=1 << 40, description=f"At most {CHARACTERS} after `start`.")] = None,
) -> Response:
    """Characters of the text as it was read from the file: spans of answers and pairs are offsets in it."""
    until = start + CHARACTERS if end is None else end
    if not start <= until <= start + CHARACTERS:
        raise Problem("invalid", f"query /end: not from start to {CHARACTERS:,} characters after it", pointer="/end")

    def reading(memory: Memory) -> dict[str, Any]:
        row = memory.store.connection.execute(
            "SELECT letters(text), piece(text, ?, ?) FROM documents WHERE id = ?", (start, until, document)
        ).fetchone()
        if row is None:
            raise Problem("not_found", "no document has this id")
        return {"document": document, "start": start, "end": start + len(row[1]), "characters": row[0], "text": row[1]}

    return json_response(read(served, reading))


@router.get(
    "/{memory}/coverage", summary="Show what became of the passages", response_model=None,
    responses=answered(schemas.CoverageShown, READ),
)  # fmt: skip
def coverage(served: Readable, limit: Limit = 20) -> Response:
    """Pairs made, kept, and dropped by reason; those passages in full that have the fewest. made = kept + dropped."""
    return json_response(read(served, lambda memory: barest(memory.coverage(), limit)))


def _state(state: str, store_format: int) -> str:
    """The condition for pairs in this state; a record of an older format has no such marks."""
    marked = "EXISTS (SELECT 1 FROM feedback f WHERE f.pair = p.id AND f.is_right = {})"
    conditions = {
        "ambiguous": "p.ambiguous IS NOT NULL" if store_format >= 2 else "0",
        "right": marked.format(1) if store_format >= 7 else "0",
        "wrong": marked.format(0) if store_format >= 7 else "0",
    }
    if state == "plain":
        return f"NOT ({' OR '.join(conditions.values())})"
    return conditions[state]


def find_pair(memory: Memory, pair: str) -> dict[str, Any]:
    """What ``Memory.why`` says of the pair whose id begins so; Problem where none does, or more than one."""
    known = "SELECT id FROM pairs WHERE id >= ? AND id < ? UNION SELECT pair FROM verdicts WHERE pair >= ? AND pair < ?"
    found = memory.store.connection.execute(known, (pair, pair + "g") * 2).fetchmany(2)
    if len(found) != 1:
        raise Problem("not_found", "more than one pair's id begins so" if found else "no pair has this id")
    return memory.why(found[0][0])


def find_documents(memory: Memory, source: str | None, limit: int, after: str | None) -> dict[str, Any]:
    """A page of the documents, as ``Documents``; Problem where ``after`` is no page's ``next``."""
    condition, values = ("", ()) if source is None else (" AND ? IN (d.source, d.file)", (source,))
    rows = memory.store.connection.execute(
        f"{_DOCUMENTS}{condition} ORDER BY d.row LIMIT ?", (_row(after), *values, limit)
    ).fetchall()
    return {"documents": [_named(schemas.DocumentShown, row) for row in rows], "next": _next(rows, limit)}


def facts(context: Context, served: Served) -> dict[str, Any]:
    """A memory as ``MemoryShown``."""

    def reading(memory: Memory) -> dict[str, Any]:
        return {
            "name": served.name,
            "counts": memory.store.counts(),
            "models": list(memory.store.models),
            "calibrated": memory.own_calibration() is not None,
            "methods": list(METHODS),
            "writable": context.settings.writable,
        }

    return read(served, reading)


def _named(model: type[schemas.Shown], row: tuple[Any, ...]) -> dict[str, Any]:
    """The columns behind the row's number, by the names of the schema's fields."""
    return dict(zip(model.model_fields, row[1:], strict=True))


def _next(rows: list[Any], limit: int) -> str | None:
    if len(rows) < limit:
        return None
    return base64.urlsafe_b64encode(rows[-1][0].to_bytes(8, "big")).decode().rstrip("=")


def _row(after: str | None) -> int:
    """The row number that ``_next`` wrote; 0 at the beginning."""
    if after is None:
        return 0
    try:
        number = base64.b64decode(after + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        number = b""
    if len(number) != 8 or number[0] > 127:
        raise Problem("invalid", "query /after: not the `next` of a page", pointer="/after")
    return int.from_bytes(number, "big")
