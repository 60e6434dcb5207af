"""Who may come in, with what: origin, token and rate before the body is read, then its type, size and pace."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quipu.serving.frame import exchange_of, header
from quipu.serving.limits import Buckets
from quipu.serving.problems import Problem, path_of, retry
from quipu.serving.settings import ServeSettings, origin_of
from quipu.serving.tokens import Keyring
from quipu.serving.web import PATHS

OPEN = frozenset({"/livez", "/readyz"}) | PATHS
"""Paths that need no token anywhere."""
BODY_SECONDS = 10.0
"""How long a body may take, and a second more for every MiB that it may hold."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_WRONG = 1.0, 10  # wrong tokens a second and at once from one address before they are not even answered with 401


class Gate:
    """The ASGI application before the routes. It raises Problem, which ``Frame`` answers."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, keyring: Keyring) -> None:
        """Around ``app``."""
        self._app, self._settings, self._keyring = app, settings, keyring
        self._rates = Buckets(settings.rate, settings.burst)
        self._wrong = Buckets(*_WRONG)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._check_origin(scope)
        self._identify(scope)
        self._check_type(scope)
        await self._app(scope, self._bounded(scope, receive), send)

    def _check_origin(self, scope: Scope) -> None:
        """Problem where a browser sends what could change something on behalf of a foreign page."""
        if scope["method"] in _SAFE:
            return
        origin = header(scope, b"origin")
        if origin is not None and origin.lower() in self._settings.cors:
            return
        site = header(scope, b"sec-fetch-site")
        if site is not None:
            right = site in ("same-origin", "none")
        elif origin is not None:
            public = self._settings.public_url
            right = urlsplit(origin).netloc == header(scope, b"host") or (
                public is not None and origin.lower() == origin_of(public)
            )
        else:
            right = True  # no browser
        if not right:
            raise Problem("cross_origin", "another site's page may not do this; see --cors")

    def _identify(self, scope: Scope) -> None:
        """Note whose token is given. Problem for a wrong one, a missing one, or too many requests."""
        secret = _bearer(header(scope, b"authorization"))
        if secret is None:
            if (
                path_of(scope) in OPEN
                or (scope["method"] == "OPTIONS")
                or self._keyring.reading_is_open(self._settings.loopback)
            ):
                return
            raise Problem("unauthorized", "a token is needed: Authorization: Bearer TOKEN", _challenge())
        token = self._keyring.find(secret)
        if (
            token is None
            and path_of(scope).startswith("/v1/")
            and self._keyring.reading_is_open(self._settings.loopback)
        ):
            return  # clients of OpenAI's API send some key always
        if token is None:
            client = scope.get("client")
            wait = self._wrong.take(client[0] if client else "")
            if wait:
                raise retry("rate_limited", "too many wrong tokens from this address", wait)
            raise Problem("unauthorized", "the token is not known", _challenge("invalid_token"))
        exchange_of(scope).token = token
        wait = self._rates.take(token.id)
        if wait:
            raise retry("rate_limited", f"more than {self._settings.rate:g} requests a second with this token", wait)

    def _check_type(self, scope: Scope) -> None:
        if scope["method"] in ("POST", "PATCH"):
            given = (header(scope, b"content-type") or "").partition(";")[0].strip().lower()
            if given != "application/json":
                raise Problem("unsupported_media_type", "the body is to be application/json")

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """``receive`` that raises Problem where the body is larger than it may be, or comes too slowly."""
        most = self._settings.max_upload if scope["method"] == "PUT" else self._settings.max_body
        length = header(scope, b"content-length")
        if length is not None and (not length.isdecimal() or int(length) > most):
            raise _too_large(most)
        seen = 0
        ended = False
        until = asyncio.get_running_loop().time() + BODY_SECONDS + most / (1 << 20)

        async def bounded() -> Message:
            nonlocal seen, ended
            if ended:  # what comes now is only that the client goes away
                return await receive()
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise Problem("slow_body", "the body was not sent in time", {"Connection": "close"}) from None
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                ended = not message.get("more_body", False)
                if seen > most:
                    raise _too_large(most)
            return message

        return bounded


def _bearer(given: str | None) -> str | None:
    """The token of the header, "" where it holds none."""
    if given is None:
        return None
    kind, _, secret = given.partition(" ")
    return secret.strip() if kind.lower() == "bearer" else ""


def _too_large(most: int) -> Problem:
    return Problem("too_large", f"the body has more than {most:,} bytes", {"Connection": "close"})


def _challenge(error: str | None = None) -> dict[str, str]:
    return {"WWW-Authenticate": 'Bearer realm="quipu"' + (f', error="{error}"' if error else "")}
