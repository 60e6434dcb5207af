"""QAMAT's reading (Chen et al. 2023): the pairs that were found, read together, give an answer.

Unlike look-up the answer need not be the best pair's: the reader weighs all of them, and may say what none says.
"""

from __future__ import annotations

from collections.abc import Sequence

from quipu.answering.features import names
from quipu.answering.proposal import Context, Proposal
from quipu.answering.scoring import unfitted
from quipu.answering.settings import AnswerSettings
from quipu.memory.reading import given
from quipu.memory.store import Store
from quipu.models.loaded import Models
from quipu.models.protocols import MemoryReading
from quipu.records import Hit, Route
from quipu.text import normalize_answer

# Of an answer: its log-probability, whether a pair that was read has it, whether the best pair does, the share of the
# pairs that have it, the similarity of the best pair and of the best that has it, whether the question itself names it.
FEATURES = ("log_p", "stored", "first", "share", "similarity", "own_similarity", "asked")
_LOWEST = -12.0
MISSING = "there is no reader of memories; train one with recipes/mini/qamat and name its folder"


class ReadPairs:
    """An answer that is read from the best pairs together."""

    NAME: Route = "read"
    FEATURES = FEATURES
    UNFITTED = unfitted(**dict.fromkeys(FEATURES, 0.0) | {"log_p": 1.0})

    def __init__(self, store: Store, models: Models, settings: AnswerSettings) -> None:
        self._store, self._models, self._settings = store, models, settings

    def ready(self) -> str:
        """Needs a reader of memories."""
        return MISSING if self._models.memory_reader() is None else ""

    def propose(self, questions: Sequence[str], context: Context) -> list[list[Proposal]]:
        """One answer of each question for which pairs are found; those that have it come first among its sources."""
        reader = self._models.memory_reader()
        if reader is None:
            return [[] for _ in questions]
        hits = context.nearest(questions, min(context.k, reader.k))
        known = [at for at, row in enumerate(hits) if row]
        pairs = given(self._store, [[hit.pair for hit in hits[at]] for at in known], reader.sentence)
        found: list[list[Proposal]] = [[] for _ in questions]
        for at, reading in zip(known, reader.read([questions[at] for at in known], pairs), strict=True):
            found[at] = [_proposal(questions[at], hits[at], reading)]
        return found


def _proposal(question: str, hits: Sequence[Hit], reading: MemoryReading) -> Proposal:
    normal = normalize_answer(reading.text)
    order = sorted(hits, key=lambda hit: (normalize_answer(hit.pair.answer) != normal, hit.rank))
    text = reading.text if normal else ""
    return Proposal(
        "read", text, features(question, hits, reading), tuple(order), reading.log_p, reading.stored is None
    )


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
