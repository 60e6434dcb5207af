"""QuIP's spans: an answer that no pair holds, read from token vectors that were made when the passage was stored.

Candidates are the best passages by words, by their vectors, and those in which the pairs found stand. In each, the best
span is found by inner products of the question's start and end vectors with the tokens' codes; no transformer runs over
a passage.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from quipu.answering.proposal import Context, PassageSpan, Proposal
from quipu.answering.scoring import unfitted
from quipu.answering.settings import AnswerSettings
from quipu.answering.where import PassageVectors
from quipu.models.bundle import Models
from quipu.models.codebook import Codebook
from quipu.models.spans import best_span
from quipu.records import Hit, Route
from quipu.storage import passage_vectors
from quipu.storage.store import Store

# Of a candidate: log-odds of its span against "no answer", log-probability of the span in its passage, its logits less
# the best candidate's, cosine of the question with the tokens around the span, BM25 as a share of the best passage's,
# cosine with the passage, score of the best pair that stands in it.
FEATURES = ("span", "sure", "reach", "near", "words", "vector", "pair")

Floats = NDArray[np.float32]


class Spans:
    """A span of each of the best passages, by stored token vectors."""

    NAME: Route = "span"
    FEATURES = FEATURES
    UNFITTED = unfitted(**dict.fromkeys(FEATURES, 0.0) | {"span": 1.0})  # the span's own log-odds

    def __init__(self, store: Store, models: Models, settings: AnswerSettings, vectors: PassageVectors) -> None:
        self._store, self._models, self._settings, self._passages = store, models, settings, vectors

    def ready(self) -> str:
        """Needs an encoder that was trained with QuIP, and token vectors by it."""
        encoder = self._models.span_encoder()
        if encoder is None:
            name = self._models.encoder().name
            return f"the encoder {name} reads no spans; use one that was trained with QuIP"
        if not passage_vectors.made_by(self._store, encoder):
            path = self._store.path
            return f"{path} holds no token vectors by {encoder.name}; run: quipu reencode {path}"
        return ""

    def propose(self, questions: Sequence[str], context: Context) -> list[list[Proposal]]:
        """A span of each passage that may hold the answer."""
        encoder = self._models.span_encoder()
        hits = context.nearest(questions, min(context.k, self._settings.passages_by))
        keys, starts, ends = encoder.queries(questions)
        nearest = self._passages.nearest(keys, 4 * self._settings.passages_by)
        tables = encoder.codebook.tables(np.concatenate([starts, ends]))
        return [
            self._of_question(
                question, hits[at], keys[at], tables[[at, len(questions) + at]], nearest[at], encoder.codebook
            )
            for at, question in enumerate(questions)
        ]

    def _of_question(
        self,
        question: str,
        hits: Sequence[Hit],
        key: Floats,
        tables: Floats,
        nearest: Sequence[tuple[str, float]],
        codebook: Codebook,
    ) -> list[Proposal]:
        """``tables``: of the question's start and end vector; ``nearest``: passages with their cosines, best first."""
        by = self._settings.passages_by
        words, pairs, cosines = self._by_words(question), self._of_pairs(hits), dict(nearest)
        wanted = list(dict.fromkeys([*words, *[passage for passage, _ in nearest[:by]], *pairs]))
        known = passage_vectors.get(self._store, wanted)
        if not known:
            return []
        both = codebook.scores(tables, np.concatenate([item.codes for item in known.values()]))
        ends = np.cumsum([len(item.codes) for item in known.values()]).tolist()
        found: list[tuple[PassageSpan, dict[str, float]]] = []
        for (passage_id, item), last in zip(known.items(), ends, strict=True):
            start, end = both[:, last - len(item.codes) : last]
            kept = item.offsets[:, 0] < item.offsets[:, 1]
            span = best_span(start, end, no_answer=False, kept=kept)
            if not span.last:
                continue
            total, none = float(start[span.first] + end[span.last]), float(start[0] + end[0])
            around = self._settings.around
            near = codebook.decode(item.codes[max(1, span.first - around) : span.last + around + 1]).mean(axis=0)
            place = PassageSpan(passage_id, int(item.offsets[span.first, 0]), int(item.offsets[span.last, 1]))
            found.append((place, {
                "span": total - none, "sure": float(np.log(span.probability + 1e-9)), "reach": total,
                "near": float(near @ key) / (float(np.linalg.norm(near)) + 1e-9), "words": words.get(passage_id, 0.0),
                "vector": cosines.get(passage_id, 0.0), "pair": pairs.get(passage_id, 0.0),
            }))  # fmt: skip
        most = max((item["reach"] for _, item in found), default=0.0)
        return [
            Proposal(
                "span", self._text(place), tuple((item | {"reach": item["reach"] - most})[name] for name in FEATURES),
                (place,),
            )
            for place, item in found
        ]  # fmt: skip

    def _by_words(self, question: str) -> dict[str, float]:
        """Passages by BM25, as a share of the best one's score."""
        words = dict(passage_vectors.search_ids(self._store, question, self._settings.passages_by))
        most = max(words.values(), default=1.0)
        return {passage: score / most for passage, score in words.items()}

    def _of_pairs(self, hits: Sequence[Hit]) -> dict[str, float]:
        """Passages in which pairs stand, with the score of the best pair in each."""
        found: dict[str, float] = {}
        for hit in hits:
            if hit.pair.document_id is not None and hit.pair.span is not None:
                place = passage_vectors.id_at(self._store, hit.pair.document_id, hit.pair.span.start)
                if place is not None:
                    found[place] = max(found.get(place, 0.0), hit.score)
        return found

    def _text(self, place: PassageSpan) -> str:
        return self._store.passage(place.passage_id).text[place.start : place.end]
