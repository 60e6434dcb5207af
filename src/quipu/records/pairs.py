"""What is stored: question-answer pairs, what each stage of a build said of them, and how a search finds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from quipu.errors import InputError
from quipu.records.documents import Span, content_id
from quipu.records.shown import Shown
from quipu.text import is_unicode, normalize_answer

Origin = Literal["generated", "document", "imported", "user"]
Stage = Literal["well_formed", "local", "global", "dedup", "judge", "review"]
Via = Literal["vector", "words", "both"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A span that may be somebody's answer. ``extractor`` is "learned" or the name of the rule that found it."""

    span: Span
    text: str
    score: float
    extractor: str


@dataclass(frozen=True, slots=True)
class QAPair:
    """A question, its answer and where the answer stands; the passage is looked up from document and span.

    ``line``: of a ready pair, the line of its file (counted from 1), which is its document then.
    """

    id: str
    question: str
    answer: str
    document_id: str | None = None
    span: Span | None = None
    origin: Origin = "user"
    generator: str | None = None
    generator_score: float | None = None
    filter_score: float | None = None
    line: int | None = None

    @classmethod
    def make(
        cls,
        question: str,
        answer: str,
        *,
        document_id: str | None = None,
        span: Span | None = None,
        origin: Origin = "user",
        generator: str | None = None,
        generator_score: float | None = None,
        filter_score: float | None = None,
        line: int | None = None,
    ) -> QAPair:
        """A pair with its id: hash(normalised question, normalised answer, document, span).

        The same pair at the same place twice is one row; alike pairs from two places are deduplication's business.
        """
        question, answer = question.strip(), answer.strip()
        if not question or not answer:
            raise InputError(f"a pair needs a question and an answer, not {question!r} and {answer!r}")
        if not is_unicode(question + answer):
            raise InputError(f"a pair must be Unicode text without a lone surrogate: {question!r}, {answer!r}")
        place = (document_id, span.start, span.end) if span else (document_id,)
        pair_id = content_id(normalize_answer(question), normalize_answer(answer) or answer, *place)
        return cls(pair_id, question, answer, document_id, span, origin, generator, generator_score, filter_score, line)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one stage said of one pair, and why. ``because_of`` is the other pair, or what the reader answered."""

    pair_id: str
    stage: Stage
    kept: bool
    score: float | None
    reason: str
    because_of: str | None = None


@dataclass(frozen=True, slots=True)
class Hit(Shown):
    """A stored pair that a search found. ``score`` compares within one question; ``rank`` starts at 1."""

    pair: QAPair
    score: float
    rank: int
    via: Via
