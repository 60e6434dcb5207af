"""Fit the scorers that ship, on labelled sets over memories of their own, and measure them on what they never saw.

What the steps propose is recorded in a folder, so that a killed run goes on and a second fit takes a minute. Records
are of the models that were asked: with other models they are made anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from quipu.answering.answerer import SCORERS
from quipu.answering.scoring import ORDERING, Calibration, LinearScorer
from quipu.calibration.asking import RERANKED, STEPS, Record, ask_ordering, ask_steps, recorded
from quipu.calibration.cascade import outcomes
from quipu.calibration.questions import Asked
from quipu.calibration.scorers import Goals, by_set, cross_validated, fit, fit_ordering, possible

Report = Callable[[dict[str, Any]], None]


def fit_shipped(
    asked: Sequence[Asked],
    held: Sequence[Asked],
    folder: Path,
    *,
    precision: float | None = 0.85,
    rerank: bool = True,
    seed: int = 0,
    report: Report = lambda line: None,
) -> Calibration:
    """Scorers fitted on the sets ``asked``, with thresholds by which a share ``precision`` of the answers is right.

    Writes ``folder``/figures.json: of each set the figures of scorers that were fitted on other documents, and of the
    sets ``held``, on which nothing is fitted. ``rerank``: fit lookup with the reranker too, where there is one.
    """
    answerer = asked[0].memory.answerer
    first = [record for item in asked for record in _first(item, folder, rerank, report)]
    ordering = fit_ordering(first, answerer.uses, report=report)
    records = [record for item in asked for record in _records(item, folder, ordering, rerank, report)]
    made, reached = fit(
        records, ordering, answerer.uses, Goals(precision, choose=True, unseen=True),
        fitted_on=f"{len(records)} questions over {len(asked)} labelled sets", seed=seed, report=report,
    )  # fmt: skip
    thresholds = {name: scorer.threshold for name, scorer in made.scorers.items()}
    rows = by_set(records, cross_validated(records, answerer.uses, thresholds, seed=seed))
    unseen = [record for item in held for record in _records(item, folder, ordering, rerank, report)]
    if unseen:
        rows += [{**row, "held": True} for row in by_set(unseen, outcomes(unseen, made.scorers))[: len(held)]]
    summary = {
        "precision": precision, "reached": reached, "possible": possible(records, made.scorers),
        "thresholds": thresholds,
    }  # fmt: skip
    text = json.dumps({**summary, "sets": rows}, indent=1) + "\n"
    (folder / "figures.json").write_text(text, encoding="utf-8")
    for row in (*rows, summary):
        report(row)
    return made


def _first(item: Asked, folder: Path, rerank: bool, report: Report) -> list[Record]:
    """What the steps look at first."""

    def make(skip: int) -> Iterator[Record]:
        return ask_ordering(item, rerank=rerank, skip=skip)

    return recorded(folder / f"{item.name}-{_digest(item, {}, ORDERING)}-first.jsonl", item, make, report)


def _records(
    item: Asked, folder: Path, ordering: Mapping[str, LinearScorer], rerank: bool, report: Report
) -> list[Record]:
    """What every step proposes; with the reranker in a file of its own, since another scorer orders what it reads."""

    def asked(steps: Sequence[str], by: str) -> list[Record]:
        own = {name: scorer for name, scorer in ordering.items() if name == by}
        file = folder / f"{item.name}-{_digest(item, own, steps)}-{by}.jsonl"
        return recorded(file, item, lambda skip: ask_steps(item, own, steps, skip=skip), report)

    found = asked(STEPS, "where")
    if not rerank or item.memory.answerer.missing("rerank"):
        return found
    reranked = asked((RERANKED,), "rerank")
    return [replace(one, steps={**other.steps, **one.steps}) for one, other in zip(found, reranked, strict=True)]


def _digest(item: Asked, ordering: Mapping[str, LinearScorer], steps: Sequence[str]) -> str:
    """What a file of records is of: memory, steps with models and features, questions, the order of what they read."""
    answerer = item.memory.answerer
    known = {
        "memory": item.memory.path.name,
        "models": {
            name: sorted(answerer.uses(name).values()) for name in (*ORDERING, *STEPS) if not answerer.missing(name)
        },
        "steps": list(steps),
        "features": {name: kind.features for name, kind in SCORERS.items()},
        "questions": [(question.question, question.answers) for question in item.questions],
        "ordering": {name: [round(weight, 9) for weight in scorer.weights] for name, scorer in ordering.items()},
    }
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:12]
