"""Where an answer probably stands: the sentence of a passage that is most like the question."""

from __future__ import annotations

from quipu.answering.features import content_words
from quipu.corpus.passages import sentences
from quipu.memory.store import Store
from quipu.records import NearestSentence, Passage


def nearest_sentence(question: str, passage: Passage, store: Store) -> NearestSentence | None:
    """The sentence with the most words of the question, the first of equals; None where the passage has none."""
    spans = sentences(passage.text)
    if not spans:
        return None
    asked = content_words(question)
    shared = [len(asked & content_words(passage.text[span.start : span.end])) for span in spans]
    span = spans[shared.index(max(shared))]
    return NearestSentence(
        " ".join(passage.text[span.start : span.end].split()), store.source(passage.document_id), passage.title,
        passage.span.start + span.start, passage.span.start + span.end,
    )  # fmt: skip
