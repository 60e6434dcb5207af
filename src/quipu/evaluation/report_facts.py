"""What is said of a memory in its report: gathered once, in an order that stays, bounded in size."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Any

from quipu.answering.conflict_list import Conflict
from quipu.evaluation.metrics import latencies, percentile, risk_coverage, wilson
from quipu.evaluation.report import Report
from quipu.evaluation.report_charts import Point
from quipu.evaluation.tasks.selective import Said, evaluate
from quipu.memory import Memory
from quipu.records import Example
from quipu.storage.provenance import barest
from quipu.storage.reviews import count_reviews, reviews_in
from quipu.storage.store import Store

Progress = Callable[[dict[str, int | float | str]], None]
DOCUMENTS, PASSAGES, LISTED, CUT = 100, 20, 20, 300
"""At most so many documents, passages, conflicts and marks, and characters of each text: the page stays small."""
BINS, RELIABLE = 20, 10
"""Bars of a histogram; most points of the reliability curve, and the fewest questions of one."""
COVERAGES = (5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
"""Per cent of the questions answered, the surest first, at which risk is shown."""
TIMED = 100
"""Questions that are asked one by one for their time."""


@dataclass(slots=True)
class DocumentYield:
    """What became of a document's passages: made = kept + dropped."""

    passages: int = 0
    bare: int = 0
    made: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """Labelled questions that were asked. ``milliseconds``: median and 95th percentile of ``timed`` of them."""

    report: Report
    said: Sequence[Said]
    timed: int = 0
    milliseconds: tuple[float, float] | None = None

    def histogram(self) -> dict[str, list[int]]:
        """How many answers were right and wrong, by their probability in ``BINS`` equal parts."""
        groups = {"right": [item for item in self.said if item.right], "wrong": [s for s in self.said if not s.right]}
        return {name: binned(item.probability for item in group) for name, group in groups.items()}

    def risk(self) -> list[Point]:
        """The share that is wrong when the surest ``COVERAGES`` are answered.

        Questions of equal probability are answered together: ``n`` is how many are.
        """
        right = [item.right for item in self.said]
        _, risk = risk_coverage([item.probability for item in self.said], right)
        ordered = sorted((item.probability for item in self.said), reverse=True)
        points: list[Point] = []
        for share in COVERAGES:
            at = max(1, share * len(ordered) // 100) - 1
            n = sum(value >= ordered[at] for value in ordered)
            low, high = wilson(round(risk[at] * n), n)
            if not points or n > points[-1].n:
                points.append(Point(n / len(ordered), risk[at], low, high, n))
        return points

    def reliability(self) -> list[Point]:
        """The share that is right in groups of as many questions each, over their mean probability."""
        ordered = sorted(self.said, key=lambda item: (item.probability, item.right))
        groups = max(1, min(RELIABLE, len(ordered) // RELIABLE))
        edges = [len(ordered) * at // groups for at in range(groups + 1)]
        points = []
        for first, last in pairwise(edges):
            if group := ordered[first:last]:
                count, n = sum(item.right for item in group), len(group)
                mean = sum(item.probability for item in group) / n
                points.append(Point(mean, count / n, *wilson(count, n), n))
        return points


@dataclass(frozen=True, slots=True)
class Sample:
    """Pairs that somebody looked at blindly: of ``n`` how many were well-formed, and how many right."""

    n: int = 0
    well_formed: int = 0
    right: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the page shows of a memory.

    ``documents``: those with the largest share of passages without a pair, first; ``others``: how many are left out.
    ``filter_scores``: of stored pairs, in ``BINS`` equal parts of 0 to 1. ``barest``: of ``provenance.barest``, each
    with the passage's ``text``. ``reviews``: of ``count_reviews``. ``asked``: None without questions; ``unasked``: why
    they could not be asked.
    """

    info: dict[str, Any]
    origins: dict[str, int]
    total: dict[str, int]
    dropped: dict[str, int]
    documents: list[tuple[str, DocumentYield]]
    others: int
    barest: list[dict[str, Any]]
    filter_scores: list[int]
    conflicts: list[Conflict]
    more_conflicts: int
    wrong: list[tuple[str, str]]
    reviews: dict[str, int] = field(default_factory=dict)
    sample: Sample = Sample()
    asked: Asked | None = None
    unasked: str = ""
    bytes: dict[str, int] = field(default_factory=dict)


def gather(
    memory: Memory, examples: Sequence[Example] | None = None, *, timed: bool = False, progress: Progress | None = None
) -> Facts:
    """Everything of an open memory. With ``examples`` it is asked these by its cascade, the surest answer each.

    ``timed``: the first ``TIMED`` of them once more, one by one: the only figures that differ from run to run.
    """
    origins: Counter[str] = Counter()

    def scores() -> Iterator[float]:
        for _, pair in memory.store.pairs():
            origins[pair.origin] += 1
            if pair.filter_score is not None:
                yield pair.filter_score

    filter_scores = binned(scores())
    by_document: dict[str, DocumentYield] = {}
    found = barest(_by_document(memory.coverage(), by_document), PASSAGES)
    rows = [
        {**row, "text": memory.store.passage(row["passage"]).text}
        for row in found["passages"]
        if row["passage"] is not None
    ]
    order = sorted(by_document.items(), key=lambda item: (-item[1].bare / item[1].passages, -item[1].passages, item[0]))
    conflicts = memory.conflicts(progress=progress)
    shown = list(islice(conflicts, LISTED))
    info = memory.info()
    asked, unasked = _asked(memory, examples, timed, progress)
    return Facts(
        info, dict(sorted(origins.items())), found["total"], found["dropped"], order[:DOCUMENTS],
        max(0, len(order) - DOCUMENTS), rows, filter_scores, shown, sum(1 for _ in conflicts),
        [(mark.question, mark.answer) for mark in islice((m for m in memory.feedback() if not m.right), LISTED)],
        count_reviews(memory.store), _sample(memory.store), asked, unasked,
        {name: size for name, size in info["bytes"].items() if name in _KEPT},
    )  # fmt: skip


_KEPT = ("records.sqlite", "index.faiss")  # all else in the folder comes and goes with those who read


def binned(values: Iterable[float]) -> list[int]:
    """How many values stand in each of ``BINS`` equal parts of 0 to 1; those beyond, in the first or last."""
    counts = [0] * BINS
    for value in values:
        counts[min(BINS - 1, max(0, int(value * BINS)))] += 1
    return counts


def _sample(store: Store) -> Sample:
    """What a sample found last of each pair."""
    last = {item.pair: item for item in reviews_in(store) if item.decision == "sample"}
    return Sample(
        len(last),
        sum(bool(item.well_formed) for item in last.values()),
        sum(bool(item.right) for item in last.values()),
    )


def _by_document(rows: Iterable[dict[str, Any]], found: dict[str, DocumentYield]) -> Iterator[dict[str, Any]]:
    """The rows as they come, counted by document on their way."""
    for row in rows:
        if row["document"] is not None:
            item = found.setdefault(row["document"], DocumentYield())
            item.passages += 1
            item.bare += row["kept"] == 0
            item.made += row["made"]
            item.kept += row["kept"]
        yield row


def _asked(
    memory: Memory, examples: Sequence[Example] | None, timed: bool, progress: Progress | None
) -> tuple[Asked | None, str]:
    if examples is None:
        return None, ""
    if memory.answerer.fitted("lookup") is None:
        return None, "its models have no calibration, so that answers have no probability: quipu calibrate MEMORY"
    if progress is not None:
        progress({"stage": "asking", "done": 0, "total": len(examples), "unit": "questions"})
    report, said = evaluate(memory, examples, method="cascade")
    if not timed:
        return Asked(report, said), ""
    some = [example.question for example in examples[:TIMED]]
    times = latencies(memory.ask, some, time.perf_counter)
    return Asked(report, said, len(some), (percentile(times, 0.5), percentile(times, 0.95))), ""
