"""The types that travel between the rooms: frozen values, no behaviour beyond validation and (de)serialising.

Ids are content hashes. Scores: higher is better, always. Spans are characters of the *document's* extracted
text, end exclusive, so that passages can be cut again without moving any evidence.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from quipu.errors import InputError
from quipu.text import is_unicode, normalize_answer

Origin = Literal["generated", "document", "imported", "user"]
Stage = Literal["well_formed", "local", "global", "dedup"]
Via = Literal["vector", "words", "both"]
BlockKind = Literal["heading", "paragraph", "item", "row", "code", "question", "term", "definition", "note"]
Route = Literal["lookup", "passage", "read", "hops", "chain", "span", "abstain"]

_BELOW = 99  # the level of a question that is no heading


def content_id(*parts: object) -> str:
    """A 32-character id: the first 16 bytes of the SHA-256 of the parts, joined by a character no text holds."""
    joined = "\x1f".join("" if part is None else str(part) for part in parts)
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Characters ``start`` to ``end`` (exclusive) of a document's text."""

    start: int
    end: int

    def __post_init__(self) -> None:
        try:
            ordered = 0 <= self.start <= self.end
        except TypeError:  # of a damaged record
            ordered = False
        if not ordered:
            raise InputError(f"a span must have 0 <= start <= end, not start={self.start}, end={self.end}")

    def overlaps(self, other: Span) -> bool:
        """True when the two share at least one character."""
        return self.start < other.end and other.start < self.end

    def shifted(self, by: int) -> Span:
        """The same span in a text that begins ``by`` characters earlier."""
        return Span(self.start + by, self.end + by)


@dataclass(frozen=True, slots=True)
class Mark:
    """What the characters ``span`` of a document are, and where they stand in its file.

    ``level``: of a heading, 1 the highest; of an item of a list, 1 the outermost. ``page`` and ``line`` count from 1.
    """

    span: Span
    kind: BlockKind = "paragraph"
    level: int = 0
    page: int | None = None
    line: int | None = None

    @property
    def over(self) -> int:
        """The level at which the block stands over those that follow, 1 the highest; 0: it is no heading.

        A question that is no heading stands over its answer, below all headings.
        """
        return max(1, self.level) if self.kind == "heading" else _BELOW if self.kind == "question" else 0


@dataclass(frozen=True, slots=True)
class Document:
    """One source text as a reader extracted it. ``source`` is a path or URL; very long files come in parts.

    ``marks``: its blocks, in order and apart from one another; none where nothing is known of its structure.
    """

    id: str
    source: str
    title: str
    text: str
    sha256: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    marks: tuple[Mark, ...] = ()

    @classmethod
    def make(
        cls,
        source: str,
        title: str,
        text: str,
        metadata: Mapping[str, Any] | None = None,
        marks: Sequence[Mark] = (),
    ) -> Document:
        """A document with its hashes computed; its id is of its text and of its source when it is first read."""
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return cls(content_id(source, digest), source, title, text, digest, dict(metadata or {}), tuple(marks))


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of a document; 1 is the highest ``level``."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A window of about 100 words of a document; ``text == document.text[span.start:span.end]``, exactly.

    ``marks``: the document's blocks that reach into it. ``headings``: those that stand above it, highest first, and
    ``lead``: what introduces the list in which it begins, "" elsewhere; a store fills both.
    """

    id: str
    document_id: str
    title: str
    text: str
    span: Span
    marks: tuple[Mark, ...] = ()
    headings: tuple[Heading, ...] = ()
    lead: str = ""

    @classmethod
    def make(cls, document: Document, span: Span) -> Passage:
        """The passage that ``span`` cuts out of ``document``."""
        text = document.text[span.start : span.end]
        first = bisect_right(document.marks, span.start, key=lambda mark: mark.span.end)
        last = bisect_left(document.marks, span.end, lo=first, key=lambda mark: mark.span.start)
        return cls(
            content_id(document.id, span.start, span.end), document.id, document.title, text, span,
            document.marks[first:last],
        )  # fmt: skip

    def path(self, at: int | None = None) -> tuple[str, ...]:
        """The headings over the document's character ``at``, highest first; without it, those over the passage."""
        found = list(self.headings)
        for mark in self.marks:
            if at is not None and mark.span.start <= at and mark.over:
                found = [heading for heading in found if heading.level < mark.over]
                if mark.span.end <= at:  # a heading does not stand over itself
                    text = self.text[max(0, mark.span.start - self.span.start) : mark.span.end - self.span.start]
                    found.append(Heading(mark.over, " ".join(text.split())))
        return tuple(heading.text for heading in found)

    def over(self, at: int | None = None) -> list[str]:
        """What stands over the passage, or over the character ``at``: title, headings, what leads in.

        A part that only repeats what stands before it is left out.
        """
        parts: list[str] = []
        for part in (self.title, *self.path(at), self.lead.rstrip(":")):
            if part and f" {normalize_answer(part)} " not in f" {normalize_answer(' '.join(parts))} ":
                parts.append(part)
        return parts

    def about(self, at: int | None = None) -> str:
        """``over`` as one line: what is told of the passage beside its words."""
        return ": ".join(self.over(at))

    def mark(self, at: int) -> Mark | None:
        """The block in which the document's character ``at`` stands."""
        return next((mark for mark in self.marks if mark.span.start <= at < mark.span.end), None)


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
class Hit:
    """A stored pair that a search found. ``score`` compares within one question; ``rank`` starts at 1."""

    pair: QAPair
    score: float
    rank: int
    via: Via


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a file: page and line from 1, None where the file has none; headings, highest first."""

    page: int | None = None
    line: int | None = None
    headings: tuple[str, ...] = ()

    @classmethod
    def of(cls, passage: Passage, at: int) -> Place:
        """Of the document's character ``at``, which stands in ``passage``."""
        mark = passage.mark(at)
        return cls(mark.page if mark else None, mark.line if mark else None, passage.path(at))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an answer rests on: a pair, the passage around it, and the exact span in the document."""

    pair: QAPair | None
    passage: Passage | None
    span: Span | None
    score: float
    document: str | None = None
    quote: str | None = None

    @property
    def place(self) -> Place:
        """Where the span stands for a person who opens the file; of a passage as a whole, where it begins.

        Of a pair from a file of pairs, the line there.
        """
        if self.passage is None:
            return Place(line=None if self.pair is None else self.pair.line)
        return Place.of(self.passage, self.passage.span.start if self.span is None else self.span.start)


@dataclass(frozen=True, slots=True)
class Dated:
    """Of when a source is: "2024" to "2024-03-01", as exact as it is known.

    ``by``: the document says so itself, its file was last changed then, or it came into the memory then.
    """

    text: str
    by: Literal["document", "file", "added"]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What another source answers to the same question. ``newer``: than the answer's source; None: nobody can say."""

    text: str
    evidence: Evidence
    date: Dated | None = None
    newer: bool | None = None


@dataclass(frozen=True, slots=True)
class NearestSentence:
    """A sentence of a document, ``start`` to ``end``, where an answer that was not given probably stands."""

    sentence: str
    document: str
    title: str
    start: int
    end: int
    page: int | None = None
    line: int | None = None
    headings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepTrace:
    """One step of a cascade: what it answered, or held back as not sure enough, how probable that was, and why."""

    route: str
    text: str | None
    probability: float | None
    reason: str
    milliseconds: float
    held: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What quipu says to a question. ``text`` is None when it abstains; ``probability`` is None until calibrated.

    ``held`` is the answer that was held back because it was not probable enough, ``nearest`` the sentence where it
    probably stands; ``tried`` the steps of a cascade. ``generated``: the evidence does not hold it in these words.
    ``elsewhere``: what other sources say instead, the newest first; ``date`` is the answer's own, where there are any.
    """

    question: str
    text: str | None
    score: float
    probability: float | None
    evidence: tuple[Evidence, ...]
    route: Route
    reason: str
    milliseconds: float
    held: str | None = None
    tried: tuple[StepTrace, ...] = ()
    generated: bool = False
    nearest: NearestSentence | None = None
    date: Dated | None = None
    elsewhere: tuple[Elsewhere, ...] = ()

    @classmethod
    def abstained(
        cls,
        question: str,
        *,
        reason: str,
        score: float = 0.0,
        probability: float | None = 0.0,
        evidence: tuple[Evidence, ...] = (),
        held: str | None = None,
    ) -> Answer:
        """No answer, with the reason; ``held``: what was held back, with its evidence."""
        return cls(question, None, score, probability, evidence, "abstain", reason, 0.0, held)

    def to_json(self) -> dict[str, Any]:
        """The object that ``quipu ask --json`` prints."""
        return {
            "question": self.question,
            "text": self.text,
            "score": self.score,
            "probability": self.probability,
            "abstained": self.text is None,
            "pair": _named(self.evidence[0].pair) if self.evidence else None,
            "evidence": [_shown(item) for item in self.evidence],
            "route": self.route,
            "reason": self.reason,
            "milliseconds": self.milliseconds,
            "held": self.held,
            "generated": self.generated,
            "nearest": None if self.nearest is None else asdict(self.nearest),
            "date": None if self.date is None else asdict(self.date),
            "elsewhere": [
                {
                    "text": item.text,
                    "pair": None if item.evidence.pair is None else item.evidence.pair.id,
                    "date": None if item.date is None else asdict(item.date),
                    "newer": item.newer,
                    **_shown(item.evidence),
                }
                for item in self.elsewhere
            ],
            "tried": [asdict(step) for step in self.tried],
        }


def _named(pair: QAPair | None) -> dict[str, Any] | None:
    """A pair in short."""
    if pair is None:
        return None
    return {"id": pair.id, "question": pair.question, "answer": pair.answer, "origin": pair.origin}


def _shown(evidence: Evidence) -> dict[str, Any]:
    """Where evidence stands, as a plain dictionary; ``blocks``: those of the passage in which the span stands."""
    passage, span = evidence.passage, evidence.span
    blocks = [mark for mark in passage.marks if span and mark.span.overlaps(span)] if passage else []
    return {
        "document": evidence.document,
        "title": passage.title if passage else None,
        "start": span.start if span else None,
        "end": span.end if span else None,
        **asdict(evidence.place),
        "quote": evidence.quote,
        "passage": passage.text if passage else None,
        "passage_start": passage.span.start if passage else None,
        "stored_pair": _named(evidence.pair),
        "blocks": [{"kind": mark.kind, "start": mark.span.start, "end": mark.span.end} for mark in blocks],
    }


@dataclass(frozen=True, slots=True)
class Example:
    """A question with its accepted answers: what training and evaluation read, from every format alike."""

    id: str
    question: str
    answers: tuple[str, ...]
    passages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """One measured figure."""

    metric: str
    value: float
    n: int
    stderr: float | None = None
    higher_is_better: bool = True

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return asdict(self)
