"""Routes of the review of pairs: which wait for a person, and what somebody decides about one."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from quipu.building.review import count_waiting, queue, shown
from quipu.errors import InputError
from quipu.memory import Memory
from quipu.serving import schemas
from quipu.serving.bodies import ReviewDecision
from quipu.serving.changes import outcome
from quipu.serving.context import Administered, Readable, json_response, read
from quipu.serving.frame import exchange_of
from quipu.serving.openapi import FOLLOWED, REVIEWED, answered
from quipu.serving.problems import Problem
from quipu.serving.stored import Id, Limit

router = APIRouter(tags=["changes"], dependencies=[Administered])


@router.get(
    "/{memory}/review", summary="List the pairs that wait for a review", response_model=None,
    responses=answered(schemas.ReviewQueue, FOLLOWED),
)  # fmt: skip
def waiting(
    served: Readable,
    limit: Limit = 20,
    skip: Annotated[int, Query(ge=0, le=1 << 40, description="Leave out so many at the beginning.")] = 0,
    pair: Annotated[
        str | None, Query(pattern=r"^[0-9a-f]{32}$", description="Only this one, if it waits: after an undo.")
    ] = None,
) -> Response:
    """First those whose answer was marked as wrong, then the ambiguous ones, then by how near their score is to the
    threshold, then the rest.
    """

    def reading(memory: Memory) -> dict[str, Any]:
        with memory.store.snapshot():
            found = [shown(memory.store, item) for item in queue(memory.store, limit, skip, pair=pair)]
            return {"waiting": count_waiting(memory.store), "pairs": found}

    return json_response(read(served, reading))


@router.post(
    "/{memory}/review/{pair}", summary="Decide about a pair", response_model=None,
    responses=answered(schemas.ReviewKept, REVIEWED) | answered(schemas.JobName, (), 202),
)  # fmt: skip
async def decide(request: Request, served: Readable, pair: Id, given: ReviewDecision) -> Response:
    """Accept, reject or edit it as it was shown, or take the last decision about it back.

    409 where it was changed, or somebody decided about it, since it was shown. What is rejected does not come back.
    """
    token = exchange_of(request.scope).token
    job = {
        "pair": pair, "decision": given.decision, "version": given.version or "", "note": given.note,
        "by": "" if token is None else f"token {token.id}",
    }  # fmt: skip
    if given.decision == "edit":
        try:
            old = await asyncio.to_thread(read, served, lambda memory: memory.store.pair(pair))
        except InputError:
            raise Problem("changed", "the pair was changed or removed since it was shown") from None
        job |= {"question": given.question or old.question, "answer": given.answer or old.answer}
    return await outcome(request, served, "review", job, 200)
