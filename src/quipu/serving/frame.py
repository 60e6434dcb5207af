"""What surrounds every request: its id, its time, the headers of safety, the allow-list of hosts, the last resort."""

from __future__ import annotations

import ipaddress
import re
import secrets
import sys
import time
import traceback
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quipu.serving.metrics import Metrics
from quipu.serving.problems import OPENAI, Problem, path_of, problem_of
from quipu.serving.settings import ServeSettings
from quipu.serving.tokens import Token

HEADERS = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
API = "/api/v1"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(slots=True)
class Exchange:
    """One request and its response. ``token``: who asks, None: nobody that is known; times in milliseconds."""

    request_id: str
    began: float = field(default_factory=time.perf_counter)
    token: Token | None = None
    queue_ms: float = 0.0
    answer_ms: float | None = None
    refused: str | None = None
    """The code of the problem that was answered."""

    def timing(self) -> str:
        """The header ``Server-Timing``; what did not go through the queue is all answering."""
        spent = 1000 * (time.perf_counter() - self.began) if self.answer_ms is None else self.answer_ms
        return f"queue;dur={self.queue_ms:.1f}, answer;dur={spent:.1f}"


def exchange_of(scope: Scope) -> Exchange:
    """What ``Frame`` noted of a request."""
    found = scope["quipu"]
    assert isinstance(found, Exchange)
    return found


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of this name (lower case)."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


class Frame:
    """The outermost ASGI application."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, metrics: Metrics) -> None:
        """Around ``app``."""
        self._app, self._settings, self._metrics = app, settings, metrics
        self._hosts = settings.hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = header(scope, b"x-request-id") or ""
        without_body = scope["method"] == "HEAD"  # of what GET would give
        if without_body:
            scope = {**scope, "method": "GET"}
        exchange = Exchange(given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8))
        scope["quipu"] = exchange
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = list(message.get("headers", ()))
                known = {name.lower() for name, _ in own}
                message["headers"] = own + [item for item in self._headers(scope, exchange) if item[0] not in known]
            elif without_body:
                message = {**message, "body": b""}
            await send(message)

        try:
            self._check_host(scope)
            await self._app(scope, receive, sending)
        except Exception as error:
            problem = problem_of(error)
            exchange.refused = problem.code
            if problem.code == "internal":
                sys.stderr.write(f"quipu: request {exchange.request_id}\n{traceback.format_exc()}")
            if not status:
                await problem.response(exchange.request_id, path_of(scope))(scope, receive, sending)
        finally:
            if exchange.refused is not None:
                self._metrics.refused(exchange.refused)
            route = _template(scope)
            self._metrics.request(route, status, time.perf_counter() - exchange.began)

    def _headers(self, scope: Scope, exchange: Exchange) -> list[tuple[bytes, bytes]]:
        found: dict[str, Any] = {
            **HEADERS, "x-request-id": exchange.request_id, "server-timing": exchange.timing(),
        }  # fmt: skip
        if path_of(scope).startswith(("/api/", f"{OPENAI}/")):
            found["cache-control"] = "no-store"
        return [(name.encode(), value.encode("latin-1")) for name, value in found.items()]

    def _check_host(self, scope: Scope) -> None:
        """Problem where a name is asked for that is not the server's: a foreign page could have rebound its own."""
        host = header(scope, b"host")
        if not host:
            raise Problem("no_host", "the header Host is missing")
        name = host.rsplit(":", 1)[0] if re.search(r":\d*$", host) else host
        name = name.removeprefix("[").removesuffix("]").lower()
        if name in self._hosts or (self._settings.any_address and _is_address(name)):
            return
        raise Problem("unknown_host", "the server is not asked by this name; see --host and --public-url")


def _template(scope: Scope) -> str:
    """The route's path with the names of its parameters, "none" where no route was found."""
    path: str | None = getattr(scope.get("route"), "path", None)
    if path is None:
        return "none"
    return path if path.startswith(API) or not path_of(scope).startswith(API) else API + path


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
