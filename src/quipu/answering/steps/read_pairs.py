"""Reading pairs: the best pairs, read together, give an answer (QAMAT's discrete path, Chen et al. 2023).

Unlike lookup the answer need not be the best pair's: the reader weighs all of them, may say what none says, and may
say that none answers.
"""

from __future__ import annotations

from collections.abc import Sequence

from quipu.answering.features import content_words
from quipu.answering.proposal import Context, Proposal
from quipu.answering.scoring import unfitted
from quipu.answering.settings import AnswerSettings
from quipu.answering.steps.reading import LOWEST, Agreement, log_odds, says_the_same
from quipu.answering.verifying import FEATURES as VERIFIED
from quipu.answering.verifying import Verification
from quipu.models.bundle import Models
from quipu.models.protocols import MemoryReading, SupportsReadMemory, SupportsReadPairs
from quipu.records import Hit, Route
from quipu.storage.reading import given
from quipu.storage.store import Store
from quipu.text import normalize_answer

# Of an answer: its log-probability; log-odds that something answers; what ``Agreement`` names; the share of the
# question's words that stand in the pairs that have it; what ``quipu.answering.verifying`` says of it.
FEATURES = (
    "log_p", "odds", "stored", "first", "share", "similarity", "own_similarity", "asked", "covered", *VERIFIED,
)  # fmt: skip


class ReadPairs:
    """An answer that is read from the best pairs together."""

    NAME: Route = "read"
    FEATURES = FEATURES
    UNFITTED = unfitted(**dict.fromkeys(FEATURES, 0.0) | {"log_p": 1.0})

    def __init__(self, store: Store, models: Models, settings: AnswerSettings, verification: Verification) -> None:
        self._store, self._models, self._settings, self._verification = store, models, settings, verification

    def ready(self) -> str:
        """Needs a reader of pairs."""
        if self._models.pairs_reader() is None:
            return "there is no reader of pairs; name a language model, or a reader trained with recipes/mini/qamat"
        return ""

    def propose(self, questions: Sequence[str], context: Context) -> list[list[Proposal]]:
        """One answer of each question for which pairs are found; those that have it come first among its sources."""
        reader = self._models.pairs_reader()
        if reader is None:
            return [[] for _ in questions]
        hits = context.nearest(questions, min(context.k, self._settings.read_pairs, reader.k))
        known = [at for at, row in enumerate(hits) if row]
        readings = self._read(reader, [questions[at] for at in known], [hits[at] for at in known])
        found: list[list[Proposal]] = [[] for _ in questions]
        for at, reading in zip(known, readings, strict=True):
            found[at] = [_proposal(questions[at], hits[at], reading)]
        return self._verification.proposals(questions, found, context.verified)

    def _read(
        self, reader: SupportsReadMemory | SupportsReadPairs, questions: Sequence[str], hits: Sequence[Sequence[Hit]]
    ) -> list[MemoryReading]:
        pairs = [[hit.pair for hit in row] for row in hits]
        if isinstance(reader, SupportsReadPairs):
            lines = [[(pair.question, pair.answer) for pair in row] for row in pairs]
            return reader.read_pairs(questions, lines, always=True)
        return reader.read(questions, given(self._store, pairs, reader.sentence))


def _proposal(question: str, hits: Sequence[Hit], reading: MemoryReading) -> Proposal:
    text = reading.text if normalize_answer(reading.text) else ""
    order = sorted(hits, key=lambda hit: (not says_the_same(hit.pair.answer, text), hit.rank))
    stored = any(normalize_answer(text) in normalize_answer(hit.pair.answer) for hit in hits)
    return Proposal("read", text, features(question, hits, reading), tuple(order), reading.log_p, generated=not stored)


def features(question: str, hits: Sequence[Hit], reading: MemoryReading) -> tuple[float, ...]:
    """What ``FEATURES`` names, without what the verification adds."""
    pairs = Agreement.of(question, reading.text, hits)
    own = [hit.pair for hit in hits if says_the_same(hit.pair.answer, reading.text)]
    words = content_words(" ".join(f"{pair.question} {pair.answer}" for pair in own))
    asked = content_words(question)
    return (
        max(LOWEST, reading.log_p), log_odds(reading.nothing), pairs.stored, pairs.first, pairs.share,
        pairs.similarity, pairs.own_similarity, pairs.asked, len(asked & words) / max(1, len(asked)),
    )  # fmt: skip
