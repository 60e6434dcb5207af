"""Runs a server under uvicorn: where it listens, how it ends, and one request without a socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import unquote, urlsplit

import uvicorn
from starlette.types import Message

from quipu.errors import InputError
from quipu.serving.app import Server
from quipu.serving.protocol import BoundedProtocol
from quipu.serving.workers import Workers

DRAIN = 10
"""Seconds that requests which are there are still answered when the server is stopped."""
_CONNECTIONS = 1_000  # at once; uvicorn answers 503 beyond
_BACKLOG = 2_048


class _Uvicorn(uvicorn.Server):
    """Says when it listens, ends with exit code 0 when it is told to, and gives up where models cannot be loaded."""

    def __init__(self, config: uvicorn.Config, server: Server, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._server, self._said = server, started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._said()

    async def on_tick(self, counter: int) -> bool:
        """Whether to end; asked ten times a second."""
        return await super().on_tick(counter) or self._server.engine.failed

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take no more questions at once; a second signal does not wait for those that are being answered.

        uvicorn's own would have the signal raised again at the end: the exit code would be that of a killed process.
        """
        self._server.engine.draining = True
        self.force_exit = self.should_exit
        self.should_exit = True


def run(server: Server, started: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``started`` is told the URL once the server listens.

    InputError where the address cannot be had or the models cannot be loaded.
    """
    settings = server.context.settings
    listening, url = _listen(server)
    try:
        if settings.workers > 1:
            Workers(server, listening, DRAIN).run(lambda: started(url))
        else:
            serve(server, listening, lambda: started(url))
    finally:
        listening.close()
        if settings.uds is not None:
            settings.uds.unlink(missing_ok=True)


def serve(server: Server, listening: socket.socket, started: Callable[[], None]) -> None:
    """Answer what comes to a socket, in this process, until SIGTERM or SIGINT.

    InputError where the models cannot be loaded.
    """
    settings = server.context.settings
    config = uvicorn.Config(
        server.app, log_config=None, access_log=False, server_header=False, lifespan="on",
        proxy_headers=settings.public_url is not None, root_path=settings.root_path,
        timeout_graceful_shutdown=DRAIN, limit_concurrency=_CONNECTIONS, timeout_keep_alive=30, http=BoundedProtocol,
        ssl_keyfile=settings.ssl_keyfile, ssl_certfile=settings.ssl_certfile, ws="none",
        uds=None if settings.uds is None else str(settings.uds),
    )  # fmt: skip
    _Uvicorn(config, server, started).run(sockets=[listening])
    if server.engine.failed:
        raise InputError(str(server.engine.why_not_ready))


def _listen(server: Server) -> tuple[socket.socket, str]:
    """The socket, bound, and the URL by which it is reached."""
    settings = server.context.settings
    if settings.uds is not None:
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if settings.uds.is_socket() and not _answers(settings.uds):
            settings.uds.unlink()  # of a server that was killed
        try:
            listening.bind(str(settings.uds))
        except OSError as error:
            listening.close()
            raise InputError(f"{settings.uds} cannot be listened on ({error.strerror or error})") from error
        settings.uds.chmod(0o600)
        listening.listen(_BACKLOG)
        return listening, f"unix:{settings.uds}"
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{settings.host}:{settings.port} cannot be listened on ({reason}); --port 0 takes any that is free"
        ) from error
    listening.listen(_BACKLOG)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    scheme = "http" if settings.ssl_certfile is None else "https"
    return listening, f"{scheme}://{host}:{listening.getsockname()[1]}"


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        return client.connect_ex(str(path)) == 0


def get(server: Server, path: str, token: str | None = None) -> tuple[int, bytes]:
    """Status and body of one GET request; nothing is listened on."""
    return asyncio.run(_get(server, path, token))


async def _get(server: Server, path: str, token: str | None) -> tuple[int, bytes]:
    parts = urlsplit(path)
    headers = [(b"host", b"localhost")]
    if token is not None:
        headers.append((b"authorization", f"Bearer {token}".encode("latin-1", "replace")))
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": unquote(parts.path), "raw_path": parts.path.encode(), "query_string": parts.query.encode(),
        "root_path": "", "headers": headers, "client": None, "server": ("localhost", 80),
    }  # fmt: skip
    status, body = 0, bytearray()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            body.extend(message.get("body", b""))

    if parts.path == "/readyz":  # nothing else that is got needs a model
        server.engine.start()
        while server.engine.why_not_ready is not None and not server.engine.failed:
            await asyncio.sleep(0.01)
    try:
        await server.app(scope, receive, send)
    finally:
        server.close()
    return status, bytes(body)
