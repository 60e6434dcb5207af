"""The language model's speed and memory: loading, writing and reading back, one question over three passages.

    python benchmarks/run.py lm-speed --data DATA [--model FOLDER] [--passages 24]

Write: passages of SQuAD half of 80 to 125 tokens, 14 spans each (names, numbers, words), a question for each. Read
back: every question over its passage, whose keys are still kept. Each number of cores is measured in a process of its
own that may use no more. CPU seconds are the safer figure where other programs run at the same time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from common import say
from figures import Figure, Result
from quipu.datasets import squad
from quipu.records import Score, Span

SPANS = 14
TOKENS = range(80, 126)
QUESTIONS = 40
CANDIDATES = re.compile(r"\d[\d,.]*\d|(?:[A-Z][\w-]+ ?)+\b|\b[a-z]{6,}\b")


def passages(data: Path, model: Any, count: int) -> tuple[list[str], list[list[Span]]]:
    """Texts with ``SPANS`` spans each."""
    texts: list[str] = []
    spans: list[list[Span]] = []
    for part in squad.half(data):
        found = [Span(*match.span()) for match in CANDIDATES.finditer(part.text)]
        if len(found) >= SPANS and len(model.prompts.prefix(part.text)) in TOKENS and len(texts) < count:
            texts.append(part.text)
            spans.append([found[at * len(found) // SPANS] for at in range(SPANS)])
    return texts, spans


def measure(folder: str, data: Path, count: int, cores: int) -> dict[str, float]:
    """Every figure, in this process, on at most ``cores`` cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    start = time.perf_counter()
    from quipu.models.lm.model import LanguageModel

    imported = time.perf_counter()
    model = LanguageModel.from_pretrained(folder)
    found = {"import": imported - start, "load": time.perf_counter() - imported, "load MB": peak()}
    texts, spans = passages(data, model, count + 3 * QUESTIONS)
    asked = [f"What is said of {text[span.start : span.end]}?" for text, (span, *_) in zip(texts, spans, strict=True)]
    model.read(asked[:1], texts[:1])
    for label, cached in (("new passages", False), ("kept passages", True)):
        times = []
        for at in range(QUESTIONS):
            three = texts[count + 3 * at : count + 3 * at + 3]
            if cached:
                model.read([asked[at]] * 3, three)
            begin = time.perf_counter()
            model.read([asked[count + at]] * 3, three)
            times.append(time.perf_counter() - begin)
        found[label] = 1000 * median(times)
    found["ask MB"] = peak()
    texts, spans = texts[:count], spans[:count]
    begin, processor = time.perf_counter(), time.process_time()
    written = model.write(texts, spans)
    middle = time.perf_counter()
    questions = [[item[0].question if item else "" for item in row] for row in written]
    model.read_many(texts, questions)
    end = time.perf_counter()
    found |= {"write": middle - begin, "read back": end - middle, "cpu": time.process_time() - processor}
    return {**found, "passages": float(len(texts)), "build MB": peak()}


def peak() -> float:
    """The largest resident set of this process so far, in millions of bytes."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / 1e6 if sys.platform == "darwin" else size * 1024 / 1e6


def figures(system: str, found: dict[str, float]) -> list[Figure]:
    """What is shown of a process."""
    count, asked = int(found["passages"]), QUESTIONS
    rows = [
        ("write and read back, passages/s", found["passages"] / (found["write"] + found["read back"]), count, True),
        ("write, questions/s", SPANS * found["passages"] / found["write"], count, True),
        ("read back, questions/s", SPANS * found["passages"] / found["read back"], count, True),
        ("write and read back, passages per CPU second", found["passages"] / found["cpu"], count, True),
        ("a question over three new passages, p50 ms", found["new passages"], asked, False),
        ("a question over three kept passages, p50 ms", found["kept passages"], asked, False),
        ("load, seconds", found["load"], 1, False),
        ("peak MB after loading", found["load MB"], 1, False),
        ("peak MB after asking", found["ask MB"], 1, False),
        ("peak MB after writing and reading back", found["build MB"], 1, False),
    ]
    return [Figure(system, Score(metric, value, n, None, better)) for metric, value, n, better in rows]


GOALS = {
    ("two cores", "write and read back, passages/s"): 2.0,
    ("two cores", "load, seconds"): 0.6,
    ("two cores", "peak MB after asking"): 600.0,
    ("two cores", "peak MB after writing and reading back"): 2000.0,
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.add_argument("--model", default="quipu-small/lm", help="name or folder")
    parser.add_argument("--passages", type=int, default=24)


def run(options: argparse.Namespace) -> Result:
    """Measure with one core and with two."""
    count = options.limit or options.passages
    shown: list[Figure] = []
    for system, cores in (("one core", 1), ("two cores", 2)):
        say(f"{system} ...")
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
            found = alone.submit(measure, options.model, options.data, count, cores).result()
        shown += figures(system, found)
    title = f"The language model's speed: {count} passages with {SPANS} questions each"
    return Result.now("lm-speed", title, shown, goals=GOALS)
