"""A real Chromium before a real server, for the tests of the page."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from tests.serving.conftest import wait

from quipu.serving.app import Server
from quipu.serving.protocol import BoundedProtocol

_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("QUIPU_CHROMIUM") or next((found for name in _NAMES if (found := shutil.which(name))), None)
WITHOUT = "there is no Chromium: install one, or name it by QUIPU_CHROMIUM"
PATIENCE = 60_000
"""Milliseconds that a step may take: on a machine that is busy a browser needs long to start."""
_WATCH = """
window.reports = [];
addEventListener("securitypolicyviolation", (event) => reports.push(event.violatedDirective + " " + event.blockedURI));
"""


@contextmanager
def listening(server: Server) -> Iterator[str]:
    """The address of a server that is ready, with a slash at its end."""
    config = uvicorn.Config(server.app, port=0, log_config=None, lifespan="on", http=BoundedProtocol, ws="none")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    try:
        wait(lambda: running.started and server.engine.why_not_ready is None, PATIENCE / 1_000)
        yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        running.should_exit = True
        thread.join(20)


class Watched:
    """A page in the browser, and all that should not have happened in it."""

    def __init__(self, browser: Any, url: str, **context: Any) -> None:
        """``context``: of playwright's ``new_context``."""
        self.context = browser.new_context(**{"reduced_motion": "reduce", **context})
        self.page = self.context.new_page()
        self.url = url
        self.dialogs: list[str] = []
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.add_init_script(_WATCH)
        self.page.on("dialog", self._dismiss)
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.set_default_timeout(PATIENCE)

    def _dismiss(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _listen(self, said: Any) -> None:
        if said.type == "error":
            self.errors.append(said.text)

    def check(self) -> None:
        """Fails where a script of a document ran, was kept from running, or something left the server."""
        assert self.dialogs == []
        assert self.errors == []
        assert self.page.evaluate("reports") == []
        assert self.page.evaluate("window.hurt") is None
        assert [address for address in self.requests if not address.startswith(self.url)] == []

    def ask(self, question: str) -> Any:
        """The card of the answer."""
        self.page.fill("#question", question)
        self.page.press("#question", "Enter")
        self.page.wait_for_function(
            "q => document.querySelector('#answer .asked')?.textContent === q"
            " && !document.querySelector('#answer').hasAttribute('aria-busy')",
            arg=question,
        )
        return self.page.locator("#answer .card")


@contextmanager
def opened(browser: Any, url: str, fragment: str = "", **context: Any) -> Iterator[Watched]:
    """The page, loaded; checked and closed at the end."""
    watched = Watched(browser, url, **context)
    try:
        watched.page.goto(url + fragment)
        yield watched
        watched.check()
    finally:
        watched.context.close()


def playwright_browser() -> Iterator[Any]:
    """The browser; for the length of a module, for while it runs its thread has a running event loop."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        root = hasattr(os, "getuid") and os.getuid() == 0
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--disable-gpu", *(["--no-sandbox"] if root else [])]
        )
        yield browser
        browser.close()
