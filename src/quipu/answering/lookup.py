"""RePAQ's look-up: the best stored pair is the answer, and its place in the document is the evidence.

With a reranker the best pair is the one that two models prefer together: the retriever, and for a pair that stands in
a document the reader, which reads the pair's own sentence for the question and says how well the stored answer fits;
for other pairs the reranker, which compares the two questions. An answer that the question itself names is passed over
while another one is there. With a calibration the answer has a probability, and below the threshold there is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quipu.answering.probability import PLAIN, Blend, Calibration, Features, features, reason_to_abstain
from quipu.memory.provenance import support_of
from quipu.memory.store import Store
from quipu.models.protocols import SupportsJudge, SupportsRerank
from quipu.records import Answer, Evidence, Hit, Span
from quipu.text import normalize_answer

_END = re.compile(r"[.!?][\"')\]]*\s")
JUDGED = 8  # candidates, by the retriever, whose sentence the reader reads
AROUND = 200  # characters on each side in which a sentence's ends are looked for


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for a question, best first: hits, log-odds of each that it answers (zeros without a reranker).

    ``best`` is the first that the question does not name. ``reranked`` and ``judged`` are what the log-odds were made
    of: the reranker's, and the reader's of the pair's own sentence (None where it read none).
    """

    question: str
    hits: tuple[Hit, ...]
    logits: tuple[float, ...]
    reranked: tuple[float | None, ...]
    judged: tuple[float | None, ...]
    best: int
    evidence: tuple[Evidence, ...]
    features: Features


def find(
    questions: Sequence[str],
    hits: Sequence[Sequence[Hit]],
    store: Store,
    reranker: SupportsRerank | None,
    judge: SupportsJudge | None = None,
    blend: Blend = PLAIN,
) -> list[Found | None]:
    """The best stored pair of each question, with all that speaks for and against it; None where nothing was found.

    judge: the reader, which reads the sentences of generated pairs; ``blend`` weighs what the three models say.
    """
    reranked: list[list[float | None]] = [[None] * len(row) for row in hits]
    judged: list[list[float | None]] = [[None] * len(row) for row in hits]
    if reranker is not None:
        if judge is not None:
            judged = _judged(questions, hits, store, judge)
        reranked = _reranked(questions, hits, store, reranker, everything=judge is None)
    return [
        arranged(question, row, values, read, store, None if reranker is None else blend) if row else None
        for question, row, values, read in zip(questions, hits, reranked, judged, strict=True)
    ]


def arranged(
    question: str,
    hits: Sequence[Hit],
    reranked: Sequence[float | None],
    judged: Sequence[float | None],
    store: Store,
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
    evidence = evidence_of(hits[best], store)
    first = evidence[0].passage
    context = f"{first.title} {first.text}" if first else ""
    return Found(
        question, tuple(hits), tuple(logits), tuple(reranked[place] for place in order),
        tuple(judged[place] for place in order), best, evidence, features(question, hits, logits, best, context),
    )  # fmt: skip


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
    questions: Sequence[str], hits: Sequence[Sequence[Hit]], store: Store, judge: SupportsJudge
) -> list[list[float | None]]:
    """The reader's log-odds of the first ``JUDGED`` pairs that stand in a document; each sentence is read once."""
    sentences: dict[tuple[int, str], list[tuple[int, Span]]] = {}  # (question, sentence) -> (place, answer in it)
    for at, row in enumerate(hits):
        for place, hit in enumerate(row[:JUDGED]):
            pair = hit.pair
            if pair.document_id is None or pair.span is None:
                continue
            start = max(0, pair.span.start - AROUND)
            text = store.quote(pair.document_id, Span(start, pair.span.end + AROUND))
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
        return Answer(
            question, None, hit.score, probability, found.evidence, "abstain", reason, milliseconds, hit.pair.answer
        )
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
