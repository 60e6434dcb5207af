"""The suites that ship: near-twins of stored questions, and questions next door to what documents say.

    python benchmarks/run.py twins
    python benchmarks/run.py neighbours

What ``quipu eval twins`` and ``quipu eval neighbours`` measure. Of the twins the share that passes a bar which 90 % of
the paraphrases pass, for each scorer; the memory of the neighbours is kept in ``--work``.
"""

from __future__ import annotations

import argparse

from common import built, say
from figures import Figure, Result
from quipu.evaluation.neighbours.suite import documents
from quipu.evaluation.neighbours.suite import suite as questions
from quipu.evaluation.report import Report
from quipu.evaluation.tasks import neighbours as next_door
from quipu.evaluation.tasks import twins as near_twins
from quipu.evaluation.twins.suite import suite as items

QUIPU = "quipu ask"
GOALS = {
    "twins": {("probability", "false hits"): 10.0, ("probability", "roles"): 30.0},
    "neighbours": {(QUIPU, metric): goal for metric, goal in next_door.GOALS.items()},
}


def run(options: argparse.Namespace) -> Result:
    """Measure the suite that the benchmark is named after."""
    reports, title = {"twins": twins, "neighbours": neighbours}[options.suite](options)
    figures = [
        Figure(report.system, score)
        for report in reports for score in report.scores if not score.metric.endswith("coverage")
    ]  # fmt: skip
    return Result.now(options.suite, title, figures, goals=GOALS[options.suite])


def twins(options: argparse.Namespace) -> tuple[list[Report], str]:
    """Every scorer on all items."""
    found = items("test")[: options.limit]
    reports = near_twins.evaluate(found, near_twins.shipped((), "quipu-small/reranker"))
    return reports, f"Near-twins that pass where 90 % of the paraphrases do, %: {len(found):,} items of 16 kinds"


def neighbours(options: argparse.Namespace) -> tuple[list[Report], str]:
    """A memory of all documents, asked about the first ``--limit`` of them."""
    files, asked = documents(), questions(options.limit)
    options.work.mkdir(parents=True, exist_ok=True)
    memory, _ = built(files[0].parent, options.work / "neighbours.quipu", keep=options.keep)
    with memory:
        found = next_door.ask_all(asked, memory.ask_many, lambda done, total: say(f"{done} of {total} questions asked"))
    return [next_door.evaluate(found)], f"Questions next door, %: {len(asked)} questions over {len(files)} documents"
