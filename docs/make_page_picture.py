"""Write docs/page.png, a picture of the page of ``quipu serve``: ``python docs/make_page_picture.py MEMORY QUESTION``.

It needs playwright and a Chromium, which the environment's QUIPU_CHROMIUM names (without it: ``chromium``).
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import uvicorn
from playwright.sync_api import sync_playwright

from quipu.serving.app import Server
from quipu.serving.settings import ServeSettings

TARGET = Path(__file__).with_name("page.png")
SIZE = 900, 700
"""Pixels, as wide as the page's card and as high as an answer with one place."""
_SECONDS = 300


def take(url: str, question: str, target: Path) -> None:
    """Ask, and keep what is to be seen then."""
    with sync_playwright() as playwright:
        chromium = os.environ.get("QUIPU_CHROMIUM", "/usr/bin/chromium")
        with playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]) as browser:
            page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]}, color_scheme="light")
            page.set_default_timeout(1_000 * _SECONDS)
            page.goto(url)
            page.fill("#question", question)
            page.press("#question", "Enter")
            page.wait_for_selector("#answer .card")
            page.evaluate("document.activeElement.blur()")
            page.wait_for_timeout(1_000)
            page.screenshot(path=target, full_page=True)


def main() -> int:
    """Serve the memory, take the picture, stop."""
    memory, question = sys.argv[1:]
    server = Server([Path(memory)], ServeSettings(queue_ms=1_000 * _SECONDS), environment={})
    running = uvicorn.Server(uvicorn.Config(server.app, port=0, log_config=None, lifespan="on"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started or server.engine.why_not_ready is not None:
        time.sleep(0.1)
    take(f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}/", question, TARGET)
    running.should_exit = True
    thread.join()
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
