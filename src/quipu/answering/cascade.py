"""Cheapest first: look up, and where that is not probable enough go on to dearer steps, within a budget of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from quipu.answering.decision import Bar, combined, hold_back
from quipu.answering.scoring import LinearScorer
from quipu.records import Answer, Route

Ask = Callable[[Sequence[str]], list[Answer]]


def cascade(
    questions: Sequence[str],
    steps: Iterable[tuple[Route, Ask]],
    bar: Bar,
    budget_ms: float | None = None,
    scorer: Callable[[], LinearScorer | None] = lambda: None,
) -> list[Answer]:
    """An answer for each question from the first of ``steps`` (name, how) that gives one.

    Each step is asked for the questions that no step before it answered, while their share of the time is under
    ``budget_ms``; the first is always asked, and no step is looked for before it is needed (it may have models to
    load). Where none answers, what was held back is weighed together by ``scorer``.
    """
    open_ = list(range(len(questions)))
    tried: list[list[tuple[Route, Answer]]] = [[] for _ in questions]
    spent = 0.0
    for name, ask in steps if questions else ():
        began = time.perf_counter()
        for at, answer in zip(open_, ask([questions[at] for at in open_]), strict=True):
            tried[at].append((name, hold_back(answer, bar.least)))
        spent += 1000 * (time.perf_counter() - began) / len(open_)
        open_ = [at for at in open_ if tried[at][-1][1].text is None]
        if not open_ or (budget_ms is not None and spent >= budget_ms):
            break
    several = any(len(tried[at]) > 1 for at in open_)
    weights = scorer() if several else None
    return [combined(row, weights, bar) for row in tried]
