"""Cheapest first: look up, and where that is not probable enough go on to dearer ways, within a budget of time.

Where each way holds its answer back, they are weighed together: ways that hold the same answer confirm each other. A
line of weights, fitted on questions that no way alone was sure of, says which answer is best and how probable it is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from quipu.answering.linear import Line
from quipu.records import Answer, Route, Tried
from quipu.text import normalize_answer

STEPS: tuple[Literal["lookup", "read", "chain", "passage"], ...] = ("lookup", "read", "chain", "passage")
# Of an answer, for each step: whether the step holds it, its log-odds then, and the log-odds of another that it holds.
FEATURES = tuple(f"{step}_{what}" for step in STEPS for what in ("holds", "logit", "against"))

Ask = Callable[[Sequence[str]], list[Answer]]


def cascade(
    questions: Sequence[str],
    steps: Iterable[tuple[Route, Ask]],
    least: float | None = None,
    budget_ms: float | None = None,
    together: Callable[[], Line | None] = lambda: None,
) -> list[Answer]:
    """An answer for each question from the first of ``steps`` (name, how) that gives one.

    Each step is asked for the questions that no step before it answered (so probably as ``least``, where that is said),
    while their share of the time is under ``budget_ms``; the first is always asked, and no step is looked for before it
    is needed (it may have models to load). Where none answers, ``together`` (gives weights of ``FEATURES``) judges what
    was held back: the best is given if it is as probable as their threshold, or as ``least``. Without such weights the
    most probable by its own step is given, if it is as probable as ``least``. Else the question stays open, for the
    first step's reason.
    """
    open_ = list(range(len(questions)))
    tried: list[list[Answer]] = [[] for _ in questions]
    spent = 0.0
    names: list[Route] = []
    for name, ask in steps if questions else ():
        names.append(name)
        began = time.perf_counter()
        for at, answer in zip(open_, ask([questions[at] for at in open_]), strict=True):
            tried[at].append(_or_held(answer, least))
        spent += 1000 * (time.perf_counter() - began) / len(open_)
        open_ = [at for at in open_ if tried[at][-1].text is None]
        if not open_ or (budget_ms is not None and spent >= budget_ms):
            break
    line = together() if open_ and len(names) > 1 else None
    return [_chosen(row, names, least, line) for row in tried]


def _or_held(answer: Answer, least: float | None) -> Answer:
    """An answer that is less probable than ``least`` is held back, whatever its step's own threshold."""
    if least is None or answer.text is None or answer.probability is None or answer.probability >= least:
        return answer
    return replace(answer, text=None, route="abstain", reason=f"less probable than {least:g}", held=answer.text)


def held(tried: Sequence[Tried]) -> dict[str, tuple[float, ...]]:
    """The answers that steps gave or held back, normalised, with what ``FEATURES`` names."""
    logits: dict[str, tuple[str, float]] = {}
    for told in tried:
        normal = normalize_answer(told.text or told.held or "")
        if normal and told.probability is not None:
            p = min(max(told.probability, 1e-4), 1 - 1e-4)
            logits[told.route] = normal, math.log(p / (1 - p))
    found: dict[str, tuple[float, ...]] = {}
    for text in dict.fromkeys(text for text, _ in logits.values()):
        features: list[float] = []
        for step in STEPS:
            own, logit = logits.get(step, ("", 0.0))
            features += [float(own == text), logit * (own == text), logit * (own != text)]
        found[text] = tuple(features)
    return found


def _chosen(row: Sequence[Answer], names: Sequence[Route], least: float | None, together: Line | None) -> Answer:
    steps = list(zip(names, row, strict=False))
    told = tuple(
        Tried(name, answer.text, answer.probability, answer.reason, answer.milliseconds, answer.held)
        for name, answer in steps
    )
    milliseconds = sum(answer.milliseconds for answer in row)
    if row[-1].text is not None:
        return replace(row[-1], tried=told, milliseconds=milliseconds)
    known = [item for item in steps if normalize_answer(item[1].held or "") and item[1].probability is not None]
    bar = least if least is not None or together is None else together.threshold
    if known and bar is not None:
        best = _most_probable(known) if together is None else _confirmed(known, held(told), together)
        if (best.probability or 0.0) >= bar:
            return replace(best, tried=told, milliseconds=milliseconds)
    return replace(row[0], tried=told, milliseconds=milliseconds)


def _most_probable(known: Sequence[tuple[Route, Answer]]) -> Answer:
    """What the step that holds back least would say."""
    name, best = max(known, key=lambda item: item[1].probability or 0.0)
    return replace(best, text=best.held, route=name, reason=f"not sure: {best.reason}")


def _confirmed(
    known: Sequence[tuple[Route, Answer]], found: Mapping[str, tuple[float, ...]], together: Line
) -> Answer:
    """The best answer by the weights of all steps, with the evidence of the surest step that holds it."""
    scores = {text: together.score(features) for text, features in found.items()}
    text = max(scores, key=lambda text: scores[text])
    agreeing = [(name, answer) for name, answer in known if normalize_answer(answer.held or "") == text]
    reason = "more probable than what the other steps found"
    if len(agreeing) > 1:
        reason = f"{' and '.join(name for name, _ in agreeing)} agree"
    return replace(_most_probable(agreeing), probability=together.probability(scores[text]), reason=reason)
