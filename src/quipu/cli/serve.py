"""``quipu serve``: memories behind HTTP."""

from __future__ import annotations

import os
import re
import threading
import webbrowser
from pathlib import Path
from typing import Annotated, Literal

import typer

from quipu.cli.options import AsJson
from quipu.cli.terminal import print_json, show, show_text
from quipu.errors import InputError, MissingExtra

_SIZE = re.compile(r"(\d{1,15})\s*(?:([KMG])i?B?)?", re.IGNORECASE)
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30}


def serve(
    memories: Annotated[
        list[Path], typer.Argument(metavar="MEMORY...", help="The folders of the memories.", show_default=False)
    ],
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen. Beyond this machine only with tokens.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, metavar="N", help="0 takes any that is free.")] = 8765,
    uds: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Listen on a Unix socket instead.", show_default=False)
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Who may read and who may write, as `quipu token new --to FILE` notes it. QUIPU_TOKEN and "
            "QUIPU_ADMIN_TOKEN of the environment count too.",
            show_default=False,
        ),
    ] = None,
    writable: Annotated[
        bool, typer.Option("--writable", help="Let admin tokens change the memories, and readers mark answers.")
    ] = False,
    public_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="By what address a proxy before it is reached.", show_default=False),
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="A site whose pages may ask; may be given again.", show_default=False),
    ] = None,
    max_body: Annotated[str, typer.Option(metavar="SIZE", help="The most that a request may send.")] = "1MiB",
    max_upload: Annotated[str, typer.Option(metavar="SIZE", help="The most that a document may have.")] = "32MiB",
    queue: Annotated[int, typer.Option(min=1, metavar="N", help="Questions that may wait; 429 for more.")] = 512,
    queue_ms: Annotated[
        float, typer.Option("--queue-ms", min=1, metavar="MS", help="How long a question may wait.")
    ] = 2000,
    batch: Annotated[int, typer.Option(min=1, metavar="N", help="Questions answered together at most.")] = 32,
    rate: Annotated[float, typer.Option(min=0.001, metavar="N", help="Requests a second that a token may make.")] = 20,
    burst: Annotated[int, typer.Option(min=1, metavar="N", help="Requests that it may make at once.")] = 40,
    workers: Annotated[
        int,
        typer.Option(
            min=1, max=64, metavar="N", help="Processes that answer at this address; one that dies is started again."
        ),
    ] = 1,
    watch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DOCS",
            help="Files and folders that the memory is synced with whenever one changes; NAME=DOCS where there are "
            "several memories; may be given again.",
            show_default=False,
        ),
    ] = None,
    watch_delete: Annotated[
        bool, typer.Option("--watch-delete", help="Forget watched files that are gone, at most 20 % at once.")
    ] = False,
    question_log: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Keep questions and answers, for `quipu grow --from-log`.", show_default=False
        ),
    ] = None,
    chat_sources: Annotated[
        Literal["append", "none"],
        typer.Option(help="Whether answers of /v1/chat/completions end with their sources."),
    ] = "append",
    ssl_keyfile: Annotated[Path | None, typer.Option(metavar="FILE", show_default=False)] = None,
    ssl_certfile: Annotated[Path | None, typer.Option(metavar="FILE", show_default=False)] = None,
    root_path: Annotated[
        str, typer.Option(metavar="PATH", help="What a proxy strips from the beginning of paths.")
    ] = "",
    get: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Answer one GET request on standard output and stop, without a socket: exit code 0 for 200, else 1.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Answer questions over HTTP: a page and a JSON API with health, metrics and limits.

    Until SIGTERM or Ctrl-C, which let the questions that wait be answered. See docs/serving.md.
    """
    try:
        from quipu.serving import run
        from quipu.serving.app import Server
        from quipu.serving.settings import ServeSettings
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("quipu"):
            raise
        raise MissingExtra("serving needs packages that are not installed: pip install 'quipu-qa[serve]'") from error

    if open_page and uds is not None:
        raise InputError("--open: a browser cannot go to a Unix socket; leave --uds out")
    server = Server(
        memories,
        ServeSettings(
            host=host, port=port, uds=uds, token_file=token_file, writable=writable, public_url=public_url,
            cors=tuple(cors or ()), max_body=_bytes("--max-body", max_body),
            max_upload=_bytes("--max-upload", max_upload), queue=queue, queue_ms=queue_ms, batch=batch, rate=rate,
            burst=burst, question_log=question_log, chat_sources=chat_sources, ssl_keyfile=ssl_keyfile,
            ssl_certfile=ssl_certfile, root_path=root_path, workers=workers,
            watch=tuple(watch or ()), watch_delete=watch_delete,
        ),
    )  # fmt: skip
    if get is not None:
        status, body = run.get(server, get, os.environ.get("QUIPU_ADMIN_TOKEN") or os.environ.get("QUIPU_TOKEN"))
        show_text(body.decode("utf-8", "replace").rstrip("\n"))
        raise typer.Exit(0 if status == 200 else 1)

    def started(url: str) -> None:
        names = list(server.context.memories)
        if as_json:
            print_json({"url": url, "pid": os.getpid(), "memories": names})
        else:
            show(f"{url} serves {', '.join(names)}; Ctrl-C stops it")
        if open_page:  # a browser of a terminal would keep the server from answering it
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    run.run(server, started)


def _bytes(option: str, size: str) -> int:
    """ "32MiB" as bytes."""
    match = _SIZE.fullmatch(size.strip())
    if match is None:
        raise InputError(f"{option} takes a size such as 32MiB, not {size!r}")
    return int(match[1]) << _UNITS[(match[2] or "").upper()]
