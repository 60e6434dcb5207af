"""Review of pairs by people: which wait, why, and what a decision does. The terminal and the server build on it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from quipu.answering.session import check_encoder
from quipu.building.builder import stored_settings
from quipu.building.pipeline import key_texts
from quipu.errors import FormatError, InputError
from quipu.models.protocols import SupportsEncode
from quipu.records import QAPair, Span, content_id
from quipu.storage.pairs import normalized
from quipu.storage.provenance import add_support, drop, why
from quipu.storage.reviews import (
    Review,
    forget_review,
    former_of,
    keep_review,
    last_review,
    let_in,
    pair_of,
    sources_of,
    turn_away,
)
from quipu.storage.store import Store
from quipu.text import check_question, is_unicode, normalize_answer

Reason = Literal["wrong", "ambiguous", "uncertain", "rest", "decided"]
REASONS: dict[Reason, str] = {
    "wrong": "its answer was marked as wrong",
    "ambiguous": "another passage answers the question otherwise",
    "uncertain": "its score is {score:.2f}, where {threshold:.2f} was enough to keep it",
    "rest": "nobody has looked at it yet",
    "decided": "it was looked at",
}
_ANSWERS = 100_000  # characters of an answer, as in a file of ready pairs


class PairChanged(InputError):
    """The pair is not any more what a person saw: somebody else decided about it, or its document was read anew."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A pair that waits for a decision, and why. ``version``: given back with the decision, names what was seen."""

    pair: QAPair
    reason: Reason
    why: str
    version: str


def version_of(pair: QAPair) -> str:
    """Another one for each way in which a pair is written: its id does not tell upper from lower case."""
    return content_id(pair.question, pair.answer)[:16]


def queue(
    store: Store, limit: int, skip: int = 0, *, pair: str | None = None, decided: bool = False
) -> Iterator[Waiting]:
    """Pairs nobody has decided about: marked wrong by feedback, ambiguous, score nearest to the threshold, the rest.

    ``limit``: -1 for all; ``pair``: only this one, if it waits. With ``decided`` those that were
    accepted or edited come behind them.
    """
    settings = stored_settings(store)
    known = store.manifest.get("settings", {})
    alone = known.get("writer") == known.get("reader")  # one language model writes and reads back
    threshold = settings.pair_threshold if alone else settings.filter_threshold  # of the score that the pairs have
    marked = "p.id IN (SELECT pair FROM feedback WHERE NOT is_right)" if store.format >= 7 else "0"
    ambiguous = "p.ambiguous IS NOT NULL" if store.format >= 2 else "0"
    reviewed = _REVIEWED if store.format >= 8 else "0"
    rows = store.connection.execute(
        f"SELECT p.id, CASE WHEN {reviewed} THEN 'decided' WHEN {marked} THEN 'wrong' WHEN {ambiguous} THEN 'ambiguous'"
        " WHEN p.filter_score IS NOT NULL THEN 'uncertain' ELSE 'rest' END AS reason FROM pairs p"
        f" WHERE (?1 OR NOT {reviewed}) AND {'1' if pair is None else 'p.id = ?5'}"
        " ORDER BY CASE reason WHEN 'wrong' THEN 0 WHEN 'ambiguous' THEN 1 WHEN 'uncertain' THEN 2 WHEN 'rest' THEN 3"
        " ELSE 4 END, abs(p.filter_score - ?2) NULLS LAST, p.row"
        " LIMIT ?3 OFFSET ?4",
        (decided, threshold, limit, skip, *(() if pair is None else (pair,))),
    ).fetchall()
    for pair_id, reason in rows:
        found = store.pair(pair_id)
        said = REASONS[reason].format(score=found.filter_score or 0.0, threshold=threshold)
        yield Waiting(found, reason, said, version_of(found))


_REVIEWED = "EXISTS (SELECT 1 FROM reviews r WHERE r.pair = p.id AND r.decision IN ('accept', 'edit'))"


def count_waiting(store: Store) -> int:
    """How many pairs nobody has decided about."""
    reviewed = _REVIEWED if store.format >= 8 else "0"
    return int(store.connection.execute(f"SELECT count(*) FROM pairs p WHERE NOT {reviewed}").fetchone()[0])


def shown(store: Store, item: Waiting) -> dict[str, Any]:
    """All that a person needs to decide: what ``why`` says of the pair, its version, and why it waits."""
    known = why(store, item.pair.id)
    return {**known, "version": item.version, "waits": item.reason, "because": item.why}


class Reviewer:
    """Decides about pairs of a store that may be written, in somebody's name; each decision is one transaction."""

    def __init__(self, store: Store, encoder: Callable[[], SupportsEncode], by: str) -> None:
        """``encoder``: gives the memory's, which is called for when a pair needs a new key."""
        self._store, self._encoder, self._by = store, encoder, by

    def accept(self, pair_id: str, version: str | None = None, note: str = "") -> Review:
        """The pair is good. PairChanged where it is not as in ``version``, or was decided about since."""
        pair = self._seen(pair_id, version)
        return self._keep(Review(pair.id, "accept", pair.question, pair.answer, document=pair.document_id), note)

    def reject(self, pair_id: str, version: str | None = None, note: str = "") -> Review:
        """The pair goes, and what it says does not come back from its sources."""
        pair = self._seen(pair_id, version)
        with self._store.transaction():
            former = self._take_out(pair)
            self._store.say_rejected(pair)
            made = Review(pair.id, "reject", pair.question, pair.answer, former=former, document=pair.document_id)
            return self._keep(made, note)

    def edit(self, pair_id: str, question: str, answer: str, version: str | None = None, note: str = "") -> Review:
        """The pair says this from now on; what it said does not come back.

        It keeps its document and its place where the answer stands there, else it is the user's and of no document.
        InputError where another pair says so already, or where it was rejected.
        """
        pair = self._seen(pair_id, version)
        new, text = edited(self._store, pair, question, answer)
        check_encoder(self._store, self._encoder())
        key = self._encoder().encode([text])
        with self._store.transaction():
            former = self._take_out(pair, unless=new)
            if not self._store.add([new], key, [text]):
                raise InputError("this was rejected before; take that back first")
            if normalize_answer(new.answer) == normalize_answer(pair.answer) and new.span is not None:
                add_support(self._store, _places(new.id, former))
            made = Review(new.id, "edit", new.question, new.answer, former=former, document=pair.document_id)
            return self._keep(made, note)

    def undo(self, pair_id: str | None = None) -> Review:
        """Take back the last decision, or the last about a pair; the review that was.

        PairChanged where the pair was changed again since: that is to be taken back first.
        """
        last = last_review(self._store, pair_id)
        if last is None:
            raise InputError(f"{self._store.path}: there is no decision to take back")
        with self._store.transaction():
            if last.former is not None:
                if last.decision == "edit":
                    self._unchanged(last)
                    drop(self._store, [last.pair])
                self._bring_back(last.former)
            forget_review(self._store, last.row)
        return last

    def _keep(self, review: Review, note: str) -> Review:
        return keep_review(self._store, replace(review, by=self._by, note=note))

    def _seen(self, pair_id: str, version: str | None) -> QAPair:
        """The pair; with ``version`` PairChanged where it is another one than was seen, or was decided about."""
        if version is None:
            return self._store.pair(pair_id)
        try:
            pair = self._store.pair(pair_id)
        except InputError:
            raise PairChanged("the pair was changed or removed since it was shown") from None
        last = last_review(self._store, pair_id)
        if version_of(pair) != version or (last is not None and last.decision in ("accept", "edit")):
            raise PairChanged("somebody else decided about the pair since it was shown")
        return pair

    def _take_out(self, pair: QAPair, unless: QAPair | None = None) -> dict[str, Any]:
        """Remove a pair and keep it out, unless ``unless`` says the same; what it was."""
        former = former_of(self._store, pair)
        drop(self._store, [pair.id])
        if unless is None or _normal(pair) != _normal(unless):
            turn_away(self._store, pair, sources_of(self._store, pair, former["support"]))
        return former

    def _unchanged(self, review: Review) -> None:
        try:
            pair = self._store.pair(review.pair)
        except InputError:
            pair = None
        if pair is None or (pair.question, pair.answer) != (review.question, review.answer):
            raise PairChanged("the pair was changed or removed since this decision")

    def _bring_back(self, former: Mapping[str, Any]) -> None:
        pair = pair_of(former)
        place = (
            None if pair.span is None or pair.document_id is None else self._store.quote(pair.document_id, pair.span)
        )
        if place is not None and pair.span is not None and len(place) != pair.span.end - pair.span.start:
            raise FormatError(
                f"{self._store.path}: a review names a place outside its document; restore it from a copy"
            )
        let_in(self._store, pair, sources_of(self._store, pair, former["support"]))
        check_encoder(self._store, self._encoder())
        text = str(former["key_text"])
        if not self._store.add([pair], self._encoder().encode([text]), [text]):
            raise PairChanged("the same pair was added, or rejected elsewhere, since")
        self._store.connection.execute(
            "UPDATE pairs SET ambiguous = ?, added = ? WHERE id = ?", (former["ambiguous"], former["added"], pair.id)
        )
        self._store.connection.execute("DELETE FROM verdicts WHERE pair = ? AND stage = 'review'", (pair.id,))
        add_support(self._store, _places(pair.id, former))


def edited(store: Store, pair: QAPair, question: str, answer: str) -> tuple[QAPair, str]:
    """What a pair becomes by an edit, with the text of its key; InputError where it cannot be."""
    question, answer = question.strip(), answer.strip()
    check_question(question)
    if not answer or len(answer) > _ANSWERS or "\x00" in answer + question or not is_unicode(answer):
        raise InputError(f"an answer is text of 1 to {_ANSWERS:,} characters without a NUL")
    if (question, answer) == (pair.question, pair.answer):
        raise InputError("the pair says so already")
    passage = None if pair.document_id is None or pair.span is None else store.passage_at(pair.document_id, pair.span)
    span = None
    if passage is not None and pair.span is not None:
        text = store.quote(passage.document_id, pair.span)
        span = _place(passage.text, passage.span.start, pair.span, text, answer)
    if passage is None or span is None:
        new = QAPair.make(question, answer, origin="user")
        text = new.question
    else:
        new = QAPair.make(question, answer, document_id=pair.document_id, span=span, origin="user")
        text = key_texts([(new, passage)], stored_settings(store).key_kind)[0]
    other = store.question_answer_exists(new.question, new.answer)
    if other not in (None, pair.id):
        raise InputError(f"the pair {other} says so already")
    if _normal(new) != _normal(pair) and store.is_rejected(new):
        raise InputError("this was rejected before; take that back first")
    return new, text


def _place(text: str, begin: int, span: Span, quote: str, answer: str) -> Span | None:
    """Where an answer stands in the passage ``text``, which begins at ``begin``: at ``span``, or over a part of it."""
    if normalize_answer(quote) == normalize_answer(answer) != "" or quote == answer:
        return span
    found = (Span(*match.span()).shifted(begin) for match in re.finditer(f"(?<!\\w){re.escape(answer)}(?!\\w)", text))
    return next((place for place in found if place.overlaps(span)), None)


def _normal(pair: QAPair) -> str:
    return normalized(pair.question, pair.answer)


def _places(pair_id: str, former: Mapping[str, Any]) -> Sequence[tuple[str, str, Span]]:
    try:
        return [(pair_id, str(document), Span(start, end)) for document, start, end in former["support"]]
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"a review does not say where the pair stood ({error!r})") from error
