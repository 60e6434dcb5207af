"""An external model as the writer: calls a second against a server that takes 200 ms, as a share of what is possible.

    python benchmarks/run.py llm-writer [--calls 960]

Possible is concurrency / latency. What is done with a batch before its first call and after its last one (requests are
made, keys looked up, replies placed) counts. What a real model would add (pairs that survive, well-formed pairs, exact
match on SQuAD's half, cost of 1,000 passages) needs one, and is in no figure: no model on the network is asked here.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import common  # noqa: F401 (lets what is shared with tests be imported)
from common import say
from figures import Figure, Result
from quipu.building.external import Passing
from quipu.models.remote.client import Client
from quipu.models.remote.settings import LlmSettings
from quipu.models.remote.writer import LlmWriter
from quipu.records import Score, Span

LATENCY = 0.2
CONCURRENCY = (1, 8, 32)
SERVER = Path(__file__).parents[1] / "tests" / "fakes" / "llm_server.py"
NOT_RUN = "Survival, well-formed pairs, EM and F1 and the cost of 1,000 passages: not run, no model was at hand."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.add_argument("--calls", type=int, default=960, help="with the most at a time; fewer with fewer")


def calls_per_second(url: str, concurrency: int, calls: int) -> float:
    """The client's rate after its connections stand."""
    texts = [f"The pier {number} is 15 metres long. It was built in 1903." for number in range(calls + concurrency)]
    settings = LlmSettings(url=url, model="fake-1", concurrency=concurrency)
    with Client(settings, Passing()) as client:
        writer = LlmWriter(client)

        def write(some: list[str]) -> None:
            bounds = [[Span(0, text.index(".") + 1), Span(text.index(".") + 2, len(text))] for text in some]
            writer.propose(some, bounds, ["Pier"] * len(some), [("", "")] * len(some), 14)

        write(texts[calls:])
        began = time.perf_counter()
        write(texts[:calls])
        return calls / (time.perf_counter() - began)


def run(options: argparse.Namespace) -> Result:
    """Measure each concurrency."""
    command = [sys.executable, str(SERVER), "--latency", str(LATENCY), "--open"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    figures = []
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        for concurrency in CONCURRENCY:
            urllib.request.urlopen(urllib.request.Request(f"{url.removesuffix('/v1')}/script", b"{}")).read()
            waves = max(1, options.calls // max(CONCURRENCY))  # whole ones: a last one that is not full would count
            calls = waves * concurrency
            rate = calls_per_second(url, concurrency, calls)
            share = rate * LATENCY / concurrency
            say(f"  {concurrency} at a time: {rate:.1f} calls/s, {share:.3f} of what is possible")
            system = f"{concurrency} at a time"
            figures.append(Figure(system, Score("calls/s", rate, calls)))
            figures.append(Figure(system, Score("share of what is possible", share, calls), 0.95))
    finally:
        server.kill()
        server.wait()
    return Result.now("llm-writer", "An external model as the writer", figures, notes=[NOT_RUN])
