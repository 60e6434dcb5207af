"""One writer and several readers of one memory for a while: errors, and answers that cannot be, are counted.

    python benchmarks/run.py soak [--seconds 60] [--readers 8]

The writer adds, removes, notes and indexes; a reader asks by words and by vectors, reads what it found, and now and
then verifies. Handmade vectors, no models.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import tempfile
import time
import traceback
from collections import Counter
from multiprocessing.queues import Queue
from pathlib import Path

import numpy as np

from common import say
from figures import Figure, Result
from quipu.records import Document, Passage, QAPair, Score, Span
from quipu.storage.index import Index
from quipu.storage.store import Store
from quipu.storage.verify import verify

WIDTH = 32


def key(number: int) -> np.ndarray:
    """The vector of pair ``number`` (WIDTH,), of unit length."""
    vector = np.random.default_rng(number).standard_normal(WIDTH).astype(np.float32)
    return vector / np.linalg.norm(vector)


def write(path: Path, until: float) -> dict[str, int]:
    """Add documents with pairs, remove some, bring the index up to date."""
    done = {"added": 0, "removed": 0, "indexed": 0}
    with Store.open(path) as store:
        number = 0
        while time.monotonic() < until:
            number += 1
            document = Document.make(f"{number}.txt", f"Pier {number}", f"Pier {number} is {number} metres long.")
            pairs = [
                QAPair.make(f"How long is pier {number}, {n}?", f"{number}", document_id=document.id) for n in range(5)
            ]
            with store.transaction():
                store.add_documents([document], [Passage.make(document, Span(0, len(document.text)))])
                keys = np.stack([key(number * 5 + n) for n in range(5)])
                store.add(pairs, keys, [pair.question for pair in pairs])
            done["added"] += 5
            if number % 3 == 0:
                done["removed"] += store.remove(document=f"{number - 1}.txt")
            if number % 50 == 0:
                Index.bring_up_to_date(store)
                done["indexed"] += 1
    return done


def read(path: Path, until: float, seed: int) -> dict[str, int]:
    """Search, and read what was found: a pair's document must be there, in one moment."""
    done = {"searched": 0, "wrong": 0, "verified": 0}
    chance = random.Random(seed)
    with Store.open(path, read_only=True) as store:
        index = Index.load(store)
        while time.monotonic() < until:
            number = chance.randrange(1, 400)
            index.refresh()
            with store.snapshot():
                rows, _ = index.search(np.stack([key(number * 5)]), 5)
                found = [pair for pair in store.pairs_by_rows(rows[0].tolist()) if pair is not None]
                words, _ = store.search_words(f"pier {number}", 5)
                found += [pair for pair in store.pairs_by_rows(words.tolist()) if pair is not None]
                for pair in found:
                    done["wrong"] += pair.answer not in store.document(str(pair.document_id)).text
            done["searched"] += 1
            if done["searched"] % 400 == 0:
                done["wrong"] += len(verify(path).problems)
                done["verified"] += 1
    return done


def at_work(path: Path, until: float, seed: int, told: Queue[tuple[str, dict[str, int], str]]) -> None:
    """A process: the writer (seed 0) or a reader."""
    try:
        found, error = (write(path, until) if not seed else read(path, until, seed)), ""
    except BaseException:
        found, error = {}, traceback.format_exc()
    told.put(("reader" if seed else "writer", found, error))


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--readers", type=int, default=8)


def run(options: argparse.Namespace) -> Result:
    """Start one writer and the readers, wait, verify."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m"
        Store.create(path, width=WIDTH, models={"m@1": "x"}).close()
        told: Queue[tuple[str, dict[str, int], str]] = multiprocessing.Queue()
        until = time.monotonic() + options.seconds
        workers = [
            multiprocessing.Process(target=at_work, args=(path, until, number, told))
            for number in range(options.readers + 1)
        ]
        for worker in workers:
            worker.start()
        results = [told.get() for _ in workers]
        for worker in workers:
            worker.join()
        problems = verify(path).problems
    total: Counter[str] = Counter()
    for _, found, error in results:
        total.update(found)
        if error:
            say(error)
    wrong, errors = total.pop("wrong", 0), sum(bool(error) for _, _, error in results)
    bad = {"wrong answers": wrong, "processes that failed": errors, "problems that verify finds": len(problems)}
    figures = [Figure("all processes", Score(name, value, 1, None, False), 0.0) for name, value in bad.items()]
    figures += [Figure("all processes", Score(name, count, count)) for name, count in total.items()]
    title = f"Soak: {options.seconds:g} seconds of one writer and {options.readers} readers"
    return Result.now("soak", title, figures)
