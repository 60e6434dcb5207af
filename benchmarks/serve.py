"""How a server bears load: alone, steady, near its most, far above it, while its memory changes, and when it is killed.

    python benchmarks/run.py serve --data DATA --work WORK [--seconds 60] [--documents 50] [--txtai FOLDER]

The runs of `quipu bench serve` over run A's memory, asked its questions; each bound is a goal. All of it takes about
four times the seconds of steady load. ``--memory``: ask another one, with the questions of its pairs.

txtai's API is put under the same load, with the same pairs and the same encoder, where txtai is installed, or in a
folder that --txtai names, so that the libraries of this environment stay as they are:

    pip install --target FOLDER --no-deps txtai msgpack && pip install --target FOLDER fastapi-mcp httpx aiohttp
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import quipu
import squad_half
from common import batches, say
from figures import Figure, Result
from quipu.cli.bench_serve import check_idle, stored_questions
from quipu.errors import InputError
from quipu.evaluation.bounds import Run, summary
from quipu.evaluation.load import Plan
from quipu.evaluation.served import measure
from quipu.evaluation.served_process import CLIENTS, CONNECTIONS, Load, asked
from quipu.evaluation.tasks.open_domain import spread
from quipu.records import Score

ASKED = 500  # questions
TXTAI = "txtai's API"
COUNTED = ("asked", "answered", "errors")  # what is in the bounds, or the number of observations
ENCODER = """from quipu.models.bundle import Models
ENCODER = Models().encoder()
def encode(texts):
    return ENCODER.encode(list(texts))
"""
CONFIG = """writable: true
embeddings:
  method: external
  transform: quipu_encoder.encode
  content: true
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.add_argument("--memory", type=Path, metavar="FOLDER", help="another memory than run A's")
    parser.add_argument("--method", default="lookup", help="as for `ask`")
    parser.add_argument("--seconds", type=float, default=120.0, metavar="N", help="of steady load; other runs: a part")
    parser.add_argument("--documents", type=int, default=200, metavar="N", help="added beside steady load, at most")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="as for `serve`")
    parser.add_argument("--txtai", type=Path, metavar="FOLDER", help="where txtai is, if not in this environment")
    parser.add_argument("--anyway", action="store_true", help="measure although the machine has other work")


def figures_of(run: Run) -> list[Figure]:
    """What one run gave, and its bounds with their goals."""
    count = int(run.figures.get("answered") or run.figures.get("compared") or 1)
    known = {name: value for name, value in run.figures.items() if value is not None and name not in COUNTED}
    plain = [
        Figure(
            run.name, Score(name.replace("_", " "), float(value), count, None, "per_second" in name.replace(" ", "_"))
        )
        for name, value in known.items()
    ]
    return plain + [
        Figure(run.name, Score(bound.name, float(bound.value), count, None, bound.at_least), bound.limit)
        for bound in run.bounds
    ]


def run(options: argparse.Namespace) -> Result:
    """Load and measure."""
    load = check_idle(options.anyway)
    memory, questions = asked_memory(options)
    asking = {"method": options.method, "rerank": False}
    plan = Load(memory, questions, options.seconds, tuple(asking.items()), options.workers, documents=options.documents)
    runs = measure(plan, lambda name: say(f"  {name}"))
    notes = [
        f"{len(questions):,} questions, `{options.method}` without the reranker, {options.workers} worker, "
        f"{options.seconds:g} s of steady load; load average before: {load:.2f}. Direct: asked without a server.",
        f"Open loop: Poisson arrivals over {CONNECTIONS} kept connections from a process of its own.",
    ]
    steady = 0.5 * float(next(item.figures["answers_per_second"] or 0 for item in runs if item.name == "most"))
    others, note = txtai(options, memory, questions, steady)
    figures = [figure for item in [*runs, *others] for figure in figures_of(item)]
    return Result.now("serve", "A server under load", figures, notes=[*notes, note])


def asked_memory(options: argparse.Namespace) -> tuple[Path, list[str]]:
    """The memory, and the questions that it is asked."""
    if options.memory is not None:
        return options.memory, stored_questions(options.memory, ASKED)
    rows, examples = squad_half.load(options.data, options.limit)
    opened, _ = squad_half.memory(rows, options, options.limit)
    with opened:
        return opened.path, [example.question for example in spread(examples, ASKED)]


def txtai(options: argparse.Namespace, memory: Path, questions: Sequence[str], rate: float) -> tuple[list[Run], str]:
    """Its API with the pairs of the memory: the most that it can do, and what our steady load is to it; and a note."""
    places = [str(options.txtai.resolve())] if options.txtai is not None else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*places, *filter(None, sys.path)])}
    found = subprocess.run(
        [sys.executable, "-c", "import importlib.metadata as m, txtai.api; print(m.version('txtai'))"], env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if found.returncode:
        reason = found.stderr.strip().splitlines()[-1]
        return [], f"{TXTAI}: not run, for it cannot be imported here ({reason}); see benchmarks/serve.py"
    say(f"  {TXTAI}")
    path, bodies = "/batchsearch", [json.dumps({"queries": [question], "limit": 1}) for question in questions]
    with _txtai(environment, memory) as port:
        plan = Plan("127.0.0.1", port, path, bodies, options.seconds / 4, CLIENTS)
        most = summary(asked(plan), plan.seconds)
        steady = Plan("127.0.0.1", port, path, bodies, options.seconds / 2, CONNECTIONS, rate)
        runs = [Run(f"{TXTAI}: most", most), Run(f"{TXTAI}: our steady load", summary(asked(steady), steady.seconds))]
    runs = [Run(item.name, {**item.figures, "wrong": item.figures["errors"]}) for item in runs]
    return runs, (
        f"{TXTAI} {found.stdout.strip()}: the same pairs and encoder, the best pair wanted; a search there"
        " gives no probability, no place in a document, and no refusal. Wrong: answers with another status than 200."
    )


@contextmanager
def _txtai(environment: dict[str, str], memory: Path) -> Iterator[int]:
    """The port of a server of txtai that has the pairs."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        (Path(folder) / "quipu_encoder.py").write_text(ENCODER)
        (Path(folder) / "config.yml").write_text(CONFIG)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        own = {
            "CONFIG": f"{folder}/config.yml", "ALLOW_RESOLVE_TRANSFORM": "True",
            "PYTHONPATH": os.pathsep.join([environment["PYTHONPATH"], folder]),
        }  # fmt: skip
        command = [sys.executable, "-m", "uvicorn", "txtai.api:app", "--port", str(port), "--log-level", "error"]
        process = subprocess.Popen([*command, "--no-access-log"], env={**environment, **own}, stdout=sys.stderr)
        try:
            _call(process, port, "GET", "/count", None)
            with quipu.open(memory, read_only=True) as opened:
                pairs = [pair for _, pair in opened.store.pairs()]
            for some in batches(list(enumerate(pairs)), 1_000):
                rows = [{"id": number, "text": pair.question, "answer": pair.answer} for number, pair in some]
                _call(process, port, "POST", "/add", rows)
            _call(process, port, "GET", "/index", None)
            yield port
        finally:
            process.terminate()
            process.wait()


def _call(process: subprocess.Popen[bytes], port: int, method: str, path: str, body: Any) -> None:
    """A request that must succeed, made again until the server listens."""
    sent = None if body is None else json.dumps(body)
    until = time.monotonic() + 120.0
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3_600.0)
        try:
            connection.request(method, path, sent, {"content-type": "application/json"})
            response = connection.getresponse()
            if response.status != 200:
                raise InputError(f"{TXTAI}: {method} {path} gives {response.status}: {response.read(500)!r}")
            return
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > until:
                raise InputError(f"{TXTAI} could not be started; its reason stands above") from None
            time.sleep(0.2)
        finally:
            connection.close()
