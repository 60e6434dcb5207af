"""Every step of a cascade beside readers of passages, on questions of SQuAD's development half over run A's memory.

    python benchmarks/run.py cascade --data DATA --work WORK

``--limit`` questions (600: every fifth), evenly spread. One run, one machine: the cascade with nothing held back and at
the thresholds that ship, each step forced to answer, and the same language model over BM25's three best passages.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import squad_half
from common import ask, batches, language_model, milliseconds, quality, say, whole_way
from figures import Figure, Result
from quipu.answering.answerer import METHODS
from quipu.evaluation.baselines.bm25 import BM25
from quipu.evaluation.baselines.systems import PassageReader
from quipu.records import Example

QUESTIONS = 600
BEST = 3  # passages that the baseline reads
BASELINE = f"BM25, {BEST} passages, the same language model"
GOALS = {
    ("cascade", "EM"): 68.0,
    ("cascade", "F1"): 76.0,
    ("cascade", "ECE"): 0.05,
    ("cascade", "answered, %"): 55.0,
    ("cascade", "right among these, %"): 85.0,
    ("cascade", "p50 ms"): 350.0,
}


def baseline_figures(memory: Any, examples: Sequence[Example]) -> list[Figure]:
    """The same language model over the passages that BM25 puts first; the surest of its answers."""
    texts = [f"{passage.title}\n{passage.text}" for passage in memory.store.passages()]
    baseline = PassageReader(BASELINE, BM25(texts), texts, language_model(), BEST, "probability")
    questions = [example.question for example in examples]
    say(f"{BASELINE} ...")
    said = [prediction for some in batches(questions) for prediction in baseline.predict(some)]
    return [
        *quality(BASELINE, [prediction.text for prediction in said], examples),
        *milliseconds(BASELINE, lambda question: baseline.predict([question]), questions),
    ]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    squad_half.sample_arguments(parser, QUESTIONS)
    parser.add_argument("--steps", nargs="*", default=METHODS[1:], help="that are also asked alone")


def run(options: argparse.Namespace) -> Result:
    """Ask in every way."""
    memory, examples = squad_half.sample(options)
    questions = [example.question for example in examples]
    with memory:
        figures = whole_way("cascade", memory, examples)
        for step in options.steps:
            answers = ask(memory, questions, step, method=step, min_probability=0.0)
            figures += quality(step, [answer.text for answer in answers], examples)

            def one(question: str, step: str = step) -> object:
                return memory.ask(question, method=step, min_probability=0.0)

            figures += milliseconds(step, one, questions)
        figures += baseline_figures(memory, examples)
    title = f"SQuAD half, {len(examples)} of 2,910 questions: every way to answer"
    return Result.now("cascade", title, figures, goals=GOALS)
