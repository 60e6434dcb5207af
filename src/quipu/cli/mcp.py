"""``quipu mcp``: memories as tools of an assistant that starts this command itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from quipu.cli.terminal import remark
from quipu.errors import MissingExtra


def mcp(
    memories: Annotated[
        list[Path], typer.Argument(metavar="MEMORY...", help="The folders of the memories.", show_default=False)
    ],
    writable: Annotated[bool, typer.Option("--writable", help="Let the assistant remember answers.")] = False,
) -> None:
    """Offer memories to an assistant as tools, by the Model Context Protocol.

    The assistant (Claude, Cursor, ...) starts this command and talks to it on standard input and output. `quipu serve`
    offers the same tools over HTTP at /mcp. See docs/serving.md.
    """
    protocol = os.dup(1)  # before anything else is imported: what a library prints must not get between the messages
    os.dup2(2, 1)
    try:
        try:
            from quipu.serving.mcp_stdio import run
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("quipu"):
                raise
            raise MissingExtra("MCP needs packages that are not installed: pip install 'quipu-qa[serve]'") from error
        if sys.stdin.isatty():
            remark("an assistant starts this command and talks to it; see docs/serving.md. Ctrl-C stops it")
        run(memories, writable, protocol)
    except BaseException:
        os.dup2(protocol, 1)
        os.close(protocol)
        raise
