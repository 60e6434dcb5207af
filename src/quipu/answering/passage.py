"""Reading the best passages: where no pair is sure enough, the reader looks at what a QuIP encoder found.

The spans of ``quipu.answering.extract`` say which passages may hold the answer; the reader, question and passage
together, says where it stands in the best of them, and whether it does. No way is dearer a passage, so few are read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from quipu.answering.extract import SpanFound
from quipu.answering.linear import Line
from quipu.memory.store import Store
from quipu.models.protocols import SupportsRead
from quipu.records import Answer, Evidence, Passage, Span

READ = 3  # passages; a fourth makes nothing better
# Of what is read in a passage: the score of the span found there, the reader's log-odds against "no answer",
# log-probability, and log-odds less those of the question's best passage; whether both spans overlap.
FEATURES = ("passage", "reader", "sure", "reach", "agrees")


@dataclass(frozen=True, slots=True)
class PassageFound:
    """What the reader says of a passage: characters of it, features as in ``FEATURES``."""

    passage: Passage
    start: int
    end: int
    features: tuple[float, ...]

    @property
    def text(self) -> str:
        """The answer."""
        return self.passage.text[self.start : self.end]


def find_passages(
    questions: Sequence[str], spans: Sequence[Sequence[SpanFound]], weights: Line, reader: SupportsRead, store: Store
) -> list[list[PassageFound]]:
    """What the reader finds in the best passages of each question, ordered by the ``weights`` of spans."""
    chosen: list[tuple[int, float, SpanFound, Passage]] = []
    for at, line in enumerate(spans):
        scored = sorted(((weights.score(item.features), item) for item in line), key=lambda pair: -pair[0])
        chosen += [(at, score, item, store.passage(item.passage_id)) for score, item in scored[:READ]]
    readings = reader.read([questions[at] for at, *_ in chosen], [passage.text for *_, passage in chosen])
    most = [-math.inf] * len(questions)
    for (at, *_), reading in zip(chosen, readings, strict=True):
        most[at] = max(most[at], reading.score)
    found: list[list[PassageFound]] = [[] for _ in questions]
    for (at, score, item, passage), reading in zip(chosen, readings, strict=True):
        if not reading.text:
            continue
        agrees = reading.start < item.end and item.start < reading.end
        features = (
            score, reading.score, math.log(reading.probability + 1e-9), reading.score - most[at], float(agrees)
        )  # fmt: skip
        found[at].append(PassageFound(passage, reading.start, reading.end, features))
    return found


def read_passage(
    question: str, found: Sequence[PassageFound], store: Store, weights: Line, min_probability: float | None = None
) -> Answer:
    """The best of what was read as an answer; without text where it is less probable than the threshold."""
    if not found:
        return Answer(question, None, 0.0, 0.0, (), "abstain", "no passage is like the question", 0.0)
    score, item = max(((weights.score(item.features), item) for item in found), key=lambda pair: pair[0])
    passage = item.passage
    span = Span(passage.span.start + item.start, passage.span.start + item.end)
    evidence = Evidence(
        None, passage, span, score,
        document=store.source(passage.document_id), quote=store.quote(passage.document_id, span),
    )  # fmt: skip
    probability = weights.probability(score)
    if probability < (weights.threshold if min_probability is None else min_probability):
        reason = "no passage says it clearly enough"
        return Answer(question, None, score, probability, (evidence,), "abstain", reason, 0.0, item.text)
    reason = "read in a passage, no pair holds it"
    return Answer(question, item.text, score, probability, (evidence,), "passage", reason, 0.0)
