"""Calibrate one memory: fit its probabilities, set thresholds for a wanted precision, keep both in the memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from quipu.answering.scoring import ORDERING, LinearScorer, bundled
from quipu.answering.session import BUNDLED_CALIBRATION
from quipu.calibration.asking import RERANKED, STEPS, Record, ask_ordering, ask_steps
from quipu.calibration.cascade import outcomes, report_of
from quipu.calibration.fitting import ENOUGH
from quipu.calibration.questions import Asked, labelled, marked
from quipu.calibration.scorers import Goals, fit, fit_ordering, possible
from quipu.calibration.self_questions import self_questions
from quipu.errors import InputError
from quipu.memory import Memory
from quipu.records import Example


def calibrate(
    memory: Memory,
    examples: Sequence[Example] | None = None,
    *,
    target_precision: float | None = 0.95,
    rerank: bool = False,
    count: int = 300,
    seed: int = 0,
    from_feedback: bool = False,
) -> dict[str, Any]:
    """Fit how probable a memory's answers are and when they are held back, keep it in the memory, say how well it fits.

    examples: questions with accepted answers; None: ``count`` questions of the memory's own pairs, by which the
    probabilities that ship are bent: how well right and wrong are told apart here, not how many are right, which is as
    many as were asked. Few examples bend them, too; many replace them. ``rerank``: for asking with the
    reranker; without it lookup is fitted as well. ``from_feedback``: the questions are those whose answers somebody
    marked as right or wrong in this memory; the share of right ones counts, so both must be marked as they come.
    InputError where fewer than ``MARKS`` are right, or wrong.

    Where no threshold reaches ``target_precision`` ("reached" is False), the memory stays as it was, and
    "best_precision" says what is possible. None: the thresholds stay, only the probabilities are fitted.
    """
    if from_feedback and examples is not None:
        raise InputError("calibrate on labelled questions or on marked answers, not on both")
    asked, what, itself = _questions(memory, examples, count, seed, from_feedback)
    fitted_on = f"{len(asked.questions)} {what}"
    answerer, base = memory.answerer, bundled(BUNDLED_CALIBRATION)
    known = (name for name in ORDERING if not answerer.missing(name))
    own = {name: scorer for name in known if (scorer := answerer.fitted(name)) is not None}
    ordering = own or fit_ordering(list(ask_ordering(asked, rerank=rerank)), answerer.uses)
    records = list(ask_steps(asked, ordering, (RERANKED, *STEPS) if rerank else STEPS))
    if rerank:
        records = [_reranked_first(record) for record in records]
    seen = {item.scorer for record in records for row in record.steps.values() for item in row} | {"cascade"}
    before = {name: scorer.threshold for name in sorted(seen) if (scorer := answerer.fitted(name)) is not None}
    steps: list[dict[str, Any]] = []
    made, reached = fit(
        records, {name: scorer for name, scorer in ordering.items() if name not in own}, answerer.uses,
        Goals(target_precision, before), fitted_on=fitted_on, base=base,
        enough=len(records) + 1 if itself else ENOUGH, seed=seed, report=steps.append, keep_level=itself,
    )  # fmt: skip
    failed = target_precision is not None and reached is None
    if not failed:
        memory.keep_calibration(replace(made, target_precision=target_precision, floor=reached or 0.0))
    shown: dict[str, LinearScorer] = dict(made.scorers)
    return {
        **report_of(outcomes(records, shown)), "threshold": made.threshold, "fitted_on": fitted_on,
        "target_precision": target_precision, "reached": not failed, "best_precision": possible(records, shown),
        "steps": [row for row in steps if "threshold" in row],
    }  # fmt: skip


def _questions(
    memory: Memory, examples: Sequence[Example] | None, count: int, seed: int, from_feedback: bool
) -> tuple[Asked, str, bool]:
    """What the memory is asked, in words, and whether somebody chose how many of it are right."""
    if from_feedback:
        return marked(memory), "questions with marked answers", False
    if examples is not None:
        return Asked(memory, labelled(examples)), "labelled questions", False
    return self_questions(memory, count, seed), "questions about itself", True


def _reranked_first(record: Record) -> Record:
    """The record of a cascade that begins with the reranker; what plain lookup found is only fitted."""
    steps = dict(record.steps)
    if RERANKED in steps:
        steps |= {"lookup": steps[RERANKED], RERANKED: steps.get("lookup", ())}
    return replace(record, steps=steps)
