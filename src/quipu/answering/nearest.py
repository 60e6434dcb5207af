"""Where an answer that was not given probably stands: a sentence of the passage that was put first."""

from __future__ import annotations

from quipu.answering.features import content_words
from quipu.corpus.passages import sentences
from quipu.memory.store import Store
from quipu.records import NearestSentence, Passage, Span


def nearest_sentence(
    question: str, passage: Passage, store: Store, answer: Span | None = None
) -> NearestSentence | None:
    """The sentence of ``answer`` (characters of the passage); else that with the most words of the question.

    The first of equals; None where the passage has no sentence.
    """
    spans = sentences(passage.text)
    if not spans:
        return None
    if answer is not None:
        spans = [span for span in spans if span.overlaps(answer)] or spans
    asked = content_words(question)
    shared = [len(asked & content_words(passage.text[span.start : span.end])) for span in spans]
    span = spans[shared.index(max(shared))]
    return NearestSentence(
        " ".join(passage.text[span.start : span.end].split()), store.source(passage.document_id), passage.title,
        passage.span.start + span.start, passage.span.start + span.end,
    )  # fmt: skip
