"""RePAQ's lookup: the best stored pair is the answer, and its place in the document is the evidence.

With a reranker the best pair is the one that retriever and reranker prefer together. An answer that the question itself
names is passed over while another one is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from quipu.answering.features import FEATURES as OF_PAIRS
from quipu.answering.features import features, names
from quipu.answering.proposal import Context, Proposal, places_of
from quipu.answering.scoring import LinearScorer, unfitted
from quipu.answering.settings import AnswerSettings
from quipu.answering.verifying import FEATURES as VERIFIED
from quipu.answering.verifying import Verification
from quipu.models.bundle import Models
from quipu.models.protocols import SupportsRerank
from quipu.records import Hit, Route
from quipu.storage.store import Store

FEATURES = (*OF_PAIRS, *VERIFIED)
# Of a pair found: 10 times what the retriever's score is above .5, and the reranker's log-odds that it answers.
RERANK_FEATURES = ("similar", "reranked")
_CLIP = 8.0


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for a question, best first: hits, and log-odds of each that it answers (zeros without a reranker).

    ``best`` is the first that the question does not name. ``reranked``: what the log-odds were made of.
    """

    question: str
    hits: tuple[Hit, ...]
    logits: tuple[float, ...]
    reranked: tuple[float | None, ...]
    best: int
    features: tuple[float, ...]


class Lookup:
    """The answer of the best stored pair."""

    NAME: Route = "lookup"
    FEATURES = FEATURES
    UNFITTED = unfitted(**dict.fromkeys(FEATURES, 0.0) | {"similarity": 1.0})

    def __init__(self, store: Store, models: Models, settings: AnswerSettings, verification: Verification) -> None:
        self._store, self._models, self._settings, self._verification = store, models, settings, verification

    def ready(self) -> str:
        """Always: a memory has its encoder."""
        return ""

    def propose(self, questions: Sequence[str], context: Context) -> list[list[Proposal]]:
        """The best pair of each question."""
        name = scorer_name(context.rerank)
        proposed: list[list[Proposal]] = []
        for found in self.find(questions, context):
            if found is None:
                proposed.append([])
            else:
                hit = found.hits[found.best]
                proposed.append([Proposal(name, hit.pair.answer, found.features, (hit,), hit.score)])
        return proposed

    def propose_reranked(self, questions: Sequence[str], context: Context) -> list[list[Proposal]]:
        """Every pair that the reranker read: what the scorer "rerank" is fitted on."""
        return [
            [
                Proposal("rerank", hit.pair.answer, _rerank_features(hit, value), (hit,))
                for hit, value in zip(found.hits, found.reranked, strict=True) if value is not None
            ] if found else []
            for found in self.find(questions, context)
        ]  # fmt: skip

    def find(self, questions: Sequence[str], context: Context) -> list[Found | None]:
        """The hits of each question with all that speaks for and against the best; None where there are none."""
        hits = context.nearest(questions, context.k)
        reranker = self._models.reranker() if context.rerank else None
        reranked: list[list[float | None]] = [[None] * len(row) for row in hits]
        if reranker is not None:
            reranked = _reranked(questions, hits, self._store, reranker)
        scorer = None if reranker is None else context.scorer("rerank")
        found = [
            self._arranged(question, row, values, scorer) if row else None
            for question, row, values in zip(questions, hits, reranked, strict=True)
        ]
        best = [self._verification.pair(item.question, item.hits[item.best]) for item in found if item]
        said = iter(self._verification.features(best, context.verified))
        return [None if item is None else replace(item, features=(*item.features, *next(said))) for item in found]

    def _arranged(
        self, question: str, hits: Sequence[Hit], reranked: Sequence[float | None], scorer: LinearScorer | None
    ) -> Found:
        """The hits in the order of their log-odds by ``scorer`` (None: as they are), and the best's first features."""
        logits = [
            0.0 if scorer is None or value is None else scorer.logit(scorer.score(_rerank_features(hit, value)))
            for hit, value in zip(hits, reranked, strict=True)
        ]
        order = np.argsort([-value for value in logits], kind="stable").tolist()
        hits, logits = [hits[place] for place in order], [logits[place] for place in order]
        best = next((place for place, hit in enumerate(hits) if not names(question, hit.pair.answer)), 0)
        passage = places_of(hits[best], self._store)[0].passage
        around = f"{passage.about()} {passage.text}" if passage else ""
        described = features(question, hits, logits, best, around, self._settings.compared_answers)
        return Found(question, tuple(hits), tuple(logits), tuple(reranked[place] for place in order), best, described)


def scorer_name(rerank: bool) -> str:
    """Lookup has one scorer with the reranker and one without."""
    return "lookup_reranked" if rerank else "lookup"


def _rerank_features(hit: Hit, reranked: float) -> tuple[float, float]:
    """What ``RERANK_FEATURES`` names."""
    return 10.0 * (hit.score - 0.5), max(-_CLIP, min(_CLIP, reranked))


def _reranked(
    questions: Sequence[str], hits: Sequence[Sequence[Hit]], store: Store, reranker: SupportsRerank
) -> list[list[float | None]]:
    """The reranker's log-odds of every pair, by the text that its key was made of."""
    texts = store.key_texts(list({hit.pair.id: None for row in hits for hit in row}))
    pairs = [[(texts.get(hit.pair.id, hit.pair.question), hit.pair.answer) for hit in row] for row in hits]
    found = reranker.rerank(questions, pairs, [[hit.score for hit in row] for row in hits])
    return [list(map(float, values)) for values in found]
