"""kill -9 at random moments of a sync: what the files held before or hold now is there, whole, and the rest follows."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.handmade import models

import quipu
from quipu.storage.files import file_at
from quipu.storage.store import Store
from quipu.storage.verify import verify

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("QUIPU_KILLS", "6"))
CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
import quipu
from quipu.models.bundle import Models
from tests.handmade import WordEncoder, models
memory = quipu.open("m", encoder=WordEncoder())
memory._models = Models(**models(slow=0.002))
memory.answerer, memory.models.encoder().encode(["warm"])
print("open", flush=True)
memory.sync(["docs", "ready.csv"], delete=True, max_delete="100%")
memory.close()
"""


def texts(store: Store) -> dict[str, set[str]]:
    """The texts of each file."""
    found: dict[str, set[str]] = {}
    for document in store.documents():
        found.setdefault(str(document.metadata["file"]), set()).add(document.text)
    return found


def held() -> dict[str, set[str]]:
    """The same, of the files."""
    found = {}
    for file in sorted(Path("docs").iterdir()):
        text = file.read_text()
        rows = [json.loads(line)["text"] for line in text.splitlines()] if file.suffix == ".jsonl" else [text]
        found[file.as_posix()] = set(rows)
    return found | {"ready.csv": {""}}


def change(rng: random.Random, life: int) -> None:
    """Other texts in some files, a move, a deletion, another long file, other ready pairs."""
    docs = Path("docs")
    names = [f"{number}.txt" for number in range(12)]
    for name in rng.sample(names, 6):
        (docs / name).write_text(f"In the year {1000 + life} ship {name} held {rng.randrange(100, 999)}1 tons.")
    there = [file for file in sorted(docs.glob("*.txt")) if file.name in names]
    there[0].rename(docs / f"moved{life}.txt")
    there[1].unlink()
    for old in docs.glob(f"moved{life - 2}.txt"):
        old.unlink()
    rows = [{"id": n, "text": f"Row {n} of {life if n % 2 else 0} weighs {n}{life % 9 + 1} grams."} for n in range(150)]
    (docs / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pairs = "".join(f"What is {n}?,{life if n % 2 else 0}\n" for n in range(1200))
    Path("ready.csv").write_text(f"question,answer\n{pairs}")


def test_a_killed_sync_leaves_the_old_or_the_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a document answers wrongly, and a lost one not at all; either is found by nobody."""
    monkeypatch.chdir(tmp_path)
    rng = random.Random(11)
    Path("docs").mkdir()
    _first()
    quipu.build(["docs"], "m", pairs="ready.csv", **models()).close()
    command = [sys.executable, "-c", CHILD, str(ROOT)]
    possible = {name: [found] for name, found in held().items()}
    for life in range(1, KILLS + 1):
        change(rng, life)
        now = held()
        for name, found in now.items():
            possible.setdefault(name, [set()]).append(found)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None and child.stdout.readline() == "open\n"
            time.sleep(rng.uniform(0.0, 0.5))
            child.kill()
        assert verify(Path("m")).problems == []
        with Store.open(Path("m"), read_only=True) as store:
            there = texts(store)
            for name, found in there.items():
                if name not in possible:
                    continue
                allowed = set().union(*possible[name])
                assert found <= allowed, name
                known = file_at(store, os.path.realpath(name))
                if known is not None and known.size >= 0:  # read to its end
                    assert found in possible[name], name
            for name, found in now.items():
                if all(found == other for other in possible[name]):
                    assert there.get(name) == found, f"{name} did not change and is lost"
    assert subprocess.run(command, check=False).returncode == 0
    with Store.open(Path("m"), read_only=True) as store:
        assert texts(store) == held() and store.count_to_ask() == 0
        pairs = sorted((pair.question, pair.answer) for _, pair in store.pairs() if pair.origin == "imported")
    assert pairs == sorted((f"What is {n}?", str(KILLS if n % 2 else 0)) for n in range(1200))
    assert verify(Path("m")).problems == []


def _first() -> None:
    for number in range(12):
        Path(f"docs/{number}.txt").write_text(f"In the year 1000 ship {number} held {number}7 tons.")
    Path("docs/rows.jsonl").write_text(json.dumps({"id": 0, "text": "Row 0 weighs 31 grams."}) + "\n")
    Path("ready.csv").write_text("question,answer\nWhat is 0?,0\n")
