"""RePAQ's look-up: the best stored pair is the answer, and its place in the document is the evidence.

With a reranker the best pair is the one that it prefers. An answer that the question itself names is passed over while
another one is there. With a calibration the answer has a probability, and below the threshold there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quipu.answering.probability import Calibration, Features, features, reason_to_abstain
from quipu.memory.provenance import support_of
from quipu.memory.store import Store
from quipu.models.protocols import SupportsRerank
from quipu.records import Answer, Evidence, Hit
from quipu.text import normalize_answer


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for a question, the best first: hits, the reranker's log-odds of each (or zeros), features."""

    question: str
    hits: tuple[Hit, ...]
    logits: tuple[float, ...]
    best: int
    evidence: tuple[Evidence, ...]
    features: Features


def find(
    questions: Sequence[str], hits: Sequence[Sequence[Hit]], store: Store, reranker: SupportsRerank | None
) -> list[Found | None]:
    """The best stored pair of each question, with all that speaks for and against it; None where nothing was found."""
    if reranker is None:
        logits = [[0.0] * len(row) for row in hits]
    else:
        pairs = [[(hit.pair.question, hit.pair.answer) for hit in row] for row in hits]
        scores = [[hit.score for hit in row] for row in hits]
        logits = [row.tolist() for row in reranker.rerank(questions, pairs, scores)]
    return [
        _found(question, row, values, store) if row else None
        for question, row, values in zip(questions, hits, logits, strict=True)
    ]


def _found(question: str, hits: Sequence[Hit], logits: Sequence[float], store: Store) -> Found:
    order = np.argsort([-value for value in logits], kind="stable").tolist()
    hits, logits = [hits[place] for place in order], [logits[place] for place in order]
    best = next((place for place, hit in enumerate(hits) if not names(question, hit.pair.answer)), 0)
    evidence = evidence_of(hits[best], store)
    first = evidence[0].passage
    context = f"{first.title} {first.text}" if first else ""
    return Found(
        question, tuple(hits), tuple(logits), best, evidence, features(question, hits, logits, best, context)
    )


def lookup(
    question: str,
    found: Found | None,
    calibration: Calibration | None = None,
    min_probability: float | None = None,
    milliseconds: float = 0.0,
) -> Answer:
    """The answer, with its probability where there is a calibration; without text where that is below the threshold.

    ``min_probability`` stands in for the calibration's threshold. An answer that is held back keeps its evidence.
    """
    if found is None:
        return Answer(question, None, 0.0, 0.0, (), "abstain", "the memory holds nothing like it", milliseconds)
    hit = found.hits[found.best]
    if calibration is None:
        reason = f"the stored pair nearest to the question (by {hit.via})"
        return Answer(question, hit.pair.answer, hit.score, None, found.evidence, "lookup", reason, milliseconds)
    probability = float(calibration.probability(found.features)[0])
    if probability < (calibration.threshold if min_probability is None else min_probability):
        reason = reason_to_abstain(question, hit, found.features)
        return Answer(question, None, hit.score, probability, found.evidence, "abstain", reason, milliseconds)
    reason = "the stored pair that answers the question best"
    return Answer(question, hit.pair.answer, hit.score, probability, found.evidence, "lookup", reason, milliseconds)


def names(question: str, answer: str) -> bool:
    """Whether every word of the answer stands in the question: "How long is the Suez Canal?" does not ask for it."""
    words = normalize_answer(answer).split()
    return bool(words) and set(words) <= set(normalize_answer(question).split())


def evidence_of(hit: Hit, store: Store) -> tuple[Evidence, ...]:
    """Where the pair stands: passage, span, and the characters of the document there; then every further place.

    A pair of its own has neither.
    """
    pair = hit.pair
    if pair.document_id is None or pair.span is None:
        return (Evidence(pair, None, None, hit.score),)
    return tuple(
        Evidence(
            pair, store.passage_at(document, span), span, hit.score,
            document=store.source(document), quote=store.quote(document, span),
        )
        for document, span in ((pair.document_id, pair.span), *support_of(store, pair.id))
    )  # fmt: skip
