"""The route that takes what somebody says of an answer."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from quipu.serving.answer_ids import Answered
from quipu.serving.bodies import Verdict
from quipu.serving.changes import outcome
from quipu.serving.context import Readable, context_of, json_response
from quipu.serving.openapi import JUDGED, answered
from quipu.serving.problems import Problem
from quipu.serving.schemas import FeedbackKept, JobName
from quipu.storage.feedback import feedback_id

router = APIRouter(tags=["answers"])


@router.post(
    "/{memory}/feedback", summary="Say that an answer is right, wrong or useless", response_model=None,
    responses=answered(FeedbackKept, JUDGED) | answered(JobName, (), 202),
)  # fmt: skip
async def feedback(request: Request, served: Readable, given: Verdict) -> Response:
    """As `quipu feedback` does: an answer that is wrong never returns to its question, nor to one that is nearly it.

    What was expected is kept as the right answer, for `quipu calibrate --from-feedback`; the memory does not give it.
    Whoever may ask may say so, on a server started with `--writable`. A verdict that marks no answer (useless, or of a
    refusal) is only counted, by any server.
    """
    context = context_of(request)
    said = context.answer_ids.read(served.name, given.answer_id)
    if None not in (said.answer, given.expected) and _same(said, str(given.expected)):
        raise Problem("invalid", "body /expected: this is the answer that is said not to be right",
                      pointer="/expected", location="body")  # fmt: skip
    mark = None
    if said.answer is not None and given.verdict != "useless":
        mark = [said.question, said.answer, given.verdict == "right", said.pair, said.source]
    marks = mark is not None or given.expected is not None
    if marks and not context.settings.writable:
        raise Problem("read_only", "the server was started without --writable: it keeps no marks of answers")
    context.metrics.feedback(served.name, given.verdict)
    line = {"question": said.question, "verdict": given.verdict, "expected": given.expected}
    if context.log is not None:
        await asyncio.to_thread(context.log.write, [line | {"text": said.answer, "memory": served.name}])
    if not marks:
        return json_response({"verdict": given.verdict, "marks": 0})
    return await outcome(request, served, "mark", line | {"mark": mark}, 200)


def _same(said: Answered, expected: str) -> bool:
    """Whether a mark of what was expected would take the place of the mark of the answer."""
    return feedback_id(said.question, str(said.answer)) == feedback_id(said.question, expected)
