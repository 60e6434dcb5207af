"""Calibrate one memory: fit its probabilities, set thresholds for a wanted precision, keep both in the memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from quipu.answering.scoring import ORDERING, LinearScorer, bundled
from quipu.calibration.asking import RERANKED, Record, ask_ordering, ask_steps
from quipu.calibration.cascade import outcomes, report_of
from quipu.calibration.fitting import ENOUGH
from quipu.calibration.questions import Asked, labelled
from quipu.calibration.scorers import Goals, fit, fit_ordering, possible
from quipu.calibration.self_questions import self_questions
from quipu.facade import BUNDLED_CALIBRATION, Memory
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

    examples: questions with accepted answers; None: ``count`` questions of the memory's own pairs, by which the
    probabilities that ship are bent: how well right and wrong are told apart here, not how many are right, which is as
    many as were asked. Few examples bend them, too; many replace them. ``rerank``: for asking with the
    reranker; without it look-up is fitted as well.

    Where no threshold reaches ``target_precision`` ("reached" is False), the memory stays as it was, and
    "best_precision" says what is possible. None: the thresholds stay, only the probabilities are fitted.
    """
    asked = self_questions(memory, count, seed) if examples is None else Asked(memory, labelled(examples))
    fitted_on = f"{len(asked.questions)} " + ("questions about itself" if examples is None else "labelled questions")
    answerer, base = memory.answerer, bundled(BUNDLED_CALIBRATION)
    known = (name for name in ORDERING if not answerer.missing(name))
    own = {name: scorer for name in known if (scorer := answerer.fitted(name)) is not None}
    ordering = own or fit_ordering(list(ask_ordering(asked, rerank=rerank)), answerer.uses)
    records = list(ask_steps(asked, ordering, rerank=rerank))
    if rerank:
        records = [_reranked_first(record) for record in records]
    seen = {item.scorer for record in records for row in record.steps.values() for item in row} | {"cascade"}
    before = {name: scorer.threshold for name in sorted(seen) if (scorer := answerer.fitted(name)) is not None}
    steps: list[dict[str, Any]] = []
    made, reached = fit(
        records, {name: scorer for name, scorer in ordering.items() if name not in own}, answerer.uses,
        Goals(target_precision, before), fitted_on=fitted_on, base=base,
        enough=ENOUGH if examples is not None else len(records) + 1, seed=seed, report=steps.append,
        keep_level=examples is None,
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


def _reranked_first(record: Record) -> Record:
    """The record of a cascade that begins with the reranker; what plain look-up found is only fitted."""
    steps = dict(record.steps)
    if RERANKED in steps:
        steps |= {"lookup": steps[RERANKED], RERANKED: steps.get("lookup", ())}
    return replace(record, steps=steps)
