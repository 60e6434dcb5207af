"""What other sources say instead: a stored pair that asks the same and answers otherwise, or a sentence that is the
answer's own with something else in its place.

Only what lookup has found already is looked at: the nearest pairs, and the passages in which they stand. No model
runs, so that it costs an answer about a millisecond.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cmp_to_key
from typing import Literal, get_args

from quipu.answering.marked import Wrong
from quipu.answering.proposal import place_of
from quipu.answering.sameness import LEAST, asks_the_same, differs, editions, stated_otherwise, subject
from quipu.corpus.passages import sentences_of
from quipu.records import Answer, Elsewhere, Evidence, Hit, Passage, QAPair, Span
from quipu.storage.dates import SourceDates, compared, dates_of
from quipu.storage.store import Store
from quipu.text import normalize_answer

Prefer = Literal["newest", "both", "first"]
PREFERENCES: tuple[Prefer, ...] = get_args(Prefer)
_BEHIND = 0.2  # by how much a pair that asks the same may be less near than the nearest
_HITS = 30  # of the nearest pairs that are looked at
_PASSAGES = 6  # of other documents in which the answer's sentence is looked for
_PASSAGE = 500  # characters
_SHOWN = 5  # other answers
_ROUTES = ("lookup", "passage", "read", "span")  # an answer of one source; those of several need all of them


@dataclass(frozen=True, slots=True)
class Told:
    """What one source answers, and the dates of the source."""

    text: str
    evidence: Evidence
    dates: SourceDates


class Conflicts:
    """What the other sources of a memory say to questions that are answered."""

    def __init__(self, store: Store) -> None:
        """Of an open record."""
        self._store = store

    def noted(
        self, answer: Answer, hits: Sequence[Hit], passages: Sequence[Passage] = (), prefer: Prefer | None = None,
        wrong: Wrong | None = None,
    ) -> Answer:  # fmt: skip
        """The answer with what other sources say instead; which of them it is, as ``prefer`` says.

        hits: the pairs nearest to the question; passages: those that were found for it; wrong: what was marked so.
        "newest" and "first" choose by the dates of the sources (None, and where these do not tell: the answer stays),
        "both" gives all of them.
        """
        evidence = _source_of(answer)
        if evidence is None or answer.text is None:
            return answer
        others = self.others(answer.question, answer.text, evidence, hits, passages)
        others = [item for item in others if wrong is None or not wrong.text(item.text)]
        if not others:
            return answer
        own = self.told(answer.text, evidence)
        told = _newest_first([own, *others])
        chosen = {"newest": told[0], "both": told[0], "first": told[-1]}.get(prefer or "", own)
        answer = _given(answer, chosen, [item for item in told if item is not chosen])
        if prefer == "both":
            every = answer.evidence + tuple(item.evidence for item in answer.elsewhere)
            text = "; ".join(" ".join(item.text.split()) for item in told)
            answer = replace(answer, text=text, evidence=every, generated=True, reason="the sources disagree")
        return answer

    def others(
        self, question: str, text: str, evidence: Evidence, hits: Sequence[Hit], passages: Sequence[Passage] = ()
    ) -> list[Told]:
        """What other sources answer to the question that ``text`` answers by ``evidence``.

        Each answer once, from its newest source, the newest first.
        """
        own = _Own.of(question, text, evidence)
        hits = hits[:_HITS]
        near = [hit for hit in hits if hit.via != "vector" or hit.score >= hits[0].score - _BEHIND]
        found: dict[str, Told] = {}
        for item, said in (*self._pairs(own, near), *self._statements(own, hits, passages)):
            told = self.told(said, item)
            alike = next((key for key in found if not differs(key, said)), said)
            known = found.get(alike)
            if known is None or compared(told.dates, known.dates) > 0:
                found[alike] = told
        return _newest_first(list(found.values()))[:_SHOWN]

    def told(self, text: str, evidence: Evidence) -> Told:
        """An answer with its source's dates."""
        pair = evidence.pair
        if evidence.passage is not None:
            return Told(text, evidence, dates_of(self._store, evidence.passage.document_id))
        return Told(text, evidence, dates_of(self._store, pair.document_id, pair.id) if pair else SourceDates())

    def _pairs(self, own: _Own, hits: Sequence[Hit]) -> Iterator[tuple[Evidence, str]]:
        """Pairs that ask the same and answer otherwise."""
        framing = subject(own.over)
        needed = [subject(text) - framing for text in (own.question, own.known)]
        for hit in hits:
            pair, asked = hit.pair, hit.pair.question.lower()
            if not any(all(word in asked for word in words) for words in needed):  # beginnings of words
                continue
            if not _apart(own.evidence, hit) or not differs(own.text, pair.answer):
                continue
            over = self._over(pair) if own.over else ""
            if not any(
                asks_the_same(own.question, own.known, pair.question, about=about)
                for about in (("", ""), (own.over, over))
            ):
                continue
            evidence = place_of(hit, self._store)
            if _fits(own.question, own.evidence, evidence):
                yield evidence, pair.answer

    def _over(self, pair: QAPair) -> str:
        """Title and file of a pair's document."""
        if pair.document_id is None:
            return ""
        return f"{self._store.title(pair.document_id)} {self._store.source(pair.document_id)}"

    def _statements(
        self, own: _Own, hits: Sequence[Hit], passages: Sequence[Passage]
    ) -> Iterator[tuple[Evidence, str]]:
        """Sentences of other documents, about the same subject, that put something else in the answer's place."""
        passage, place = own.evidence.passage, own.place
        if passage is None or place is None:
            return
        fixed = subject(f"{own.sentence[: place.start]} {own.sentence[place.end :]}")
        if len(fixed) < LEAST:
            return
        above = subject(passage.about(own.evidence.span.start if own.evidence.span else None))
        for other in self._other_passages(passage.document_id, fixed, hits, passages):
            bounds = sentences_of(other)
            found = stated_otherwise(own.sentence, place, [other.text[item.start : item.end] for item in bounds])
            if found is None:
                continue
            span = found[1].shifted(bounds[found[0]].start)
            said, span = other.text[span.start : span.end], span.shifted(other.span.start)
            over = subject(other.about(span.start))
            if not differs(own.text, said) or not (above <= over or over <= above):
                continue
            document = self._store.source(other.document_id)
            quote = self._store.quote(other.document_id, span)
            evidence = Evidence(None, other, span, 0.0, document=document, quote=quote)
            if _fits(own.question, own.evidence, evidence):
                yield evidence, said

    def _other_passages(
        self, own: str, words: set[str], hits: Sequence[Hit], passages: Sequence[Passage]
    ) -> Iterator[Passage]:
        """Passages of other documents than ``own`` that hold the ``words``: those given, those of the nearest pairs."""
        seen: set[str] = set()
        for passage in passages:
            if passage.document_id != own and _holds(passage.text, words):
                seen.add(passage.id)
                yield passage
        looked: set[tuple[str, int]] = set()
        for hit in hits:
            document, span = hit.pair.document_id, hit.pair.span
            if document is None or span is None or document == own:
                continue
            about = document, span.start // _PASSAGE  # where a pair before stands too, mostly
            if about in looked or len(looked) == _PASSAGES:
                continue
            looked.add(about)
            if _holds(self._store.text_at(document, span), words):
                found = self._store.passage_at(document, span)
                if found is not None and found.id not in seen:
                    seen.add(found.id)
                    yield found


@dataclass(frozen=True, slots=True)
class _Own:
    """The answer that others are compared with.

    ``known``: the stored question that it answers, else the one asked; ``over``: title, headings and file of its
    passage; ``sentence``: where it stands, and ``place`` where in the sentence.
    """

    question: str
    text: str
    evidence: Evidence
    known: str
    over: str = ""
    sentence: str = ""
    place: Span | None = None

    @classmethod
    def of(cls, question: str, text: str, evidence: Evidence) -> _Own:
        """With its sentence, where it stands in a passage."""
        passage, span = evidence.passage, evidence.span
        known = evidence.pair.question if evidence.pair is not None else question
        if passage is None or span is None:
            return cls(question, text, evidence, known)
        over = f"{passage.about()} {evidence.document or ''}"
        place = span.shifted(-passage.span.start)
        for sentence in sentences_of(passage):
            if sentence.start <= place.start and place.end <= sentence.end:
                words, place = passage.text[sentence.start : sentence.end], place.shifted(-sentence.start)
                return cls(question, text, evidence, known, over, words, place)
        return cls(question, text, evidence, known, over)


def _source_of(answer: Answer) -> Evidence | None:
    """The source of an answer; None where it does not rest on one alone."""
    if answer.text is None or not answer.evidence or answer.route not in _ROUTES:
        return None
    first = answer.evidence[0]
    if first.pair is not None:
        return first if normalize_answer(first.pair.answer) == normalize_answer(answer.text) else None
    return first if first.span is not None else None


def _apart(own: Evidence, hit: Hit) -> bool:
    """Whether a pair comes from another document, or is one of its own: of a program, of a line of a file."""
    if own.pair is not None and own.pair.id == hit.pair.id:
        return False
    document = own.pair.document_id if own.pair is not None else own.passage.document_id if own.passage else None
    return hit.pair.span is None or document is None or document != hit.pair.document_id


def _fits(question: str, own: Evidence, other: Evidence) -> bool:
    """Whether somebody who asks for one edition ("in 2021") asks for the other source's too."""
    return not (editions(question) & _edition(own)) - _edition(other)


def _holds(text: str, words: set[str]) -> bool:
    """Whether a text holds the beginnings of words."""
    lower = text.lower()
    return all(word in lower for word in words)


def _given(answer: Answer, chosen: Told, others: Sequence[Told]) -> Answer:
    """The answer that ``chosen`` gives, with what the others say."""
    elsewhere = tuple(
        Elsewhere(item.text, item.evidence, item.dates.shown(), {1: True, -1: False}.get(order))
        for item in others for order in [compared(item.dates, chosen.dates)]
    )  # fmt: skip
    answer = replace(answer, date=chosen.dates.shown(), elsewhere=elsewhere)
    if chosen.evidence is answer.evidence[0]:
        return answer
    reason = "sources disagree; this is the one preferred"
    return replace(answer, text=chosen.text, evidence=(chosen.evidence,), generated=False, reason=reason)


def _newest_first(told: list[Told]) -> list[Told]:
    """In the order of their dates; those of which nobody can say it stay in order."""

    def order(one: Told, other: Told) -> int:
        return compared(other.dates, one.dates)

    return sorted(told, key=cmp_to_key(order))


def _edition(evidence: Evidence) -> set[str]:
    """The editions that evidence is of, by what stands over it, its file's name and its question."""
    over = evidence.passage.about() if evidence.passage is not None else ""
    asked = evidence.pair.question if evidence.pair is not None else ""
    return editions(f"{over} {evidence.document or ''} {asked}")
