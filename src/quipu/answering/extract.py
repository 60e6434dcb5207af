"""QuIP's spans: an answer that no pair holds, read from token vectors that were made when the passage was stored.

Candidates are the best passages by words, by their vectors, and those in which the pairs found stand. In each, the best
span is found by inner products of the question's start and end vectors with the tokens' codes; no transformer runs over
a passage. One line of weights, fitted on other questions, orders the candidates and says how probable the first is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from quipu.answering.linear import Line
from quipu.memory import tokens
from quipu.memory.store import Store
from quipu.models.codebook import Codebook
from quipu.models.spans import best_span
from quipu.records import Answer, Evidence, Hit, Span

EACH = 5  # passages by words, by vector, and of the best pairs
AROUND = 20  # tokens on each side of a span whose mean is compared with the question
# Of a candidate: log-odds of its span against "no answer", log-probability of the span in its passage, its logits less
# the best candidate's, cosine of the question with the tokens around the span, BM25 as a share of the best passage's,
# cosine with the passage, score of the best pair that stands in it.
FEATURES = ("span", "sure", "reach", "near", "words", "vector", "pair")

Floats = NDArray[np.float32]
# Without fitted weights the span's own log-odds count, and nothing has a probability.
UNFITTED = Line((1.0, *[0.0] * (len(FEATURES) - 1)), 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class SpanFound:
    """A candidate: its passage's id, characters of the passage, features as in the ``FEATURES`` of what found it."""

    passage_id: str
    start: int
    end: int
    features: tuple[float, ...]

    def text(self, store: Store) -> str:
        """The answer."""
        return store.passage(self.passage_id).text[self.start : self.end]


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
    keys, starts, ends = queries
    nearest = passages.nearest(keys, 4 * EACH)
    tables = codebook.tables(np.concatenate([starts, ends]))
    found: list[list[SpanFound]] = []
    for at, question in enumerate(questions):
        words = dict(tokens.search_ids(store, question, EACH))
        most = max(words.values(), default=1.0)
        cosines = dict(nearest[at])
        pairs: dict[str, float] = {}
        for hit in hits[at][:EACH]:
            if hit.pair.document_id is not None and hit.pair.span is not None:
                place = tokens.id_at(store, hit.pair.document_id, hit.pair.span.start)
                if place is not None:
                    pairs[place] = max(pairs.get(place, 0.0), hit.score)
        wanted = list(dict.fromkeys([*words, *[passage for passage, _ in nearest[at][:EACH]], *pairs]))
        known = tokens.get(store, wanted)
        if not known:
            found.append([])
            continue
        both = codebook.scores(
            tables[[at, len(questions) + at]], np.concatenate([item.codes for item in known.values()])
        )
        ends_at = np.cumsum([len(item.codes) for item in known.values()])
        line = []
        for (passage_id, item), last in zip(known.items(), ends_at.tolist(), strict=True):
            start, end = both[:, last - len(item.codes) : last]
            kept = item.offsets[:, 0] < item.offsets[:, 1]
            span = best_span(start, end, no_answer=False, kept=kept)
            if not span.last:
                continue
            total, none = float(start[span.first] + end[span.last]), float(start[0] + end[0])
            around = item.codes[max(1, span.first - AROUND) : span.last + AROUND + 1]
            near = codebook.decode(around).mean(axis=0)
            features = (
                total - none, float(np.log(span.probability + 1e-9)), total,
                float(near @ keys[at]) / (float(np.linalg.norm(near)) + 1e-9), words.get(passage_id, 0.0) / most,
                cosines.get(passage_id, 0.0), pairs.get(passage_id, 0.0),
            )  # fmt: skip
            place_of = int(item.offsets[span.first, 0]), int(item.offsets[span.last, 1])
            line.append(SpanFound(passage_id, *place_of, features))
        found.append(_against_the_best(line))
    return found


def _against_the_best(line: list[SpanFound]) -> list[SpanFound]:
    """``reach`` as the distance to the largest of the question's candidates."""
    place = FEATURES.index("reach")
    most = max((item.features[place] for item in line), default=0.0)
    return [
        replace(item, features=(*item.features[:place], item.features[place] - most, *item.features[place + 1 :]))
        for item in line
    ]


def extract(
    question: str, found: Sequence[SpanFound], store: Store, weights: Line, min_probability: float | None = None,
    route: Literal["span", "passage"] = "span",
) -> Answer:  # fmt: skip
    """The best candidate as an answer; without text where it is less probable than the threshold."""
    if not found:
        return Answer(question, None, 0.0, 0.0, (), "abstain", "no passage is like the question", 0.0)
    scores = np.array([item.features for item in found]) @ np.array(weights.weights)
    best = int(scores.argmax())
    item, score = found[best], float(scores[best])
    passage = store.passage(item.passage_id)
    span = Span(passage.span.start + item.start, passage.span.start + item.end)
    evidence = Evidence(
        None, passage, span, score,
        document=store.source(passage.document_id), quote=store.quote(passage.document_id, span),
    )  # fmt: skip
    probability, text = None, passage.text[item.start : item.end]
    if weights.slope:
        probability = weights.probability(score)
        if probability < (weights.threshold if min_probability is None else min_probability):
            reason = "no passage says it clearly enough"
            return Answer(question, None, score, probability, (evidence,), "abstain", reason, 0.0, text)
    return Answer(question, text, score, probability, (evidence,), route, "read from a passage, no pair holds it", 0.0)
