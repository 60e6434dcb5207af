"""Cheapest first: look up, and where that is not probable enough go on to dearer ways, within a budget of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from quipu.records import Answer, Route, Tried

Ask = Callable[[Sequence[str]], list[Answer]]


def cascade(
    questions: Sequence[str],
    steps: Sequence[tuple[Route, Ask]],
    least: float | None = None,
    budget_ms: float | None = None,
) -> list[Answer]:
    """An answer for each question from the first of ``steps`` (name, how) that gives one.

    Each step is asked for the questions that no step before it answered, while their share of the time is under
    ``budget_ms``; the first is always asked. Where none answers, the most probable of what was held back is given if it
    is as probable as ``least``, else the question stays open, for the first step's reason.
    """
    open_ = list(range(len(questions)))
    tried: list[list[Answer]] = [[] for _ in questions]
    spent = 0.0
    for number, (_, ask) in enumerate(steps):
        if not open_ or (number and budget_ms is not None and spent >= budget_ms):
            break
        began = time.perf_counter()
        for at, answer in zip(open_, ask([questions[at] for at in open_]), strict=True):
            tried[at].append(answer)
        spent += 1000 * (time.perf_counter() - began) / len(open_)
        open_ = [at for at in open_ if tried[at][-1].text is None]
    return [_chosen(row, [name for name, _ in steps], least) for row in tried]


def _chosen(row: Sequence[Answer], names: Sequence[Route], least: float | None) -> Answer:
    told = tuple(
        Tried(name, answer.text, answer.probability, answer.reason, answer.milliseconds, answer.held)
        for name, answer in zip(names, row, strict=False)
    )
    milliseconds = sum(answer.milliseconds for answer in row)
    if row[-1].text is not None:
        return replace(row[-1], tried=told, milliseconds=milliseconds)
    held = [answer for answer in row if answer.held is not None and answer.probability is not None]
    best = max(held, key=lambda answer: answer.probability or 0.0, default=None)
    if least is not None and best is not None and (best.probability or 0.0) >= least:
        route, reason = names[row.index(best)], f"not sure: {best.reason}"
        return replace(best, text=best.held, route=route, reason=reason, tried=told, milliseconds=milliseconds)
    return replace(row[0], tried=told, milliseconds=milliseconds)
