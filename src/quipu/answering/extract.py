"""QuIP's spans: an answer that no pair holds, read from token vectors that were made when the passage was stored.

Candidates are the best passages by words, by their vectors, and those in which the pairs found stand. In each, the best
span is found by inner products of the question's start and end vectors with the tokens' codes; no transformer runs over
a passage. One line of weights, fitted on other questions, orders the candidates and says how probable the first is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from quipu.errors import FormatError, InputError
from quipu.memory import tokens
from quipu.memory.store import Store
from quipu.models.codebook import Codebook
from quipu.models.spans import best_span
from quipu.records import Answer, Evidence, Hit, Passage, Span

EACH = 5  # passages by words, by vector, and of the best pairs
FEATURES = ("span", "sure", "words", "vector", "pair")

Floats = NDArray[np.float32]


class SpanEncoder(Protocol):
    """An encoder whose passages were stored."""

    codebook: Codebook | None
    span: Mapping[str, Any] | None

    def queries(self, texts: Sequence[str]) -> tuple[Floats, Floats, Floats]:
        """Keys, start and end vectors."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A candidate's score is ``weights`` . features; its log-odds, if it is the best, ``slope`` . score + ``shift``."""

    weights: tuple[float, ...]
    slope: float
    shift: float
    threshold: float

    @classmethod
    def of(cls, content: Mapping[str, Any] | None) -> Weights:
        """From an encoder's listing; without any, the span's own log-odds count and nothing has a probability."""
        if content is None:
            return cls((1.0, 0.0, 0.0, 0.0, 0.0), 0.0, 0.0, 0.0)
        try:
            weights = tuple(float(content["weights"][name]) for name in FEATURES)
            return cls(weights, float(content["slope"]), float(content["shift"]), float(content["threshold"]))
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"the encoder's weights of spans are not whole ({error!r}); export it again") from error


@dataclass(frozen=True, slots=True)
class SpanFound:
    """A candidate: its passage, characters of the passage, features as in ``FEATURES``."""

    passage: Passage
    start: int
    end: int
    features: tuple[float, ...]


class Passages:
    """Vectors of all passages, read once and again when the record has changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._version: tuple[int, int] | None = None
        self._ids: list[str] = []
        self._vectors: Floats = np.zeros((0, store.width), dtype=np.float32)

    def nearest(self, keys: Floats, k: int) -> list[list[tuple[str, float]]]:
        """The best ``k`` passages of each key (Q, D) with their cosines; exact."""
        if self._version != self._store.version():
            found = list(tokens.vectors(self._store))
            self._ids = [passage for ids, _ in found for passage in ids]
            self._vectors = np.concatenate([self._vectors[:0], *(vectors for _, vectors in found)])
            self._version = self._store.version()
        scores = keys @ self._vectors.T
        k = min(k, scores.shape[1])
        if not k:
            return [[] for _ in keys]
        best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        return [
            [(self._ids[at], float(row[at])) for at in sorted(places.tolist(), key=lambda at: -row[at])]
            for row, places in zip(scores, best, strict=True)
        ]


def find_spans(
    questions: Sequence[str],
    hits: Sequence[Sequence[Hit]],
    queries: tuple[Floats, Floats, Floats],
    store: Store,
    passages: Passages,
    codebook: Codebook,
) -> list[list[SpanFound]]:
    """Candidates of each question, one a passage, in no order. ``queries``: keys, start and end vectors (Q, D)."""
    if not tokens.available(store) or not tokens.count(store)[0]:
        raise InputError(
            f"{store.path} holds no token vectors of its passages; make them with: quipu rekey {store.path}"
        )
    keys, starts, ends = queries
    near = passages.nearest(keys, 4 * EACH)
    tables = codebook.tables(np.concatenate([starts, ends]))
    found = []
    for at, question in enumerate(questions):
        by_words = tokens.search_passages(store, question, EACH)
        cosines = dict(near[at])
        pairs: dict[str, float] = {}
        known = {passage.id: passage for passage, _ in by_words}
        for hit in hits[at][:EACH]:
            place = hit.pair
            passage = None
            if place.document_id is not None and place.span is not None:
                passage = store.passage_at(place.document_id, place.span)
            if passage is not None:
                known[passage.id] = passage
                pairs[passage.id] = max(pairs.get(passage.id, 0.0), hit.score)
        words = {passage.id: score for passage, score in by_words}
        most = max(words.values(), default=1.0)
        wanted = list(dict.fromkeys([*words, *[passage for passage, _ in near[at][:EACH]], *pairs]))
        line = []
        two = tables[[at, len(questions) + at]]
        for passage_id, item in tokens.get(store, wanted).items():
            start, end = codebook.scores(two, item.codes)
            kept = item.offsets[:, 0] < item.offsets[:, 1]
            span = best_span(start, end, no_answer=False, kept=kept)
            if not span.last:
                continue
            odds = float(start[span.first] + end[span.last] - start[0] - end[0])
            features = (
                odds, float(np.log(span.probability + 1e-9)), words.get(passage_id, 0.0) / most,
                cosines.get(passage_id, 0.0), pairs.get(passage_id, 0.0),
            )  # fmt: skip
            passage = known.get(passage_id) or store.passage(passage_id)
            line.append(SpanFound(passage, int(item.offsets[span.first, 0]), int(item.offsets[span.last, 1]), features))
        found.append(line)
    return found


def extract(
    question: str, found: Sequence[SpanFound], store: Store, weights: Weights, min_probability: float | None = None
) -> Answer:
    """The best candidate as an answer; without text where it is less probable than the threshold."""
    if not found:
        return Answer(question, None, 0.0, 0.0, (), "abstain", "no passage is like the question", 0.0)
    scores = np.array([item.features for item in found]) @ np.array(weights.weights)
    best = int(scores.argmax())
    item, score = found[best], float(scores[best])
    span = Span(item.passage.span.start + item.start, item.passage.span.start + item.end)
    evidence = Evidence(
        None, item.passage, span, score,
        document=store.source(item.passage.document_id), quote=store.quote(item.passage.document_id, span),
    )  # fmt: skip
    probability = None
    if weights.slope:
        probability = float(1 / (1 + np.exp(-np.clip(weights.slope * score + weights.shift, -30, 30))))
        if probability < (weights.threshold if min_probability is None else min_probability):
            reason = "no passage says it clearly enough"
            return Answer(question, None, score, probability, (evidence,), "abstain", reason, 0.0)
    text = item.passage.text[item.start : item.end]
    return Answer(question, text, score, probability, (evidence,), "span", "read from a passage, no pair holds it", 0.0)
