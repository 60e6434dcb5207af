"""Errors of the API: RFC 9457 objects, one for every code, and what each exception becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Scope

from quipu.errors import FormatError, MemoryLocked, QuipuError

OPENAI = "/v1"
"""Paths below this are those of OpenAI's API, with its errors."""
STATUS = {
    "not_json": 400,
    "no_host": 400,
    "unsupported": 400,
    "unsupported_content": 400,
    "unauthorized": 401,
    "wrong_scope": 403,
    "read_only": 403,
    "cross_origin": 403,
    "not_found": 404,
    "model_not_found": 404,
    "method_not_allowed": 405,
    "slow_body": 408,
    "exists": 409,
    "changed": 409,
    "running": 409,
    "too_large": 413,
    "unsupported_media_type": 415,
    "unknown_host": 421,
    "invalid": 422,
    "unusable": 422,
    "rate_limited": 429,
    "queue_full": 429,
    "internal": 500,
    "damaged": 500,
    "draining": 503,
    "not_ready": 503,
    "locked": 503,
    "deadline": 504,
}
"""The HTTP status of every code that a problem can have."""
_LONGEST = 500  # characters of a detail
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_BY_STATUS = {400: "not_json", 404: "not_found", 405: "method_not_allowed"}
_SAID = {
    "not_json": "the body is not JSON",
    "not_found": "there is no such route; /openapi.json lists all",
    "method_not_allowed": "the route does not take this method; the header Allow says which it takes",
}
"""What frameworks say in other words."""


class Problem(HTTPException):
    """What went wrong with a request: a code of ``STATUS``, one line for a person, further headers."""

    def __init__(self, code: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        """``more``: further members of the object."""
        super().__init__(STATUS[code], detail, dict(headers or {}))
        self.code, self.more = code, more

    def response(self, request_id: str, path: str) -> JSONResponse:
        """The object as it is sent; ``path``: of the request, whose API has its own form."""
        if path.startswith(f"{OPENAI}/"):
            return self._of_openai()
        content = {
            "type": "about:blank", "title": HTTPStatus(self.status_code).phrase, "status": self.status_code,
            "detail": self.detail[:_LONGEST], "code": self.code, "request_id": request_id, **self.more,
        }  # fmt: skip
        return JSONResponse(content, self.status_code, self.headers, media_type="application/problem+json")

    def _of_openai(self) -> JSONResponse:
        """As OpenAI's API says it; ``param`` is the name of the parameter that is wrong."""
        status = 400 if self.status_code == 422 else self.status_code
        kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
        parts = self.more.get("pointer", "").split("/")[1:]
        named = "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in parts).removeprefix(".")
        param = self.more.get("param") or named or None
        error = {"message": self.detail[:_LONGEST], "type": kind, "param": param, "code": self.code}
        return JSONResponse({"error": error}, status, self.headers)


def path_of(scope: Scope) -> str:
    """The path of the route that is asked for: without what a proxy strips, which uvicorn puts back."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def retry(code: str, detail: str, seconds: float) -> Problem:
    """A problem that will be over after so many seconds."""
    return Problem(code, detail, {"Retry-After": str(max(1, -int(-seconds // 1)))})


def problem_of(error: Exception) -> Problem:
    """What an exception is to a client."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return _invalid(error.errors())
    if isinstance(error, HTTPException):
        code = _BY_STATUS.get(error.status_code, "internal")
        return Problem(code, _SAID.get(code, str(error.detail)), error.headers)
    if isinstance(error, MemoryLocked):
        return Problem("locked", str(error), {"Retry-After": "5"})
    if isinstance(error, FormatError):
        return Problem("damaged", str(error))
    if isinstance(error, QuipuError):
        return Problem("unusable", str(error))
    return Problem("internal", "an error that was not foreseen; the server's log has it under the request's id")


def handle_problems(app: FastAPI, shown: Callable[[str], str], note: Callable[[Request, str], str]) -> None:
    """Have every exception of a route answered as a problem; what was not foreseen is raised again afterwards.

    ``shown`` takes paths out of texts; ``note`` is told the code, and gives the request's id.
    """

    async def answered(request: Request, error: Exception) -> JSONResponse:
        problem = problem_of(error)
        problem.detail = shown(problem.detail)
        return problem.response(note(request, problem.code), path_of(request.scope))

    for kind in (HTTPException, RequestValidationError, QuipuError, Exception):
        app.add_exception_handler(kind, answered)


def _invalid(errors: Sequence[Any]) -> Problem:
    """The first fault, with a JSON pointer to its field; the value itself is not repeated."""
    first = errors[0]
    where, *path = first["loc"] or ("body",)
    if first["type"] == "json_invalid":
        return Problem("not_json", f"the body is not JSON ({first['ctx']['error']} at character {path[0]})")
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)[:_LONGEST]
    said = first["msg"].removeprefix("Value error, ")
    return Problem("invalid", f"{where} {pointer or '/'}: {said}", pointer=pointer, location=str(where))
