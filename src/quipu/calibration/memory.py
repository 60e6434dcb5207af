"""Calibrate one memory: fit its probabilities, set thresholds for a wanted precision, keep both in the memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from quipu.answering.scoring import Calibration, bundled
from quipu.answering.steps.lookup import scorer_name
from quipu.api import BUNDLED_CALIBRATION, Memory
from quipu.calibration.fitting import best_precision, figures, fit_scorer, probabilities, threshold_for
from quipu.calibration.self_questions import ask_lookup, self_questions
from quipu.calibration.steps import fit_steps, with_threshold
from quipu.records import Example
from quipu.text import exact_match


def calibrate(
    memory: Memory,
    examples: Sequence[Example] | None = None,
    *,
    target_precision: float | None = 0.95,
    rerank: bool = True,
    count: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Fit how probable a memory's answers are and when they are held back, keep it in the memory, say how well it fits.

    examples: questions with accepted answers; None: the memory's own pairs, asked in other words, by which the
    probabilities of look-up are fitted. A step that cannot be so precise as ``target_precision`` keeps the threshold
    that it had; ``reached`` says whether all can, ``best_precision`` what is possible.
    """
    known = bundled(BUNDLED_CALIBRATION)
    if examples is None:
        return _by_itself(memory, known, target_precision, rerank, count, seed)
    return _by_examples(memory, examples, known, target_precision, rerank, seed)


def _by_itself(
    memory: Memory, known: Calibration | None, target: float | None, rerank: bool, count: int, seed: int
) -> dict[str, Any]:
    name, answerer = scorer_name(rerank), memory.answerer
    data = ask_lookup(memory, self_questions(memory, count, seed), rerank=rerank)
    before = answerer.fitted(name)
    base = None if known is None else known.scorer(name, answerer.features(name), answerer.uses(name))
    made = fit_scorer(data, answerer.features(name), answerer.uses(name), base=base, seed=seed)
    given, right = probabilities(made, data)
    wanted = None if target is None else threshold_for(given, right, target)
    threshold = wanted if wanted is not None else (0.5 if before is None else before.threshold)
    fitted_on = f"{len(given)} questions about itself"
    calibration = with_threshold(
        Calibration({name: made}, fitted_on), {name: threshold}, target_precision=target,
        floor=threshold if wanted is not None else 0.0, blend=answerer.blend(rerank),
    )  # fmt: skip
    memory.keep_calibration(calibration)
    return {
        **figures(given, right, threshold), "threshold": threshold, "fitted_on": fitted_on,
        "reached": target is None or wanted is not None, "best_precision": best_precision(given, right),
    }  # fmt: skip


def _by_examples(
    memory: Memory,
    examples: Sequence[Example],
    known: Calibration | None,
    target: float | None,
    rerank: bool,
    seed: int,
) -> dict[str, Any]:
    fitted_on = f"{len(examples)} labelled questions"
    before = {name: scorer.threshold for name in memory.answerer.names() if (scorer := memory.answerer.fitted(name))}
    reports: list[dict[str, Any]] = []
    made = fit_steps(
        [(memory, examples)], fitted_on=fitted_on, base=known, rerank=rerank, target_precision=target,
        thresholds=before, seed=seed, report=reports.append,
    )  # fmt: skip
    memory.keep_calibration(made)
    answers = memory.ask_many([example.question for example in examples], rerank=rerank)
    right = np.array([
        bool(exact_match(answer.text or answer.held or "", example.answers))
        for answer, example in zip(answers, examples, strict=True)
    ])  # fmt: skip
    given = np.array([answer.text is not None for answer in answers])
    probable = np.array([answer.probability or 0.0 for answer in answers])
    missed = [row for row in reports if row.get("reached") is False]
    return {
        **figures(probable, right, 0.5), "answered": float(given.mean()),
        "precision": float(right[given].mean()) if given.any() else None,
        "thresholds": {name: scorer.threshold for name, scorer in made.scorers.items()}, "fitted_on": fitted_on,
        "reached": not missed,
        "best_precision": min((row["best_precision"] for row in missed), default=None),
    }  # fmt: skip
