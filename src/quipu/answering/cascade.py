"""Cheapest first: look up, and where that is not probable enough go on to dearer steps, within a budget of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from quipu.answering.decision import Bar, combined, hold_back
from quipu.answering.scoring import LinearScorer
from quipu.records import Answer, Route

Ask = Callable[[Sequence[str]], list[Answer]]
STEP_MS: Mapping[str, float] = {"passage": 150.0, "read": 80.0, "hops": 300.0, "chain": 20.0}
"""What a question takes in each step on two cores, until it was measured here."""


@dataclass(slots=True)
class Budget:
    """Milliseconds that a question may take (None: as many as it needs), and how many were spent.

    ``expected``: what a question takes in a step.
    """

    ms: float | None = None
    expected: Mapping[str, float] = field(default_factory=dict)
    spent: float = 0.0

    def affords(self, step: str) -> bool:
        """Whether the step will probably end within the budget."""
        return self.ms is None or self.spent + self.expected.get(step, 0.0) < self.ms


def cascade(
    questions: Sequence[str],
    steps: Iterable[tuple[Route, Ask]],
    bar: Bar,
    budget: Budget | None = None,
    scorer: Callable[[], LinearScorer | None] = lambda: None,
) -> list[Answer]:
    """An answer for each question from the first of ``steps`` (name, how) that gives one.

    Each step is asked for the questions that no step before it answered, where the budget affords it; the first is
    always asked, and no step is looked for before it is needed (it may have models to load). Where none answers, what
    was held back is weighed together by ``scorer``.
    """
    budget = budget or Budget()
    open_ = list(range(len(questions)))
    tried: list[list[tuple[Route, Answer]]] = [[] for _ in questions]
    for name, ask in steps if questions else ():
        if tried[0] and not budget.affords(name):
            continue
        began = time.perf_counter()
        for at, answer in zip(open_, ask([questions[at] for at in open_]), strict=True):
            tried[at].append((name, hold_back(answer, bar.least)))
        budget.spent += 1000 * (time.perf_counter() - began) / len(open_)
        open_ = [at for at in open_ if tried[at][-1][1].text is None]
        if not open_:
            break
    several = any(len(tried[at]) > 1 for at in open_)
    weights = scorer() if several else None
    return [combined(row, weights, bar) for row in tried]
