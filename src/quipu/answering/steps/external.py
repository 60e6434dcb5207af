"""Answers of an external model: it gets the passages that a search finds, and nothing without a quotation is given.

Apart from the cascade and never part of it: it costs money, and nothing says how probable such an answer is.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from quipu.answering.proposal import Context
from quipu.answering.where import Where
from quipu.errors import InputError
from quipu.models.protocols import SupportsAnswer
from quipu.records import Answer, Evidence, Span
from quipu.storage.store import Store
from quipu.text import normalize_answer

PASSAGES = 5  # that are shown to the model, best first


def answer_externally(
    questions: Sequence[str], context: Context, where: Where, model: SupportsAnswer, store: Store
) -> list[Answer]:
    """An answer for each question, phrased by the model and proved by a quotation of a passage, or none.

    What was marked as wrong is not given. InputError where the memory holds no passages.
    """
    if missing := where.ready():
        raise InputError(missing)
    answers = []
    for question, places in zip(questions, where.find(questions, context), strict=True):
        began = time.perf_counter()
        passages = [place.passage for place in places[:PASSAGES]]
        said = model.answer(question, [item.text for item in passages]) if passages else "no passage is near"
        spent = 1000 * (time.perf_counter() - began)
        wrong = context.wrong.get(question)
        if not isinstance(said, str) and wrong is not None and wrong.text(said.text):
            said = "the answer is marked as wrong"
        if isinstance(said, str):
            answers.append(Answer(question, None, 0.0, None, (), "abstain", said, spent))
            continue
        passage = passages[said.passage]
        span = Span(said.quote.start, said.quote.end).shifted(passage.span.start)
        quote = passage.text[said.quote.start : said.quote.end]
        evidence = Evidence(None, passage, span, 1.0, store.source(passage.document_id), quote)
        own = normalize_answer(said.text) in normalize_answer(quote)
        reason = "said by an external model and quoted from a passage"
        answers.append(Answer(question, said.text, 1.0, None, (evidence,), "llm", reason, spent, generated=not own))
    return answers
