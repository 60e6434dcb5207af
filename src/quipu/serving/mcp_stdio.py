"""MCP over standard input and output: a program of the user starts this process and talks to it through pipes.

It goes through the engine as the server's requests do: a program may ask several questions at once, which are answered
together while it is still listened to; one that it withdraws is dropped; and a memory that is replaced is opened anew.
Pairs are written by the writer's process, so that this one never holds the memory's lock.
"""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
from mcp.server.stdio import stdio_server

from quipu.errors import InputError
from quipu.serving.context import Context
from quipu.serving.mcp import McpServer
from quipu.serving.served import Opener, open_memory
from quipu.serving.settings import ServeSettings
from quipu.serving.tokens import Keyring

QUEUE_MS = 60_000.0
"""How long a question may wait. Nobody else is kept waiting, and programs give up after a minute."""


def run(paths: Sequence[Path], writable: bool, protocol: int, opener: Opener = open_memory) -> None:
    """Serve these memories until standard input ends. ``protocol``: where to write; nothing else may be written there.

    InputError where a memory cannot be opened or its models cannot be loaded: before a word of the protocol.
    """
    context = Context.open(paths, ServeSettings(writable=writable, queue_ms=QUEUE_MS), Keyring(None, {}), opener)
    context.start()
    try:
        while context.engine.why_not_ready is not None:
            if context.engine.failed:
                raise InputError(context.engine.why_not_ready)
            time.sleep(0.01)
        # a thread waits for input, and Python's way to end would wait for that thread
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        anyio.run(_serve, context, protocol)
    finally:
        context.close()


async def _serve(context: Context, protocol: int) -> None:
    server = McpServer(context).server
    out = anyio.wrap_file(io.TextIOWrapper(os.fdopen(protocol, "wb", closefd=False), encoding="utf-8"))
    try:
        async with stdio_server(stdout=out) as (received, sent):
            await server.run(received, sent, server.create_initialization_options())
    except* BrokenPipeError:  # the program is gone
        pass
