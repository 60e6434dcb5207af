"""What a step of answering proposes, where it stands, and what the steps share while they answer a question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from quipu.answering.marked import Wrong
from quipu.answering.scoring import LinearScorer
from quipu.models.claims import Claim
from quipu.records import Evidence, Hit, QAPair, Route, Span
from quipu.storage.provenance import support_of
from quipu.storage.store import Store
from quipu.text import normalize_answer

if TYPE_CHECKING:
    from quipu.answering.where import Place

_SPARE = 50  # pairs that are searched for beyond those wanted where some are left out

Search = Callable[[Sequence[str], int], list[list[Hit]]]  # texts, k: the k stored pairs nearest to each text


@dataclass(frozen=True, slots=True)
class PassageSpan:
    """Characters of a stored passage, the end exclusive; -1, -1: the passage as a whole, in no particular place."""

    passage_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """An answer that a step proposes, before anybody asks how probable it is.

    ``text`` is "" where the step says that nothing answers. ``scorer`` names the weights of ``features``; ``sources``
    are the pairs and places behind it, in the order in which they are shown. ``score`` is what the answer shows as its
    score; None: the scorer's. ``generated``: no source holds the answer in these words.
    """

    scorer: str
    text: str
    features: tuple[float, ...]
    sources: tuple[Hit | PassageSpan, ...]
    score: float | None = None
    generated: bool = False


class Nearest:
    """The stored pairs nearest to texts; each of the questions is searched for once, for all steps."""

    def __init__(
        self, search: Search, questions: Sequence[str], depth: int, without: Sequence[QAPair | None] = (),
        wrong: Mapping[str, Wrong] | None = None,
    ) -> None:  # fmt: skip
        """``depth``: how many pairs are searched for at least for each of the ``questions``.

        ``without``: a pair for each question that is left out, with what asks the same and everything of its document.
        ``wrong``: by question what was marked as wrong; such pairs are not found for it.
        """
        self._search, self._questions, self._depth = search, set(questions), depth
        self._without = {text: pair for text, pair in zip(questions, without, strict=False) if pair is not None}
        self._wrong = wrong or {}
        self._known: dict[str, list[Hit]] = {}

    def __call__(self, texts: Sequence[str], k: int) -> list[list[Hit]]:
        """The best ``k`` pairs of each text."""
        if k > self._depth or not self._questions.issuperset(texts):
            return self._found(texts, k)
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._found(new, self._depth), strict=True))
        return [self._known[text][:k] for text in texts]

    def inherit(self, texts: Sequence[str], questions: Sequence[str]) -> None:
        """Leave out for each text what is left out for the question that it was made of."""
        for text, question in zip(texts, questions, strict=True):
            if question in self._without:
                self._without.setdefault(text, self._without[question])

    def document_left_out(self, question: str) -> str | None:
        """The document that is not to be looked at for a question."""
        pair = self._without.get(question)
        return None if pair is None else pair.document_id

    def _found(self, texts: Sequence[str], k: int) -> list[list[Hit]]:
        found = self._search(texts, k + _SPARE if self._without or self._wrong else k)
        if self._wrong:
            found = [
                row if (wrong := self._wrong.get(text)) is None else [hit for hit in row if not wrong.hit(hit)]
                for text, row in zip(texts, found, strict=True)
            ]
        if not self._without:
            return [row[:k] for row in found]
        return [
            [hit for hit in row if (left_out := self._without.get(text)) is None or _apart(hit.pair, left_out)][:k]
            for text, row in zip(texts, found, strict=True)
        ]


@dataclass(slots=True)
class Context:
    """What all steps share for the questions of one call.

    ``nearest`` finds pairs, ``k`` of which lookup considers; ``places`` are the passages found for a text, ``read``
    what they say to it; ``verified`` the verifier's log-odds of claims; ``wrong`` what was marked as wrong; ``scorer``
    gives the weights of a name, fitted or not. ``rerank``: lookup asks the reranker.
    """

    nearest: Nearest
    k: int
    scorer: Callable[[str], LinearScorer]
    rerank: bool
    wrong: Mapping[str, Wrong] = field(default_factory=dict)
    places: dict[str, list[Place]] = field(default_factory=dict)
    read: dict[str, list[Proposal]] = field(default_factory=dict)
    verified: dict[Claim, float] = field(default_factory=dict)


class Step(Protocol):
    """One way to answer. It proposes; ``quipu.answering.decision`` says whether that is probable enough."""

    @property
    def NAME(self) -> Route:
        """What the command line and an answer's ``route`` call it."""

    @property
    def FEATURES(self) -> tuple[str, ...]:
        """The names of its proposals' features."""

    @property
    def UNFITTED(self) -> LinearScorer:
        """Weights that order its proposals until some are fitted."""

    def ready(self) -> str:
        """Load what it needs; "" when it can be asked, else why not and what to do."""

    def propose(self, questions: Sequence[str], context: Context) -> list[list[Proposal]]:
        """What may answer each question, in no order; an empty list where there is nothing."""


def evidence_of(proposal: Proposal, store: Store) -> tuple[Evidence, ...]:
    """Where the sources of a proposal stand; a single pair is shown at every place where it stands."""
    if len(proposal.sources) == 1 and isinstance(proposal.sources[0], Hit):
        return places_of(proposal.sources[0], store)
    return tuple(_first_place(source, store, proposal.score) for source in proposal.sources)


def places_of(hit: Hit, store: Store) -> tuple[Evidence, ...]:
    """Where a pair stands: passage, span, and the characters of the document there; then every further place.

    A pair of its own has neither.
    """
    further = support_of(store, hit.pair.id) if hit.pair.span is not None else []
    return (place_of(hit, store), *(place_of(hit, store, document, span) for document, span in further))


def _first_place(source: Hit | PassageSpan, store: Store, score: float | None) -> Evidence:
    if isinstance(source, Hit):
        return place_of(source, store)
    passage = store.passage(source.passage_id)
    document = store.source(passage.document_id)
    if source.start < 0:
        return Evidence(None, passage, None, score or 0.0, document=document)
    span = Span(passage.span.start + source.start, passage.span.start + source.end)
    return Evidence(
        None, passage, span, score or 0.0,
        document=document, quote=store.quote(passage.document_id, span),
    )  # fmt: skip


def place_of(hit: Hit, store: Store, document: str | None = None, span: Span | None = None) -> Evidence:
    """Where a pair stands, or one of its further places; of a pair from a file of pairs, the file."""
    document, span = document or hit.pair.document_id, span or hit.pair.span
    if document is None or span is None:
        return Evidence(hit.pair, None, None, hit.score, document=store.source(document) if document else None)
    return Evidence(
        hit.pair, store.passage_at(document, span), span, hit.score,
        document=store.source(document), quote=store.quote(document, span),
    )  # fmt: skip


def _apart(pair: QAPair, other: QAPair) -> bool:
    """Whether a pair is another one, asks something else, and stands in another document."""
    return (
        pair.id != other.id
        and normalize_answer(pair.question) != normalize_answer(other.question)
        and (other.span is None or pair.document_id != other.document_id)  # a file of ready pairs is no document
    )
