"""An external model as the reader: of the filter that reads questions back, and of evidence for an answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from quipu.language.english import FUNCTION_WORDS, NUMBER_WORDS, word_set
from quipu.language.sentences import sentences as sentences_in
from quipu.models.protocols import Reading, Supported
from quipu.models.remote.client import Client
from quipu.models.remote.placing import place
from quipu.models.remote.prompts import to_answer, to_read
from quipu.records import Passage
from quipu.text import is_unicode, normalize_answer

NOTHING = "the model finds no answer in the evidence"
UNSUPPORTED = "the model's answer is not supported by a quotation"
_WORD = re.compile(r"\w+")
_TELLING = word_set("not no only most all both each every many some several before after until between under over")
_SMALL = FUNCTION_WORDS - _TELLING - frozenset(NUMBER_WORDS)
"""Words that an answer may have beyond its quotation."""


class LlmReader:
    """Keeps ``SupportsRead`` and ``SupportsAnswer``."""

    def __init__(self, client: Client, places: Mapping[str, tuple[str, str]] | None = None) -> None:
        """``client``: of the model; ``places``: (document, passage) ids by the passage's text."""
        self._client, self._places = client, places or {}
        self.name = client.settings.model

    def placed(self, passages: Iterable[Passage]) -> LlmReader:
        """The same for these passages, whose calls are forgotten with their documents."""
        return LlmReader(self._client, {item.text: (item.document_id, item.id) for item in passages})

    def read(self, questions: Sequence[str], passages: Sequence[str]) -> list[Reading]:
        """One call a question. Such a model says nothing of how sure it is: 1 where it answers, 0 where it does not."""
        calls = [
            to_read(question, passage, sentences_in(passage), self._places.get(passage, (None, None)))
            for question, passage in zip(questions, passages, strict=True)
        ]
        found = []
        for passage, said in zip(passages, self._client.read(calls, _answer), strict=True):
            if isinstance(said, str):
                found.append(Reading(-1, -1, "", -1.0, 0.0, failed=said))
            elif said[0] is None:
                found.append(Reading(-1, -1, "", -1.0, 0.0, 1.0))
            else:
                spans = sentences_in(passage)
                span = place(passage, said[0], spans[said[1] - 1] if 1 <= said[1] <= len(spans) else None)
                text = said[0] if span is None else passage[span.start : span.end]
                found.append(Reading(*((span.start, span.end) if span else (-1, -1)), text, 1.0, 1.0))
        return found

    def answer(self, question: str, passages: Sequence[str]) -> Supported | str:
        """The answer to a question by passages, with its proof; or why there is none.

        The quotation must stand in the passage that is named, and every word of the answer that means something in it.
        """
        (said,) = self._client.read([to_answer(question, passages)], _proof)
        if isinstance(said, str):
            return said
        text, number, quote = said
        if not text:
            return NOTHING
        if not 1 <= number <= len(passages):
            return UNSUPPORTED
        span = place(passages[number - 1], quote)
        if span is None or not supports(passages[number - 1][span.start : span.end], text):
            return UNSUPPORTED
        return Supported(text, number - 1, span)


def supports(quote: str, answer: str) -> bool:
    """Whether a quotation says what an answer says: it holds all its words that mean something."""
    quoted = set(_WORD.findall(normalize_answer(quote)))
    said = [word for word in _WORD.findall(normalize_answer(answer)) if word not in _SMALL]
    return bool(said) and quoted.issuperset(said)


def _answer(value: Mapping[str, Any]) -> tuple[str | None, int]:
    answer, sentence = value.get("answer"), value.get("sentence")
    if answer is None or answer == "":
        return None, 0
    if not isinstance(answer, str) or not is_unicode(answer):
        raise ValueError("answer must be a text or null")
    return answer.strip() or None, sentence if type(sentence) is int else 0


def _proof(value: Mapping[str, Any]) -> tuple[str, int, str]:
    answer, passage, quote = value.get("answer"), value.get("passage"), value.get("quote")
    if answer is None:
        return "", 0, ""
    if not isinstance(answer, str) or not is_unicode(answer):
        raise ValueError("answer must be a text or null")
    return (
        answer.strip(),
        passage if type(passage) is int else 0,
        quote if isinstance(quote, str) and is_unicode(quote) else "",
    )
