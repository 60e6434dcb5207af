"""Reading the best passages: where no pair is sure enough, the reader looks at what a QuIP encoder found.

The spans of ``quipu.answering.extract`` say which passages may hold the answer; the reader, question and passage
together, says where it stands in the best of them, and whether it does. No way is dearer a passage, so few are read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from quipu.answering.extract import SpanFound
from quipu.answering.linear import Line
from quipu.memory.store import Store
from quipu.models.protocols import SupportsRead

READ = 3  # passages; a fourth makes nothing better
# Of what is read in a passage: the score of the span found there, the reader's log-odds against "no answer",
# log-probability, and log-odds less those of the question's best passage; whether both spans overlap.
FEATURES = ("passage", "reader", "sure", "reach", "agrees")


def find_passages(
    questions: Sequence[str], spans: Sequence[Sequence[SpanFound]], weights: Line, reader: SupportsRead, store: Store
) -> list[list[SpanFound]]:
    """What the reader finds in the best passages of each question, ordered by the ``weights`` of spans."""
    chosen: list[tuple[int, float, SpanFound]] = []
    for at, line in enumerate(spans):
        scored = sorted(((weights.score(item.features), item) for item in line), key=lambda pair: -pair[0])
        chosen += [(at, score, item) for score, item in scored[:READ]]
    texts = [store.passage(item.passage_id).text for *_, item in chosen]
    readings = reader.read([questions[at] for at, *_ in chosen], texts)
    most = [-math.inf] * len(questions)
    for (at, *_), reading in zip(chosen, readings, strict=True):
        most[at] = max(most[at], reading.score)
    found: list[list[SpanFound]] = [[] for _ in questions]
    for (at, score, item), reading in zip(chosen, readings, strict=True):
        if not reading.text:
            continue
        agrees = reading.start < item.end and item.start < reading.end
        features = (
            score, reading.score, math.log(reading.probability + 1e-9), reading.score - most[at], float(agrees)
        )  # fmt: skip
        found[at].append(SpanFound(item.passage_id, reading.start, reading.end, features))
    return found
