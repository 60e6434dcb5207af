"""RePAQ's look-up: the best stored pair is the answer, and its place in the document is the evidence.

With a reranker the best pair is the one that two models prefer together: the retriever, and for a pair that stands in
a document a reader that judges, which reads the pair's own sentence for the question and says how well the stored
answer fits; for other pairs, or without such a reader, the reranker, which compares the two questions. An answer that
the question itself names is passed over while another one is there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quipu.answering.features import FEATURES, features, names
from quipu.answering.proposal import Context, Proposal, places_of
from quipu.answering.scoring import Blend, unfitted
from quipu.answering.settings import AnswerSettings
from quipu.memory.store import Store
from quipu.models.loaded import Models
from quipu.models.protocols import SupportsJudge, SupportsRerank
from quipu.records import Hit, Route, Span

_END = re.compile(r"[.!?][\"')\]]*\s")
_AROUND = 200  # characters on each side in which a sentence's ends are looked for


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for a question, best first: hits, log-odds of each that it answers (zeros without a reranker).

    ``best`` is the first that the question does not name. ``reranked`` and ``judged`` are what the log-odds were made
    of: the reranker's, and a reader's of the pair's own sentence (None where it read none).
    """

    question: str
    hits: tuple[Hit, ...]
    logits: tuple[float, ...]
    reranked: tuple[float | None, ...]
    judged: tuple[float | None, ...]
    best: int
    features: tuple[float, ...]


class Lookup:
    """The answer of the best stored pair."""

    NAME: Route = "lookup"
    FEATURES = FEATURES
    UNFITTED = unfitted(**dict.fromkeys(FEATURES, 0.0) | {"similarity": 1.0})

    def __init__(self, store: Store, models: Models, settings: AnswerSettings) -> None:
        self._store, self._models, self._settings = store, models, settings

    def ready(self) -> str:
        """Always: a memory has its encoder."""
        return ""

    def propose(self, questions: Sequence[str], context: Context) -> list[list[Proposal]]:
        """The best pair of each question."""
        hits = context.nearest(questions, context.k)
        name = scorer_name(context.rerank)
        return [
            []
            if found is None
            else [
                Proposal(
                    name, found.hits[found.best].pair.answer, found.features, (found.hits[found.best],),
                    found.hits[found.best].score,
                )
            ]
            for found in self.find(questions, hits, rerank=context.rerank, blend=context.blend())
        ]  # fmt: skip

    def find(
        self, questions: Sequence[str], hits: Sequence[Sequence[Hit]], *, rerank: bool, blend: Blend
    ) -> list[Found | None]:
        """The hits of each question with all that speaks for and against the best; None where there are none."""
        reranked: list[list[float | None]] = [[None] * len(row) for row in hits]
        judged: list[list[float | None]] = [[None] * len(row) for row in hits]
        reranker = self._models.reranker() if rerank else None
        if reranker is not None:
            judge = self._models.judge()
            if judge is not None:
                judged = _judged(questions, hits, self._store, judge, self._settings.judged)
            reranked = _reranked(questions, hits, self._store, reranker, everything=judge is None)
        return [
            self.arranged(question, row, values, read, None if reranker is None else blend) if row else None
            for question, row, values, read in zip(questions, hits, reranked, judged, strict=True)
        ]

    def arranged(
        self,
        question: str,
        hits: Sequence[Hit],
        reranked: Sequence[float | None],
        judged: Sequence[float | None],
        blend: Blend | None,
    ) -> Found:
        """The hits in the order of their log-odds by ``blend`` (None: as they are), with the features of the best."""
        logits = [
            0.0 if blend is None else blend.logit(hit.score, value, read)
            for hit, value, read in zip(hits, reranked, judged, strict=True)
        ]
        order = np.argsort([-value for value in logits], kind="stable").tolist()
        hits, logits = [hits[place] for place in order], [logits[place] for place in order]
        best = next((place for place, hit in enumerate(hits) if not names(question, hit.pair.answer)), 0)
        passage = places_of(hits[best], self._store)[0].passage
        around = f"{passage.title} {passage.text}" if passage else ""
        described = features(question, hits, logits, best, around, self._settings.compared_answers)
        return Found(
            question, tuple(hits), tuple(logits), tuple(reranked[place] for place in order),
            tuple(judged[place] for place in order), best, described,
        )  # fmt: skip


def scorer_name(rerank: bool) -> str:
    """Look-up has one scorer with the reranker and one without."""
    return "lookup_reranked" if rerank else "lookup"


def _reranked(
    questions: Sequence[str], hits: Sequence[Sequence[Hit]], store: Store, reranker: SupportsRerank, everything: bool
) -> list[list[float | None]]:
    """The reranker's log-odds of pairs that stand in no document, or, without a reader that judges, of all."""
    places = [[at for at, hit in enumerate(row) if everything or hit.pair.span is None] for row in hits]
    wanted = {row[at].pair.id: None for row, some in zip(hits, places, strict=True) for at in some}
    texts = store.key_texts(list(wanted))
    chosen = [[row[at] for at in some] for row, some in zip(hits, places, strict=True)]
    pairs = [[(texts.get(hit.pair.id, hit.pair.question), hit.pair.answer) for hit in row] for row in chosen]
    found = reranker.rerank(questions, pairs, [[hit.score for hit in row] for row in chosen])
    reranked: list[list[float | None]] = [[None] * len(row) for row in hits]
    for line, some, values in zip(reranked, places, found, strict=True):
        for at, value in zip(some, values.tolist(), strict=True):
            line[at] = value
    return reranked


def _judged(
    questions: Sequence[str], hits: Sequence[Sequence[Hit]], store: Store, judge: SupportsJudge, most: int
) -> list[list[float | None]]:
    """The reader's log-odds of the first ``most`` pairs that stand in a document; each sentence is read once."""
    sentences: dict[tuple[int, str], list[tuple[int, Span]]] = {}  # (question, sentence) -> (place, answer in it)
    for at, row in enumerate(hits):
        for place, hit in enumerate(row[:most]):
            pair = hit.pair
            if pair.document_id is None or pair.span is None:
                continue
            start = max(0, pair.span.start - _AROUND)
            text = store.quote(pair.document_id, Span(start, pair.span.end + _AROUND))
            left, right = _sentence(text, pair.span.start - start, pair.span.end - start)
            span = Span(pair.span.start - start - left, pair.span.end - start - left)
            sentences.setdefault((at, text[left:right]), []).append((place, span))
    jobs = list(sentences.items())
    judged: list[list[float | None]] = [[None] * len(row) for row in hits]
    found = judge.judge(
        [questions[at] for (at, _), _ in jobs], [text for (_, text), _ in jobs],
        [[span for _, span in spans] for _, spans in jobs],
    ) if jobs else []  # fmt: skip
    for ((at, _), spans), values in zip(jobs, found, strict=True):
        for (place, _), value in zip(spans, values, strict=True):
            judged[at][place] = value
    return judged


def _sentence(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the sentence around ``start`` to ``end`` begins and ends, roughly; the text's ends where it has none."""
    left = max((match.end() for match in _END.finditer(text, 0, start)), default=0)
    right = _END.search(text, end)
    return left, right.start() + 1 if right else len(text)
