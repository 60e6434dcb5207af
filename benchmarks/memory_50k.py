"""A memory of real pairs: import, exactness of search, and the time of one search, of adding and of removing.

    python benchmarks/run.py memory-50k --data DATA --work WORK

The pairs are OpenTriviaQA's; ``--limit``: the first so many of them.
"""

from __future__ import annotations

import argparse
import random
import shutil
import time
from typing import Any

import numpy as np

import quipu
from common import milliseconds, say, size, write_lines
from figures import Figure, Result
from quipu.answering.retrieve import Method
from quipu.datasets import trivia
from quipu.evaluation.metrics import mean_score
from quipu.evaluation.tasks.open_domain import spread
from quipu.records import Document, Passage, QAPair, Score, Span

SEARCHED = 100  # questions whose hits are compared with brute force
PAIRS = 20  # of the document that is added and removed
GOALS = {
    ("memory", "recall@10 against brute force, %"): 100.0,
    (f"a document of {PAIRS} pairs", "add, ms"): 50.0,
    (f"a document of {PAIRS} pairs", "remove, ms"): 50.0,
}


def against_brute_force(memory: Any, encoder: Any, questions: list[str], k: int = 10) -> list[float]:
    """For each question the share of the true best ``k`` (inner product with every stored vector) that is found."""
    rows, vectors = (np.concatenate(part) for part in zip(*memory.store.vectors(), strict=True))
    shares = []
    for question in questions:
        scores = vectors @ encoder.encode([question])[0]
        best = rows[np.lexsort((rows, -scores))[:k]]
        expected = {pair.id for pair in memory.store.pairs_by_rows(best.tolist()) if pair}
        found = {hit.pair.id for hit in memory.search(question, k, method="vector")}
        shares.append(len(expected & found) / k)
    return shares


def one_document(memory: Any, encoder: Any, rounds: int = 20) -> list[Figure]:
    """Add and remove one document's pairs, vectors ready: medians, a search after each included."""
    added, removed = [], []
    for number in range(rounds):
        text = " ".join(f"Fact {at} of note {number} is {at * number}." for at in range(PAIRS))
        document = Document.make(f"note-{number}", "note", text)
        pairs = [
            QAPair.make(f"What is fact {at} of note {number}?", "fact", document_id=document.id, span=Span(at, at + 4))
            for at in range(PAIRS)
        ]
        keys = encoder.encode([pair.question for pair in pairs])
        start = time.perf_counter()
        with memory.store.transaction():
            memory.store.add_documents([document], [Passage.make(document, Span(0, len(text)))])
            memory.store.add(pairs, keys, [pair.question for pair in pairs])
        memory.search(pairs[0].question, 1)
        middle = time.perf_counter()
        memory.remove(document=document.id)
        memory.search(pairs[0].question, 1)
        added.append(middle - start)
        removed.append(time.perf_counter() - middle)
    name = f"a document of {PAIRS} pairs"
    return [
        Figure(name, Score("add, ms", 1000 * float(np.median(added)), rounds, None, False)),
        Figure(name, Score("remove, ms", 1000 * float(np.median(removed)), rounds, None, False)),
    ]


def run(options: argparse.Namespace) -> Result:
    """Import, search, change."""
    rows = [{"question": question, "answer": answer} for question, answer in trivia.read(options.data)[: options.limit]]
    pairs, path = options.work / "trivia.jsonl", options.work / "trivia.quipu"
    write_lines(pairs, rows)
    shutil.rmtree(path, ignore_errors=True)
    start = time.perf_counter()
    quipu.build([], path, pairs=pairs).close()
    seconds = time.perf_counter() - start
    say(f"imported in {seconds:.1f} s")
    with quipu.open(path) as memory:
        count = memory.info()["counts"]["pairs"]
        encoder = quipu.Encoder.from_pretrained(memory.info()["settings"]["encoder"])
        asked = random.Random(0).sample([pair.question for _, pair in memory.store.pairs()], min(500, count))
        shares = against_brute_force(memory, encoder, spread(asked, SEARCHED))
        figures = [
            Figure("memory", Score("pairs", count, count)),
            Figure("memory", Score("import, pairs/s", count / seconds, count)),
            Figure("memory", Score("bytes a pair", size(path) / count, count, None, False)),
            Figure("memory", mean_score("recall@10 against brute force, %", shares, scale=100)),
        ]
        methods: tuple[Method, ...] = ("vector", "words", "both")
        for method in methods:

            def search(question: str, method: Method = method) -> object:
                return memory.search(question, 10, method=method)

            figures += milliseconds(f"search by {method}", search, asked)
        figures += milliseconds("lookup", lambda question: memory.ask(question, method="lookup"), asked)
        figures += one_document(memory, encoder)
    return Result.now("memory-50k", f"A memory of {count:,} real pairs (OpenTriviaQA)", figures, goals=GOALS)
