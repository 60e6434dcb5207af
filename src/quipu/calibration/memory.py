"""Calibrate one memory: fit its probabilities, set thresholds for a wanted precision, keep both in the memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quipu.answering.answerer import SCORERS
from quipu.answering.scoring import bundled
from quipu.api import BUNDLED_CALIBRATION, Memory
from quipu.calibration.self_questions import self_questions
from quipu.calibration.steps import Asked, fit_steps
from quipu.records import Example


def calibrate(
    memory: Memory,
    examples: Sequence[Example] | None = None,
    *,
    target_precision: float | None = 0.95,
    rerank: bool = False,
    count: int = 300,
    seed: int = 0,
) -> dict[str, Any]:
    """Fit how probable a memory's answers are and when they are held back, keep it in the memory, say how well it fits.

    examples: questions with accepted answers; None: ``count`` of the memory's own pairs, asked in other words. Where
    few are answered right or wrong the scorers that ship are bent. A step that cannot be so precise as
    ``target_precision`` keeps the threshold that it had: ``reached`` says whether all can, and of each step ``steps``
    says what it can.
    """
    asked = self_questions(memory, count, seed) if examples is None else Asked(memory, examples)
    fitted_on = f"{len(asked.examples)} " + ("questions about itself" if examples is None else "labelled questions")
    before = {name: scorer.threshold for name in SCORERS if (scorer := memory.answerer.fitted(name)) is not None}
    steps: list[dict[str, Any]] = []
    made = fit_steps(
        [asked], fitted_on=fitted_on, base=bundled(BUNDLED_CALIBRATION), rerank=rerank,
        target_precision=target_precision, thresholds=before, seed=seed, report=steps.append,
    )  # fmt: skip
    memory.keep_calibration(made)
    decided = [row for row in steps if row.get("scorer", "").split(",")[0] in ("lookup", "lookup_reranked", *_DECIDING)]
    return {
        "questions": len(asked.examples), "fitted_on": fitted_on, "target_precision": target_precision,
        "reached": all(row.get("reached", True) for row in decided), "steps": decided,
    }  # fmt: skip


_DECIDING = ("passage", "read", "hops", "compare_read", "chain", "compare", "cascade")
