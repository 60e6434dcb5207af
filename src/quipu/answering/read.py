"""QAMAT's reading (Chen et al. 2023): the pairs that were found, read together, give an answer.

Unlike look-up the answer need not be the best pair's: the reader weighs all of them, and may say what none says.
One line of weights, fitted on other questions, says how probable the answer is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quipu.answering.linear import Line
from quipu.answering.lookup import evidence_of, names
from quipu.memory.reading import given
from quipu.memory.store import Store
from quipu.models.protocols import MemoryReading, SupportsReadMemory
from quipu.records import Answer, Evidence, Hit
from quipu.text import normalize_answer

# Of an answer: its log-probability, whether a pair that was read has it, whether the best pair does, the share of the
# pairs that have it, the similarity of the best pair and of the best that has it, whether the question itself names it.
FEATURES = ("log_p", "stored", "first", "share", "similarity", "own_similarity", "asked")
_LOWEST = -12.0


@dataclass(frozen=True, slots=True)
class ReadFound:
    """What was read for a question: the hits, the reading, and the features behind its probability."""

    question: str
    hits: tuple[Hit, ...]
    reading: MemoryReading
    features: tuple[float, ...]


def find_read(
    questions: Sequence[str], hits: Sequence[Sequence[Hit]], reader: SupportsReadMemory, store: Store
) -> list[ReadFound | None]:
    """Read the pairs found for each question; None where there are none."""
    known = [at for at, row in enumerate(hits) if row]
    pairs = given(store, [[hit.pair for hit in hits[at]] for at in known], reader.sentence)
    found: list[ReadFound | None] = [None] * len(questions)
    for at, reading in zip(known, reader.read([questions[at] for at in known], pairs), strict=True):
        found[at] = ReadFound(questions[at], tuple(hits[at]), reading, features(questions[at], hits[at], reading))
    return found


def features(question: str, hits: Sequence[Hit], reading: MemoryReading) -> tuple[float, ...]:
    """What ``FEATURES`` names."""
    normal = normalize_answer(reading.text)
    same = [bool(normal) and normalize_answer(hit.pair.answer) == normal for hit in hits]
    return (
        max(_LOWEST, reading.log_p),
        float(any(same)),
        float(same[0]),
        sum(same) / len(same),
        hits[0].score,
        max((hit.score for hit, own in zip(hits, same, strict=True) if own), default=0.0),
        float(names(question, reading.text)),
    )


def read(found: ReadFound | None, question: str, store: Store, odds: Line | None, least: float | None) -> Answer:
    """The answer with the pairs read as evidence, those that have it first; ``least`` stands in for the threshold."""
    if found is None:
        return Answer(question, None, 0.0, 0.0, (), "abstain", "the memory holds nothing like it", 0.0)
    reading = found.reading
    normal = normalize_answer(reading.text)
    order = sorted(found.hits, key=lambda hit: (normalize_answer(hit.pair.answer) != normal, hit.rank))
    evidence: tuple[Evidence, ...] = tuple(evidence_of(hit, store)[0] for hit in order)
    probability = None if odds is None else odds.probability(odds.score(found.features))
    if not normal:
        return Answer(question, None, reading.log_p, probability, evidence, "abstain", "the reader says nothing", 0.0)
    if odds is not None and probability is not None and probability < (odds.threshold if least is None else least):
        reason = "the pairs found do not say it clearly"
        return Answer(question, None, reading.log_p, probability, evidence, "abstain", reason, 0.0, reading.text)
    reason = f"read from {len(found.hits)} pairs"
    if reading.stored is None:
        reason += "; generated: no pair has this answer"
    return Answer(question, reading.text, reading.log_p, probability, evidence, "read", reason, 0.0)
