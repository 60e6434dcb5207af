"""The application: the routes, and around them what every request goes through, outermost first: frame, CORS, gate."""

from __future__ import annotations

import asyncio
import functools
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp

from quipu.errors import InputError
from quipu.serving import answering, changes, feedback, health, openai_chat, review, stored, web
from quipu.serving.context import Context
from quipu.serving.frame import API, Frame, exchange_of
from quipu.serving.gate import Gate
from quipu.serving.mcp import McpRoute, McpServer
from quipu.serving.openapi import describe
from quipu.serving.problems import handle_problems
from quipu.serving.served import Opener, open_memory
from quipu.serving.settings import ServeSettings
from quipu.serving.tokens import Keyring
from quipu.serving.watching import Watcher, watched_folders

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class Server:
    """Memories behind an ASGI application, ``app``. Its lifespan starts and ends the engine and the writer."""

    def __init__(
        self,
        paths: Sequence[Path],
        settings: ServeSettings | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        opener: Opener = open_memory,
        writer: Sequence[str] | None = None,
        wake: Callable[[], None] | None = None,
    ) -> None:
        """InputError where a memory cannot be opened, or where the settings would let in more than was meant.

        ``environment``: that of the process; ``writer``: the command of the process that writes; ``wake``: where
        another process keeps that one and watches the files, what tells it of a new job.
        """
        settings = settings or ServeSettings()
        self.keyring = Keyring(settings.token_file, os.environ if environment is None else environment)
        self._check(settings)
        self.context = Context.open(paths, settings, self.keyring, opener, writer, wake)
        self.engine = self.context.engine
        folders = watched_folders(settings.watch, list(self.context.memories))
        self._watcher = Watcher(self.context.writers, folders if wake is None else {}, settings.watch_delete)
        self.mcp = McpRoute(McpServer(self.context), settings.max_body)
        self.routes = routes(self._lifespan)
        self.routes.state.context = self.context
        self.routes.router.routes.append(self.mcp)
        inner: ASGIApp = Gate(self.routes, settings, self.keyring)
        if settings.cors:
            inner = CORSMiddleware(
                inner, allow_origins=settings.cors, allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=[
                    "authorization", "content-type", "x-request-id", "mcp-protocol-version", "mcp-method", "mcp-name",
                ],
                expose_headers=["x-request-id", "server-timing", "retry-after", "location", "x-quipu-ignored"],
            )  # fmt: skip
        self.app: ASGIApp = Frame(inner, settings, self.context.metrics)
        handle_problems(self.routes, self.context.shown, _note)

    def _check(self, settings: ServeSettings) -> None:
        tokens = self.keyring.tokens()
        if not settings.loopback and not tokens:
            raise InputError(
                f"{settings.public_url or settings.host} is more than this machine, and there is no token: make one "
                "with `quipu token new --to FILE` and give --token-file FILE"
            )
        if settings.writable and not any(token.scope == "admin" for token in tokens):
            raise InputError(
                "--writable needs a token for it: make one with `quipu token new --admin --to FILE` and give "
                "--token-file FILE"
            )

        if settings.ssl_certfile is not None:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile)
            except OSError as error:
                raise InputError(
                    f"--ssl-certfile {settings.ssl_certfile} with --ssl-keyfile {settings.ssl_keyfile} cannot be used "
                    f"({error.strerror or error})"
                ) from error

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        self.engine.start()
        self.start_writing()
        sampling = asyncio.create_task(self._sample())
        try:
            async with self.mcp.manager.run():
                yield
        finally:
            sampling.cancel()
            self.close()

    def start_writing(self) -> None:
        """Have jobs done, and files watched, where the server is to change anything."""
        if self.context.settings.writable or self.context.settings.watch:
            self.context.writers.start()
            self._watcher.start()

    async def _sample(self) -> None:
        while self.context.metrics.shared:  # other processes tell what this one measures
            self.context.metrics.sample()
            await asyncio.sleep(0.5)

    def close(self) -> None:
        """Let everything go."""
        self._watcher.close()
        self.context.close()


def routes(lifespan: Lifespan | None = None) -> FastAPI:
    """Every route, without what is around them."""
    app = FastAPI(
        docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,
    )  # fmt: skip
    app.include_router(web.router)
    app.include_router(health.router)
    app.include_router(openai_chat.router)
    for router in (changes.router, review.router, stored.router, answering.router, feedback.router):
        app.include_router(router, prefix=API)
    app.openapi = functools.cache(lambda: describe(app))  # type: ignore[method-assign]
    return app


def _note(request: Request, code: str) -> str:
    exchange = exchange_of(request.scope)
    exchange.refused = code
    return exchange.request_id
