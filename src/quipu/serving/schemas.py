"""What the API gives: the responses are documented and tested by these."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from quipu.serving.bodies import ASKED

Score = float | None


class Shown(BaseModel):
    """What the server sends; fields may be added."""


class Problem(Shown):
    """An error, as RFC 9457 has it. ``detail`` is one line for a person; ``code`` is for programs."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "no memory is called canal",
                 "code": "not_found", "request_id": "5f2b8c1e9d3a4b67"}
            ]
        }
    )  # fmt: skip

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    pointer: Annotated[str, Field(description="JSON pointer to the field that is wrong.")] | None = None
    location: str | None = None


class Health(Shown):
    """Whether the server lives, or is ready; of the memories their names."""

    status: Literal["alive", "ready"]
    memories: list[str] = []


class PairName(Shown):
    """A stored pair, in short."""

    id: str
    question: str
    answer: str
    origin: Literal["generated", "document", "imported", "user"]


class Block(Shown):
    """A part of a document, such as a paragraph, a heading, or a row of a table; characters of its text."""

    kind: str
    start: int
    end: int


class PlaceShown(Shown):
    """Where something stands in a document; ``start`` and ``end`` are characters of its text."""

    document: str | None
    title: str | None
    start: int | None
    end: int | None
    page: int | None
    line: int | None
    headings: list[str]
    quote: str | None
    passage: str | None
    passage_start: Annotated[int | None, Field(description="The character of the text at which `passage` begins.")]
    stored_pair: Annotated[PairName | None, Field(description="The pair that stands there, if it is one.")]
    blocks: Annotated[list[Block], Field(description="Those of the passage in which `start` to `end` stands.")]


class Dated(Shown):
    """Of when a source is, and what is known by it."""

    text: str
    by: Literal["document", "file", "added"]


class Elsewhere(PlaceShown):
    """What another source answers."""

    text: str
    pair: str | None
    date: Dated | None
    newer: bool | None


class Nearest(Shown):
    """The sentence where an answer that was not given probably stands."""

    sentence: str
    document: str
    title: str
    start: int
    end: int
    page: int | None
    line: int | None
    headings: list[str]


class Tried(Shown):
    """One step of a cascade."""

    route: str
    text: str | None
    probability: Score
    reason: str
    milliseconds: float
    held: str | None


class AnswerShown(Shown):
    """What ``quipu ask --json`` prints, and the memory's name."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "question": ASKED, "text": "Ferdinand de Lesseps", "score": 0.91, "probability": 0.91,
                    "abstained": False, "pair": None,
                    "evidence": [
                        {
                            "document": "suez-canal.md", "title": "The Suez Canal", "start": 193, "end": 213,
                            "page": None, "line": 5, "headings": ["History"], "quote": "Ferdinand de Lesseps",
                            "passage": "In 1854 Ferdinand de Lesseps obtained the concession.",
                            "passage_start": 185, "stored_pair": None,
                            "blocks": [{"kind": "paragraph", "start": 185, "end": 238}],
                        }
                    ],
                    "route": "lookup", "reason": "the best stored pair", "milliseconds": 9.7, "held": None,
                    "generated": False, "nearest": None, "date": None, "elsewhere": [], "tried": [],
                    "asked_together": 1, "memory": "canal", "answer_id": "WyJjYW5hbCJd.5f2b8c1e",
                }
            ]
        }
    )  # fmt: skip

    question: str
    text: str | None
    score: Score
    probability: Score
    abstained: bool
    pair: PairName | None
    evidence: list[PlaceShown]
    route: str
    reason: str
    milliseconds: float
    held: str | None
    generated: bool
    nearest: Nearest | None
    date: Dated | None
    elsewhere: list[Elsewhere]
    tried: list[Tried]
    asked_together: Annotated[int, Field(description="Questions over whose time `milliseconds` is a mean.")]
    memory: str
    answer_id: Annotated[str, Field(description="For `/feedback`: what was answered, signed by the server.")]


class Answers(Shown):
    """One for every question, in order."""

    answers: list[AnswerShown]


class FeedbackKept(Shown):
    """What became of a verdict. ``marks``: how many answers the memory now knows to be right or wrong by it."""

    verdict: Literal["right", "wrong", "useless"]
    marks: int


class StoredPair(Shown):
    """A stored pair with its place: ``start`` and ``end`` are characters of the document's text."""

    id: str
    question: str
    answer: str
    origin: Literal["generated", "document", "imported", "user"]
    document: str | None
    start: int | None
    end: int | None
    line: int | None
    generator: str | None
    generator_score: Score
    filter_score: Score


class HitShown(Shown):
    """A pair that a search found, and where it stands."""

    pair: dict[str, Any]
    score: Score
    rank: int
    via: Literal["vector", "words", "both"]
    document: str | None
    page: int | None
    line: int | None
    headings: list[str]


class Hits(Shown):
    """The nearest pairs, best first."""

    hits: list[HitShown]


class Pairs(Shown):
    """A page of the pairs; ``next`` is the ``after`` of the next one."""

    pairs: list[StoredPair]
    next: str | None


class Why(Shown):
    """What ``quipu why --json`` prints; of a pair that was dropped only the first two and the verdicts."""

    id: str
    stored: bool
    verdicts: list[dict[str, Any]]


class ReviewItem(Why):
    """A pair that waits for a decision: what ``why`` says of it, and why it waits."""

    question: str
    answer: str
    evidence: list[dict[str, Any]]
    version: Annotated[str, Field(description="Names what is shown; it goes with the decision.")]
    waits: Literal["wrong", "ambiguous", "uncertain", "rest"]
    because: str


class ReviewQueue(Shown):
    """Pairs in the order in which they wait; ``waiting`` is how many do."""

    waiting: int
    pairs: list[ReviewItem]


class ReviewKept(Shown):
    """A decision: the id of the pair since (of one that was rejected, its own), and the id that was named."""

    id: str
    replaces: str
    decision: Literal["accept", "reject", "edit", "undo"]


class DocumentShown(Shown):
    """A document. A long file comes as several, all of one ``file``."""

    id: str
    source: str
    file: str
    title: str
    characters: int
    passages: int
    pairs: int


class Documents(Shown):
    """A page of the documents."""

    documents: list[DocumentShown]
    next: str | None


class TextShown(Shown):
    """Characters ``start`` to ``end`` of a document's text; ``characters`` is how many it has."""

    document: str
    start: int
    end: int
    characters: int
    text: str


class MemoryShown(Shown):
    """A memory: what it holds and what it can do."""

    name: str
    counts: dict[str, int]
    models: list[str]
    calibrated: bool
    methods: list[str]
    writable: bool


class Memories(Shown):
    """Every memory that the token is for."""

    memories: list[MemoryShown]


class CoverageShown(Shown):
    """What became of the passages; those with the fewest pairs in full."""

    total: dict[str, int]
    dropped: dict[str, int]
    passages: list[dict[str, Any]]


class JobName(Shown):
    """A job that was begun; see ``/api/v1/jobs/{id}``."""

    job: str


class JobShown(Shown):
    """A job and how far it is. ``report`` is what ``quipu add --json`` prints, once it is done."""

    id: str
    memory: str
    kind: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    stage: str | None
    done: int
    total: int
    kept: int
    report: dict[str, Any] | None
    code: str | None
    detail: str | None
    created: str
    ended: str | None


class PairsAdded(Shown):
    """The ids of the pairs, in order, and how many of them are new."""

    ids: list[str]
    added: int


class PairReplaced(Shown):
    """The pair's new id, and the one that it had."""

    id: str
    replaces: str


class PairRemoved(Shown):
    """The id of the pair that is gone."""

    removed: str
