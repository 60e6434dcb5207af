"""Where an answer that was not given probably stands: a sentence of the passage that was put first."""

from __future__ import annotations

from quipu.answering.features import content_words
from quipu.corpus.passages import sentences_of, statements_of
from quipu.records import NearestSentence, Passage, Place, Span
from quipu.storage.store import Store


def nearest_sentence(
    question: str, passage: Passage, store: Store, answer: Span | None = None
) -> NearestSentence | None:
    """The sentence of ``answer`` (characters of the passage); else that with the most words of the question.

    The first of equals; None where the passage has no sentence.
    """
    spans = statements_of(passage)
    if not spans:
        return None
    if answer is not None:
        spans = [span for span in sentences_of(passage) if span.overlaps(answer)] or spans
    asked = content_words(question)
    shared = [len(asked & content_words(passage.text[span.start : span.end])) for span in spans]
    span = spans[shared.index(max(shared))]
    start, end = passage.span.start + span.start, passage.span.start + span.end
    place = Place.of(passage, start)
    return NearestSentence(
        " ".join(passage.text[span.start : span.end].split()), store.source(passage.document_id), passage.title,
        start, end, place.page, place.line, place.headings,
    )  # fmt: skip
