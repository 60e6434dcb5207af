"""``ask --method span`` against reading the best five passages by BM25 with the cross-encoder, and what codes cost.

    python benchmarks/quip_spans.py MEMORY --squad squad/dev-half-v2.0.json.gz [--squad-texts prose.jsonl]

MEMORY holds the passages (``benchmarks/run_a.py`` leaves one). EM and F1 of the first answer, nothing held back;
questions/s of all at once, milliseconds of one by one. Then the same spans with codebooks of other sizes, learned
on the memory's passages, and with exact vectors.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import quipu
from common import say
from quipu.answering.extract import FEATURES, extract
from quipu.answering.linear import Line
from quipu.evaluation.metrics import latencies
from quipu.evaluation.tasks.open_domain import read_examples
from quipu.memory import tokens
from quipu.models.codebook import Codebook
from quipu.models.reader import Reader
from quipu.records import Example
from quipu.text import best_f1, exact_match
from quipu.training.export import codebook_questions

Answers = Callable[[Sequence[str]], list[str]]


class Exact:
    """Stands in for a codebook: scores the vectors themselves."""

    parts = 0

    def __init__(self, width: int) -> None:
        self._width = width

    def tables(self, questions: Any) -> Any:
        """The questions."""
        return questions

    def decode(self, vectors: Any) -> Any:
        """The vectors."""
        return vectors

    def scores(self, questions: Any, vectors: Any) -> Any:
        """Inner products."""
        return questions @ vectors.T


def row(name: str, ask: Answers, examples: Sequence[Example]) -> tuple[float, float, float]:
    """Print EM, F1, questions/s, p50; returns EM, F1, rate."""
    questions = [example.question for example in examples]
    ask(questions[:20])
    start = time.perf_counter()
    said = ask(questions)
    rate = len(questions) / (time.perf_counter() - start)
    em = 100 * float(np.mean([exact_match(text, e.answers) for text, e in zip(said, examples, strict=True)]))
    f1 = 100 * float(np.mean([best_f1(text, e.answers) for text, e in zip(said, examples, strict=True)]))
    times = latencies(lambda question: ask([question]), questions[:200], time.perf_counter)
    p50, p95 = np.percentile(times, [50, 95])
    print(f"| {name} | {em:.1f} | {f1:.1f} | {rate:,.0f} | {p50:.1f} / {p95:.1f} |", flush=True)
    return em, f1, rate


def by_reader(memory: quipu.Memory, reader: Reader, k: int = 5) -> Answers:
    """The best answer over the best ``k`` passages by BM25."""

    def ask(questions: Sequence[str]) -> list[str]:
        said = []
        for question in questions:
            passages = [passage for passage, _ in tokens.search_passages(memory.store, question, k)]
            readings = reader.read([question] * len(passages), [passage.text for passage in passages])
            said.append(max(readings, key=lambda item: item.score).text if readings else "")
        return said

    return ask


def coded(memory: quipu.Memory, examples: Sequence[Example], parts: Sequence[int]) -> None:
    """F1 with codebooks of other sizes: the candidates' passages are encoded anew and coded."""
    encoder: Any = memory._models.span_encoder()
    passages = list(memory.store.passages())
    found = [item for first in range(0, len(passages), 256)
             for item in encoder.passages([passage.text for passage in passages[first : first + 256]])]  # fmt: skip
    everything = np.concatenate([item.vectors for item in found])
    asked = codebook_questions(encoder, [example.question for example in examples])
    original, get = encoder.codebook, tokens.get
    weights = Line.of(encoder.span, FEATURES, "spans")
    print("| bytes a token, places included | EM | F1 | lost of the vectors, % |\n|---|---|---|---|")
    for size in parts:
        book: Any = Exact(encoder.width) if size == 0 else Codebook.learn(everything, asked, size)
        codes = {
            passage.id: tokens.PassageTokens(item.vectors if size == 0 else book.encode(item.vectors), item.offsets)
            for passage, item in zip(passages, found, strict=True)
        }
        encoder.codebook = book
        tokens.get = lambda store, ids, codes=codes: {name: codes[name] for name in ids}
        said = []
        for first in range(0, len(examples), 64):
            some = [example.question for example in examples[first : first + 64]]
            for question, line in zip(some, memory.find_spans_many(some), strict=True):
                said.append(extract(question, line, memory.store, weights, 0.0).text or "")
        lost = 0.0 if size == 0 else np.square(everything - book.decode(book.encode(everything))).sum()
        share = 100 * lost / np.square(everything).sum()
        em = 100 * np.mean([exact_match(text, e.answers) for text, e in zip(said, examples, strict=True)])
        f1 = 100 * np.mean([best_f1(text, e.answers) for text, e in zip(said, examples, strict=True)])
        name = f"{4 * encoder.width + 2} (exact, float)" if size == 0 else str(size + 2)
        print(f"| {name} | {em:.1f} | {f1:.1f} | {share:.1f} |", flush=True)
    encoder.codebook, tokens.get = original, get


def main() -> None:
    """Both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("memory", type=Path)
    parser.add_argument("--squad", type=Path, required=True)
    parser.add_argument("--parts", type=int, nargs="*", default=[0, 96, 64, 48, 32, 24])
    parser.add_argument("--reader", default="quipu-mini/reader")
    parser.add_argument("--codes-only", action="store_true", help="the second table alone")
    options = parser.parse_args()
    examples = read_examples(options.squad)
    with quipu.open(options.memory, read_only=True) as memory:
        count, pieces, size = tokens.count(memory.store)
        say(f"{count:,} passages, {pieces:,} tokens, {size / pieces:.1f} bytes a token")
        if options.codes_only:
            coded(memory, examples, options.parts)
            return
        print("| system | EM | F1 | questions/s | p50 / p95 ms |\n|---|---|---|---|---|")
        _, f1, rate = row("BM25, five passages, cross-encoder", by_reader(memory, Reader(options.reader)), examples)

        def spans(questions: Sequence[str]) -> list[str]:
            return [a.text or "" for a in memory.ask_many(questions, method="span", min_probability=0)]

        _, own, own_rate = row("ask --method span", spans, examples)
        print(f"\nF1 {own / f1:.2f} of the reader's at {own_rate / rate:.1f} times its questions/s\n")
        coded(memory, examples, options.parts)


if __name__ == "__main__":
    main()
