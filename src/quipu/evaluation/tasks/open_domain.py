"""Open-domain questions with short answers: NQ-open, SQuAD and WebQuestions files, asked of a memory.

EM and F1 of the answer, recall@k of what was found: an accepted answer among the answers of the best k hits, by
exact match after normalisation. F1 and EM in per cent, so is recall.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from quipu.errors import InputError
from quipu.evaluation.metrics import (
    best_f1,
    exact_match,
    first_hit,
    latencies,
    mean_score,
    passage_holds,
    percentile,
)  # fmt: skip
from quipu.evaluation.report import Report
from quipu.evaluation.task import Prediction, run
from quipu.records import Answer, Example, Hit, Score

RECALLS = (1, 5, 10, 50)
METHODS = ("cascade", "lookup", "read", "chain", "span", "passage")
Search = Literal["vector", "words", "both"]
T = TypeVar("T")
LATENCY_SAMPLE = 300  # questions asked one by one


class Memory(Protocol):
    """What this task needs of a :class:`quipu.Memory`."""

    def ask_many(
        self,
        questions: Sequence[str],
        *,
        k: int = ...,
        method: Any = ...,
        rerank: bool = ...,
        min_probability: float | None = ...,
    ) -> list[Answer]:
        """The answers to many."""
        ...

    def search_many(self, questions: Sequence[str], k: int, *, method: Search = ...) -> list[list[Hit]]:
        """The best ``k`` pairs of each question."""
        ...


class Lookup:
    """A memory as a system: the best stored pair's answer, and the answers of the best ``k`` hits for recall."""

    def __init__(
        self,
        memory: Memory,
        k: int = 50,
        search: Search = "vector",
        name: str = "lookup",
        rerank: bool = False,
        method: str = "lookup",
    ) -> None:
        self._memory, self._k, self._search, self._rerank, self._method = memory, k, search, rerank, method
        self.name = name

    def predict(self, questions: Sequence[str]) -> list[Prediction]:
        """Asks all questions in one call, then searches for the hits behind them. No answer is held back."""
        answers = self._memory.ask_many(
            questions, k=self._k, method=self._method, rerank=self._rerank, min_probability=0.0
        )
        hits = self._memory.search_many(questions, self._k, method=self._search)
        return [
            Prediction(question, answer.text, tuple(hit.pair.answer for hit in found))
            for question, answer, found in zip(questions, answers, hits, strict=True)
        ]


class OpenDomain:
    """The task: examples, and EM, F1 and recall of predictions."""

    def __init__(self, examples: Sequence[Example], name: str = "open-domain", k: int = 50) -> None:
        self._examples, self.name, self._k = examples, name, k

    def examples(self) -> Sequence[Example]:
        """All questions."""
        return self._examples

    def score(self, predictions: Sequence[Prediction]) -> list[Score]:
        """EM, F1, and recall@1/5/10/50 of the pairs found, up to the k that was asked for; passage_recall@5."""
        together = list(zip(self._examples, predictions, strict=True))
        scores = [
            mean_score("EM", [exact_match(said.text or "", e.answers) for e, said in together], scale=100),
            mean_score("F1", [best_f1(said.text or "", e.answers) for e, said in together], scale=100),
        ]
        reads = any(said.passages for _, said in together)
        if any(said.ranked for _, said in together):
            ranks = [first_hit(said.ranked, example.answers) for example, said in together]
            # A reader has as many answers as passages: recall beyond that would look like a search that failed.
            most = min(self._k, max(len(said.passages) for _, said in together)) if reads else self._k
            for k in (k for k in RECALLS if k <= most):
                found = [float(rank is not None and rank <= k) for rank in ranks]
                scores.append(mean_score(f"recall@{k}", found, scale=100))
        if reads:
            held = [float(any(passage_holds(text, e.answers) for text in said.passages)) for e, said in together]
            read = max(len(said.passages) for _, said in together)
            scores.append(mean_score(f"passage_recall@{read}", held, scale=100))
        return scores


def evaluate(
    memory: Memory,
    examples: Sequence[Example],
    method: str = "lookup",
    k: int = 50,
    predictions: Path | None = None,
    rerank: bool = False,
) -> Report:
    """Ask ``memory`` all ``examples``: EM, F1, recall@k, questions/s, and p50 and p95 of one question (ms).

    Every question is answered, however improbable: what abstaining is worth, the task ``selective`` measures.
    """
    if method not in METHODS:
        raise InputError(f"the method {method!r} is unknown; choose one of: {', '.join(METHODS)}")
    if k < 1:
        raise InputError(f"k must be at least 1, not {k}")
    questions = [example.question for example in examples]
    settings = {"method": method, "k": k, "rerank": rerank}
    report = run(
        OpenDomain(examples, k=k), Lookup(memory, k, name=method, rerank=rerank, method=method),
        settings=settings, predictions=predictions,
    )  # fmt: skip

    def ask(some: Sequence[str]) -> object:
        return memory.ask_many(some, k=k, method=method, rerank=rerank, min_probability=0.0)

    start = time.perf_counter()
    ask(questions)
    rate = len(questions) / (time.perf_counter() - start)
    times = latencies(lambda question: ask([question]), spread(questions, LATENCY_SAMPLE), time.perf_counter)
    scores = (*report.scores, Score("questions/s", rate, len(questions)), *timing(times))
    return Report(report.task, report.system, scores, report.settings)


def timing(times: Sequence[float]) -> tuple[Score, Score]:
    """The p50 and p95 of milliseconds."""
    return (
        Score("p50 ms", percentile(times, 0.50), len(times), None, False),
        Score("p95 ms", percentile(times, 0.95), len(times), None, False),
    )


def spread(items: Sequence[T], count: int) -> list[T]:
    """At most ``count`` of ``items``, evenly spread over them."""
    if len(items) <= count:
        return list(items)
    return [items[i * len(items) // count] for i in range(count)]
