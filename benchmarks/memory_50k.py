"""A memory of real pairs: import time, exactness of search, time of one search, of add and of remove.

    python benchmarks/memory_50k.py --pairs opentriviaqa/questions.jsonl.gz [--work FOLDER] [--json]
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import quipu
from common import folder_bytes, say
from quipu.api import Memory
from quipu.records import Document, Passage, QAPair, Span

SAMPLE = 500  # questions that are searched one by one


def percentiles(times: list[float]) -> dict[str, float]:
    """p50 and p95 in milliseconds."""
    return {"p50 ms": 1000 * float(np.percentile(times, 50)), "p95 ms": 1000 * float(np.percentile(times, 95))}


def each(work: Callable[[str], Any], questions: list[str]) -> dict[str, float]:
    """The times of ``work`` for one question after another, after twenty that do not count."""
    for question in questions[:20]:
        work(question)
    times = []
    for question in questions:
        start = time.perf_counter()
        work(question)
        times.append(time.perf_counter() - start)
    return percentiles(times)


def recall_against_brute_force(memory: Memory, questions: list[str], k: int = 10) -> float:
    """Share of the true best ``k`` (inner product with every stored vector) that the index returns."""
    rows, vectors = (np.concatenate(part) for part in zip(*memory.store.vectors(), strict=True))
    encoder = quipu.Encoder.from_pretrained("quipu-mini/encoder")
    shares = []
    for question in questions:
        scores = vectors @ encoder.encode([question])[0]
        best = rows[np.lexsort((rows, -scores))[:k]]
        expected = {pair.id for pair in memory.store.pairs_by_rows(best.tolist()) if pair}
        shares.append(len(expected & {hit.pair.id for hit in memory.search(question, k)}) / k)
    return float(np.mean(shares))


def one_document(memory: Memory, rounds: int = 20) -> dict[str, float]:
    """Add and remove one document's twenty pairs, vectors ready: median milliseconds, a search after each included."""
    encoder = quipu.Encoder.from_pretrained("quipu-mini/encoder")
    added, removed = [], []
    for number in range(rounds):
        text = " ".join(f"Fact {at} of note {number} is {at * number}." for at in range(20))
        document = Document.make(f"note-{number}", "note", text)
        pairs = [
            QAPair.make(f"What is fact {at} of note {number}?", "fact", document_id=document.id, span=Span(at, at + 4))
            for at in range(20)
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
    return {"add ms": 1000 * float(np.median(added)), "remove ms": 1000 * float(np.median(removed))}


def main() -> None:
    """Run everything and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="quipu-50k-")) if options.work is None else options.work
    start = time.perf_counter()
    quipu.build([], work / "trivia.quipu", pairs=options.pairs).close()
    seconds = time.perf_counter() - start
    say(f"imported in {seconds:.1f} s")
    figures: dict[str, float] = {"import seconds": seconds}
    with quipu.open(work / "trivia.quipu") as memory:
        count = memory.store.count()
        asked = random.Random(0).sample([pair.question for _, pair in memory.store.pairs()], SAMPLE)
        figures |= {"pairs": count, "pairs/s": count / seconds, "bytes a pair": folder_bytes(memory.path) / count}
        figures["recall@10 against brute force"] = recall_against_brute_force(memory, asked[:100])
        for method in ("vector", "words", "both"):
            for name, value in each(lambda question, m=method: memory.search(question, 10, method=m), asked).items():
                figures[f"search by {method}, {name}"] = value
        for name, value in each(memory.ask, asked).items():
            figures[f"ask, {name}"] = value
        figures |= {f"20 pairs of a document, {name}": value for name, value in one_document(memory).items()}
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"| {name} | {value:,.3f} |" if value < 100 else f"| {name} | {value:,.0f} |")


if __name__ == "__main__":
    main()
