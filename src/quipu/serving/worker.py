"""One of several processes that answer at one address: ``python -m quipu.serving.worker``, see ``workers``.

It is told on standard input what to serve, and on which socket; when standard input ends, so does it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from quipu.errors import QuipuError
from quipu.serving.app import Server
from quipu.serving.run import serve
from quipu.serving.workers import FAILED, JOB, LISTENS, settings_from_json


def main() -> int:
    """Answer until SIGTERM: the exit code."""
    told = json.loads(sys.stdin.buffer.readline())
    say = threading.Lock()

    def tell(line: str) -> None:
        with say:
            os.write(sys.stdout.fileno(), f"{line}\n".encode("utf-8", "replace"))

    def stay() -> None:
        while os.read(sys.stdin.fileno(), 4096):  # a buffered read would keep the process from ending
            pass
        signal.raise_signal(signal.SIGTERM)

    try:
        paths = [Path(path) for path in told["memories"]]
        server = Server(paths, settings_from_json(told["settings"]), wake=lambda: tell(JOB))
        threading.Thread(target=stay, name="quipu-parent", daemon=True).start()
        with socket.socket(fileno=told["socket"]) as listening:
            serve(server, listening, lambda: tell(LISTENS))
    except QuipuError as error:
        tell(f"{FAILED} {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
