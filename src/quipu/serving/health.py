"""Routes for those who run the server: whether it lives, whether it is ready, its metrics, its description."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from quipu.serving import schemas
from quipu.serving.context import context_of, json_response
from quipu.serving.frame import exchange_of
from quipu.serving.metrics import CONTENT_TYPE
from quipu.serving.openapi import answered
from quipu.serving.problems import retry

router = APIRouter(tags=["operation"])
_LOCKED = ("unauthorized", "rate_limited", "internal")


@router.get("/livez", summary="Whether the server lives", response_model=None,
            responses=answered(schemas.Health, ("internal",)))  # fmt: skip
async def livez() -> Response:
    """It does, if it answers at all."""
    return json_response({"status": "alive", "memories": []})


@router.get("/readyz", summary="Whether questions are answered", response_model=None,
            responses=answered(schemas.Health, ("not_ready", "draining", "internal")))  # fmt: skip
async def readyz(request: Request) -> Response:
    """Models and indexes are loaded, and the server is not being stopped; else 503, and why."""
    engine = context_of(request).engine
    if engine.draining:
        raise retry("draining", "the server is being stopped", 5)
    if engine.why_not_ready is not None:
        raise retry("not_ready", engine.why_not_ready, 2)
    return json_response({"status": "ready", "memories": _names(request)})


@router.get(
    "/metrics", summary="Metrics", response_model=None,
    responses={
        **answered(schemas.Health, _LOCKED),
        200: {"description": "Prometheus 0.0.4.", "content": {"text/plain": {"schema": {"type": "string"}}}},
    },
)  # fmt: skip
def metrics(request: Request) -> Response:
    """Requests, times, the queue, batches, answers and refusals; no label holds a text of a user."""
    return Response(context_of(request).metrics.text(), headers={"content-type": CONTENT_TYPE})


@router.get(
    "/openapi.json", summary="This description", response_model=None,
    responses={
        **answered(schemas.Health, _LOCKED),
        200: {"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {"type": "object"}}}},
    },
)  # fmt: skip
async def openapi(request: Request) -> Response:
    """The API in OpenAPI 3.1, as docs/openapi.json has it."""
    return json_response(request.app.openapi())


def _names(request: Request) -> list[str]:
    """Of the memories, where reading is open to this client: names are not told to one who has no token."""
    context, token = context_of(request), exchange_of(request.scope).token
    if token is None and not context.keyring.reading_is_open(context.settings.loopback):
        return []
    return list(context.allowed(token))
