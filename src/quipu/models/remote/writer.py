"""An external model as the writer: a passage to whole pairs, each of whose answers stands in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from quipu.models.protocols import Proposed
from quipu.models.remote.client import Client
from quipu.models.remote.placing import place
from quipu.models.remote.prompts import LONGEST_ANSWER, LONGEST_QUESTION, Call, to_write
from quipu.records import Span
from quipu.text import is_unicode

NOT_IN_PASSAGE, TOO_LONG = "answer not in passage", "question or answer too long"
_Pair = tuple[str, str, int]


class LlmWriter:
    """Keeps ``SupportsPropose``."""

    def __init__(self, client: Client) -> None:
        """``client``: of the model."""
        self._client = client
        self.name = client.settings.model

    def propose(
        self,
        texts: Sequence[str],
        sentences: Sequence[Sequence[Span]],
        titles: Sequence[str],
        places: Sequence[tuple[str, str]],
        most: int,
    ) -> list[list[Proposed]]:
        """One call a passage. Where a reply is no list of pairs, one entry without a question says why.

        A reply that was cut off is asked for with half as many pairs, once.
        """
        rows = list(zip(texts, sentences, titles, places, strict=True))

        def call_of(row: tuple[str, Sequence[Span], str, tuple[str, str]], many: int) -> Call:
            text, spans, title, place_of = row
            return to_write(text, title, spans, many, place_of)

        calls = [call_of(row, most) for row in rows]
        halved = {call: call_of(row, max(1, most // 2)) for call, row in zip(map(id, calls), rows, strict=True)}
        replies = self._client.read(calls, _pairs, lambda call: halved[id(call)])
        return [
            [Proposed("", "", None, said)]
            if isinstance(said, str)
            else [_placed(row[0], row[1], pair) for pair in said[:most]]
            for row, said in zip(rows, replies, strict=True)
        ]


def _pairs(value: Mapping[str, Any]) -> list[_Pair]:
    """The pairs of a reply; ValueError where it is not as the schema says."""
    rows = value.get("pairs")
    if not isinstance(rows, list):
        raise ValueError('no list "pairs"')
    found = []
    for row in rows:
        if not isinstance(row, dict):
            raise ValueError("a pair is no object")
        question, answer, sentence = row.get("question"), row.get("answer"), row.get("sentence")
        if not isinstance(question, str) or not isinstance(answer, str):
            raise ValueError("question and answer must be texts")
        if type(sentence) is not int:
            raise ValueError("sentence must be a whole number")
        if not is_unicode(question + answer):
            raise ValueError("a text is not Unicode")
        found.append((question.strip(), answer.strip(), sentence))
    return found


def _placed(text: str, sentences: Sequence[Span], pair: _Pair) -> Proposed:
    question, answer, number = pair
    made = Proposed(question[:LONGEST_QUESTION], answer[:LONGEST_ANSWER], None)
    if len(question) > LONGEST_QUESTION or len(answer) > LONGEST_ANSWER or not question:
        return replace(made, reason=TOO_LONG if question else "no question")
    sentence = sentences[number - 1] if 1 <= number <= len(sentences) else None
    span = place(text, answer, sentence)
    return replace(made, span=span, reason="" if span else NOT_IN_PASSAGE)
