"""What the steps that read have in common: a reader of passages, and how answers agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from quipu.answering.features import names
from quipu.models.protocols import Reading, SupportsRead, SupportsReadMany
from quipu.records import Hit
from quipu.text import normalize_answer, token_f1

LOWEST = -12.0  # log-probabilities and log-odds below count as this
ALIKE = 0.7  # token F1 of two answers that say the same


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the pairs found support an answer.

    Whether a pair has it, whether the best pair does, the share of the pairs that do, the similarity of the best pair
    and of the best that has it, whether the question itself names the answer.
    """

    stored: float
    first: float
    share: float
    similarity: float
    own_similarity: float
    asked: float

    @classmethod
    def of(cls, question: str, text: str, hits: Sequence[Hit]) -> Agreement:
        """Of the answer ``text`` with the pairs found, best first."""
        same = [says_the_same(hit.pair.answer, text) for hit in hits]
        return cls(
            float(any(same)), float(bool(same) and same[0]), sum(same) / max(1, len(same)),
            hits[0].score if hits else 0.0,
            max((hit.score for hit, own in zip(hits, same, strict=True) if own), default=0.0),
            float(names(question, text)),
        )  # fmt: skip


def says_the_same(one: str, other: str) -> bool:
    """Whether two answers are the same, or nearly so, in words."""
    left, right = normalize_answer(one), normalize_answer(other)
    return bool(left) and bool(right) and (left == right or token_f1(left, right) >= ALIKE)


def log_probability(probability: float) -> float:
    """The logarithm, ``LOWEST`` at least."""
    return max(LOWEST, math.log(max(probability, 1e-12)))


def log_odds(nothing: float) -> float:
    """Log-odds that something answers, from the probability that nothing does; within ``LOWEST`` and its opposite."""
    inside = min(max(nothing, 1e-6), 1 - 1e-6)
    return min(-LOWEST, max(LOWEST, math.log((1 - inside) / inside)))


def read_passages(
    reader: SupportsReadMany | SupportsRead, questions: Sequence[str], texts: Sequence[str], titles: Sequence[str]
) -> list[Reading]:
    """What each text says to its question, even where nothing is likelier; titles for readers that take them."""
    if not questions:
        return []
    if not isinstance(reader, SupportsReadMany):
        return reader.read(questions, texts)
    rows: dict[tuple[str, str], list[int]] = {}  # a passage that several questions are put to is read once
    for at, passage in enumerate(zip(texts, titles, strict=True)):
        rows.setdefault(passage, []).append(at)
    asked = [[questions[at] for at in row] for row in rows.values()]
    read = reader.read_many([text for text, _ in rows], asked, titles=[title for _, title in rows], always=True)
    found = {
        at: item for row, items in zip(rows.values(), read, strict=True) for at, item in zip(row, items, strict=True)
    }
    return [found[at] for at in range(len(questions))]
