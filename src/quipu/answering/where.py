"""Where an answer may stand: the passages of a memory ordered for a question, once for all steps.

Candidates are the best passages by words (BM25), by vectors where an encoder made some, and those in which the pairs
found stand. One scorer orders them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quipu.answering.features import NAME, content_words, numbers
from quipu.answering.proposal import Context, PassageSpan, Proposal
from quipu.answering.scoring import unfitted
from quipu.answering.settings import AnswerSettings
from quipu.models.bundle import Models
from quipu.records import Hit, Passage
from quipu.storage import passage_vectors
from quipu.storage.store import Store

# Of a passage: its place by words, by its vector and by the pairs found (3 / (2 + rank), 0 where it was not found so);
# BM25 over 10 and as a share of the best one's, its cosine, the score of the best pair that stands in it, how many of
# the pairs do; shares of the question's words, names and numbers that stand in it, in its title or its headings.
FEATURES = (
    "by_words", "by_vector", "by_pairs", "bm25", "bm25_share", "vector", "pair", "pairs", "covered", "names",
    "numbers",
)  # fmt: skip

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Place:
    """A passage that may hold the answer, with what ``FEATURES`` names and its score by them."""

    passage: Passage
    features: tuple[float, ...]
    score: float

    def feature(self, name: str) -> float:
        """One of ``FEATURES``."""
        return self.features[FEATURES.index(name)]


class PassageVectors:
    """Vectors of all passages, read once and again when the record has changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._version: int | None = None
        self._kept: tuple[list[str], Floats] = [], np.zeros((0, store.width), dtype=np.float32)

    def nearest(self, keys: Floats, k: int) -> list[list[tuple[str, float]]]:
        """The best ``k`` passages of each key (Q, D) with their cosines; exact."""
        version = self._store.version()
        if self._version != version:
            found = list(passage_vectors.vectors(self._store))
            every = [passage for some, _ in found for passage in some]
            self._kept = every, np.concatenate([self._kept[1][:0], *(vectors for _, vectors in found)])
            self._version = version
        ids, vectors = self._kept  # together, whatever another thread does
        k = min(k, len(ids))
        if not k:
            return [[] for _ in keys]
        found_rows = []
        for key in keys:  # one by one: a product of many rows need not equal that of one
            row = vectors @ key
            best = np.argpartition(-row, k - 1)[:k].tolist()
            found_rows.append([(ids[at], float(row[at])) for at in sorted(best, key=lambda at: (-row[at], at))])
        return found_rows


class Where:
    """Passages for questions, best first."""

    FEATURES = FEATURES
    UNFITTED = unfitted(
        by_words=0.0, by_vector=0.3, by_pairs=1.0, bm25=0.0, bm25_share=1.0, vector=0.0, pair=0.0, pairs=0.0,
        covered=0.5, names=0.3, numbers=0.3,
    )  # fmt: skip

    def __init__(self, store: Store, models: Models, settings: AnswerSettings) -> None:
        self._store, self._models, self._settings = store, models, settings
        self.vectors = PassageVectors(store)

    def ready(self) -> str:
        """Needs passages."""
        if passage_vectors.available(self._store) and self._store.passages_where("ORDER BY p.row LIMIT 1", ()):
            return ""
        return f"{self._store.path} holds no passages, only pairs"

    def find(self, questions: Sequence[str], context: Context) -> list[list[Place]]:
        """The passages of each question, best first; each question is searched for once in a context."""
        new = [text for text in dict.fromkeys(questions) if text not in context.places]
        if new:
            context.places.update(zip(new, self._find(new, context), strict=True))
        return [context.places[text] for text in questions]

    def propose(self, questions: Sequence[str], context: Context) -> list[list[Proposal]]:
        """The passages as proposals: what the scorer "where" is fitted on."""
        return [
            [
                Proposal(
                    "where", place.passage.text, place.features,
                    (PassageSpan(place.passage.id, 0, len(place.passage.text)),),
                )
                for place in row
            ]
            for row in self.find(questions, context)
        ]  # fmt: skip

    def _find(self, questions: Sequence[str], context: Context) -> list[list[Place]]:
        by = self._settings.passages_by
        hits = context.nearest(questions, context.k)
        nearest = self._by_vectors(questions)
        scorer = context.scorer("where")
        found = []
        for at, question in enumerate(questions):
            left_out = context.nearest.document_left_out(question)
            words = dict(passage_vectors.search_ids(self._store, question, by if left_out is None else 2 * by))
            pairs = self._of_pairs(hits[at])
            ids = list(dict.fromkeys([*words, *list(nearest[at])[:by], *list(pairs)[:by]]))
            places = [
                Place(passage, features, scorer.score(features))
                for passage in self._passages(ids)
                if passage.document_id != left_out
                for features in [_features(question, passage, words, nearest[at], pairs)]
            ]
            found.append(sorted(places, key=lambda place: (-place.score, ids.index(place.passage.id))))
        return found

    def _by_vectors(self, questions: Sequence[str]) -> list[dict[str, float]]:
        """Passages by cosine, best first; none where no encoder made vectors."""
        encoder = self._models.span_encoder()
        if encoder is None or not passage_vectors.made_by(self._store, encoder):
            return [{} for _ in questions]
        keys = encoder.queries(questions)[0]
        return [dict(row) for row in self.vectors.nearest(keys, 4 * self._settings.passages_by)]

    def _of_pairs(self, hits: Sequence[Hit]) -> dict[str, tuple[float, int]]:
        """Passages in which pairs stand, in the order of the pairs: score of the best one, and how many."""
        found: dict[str, tuple[float, int]] = {}
        for hit in hits:
            if hit.pair.document_id is not None and hit.pair.span is not None:
                place = passage_vectors.id_at(self._store, hit.pair.document_id, hit.pair.span.start)
                if place is not None:
                    best, count = found.get(place, (hit.score, 0))
                    found[place] = best, count + 1
        return found

    def _passages(self, ids: Sequence[str]) -> list[Passage]:
        known = {}
        for first in range(0, len(ids), 500):
            some = ids[first : first + 500]
            marks = ",".join("?" * len(some))
            known.update(
                {item.id: item for item in self._store.passages_where(f"WHERE p.id IN ({marks})", tuple(some))}
            )
        return [known[name] for name in ids if name in known]


def _features(
    question: str,
    passage: Passage,
    words: Mapping[str, float],
    nearest: Mapping[str, float],
    pairs: Mapping[str, tuple[float, int]],
) -> tuple[float, ...]:
    """What ``FEATURES`` names; the mappings are in the order of their ranks."""
    text = f"{passage.about()} {passage.text}"
    own, asked = content_words(text), content_words(question)
    names = {name.lower() for name in NAME.findall(question)}
    wanted = numbers(question)
    bm25 = words.get(passage.id, 0.0)
    best, count = pairs.get(passage.id, (0.0, 0))
    return (
        _rank(passage.id, words), _rank(passage.id, nearest), _rank(passage.id, pairs), bm25 / 10.0,
        bm25 / max(words.values(), default=1.0), nearest.get(passage.id, 0.0), best, count / 10.0,
        len(asked & own) / len(asked) if asked else 0.0,
        sum(content_words(name) <= own for name in names) / len(names) if names else 1.0,
        len(wanted & numbers(text)) / len(wanted) if wanted else 1.0,
    )  # fmt: skip


def _rank(passage: str, ordered: Mapping[str, object]) -> float:
    """3 / (2 + rank), 0 where it is not there."""
    if passage not in ordered:
        return 0.0
    return 3.0 / (3.0 + list(ordered).index(passage))
