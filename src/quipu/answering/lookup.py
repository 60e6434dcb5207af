"""RePAQ's look-up: the best stored pair is the answer, and its place in the document is the evidence.

With one rule beside the score: an answer that the question itself names is passed over while another one is there.
"""

from __future__ import annotations

from collections.abc import Sequence

from quipu.memory.store import Store
from quipu.records import Answer, Evidence, Hit
from quipu.text import normalize_answer


def lookup(question: str, hits: Sequence[Hit], store: Store, milliseconds: float) -> Answer:
    """The answer of the first hit that answers; abstains where there is none. No probability until calibrated."""
    if not hits:
        return Answer(question, None, 0.0, None, (), "abstain", "the memory holds nothing like it", milliseconds)
    best = next((hit for hit in hits if not names(question, hit.pair.answer)), hits[0])
    reason = f"the stored pair nearest to the question (by {best.via})"
    evidence = (evidence_of(best, store),)
    return Answer(question, best.pair.answer, best.score, None, evidence, "lookup", reason, milliseconds)


def names(question: str, answer: str) -> bool:
    """Whether every word of the answer stands in the question: "How long is the Suez Canal?" does not ask for it."""
    words = normalize_answer(answer).split()
    return bool(words) and set(words) <= set(normalize_answer(question).split())


def evidence_of(hit: Hit, store: Store) -> Evidence:
    """Where the pair stands: passage, span, and the characters of the document there (a pair of its own has none)."""
    pair = hit.pair
    if pair.document_id is None or pair.span is None:
        return Evidence(pair, None, None, hit.score)
    return Evidence(
        pair, store.passage_at(pair.document_id, pair.span), pair.span, hit.score,
        document=store.source(pair.document_id), quote=store.quote(pair.document_id, pair.span),
    )  # fmt: skip
