"""Builds with an external model that are killed at random moments, and then finished: what was paid, what came out.

    python tests/fakes/killed.py FOLDER KILLS SEED FILES

prints what went wrong, as JSON. A process of its own, because it forks: what it starts has everything loaded, so that a
kill hits work. The server gives the reply of a key again without counting it when it is asked with that key again; such
a reply had left the server when its client was killed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import traceback
import urllib.request
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import quipu.api
import quipu.building.external
from quipu.errors import InputError, QuipuError, RunStopped
from quipu.models.remote import client, exchange, judge, reader, writer  # noqa: F401
from quipu.models.remote.settings import LlmSettings
from quipu.storage.content import content_hash
from quipu.storage.store import Store
from quipu.storage.verify import verify
from tests.fakes.llm_server import KEY, MODEL
from tests.handmade import models

FILES, LATENCY = 14, 0.04
MOST = 640  # tokens of a run for each file: a whole build needs more
KILLS_OF_A_MEMORY = 4


@dataclass
class Found:
    """What happened. ``bad``: in words."""

    kills: int = 0
    too_late: int = 0
    memories: int = 0
    runs: int = 0
    calls: int = 0
    lost: int = 0
    """Replies that were sent, and whose client was killed before they were on its disk."""
    paid_twice: int = 0
    over_budget: int = 0
    asked_again: int = 0
    """Requests for a reply that was on the disk."""
    different: int = 0
    bad: list[str] = field(default_factory=list)


def write_docs(folder: Path, files: int) -> None:
    """Files with a passage each."""
    (folder / "docs").mkdir(parents=True)
    for number in range(files):
        text = f"The pier {number} is {number + 15} metres long. Boats land in {1903 + number} there. Bell {number}7."
        (folder / "docs" / f"{number:02}.txt").write_text(text)


def build(folder: Path, url: str, most: int) -> None:
    """In a child: the whole of it, or until the budget is reached."""
    os.chdir(folder)
    os.environ["FAKE_KEY"] = KEY
    llm = LlmSettings(
        url=url, model=MODEL, roles=("writer", "judge"), key_env="FAKE_KEY", max_tokens=most, concurrency=4
    )
    quipu.build(["docs"], "m", llm=llm, **models()).close()


def started(folder: Path, url: str, most: int) -> int:
    """The process that builds. Its exit codes: 0 finished, 1 stopped by its budget, 3 a defect."""
    child = os.fork()
    if child:
        return child
    code = 3
    try:
        build(folder, url, most)
        code = 0
    except RunStopped:
        code = 1
    except InputError as error:  # killed between the last commit and its end
        code = 0 if "is a finished memory" in str(error) else 3
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def told(url: str, **settings: Any) -> dict[str, Any]:
    """The server's log, or with settings a new beginning."""
    root = url.removesuffix("/v1")
    if settings:
        request = urllib.request.Request(f"{root}/script", json.dumps(settings).encode())
        urllib.request.urlopen(request).read()
    with urllib.request.urlopen(f"{root}/log") as reply:
        found: dict[str, Any] = json.load(reply)
    return found


def known(folder: Path) -> set[str]:
    """The keys whose replies are on the disk."""
    file = folder / "m" / "records.sqlite"
    if not file.exists():
        return set()
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            return {str(key) for (key,) in connection.execute("SELECT key FROM calls WHERE status = 'ok'")}
    except sqlite3.Error:  # killed before there were tables
        return set()


def hashed(folder: Path) -> str:
    """Of the finished memory."""
    with Store.open(folder / "m", read_only=True) as store:
        if not store.journal_has("finished"):
            return "not finished"
        return content_hash(store)


def run(folder: Path, url: str, found: Found, delay: float | None) -> int | None:
    """One run, killed after ``delay`` seconds; its exit code, None where it was killed."""
    before, on_disk = told(url), known(folder)
    most = MOST * len(list((folder / "docs").iterdir()))
    child = started(folder, url, most)
    found.runs += 1
    end = time.monotonic() + (600 if delay is None else delay)
    code = None
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            break
        time.sleep(0.002)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found.kills += 1
        time.sleep(LATENCY + 0.03)  # until the server has seen it
    after = told(url)
    again = after["again"][len(before["again"]) :]
    found.lost += len(again)
    found.asked_again += len(on_disk.intersection(again))
    if (spent := after["tokens"] - before["tokens"]) > most:
        found.over_budget += 1
        found.bad.append(f"a run used {spent} of {most} tokens")
    if code == 3:
        found.bad.append("a run ended with a defect")
    return code


def finish(folder: Path, url: str, found: Found) -> None:
    """Run until it is finished."""
    for _ in range(50):
        if run(folder, url, found, None) in (0, 3):
            return
    found.bad.append("fifty runs did not finish")


def disturbed(folder: Path, kills: int, seed: int, files: int = FILES) -> Found:
    """Kill so often, on one memory after another, and compare each with one that was left alone."""
    rng, found = random.Random(seed), Found()
    command = [sys.executable, str(Path(__file__).with_name("llm_server.py")), "--latency", str(LATENCY)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        write_docs(folder, files)
        began = time.monotonic()
        finish(folder, url, found)
        seconds = (time.monotonic() - began) / found.runs
        whole, calls = hashed(folder), len(told(url)["answered"])
        while found.kills < kills:
            (folder / "m").rename(folder / f"m{found.memories}")
            told(url, always="")
            found.memories += 1
            for _ in range(min(KILLS_OF_A_MEMORY, kills - found.kills)):
                code = run(folder, url, found, rng.random() * seconds)
                found.too_late += code is not None
                if code == 0:
                    break
            finish(folder, url, found)
            answered = told(url)["answered"]
            found.calls += len(answered)
            found.paid_twice += sum(count - 1 for count in answered.values())
            if hashed(folder) != whole or len(answered) != calls:
                found.different += 1
                found.bad.append(f"memory {found.memories} is not as one that was left alone")
            try:
                found.bad += [str(problem) for problem in verify(folder / "m").problems]
            except QuipuError as error:
                found.bad.append(str(error))
        for file in folder.rglob("*"):
            if file.is_file() and KEY.encode() in file.read_bytes():
                found.bad.append(f"{file.name} holds the key")
    finally:
        server.kill()
        server.wait()
    for name in ("paid_twice", "asked_again"):
        if getattr(found, name):
            found.bad.append(f"{name}: {getattr(found, name)}")
    return found


def main() -> None:
    folder, *numbers = sys.argv[1:]
    sys.stdout.write(json.dumps(asdict(disturbed(Path(folder).resolve(), *map(int, numbers)))) + "\n")


if __name__ == "__main__":
    main()
