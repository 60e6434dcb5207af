"""What is said: an answer with its evidence, or none with the reason."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from quipu.records.documents import Passage, Span
from quipu.records.pairs import QAPair
from quipu.records.shown import Shown

Route = Literal["lookup", "passage", "read", "hops", "chain", "span", "llm", "abstain"]


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
class Answer(Shown):
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
