"""The same questions alone and in batches: does anything depend on what stands beside them?

    python benchmarks/run.py invariance --data DATA --work WORK

500 questions of SQuAD's development half over run A's memory, by every method, one by one and in batches of 3, 16 and
64. Counted are questions whose text or step differs from that of the question alone, or whose probability does by more
than 1e-4. ``--limit``: fewer questions; ``--methods``: only these.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import squad_half
from common import batches, say
from figures import Figure, Result
from quipu.answering.answerer import METHODS
from quipu.records import Answer, Score

QUESTIONS = 500
SIZES = (1, 3, 16, 64)
TOLERANCE = 1e-4


def compared(method: str, alone: list[Answer], together: list[Answer]) -> tuple[int, int, int, float]:
    """Questions that differ in text, in step, and in probability, and the largest difference of a probability."""
    pairs = list(zip(alone, together, strict=True))
    gaps = [abs((one.probability or 0.0) - (other.probability or 0.0)) for one, other in pairs]
    return (
        sum(one.text != other.text for one, other in pairs),
        sum(one.route != other.route for one, other in pairs),
        sum(gap > TOLERANCE for gap in gaps),
        max(gaps, default=0.0),
    )


def figures_of(memory: Any, method: str, questions: list[str]) -> list[Figure]:
    """The worst of all batch sizes for one method."""
    alone: list[Answer] = []
    worst = (0, 0, 0, 0.0)
    for size in SIZES:
        start = time.monotonic()
        said = [answer for some in batches(questions, size) for answer in memory.ask_many(list(some), method=method)]
        say(f"{method}, batches of {size}: {time.monotonic() - start:.0f} s")
        if size == 1:
            alone = said
        else:
            found = compared(method, alone, said)
            say(f"  other texts, steps, probabilities: {found}")
            worst = tuple(map(max, worst, found))  # type: ignore[assignment]
    names = ("other texts", "other steps", f"probabilities off by more than {TOLERANCE:g}", "largest difference")
    return [
        Figure(method, Score(name, value, len(questions), None, False), TOLERANCE if name == names[3] else 0.0)
        for name, value in zip(names, worst, strict=True)
    ]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    squad_half.sample_arguments(parser, QUESTIONS)
    parser.add_argument("--methods", nargs="*", default=list(METHODS))


def run(options: argparse.Namespace) -> Result:
    """Ask in every way."""
    memory, examples = squad_half.sample(options)
    questions = [example.question for example in examples]
    figures: list[Figure] = []
    with memory:
        for method in options.methods:
            figures += figures_of(memory, method, questions)
    sizes = ", ".join(map(str, SIZES[:-1]))
    title = f"The same answer in any batch: {len(questions)} questions in batches of {sizes} and {SIZES[-1]}"
    return Result.now("invariance", title, figures)
