"""What the reader makes of a written question: the answer's extent and place are the reader's."""

from __future__ import annotations

import re
from dataclasses import dataclass

from quipu.models.protocols import Reading
from quipu.records import Span
from quipu.text import normalize_answer, token_f1

WITHIN = 0.8  # agreement of an answer with one that it is a part of
MORE = 10  # words that an answer read back may have more than the span asked about, which else is the answer
_LEADING = re.compile(r"^(?:in|on|at|by|from|to|for|with|of|and|or|because|as|the|a|an|since|until|that)\s+", re.I)
_CURRENCY = re.compile(r"\b(?:US|A|C|NZ|HK)(?=\$)")
_VERB = re.compile(r"(?<!^)\b(?:is|was|are|were|has|had)\b")
_DANGLING = re.compile(r"\b(?:and|or|of|the|an?|in|on|at|to|for|with|by|from|as|that|which|who)[.,;:]*$", re.I)


@dataclass(frozen=True, slots=True)
class Settled:
    """The answer that a pair gets: its words and its place in the passage; ``generated``: it does not stand there."""

    answer: str
    span: Span
    agreement: float
    generated: bool


def settle(passage: str, span: Span, reading: Reading) -> Settled:
    """The span asked about and the answer read back as one answer.

    The reader's extent holds, unless all that it adds or leaves out is a preposition, an article or a mark ("in 1869",
    "1869"), or it ends in the middle of a phrase. Where its words do not stand in the passage, the span stays.
    """
    asked = passage[span.start : span.end]
    agreement = token_f1(reading.text, asked)
    if reading.start < 0:
        return Settled(asked, span, agreement, True)
    found = Span(reading.start, reading.end)
    same = _core(reading.text) == _core(asked)
    if found.overlaps(span) and (same or _cut_off(reading.text) or _clause(asked, reading.text)):
        return Settled(asked, span, 1.0 if same else agreement, False)
    if found.overlaps(span) and _within(asked, reading.text):
        agreement = max(agreement, WITHIN)
        if len(reading.text.split()) > len(asked.split()) + MORE:
            return Settled(asked, span, agreement, False)
    return Settled(passage[found.start : found.end], found, agreement, False)


def _within(one: str, other: str) -> bool:
    """Whether one answer holds the other: "1869" and "17 November 1869"."""
    shorter, longer = sorted((normalize_answer(one), normalize_answer(other)), key=len)
    return bool(shorter) and f" {shorter} " in f" {longer} "


def _core(answer: str) -> str:
    return normalize_answer(_CURRENCY.sub("", _LEADING.sub("", answer.strip())))


def _clause(asked: str, read: str) -> bool:
    """Whether what is read back says of a phrase more than it is: "133 metres high" and "Jeddah is 133 metres"."""
    return _VERB.search(read) is not None and _VERB.search(asked) is None


def _cut_off(answer: str) -> bool:
    return not answer or _DANGLING.search(answer) is not None
