"""The description of the API, as OpenAPI 3.1: what FastAPI finds out, and the errors and tokens that it does not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from quipu.serving import schemas
from quipu.serving.problems import STATUS

VERSION = "1"
"""Of the API: response fields may be added within it, none changes."""
READ = ("unauthorized", "not_found", "invalid", "rate_limited", "internal")
ASKED = (*READ, "not_json", "too_large", "unsupported_media_type", "queue_full", "not_ready", "draining", "deadline")
JUDGED = (*READ, "read_only", "not_json", "too_large", "unsupported_media_type", "locked", "draining")
FOLLOWED = (*READ, "wrong_scope", "read_only")
CHANGED = (*FOLLOWED, "not_json", "exists", "too_large", "unsupported_media_type", "locked", "draining")
REVIEWED = (*CHANGED, "changed", "unusable")
_NOTES = {
    "": "Every response has `X-Request-Id` and `Server-Timing`. Errors are RFC 9457 objects with a `code`.",
    "answers": "Questions to answers.",
    "memories": "What is stored, and where it comes from.",
    "changes": "What changes a memory: with a token for administration, on a server started with `--writable`. A "
    "process of its own does it, one job after the other, while questions are answered.",
    "operation": "For those who run the server.",
}


def answered(model: Any, codes: Iterable[str], status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The responses of a route: its own, and the problems that it can have."""
    found: dict[int | str, dict[str, Any]] = {status: {"model": model, "description": "Done."}}
    for code in sorted(codes, key=lambda code: STATUS[code]):
        known = found.setdefault(STATUS[code], {"description": "", "content": _PROBLEM})
        known["description"] = ", ".join(filter(None, (known["description"], f"`{code}`")))
    return found


def describe(app: FastAPI) -> dict[str, Any]:
    """The whole description."""
    found = get_openapi(
        title="quipu", version=VERSION, openapi_version="3.1.0", description=_NOTES[""], routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in _NOTES.items() if name],
    )  # fmt: skip
    components = found.setdefault("components", {})
    components["schemas"] = {
        **components.get("schemas", {}),
        "Problem": schemas.Problem.model_json_schema(ref_template="#/components/schemas/{model}"),
    }
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "Made with `quipu token new`."}
    }
    found["security"] = [{"token": []}, {}]
    return found


_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
