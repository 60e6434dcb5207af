"""What is read: documents, their blocks, and the passages that are cut out of them."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from quipu.errors import InputError
from quipu.text import normalize_answer

BlockKind = Literal["heading", "paragraph", "item", "row", "code", "question", "term", "definition", "note"]

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
