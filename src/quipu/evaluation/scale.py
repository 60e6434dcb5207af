"""How a memory behaves as it grows: build time, bytes, recall against exact search, and the time of a question.

A memory of N pairs is made of real questions with their own vectors and, beyond those, of jittered copies: a real
vector plus noise of half its length, which keeps the density of real questions without being any of them. Beside every
figure stands the floor in the same process: encoding the question and a bare FAISS search over the same codes.
"""

from __future__ import annotations

import multiprocessing
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quipu.evaluation.twins.rules import paraphrase
from quipu.records import QAPair
from quipu.storage.coded import Coded
from quipu.storage.index import Index
from quipu.storage.store import Store

JITTER = 0.5  # length of the noise, where a key has length 1
BATCH = 20_000
ASKED = 300
FIXED = 600e6  # bytes that a process may take before the first pair
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Figures:
    """One size. Times in milliseconds; bytes are a pair's."""

    pairs: int
    real_share: float
    write_seconds: float
    index_seconds: float
    disk_bytes: float
    ram_bytes: float  # private memory of a process that answers, beyond 600 MB
    private_megabytes: float
    mapped_megabytes: float
    open_seconds: float
    recall_at_10: float
    encode_p50: float
    floor_p50: float
    search_p50: float
    search_p95: float
    search_p99: float
    ask_p50: float
    ask_p95: float
    rerank_p50: float
    rerank_p95: float
    batch_per_second: float
    encoder_per_second: float

    def to_json(self) -> dict[str, float | int]:
        """A plain dictionary."""
        return asdict(self)


def measure(
    folder: Path,
    pairs: int,
    questions: Sequence[tuple[str, str]],
    tell: Callable[[dict[str, Any]], None],
    seed: int = 0,
) -> Figures:
    """Make a memory of ``pairs`` under ``folder`` and measure it in a process of its own.

    questions: real ones with their answers; a memory that is there from an earlier run is used again.
    """
    path = folder / f"{pairs}.quipu"
    note = folder / f"{pairs}.seconds"
    if not note.exists():
        shutil.rmtree(path, ignore_errors=True)
        write, index = _made(path, pairs, questions, tell, seed)
        note.write_text(f"{write} {index}\n")
    write, index = map(float, note.read_text().split())
    disk = sum(file.stat().st_size for file in path.iterdir()) / pairs
    tell({"stage": f"ask {pairs:,}", "done": 0, "total": 0})
    rng = random.Random(seed)
    asked = [paraphrase(question, rng) for question, _ in rng.sample(list(questions), min(ASKED, len(questions)))]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(_asked, (str(path), asked))
    return Figures(pairs, min(1.0, len(questions) / pairs), write, index, disk, **found)


def _made(
    path: Path, pairs: int, questions: Sequence[tuple[str, str]], tell: Callable[[dict[str, Any]], None], seed: int
) -> tuple[float, float]:
    """Seconds of writing pairs and vectors to the record, and of training and writing the index."""
    from quipu.models.encoder import Encoder

    encoder = Encoder.from_pretrained("quipu-small/encoder")
    real = encoder.encode([question for question, _ in questions[:pairs]])
    began = time.perf_counter()
    store = Store.create(
        path, width=encoder.width, models={encoder.name: encoder.sha256}, settings={"encoder": "quipu-small/encoder"}
    )
    with store:
        done = 0
        for some, vectors in _rows(pairs, questions, real, np.random.default_rng(seed)):
            store.add(some, vectors, [pair.question for pair in some])
            done += len(some)
            tell({"stage": f"write {pairs:,}", "done": done, "total": pairs, "unit": "pairs"})
        written = time.perf_counter() - began
        began = time.perf_counter()
        tell({"stage": f"index {pairs:,}", "done": 0, "total": 0})
        Index.bring_up_to_date(store)
        store.journal_mark("finished")
        return written, time.perf_counter() - began


def _rows(
    pairs: int, questions: Sequence[tuple[str, str]], real: Vectors, rng: np.random.Generator
) -> Iterator[tuple[list[QAPair], Vectors]]:
    for first in range(0, pairs, BATCH):
        numbers = range(first, min(first + BATCH, pairs))
        of = np.array([n if n < len(real) else int(rng.integers(len(real))) for n in numbers])
        noise = rng.standard_normal((len(of), real.shape[1]), dtype=np.float32) * (JITTER / real.shape[1] ** 0.5)
        noise[np.array(numbers) < len(real)] = 0.0
        vectors = real[of] + noise
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        made = []
        for number, source in zip(numbers, of.tolist(), strict=True):
            question, answer = questions[source]
            made.append(QAPair.make(question if number < len(real) else f"{question} ({number})", answer))
        yield made, vectors


def _asked(path: str, asked: Sequence[str]) -> dict[str, float]:
    """All times and sizes of one memory, in a fresh process."""
    from quipu.api import open as open_memory
    from quipu.models.encoder import Encoder

    began = time.perf_counter()
    with open_memory(path, read_only=True) as memory:
        memory.ask(asked[0], method="lookup", rerank=False)
        opened = time.perf_counter() - began
        private, mapped = private_and_mapped()
        index, encoder = Index.load(memory.store), Encoder.from_pretrained("quipu-small/encoder")
        keys = np.concatenate([encoder.encode([question]) for question in asked])
        covered = index._covered
        codes: Any = covered.index if covered is not None else None
        bare = codes.codes if isinstance(codes, Coded) else codes

        def floor(question: str) -> None:
            bare.search(encoder.encode([question]), 50)

        times = {
            "encode": _times(lambda question: encoder.encode([question]), asked),
            "floor": _times(floor, asked),
            "search": _times(lambda question: memory.search(question, 50, method="vector"), asked),
            "ask": _times(lambda question: memory.ask(question, method="lookup", rerank=False), asked),
            "rerank": _times(memory.ask, asked),
        }
        many = list(asked) * 4
        began = time.perf_counter()
        encoder.encode(many)
        encoding = time.perf_counter() - began
        began = time.perf_counter()
        memory.search_many(many, 10, method="vector")
        together = time.perf_counter() - began
        recall = _recall(memory.store, index, keys)
        count = memory.store.count()
    return {
        "ram_bytes": max(0.0, private - FIXED) / count,
        "private_megabytes": private / 1e6,
        "mapped_megabytes": mapped / 1e6,
        "open_seconds": opened,
        "recall_at_10": recall,
        "encode_p50": times["encode"][0],
        "floor_p50": times["floor"][0],
        **dict(zip(("search_p50", "search_p95", "search_p99"), times["search"], strict=True)),
        **dict(zip(("ask_p50", "ask_p95"), times["ask"], strict=False)),
        **dict(zip(("rerank_p50", "rerank_p95"), times["rerank"], strict=False)),
        "batch_per_second": len(many) / together,
        "encoder_per_second": len(many) / encoding,
    }


def _times(work: Callable[[str], object], questions: Sequence[str]) -> tuple[float, float, float]:
    """p50, p95 and p99 in milliseconds, after twenty questions that do not count."""
    for question in questions[:20]:
        work(question)
    times = []
    for question in questions:
        began = time.perf_counter()
        work(question)
        times.append(1000 * (time.perf_counter() - began))
    p50, p95, p99 = np.percentile(times, [50, 95, 99])
    return float(p50), float(p95), float(p99)


def _recall(store: Store, index: Index, keys: Vectors, k: int = 10) -> float:
    """Share of the exact best ``k`` over every stored vector that the index finds."""
    best = np.full((len(keys), k), -np.inf, dtype=np.float32)
    rows_of = np.zeros((len(keys), k), dtype=np.int64)
    for rows, vectors in store.vectors(batch=32_768):
        scores = np.concatenate([best, keys @ vectors.T], axis=1)
        everything = np.concatenate([rows_of, np.broadcast_to(rows, (len(keys), len(rows)))], axis=1)
        top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        best, rows_of = np.take_along_axis(scores, top, axis=1), np.take_along_axis(everything, top, axis=1)
    found, _ = index.search(keys, k)
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(found.tolist(), rows_of.tolist(), strict=True)]))


def private_and_mapped() -> tuple[float, float]:
    """Private (anonymous) and mapped bytes of this process that are in memory now; Linux only, else zeros."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0.0, 0.0
    values = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if line.startswith("Rss")}
    return 1024.0 * float(values.get("RssAnon", 0)), 1024.0 * float(values.get("RssFile", 0))
