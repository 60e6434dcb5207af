"""``quipu bench``: how fast this machine builds and answers, on an invented world of documents."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Annotated

import typer

from quipu.cli.options import AsJson
from quipu.cli.terminal import print_json, print_table, progress

if TYPE_CHECKING:
    from quipu.api import Memory

Figures = dict[str, float | int]


def bench(
    documents: Annotated[int, typer.Option(min=10, metavar="N", help="Documents of the invented world.")] = 100,
    questions: Annotated[int, typer.Option(min=20, metavar="N", help="Questions to ask.")] = 300,
    seed: Annotated[int, typer.Option(metavar="N", help="The world's seed.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Measure build, answer and storage here.

    BENCHMARKS.md lists the larger measurements.
    """
    with tempfile.TemporaryDirectory(prefix="quipu-bench-") as temporary:
        figures = measure(Path(temporary), documents, questions, seed)
    if as_json:
        print_json(figures)
    else:
        print_table([(name.replace("_", " "), value) for name, value in figures.items()])


def measure(folder: Path, documents: int, questions: int, seed: int) -> Figures:
    """Build a micro-world of ``documents`` under ``folder`` and ask it ``questions`` of its own questions."""
    import quipu

    files, asked = _world(folder / "world", documents, seed)
    asked = (asked * (1 + questions // max(1, len(asked))))[:questions]
    path = folder / "bench.quipu"
    with progress() as report:
        start = time.perf_counter()
        quipu.build([files], path, seed=seed, progress=report).close()
        build_seconds = time.perf_counter() - start
    start = time.perf_counter()
    with quipu.open(path, read_only=True) as memory:
        memory.ask(asked[0])
        first = time.perf_counter() - start
        figures = _figures(memory, path, build_seconds)
        figures["open_to_first_answer_ms"] = 1000 * first
        figures.update(_asking(memory, asked))
    return figures


def _world(folder: Path, documents: int, seed: int) -> tuple[Path, list[str]]:
    """The folder of the world's documents and its questions."""
    from quipu.evaluation.microworld import World, make

    make(folder, documents, seed)
    rows = World.load(folder).questions("questions-test")
    return folder / "documents", [str(row["question"]) for row in rows]


def _figures(memory: Memory, path: Path, seconds: float) -> Figures:
    counts = memory.info()["counts"]
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return {
        "documents": counts["documents"],
        "passages": counts["passages"],
        "pairs": counts["pairs"],
        "build_seconds": seconds,
        "build_passages_per_second": counts["passages"] / seconds,
        "bytes_per_pair": size / max(1, counts["pairs"]),
    }


def _asking(memory: Memory, questions: list[str]) -> Figures:
    """Time of one question at a time, and of all in one call."""
    times = []
    for question in questions:
        start = time.perf_counter()
        memory.ask(question)
        times.append(1000 * (time.perf_counter() - start))
    start = time.perf_counter()
    memory.ask_many(questions)
    together = time.perf_counter() - start
    return {
        "question_p50_ms": median(times),
        "question_p95_ms": quantiles(times, n=20)[-1],
        "questions_per_second_together": len(questions) / together,
    }
