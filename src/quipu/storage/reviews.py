"""The part of a record that holds what people decided about pairs, and what must not come back.

A review goes with the document of its pair, also when the document is read anew. What was rejected stays rejected then:
it is known by its words and by the document's source, until somebody removes the document or takes the decision back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args

from quipu.errors import FormatError
from quipu.records import Origin, QAPair, Span
from quipu.storage.pairs import normalized
from quipu.storage.provenance import support_of
from quipu.storage.store import Store
from quipu.text import from_json

Decision = Literal["accept", "reject", "edit", "sample"]
_FORMAT = 8  # from which on a record has reviews
_BATCH = 512
_COLUMNS = 'row, pair, decision, question, answer, well_formed, is_right, "by", at, note, former, document'


@dataclass(frozen=True, slots=True)
class Review:
    """What somebody decided about a pair. ``pair``: the one that stands since, or the rejected one.

    ``question``, ``answer``: what it says since. ``well_formed`` and ``right``: what a sample asked, else None.
    ``former``: the pair as it was, where it was rejected or edited (see ``former_of``). ``row``: its place in the
    order of decisions, ``at``: when, in UTC; both are given when it is kept.
    """

    pair: str
    decision: Decision
    question: str
    answer: str
    well_formed: bool | None = None
    right: bool | None = None
    by: str = ""
    note: str = ""
    former: Mapping[str, Any] | None = None
    document: str | None = None
    row: int = 0
    at: str = ""

    @property
    def original(self) -> str:
        """The id that the pair had before the decision."""
        return self.pair if self.former is None else pair_of(self.former).id


def problem_of_review(decision: object, well_formed: object, is_right: object, former: str) -> str | None:
    """What is wrong with a row that may have been made to harm, None where it can be."""
    judged = (well_formed, is_right)
    if decision not in get_args(Decision):
        return "no such decision"
    if judged != (None, None) if decision != "sample" else not all(said in (0, 1) for said in judged):
        return "a sample says whether a pair is well-formed and right, another decision does not"
    try:
        known = from_json(former)
    except ValueError as error:
        return f"the pair as it was cannot be read ({error})"
    if (known is not None) != (decision in ("reject", "edit")) or not isinstance(known, dict | None):
        return "it has no pair as it was, or one that was not changed"
    return None


def keep_review(store: Store, review: Review) -> Review:
    """Note a decision, now; it comes back with its row and its time."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    judged = [None if said is None else int(said) for said in (review.well_formed, review.right)]
    with store.transaction():
        row = store.connection.execute(
            f"INSERT INTO reviews ({_COLUMNS}) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (review.pair, review.decision, review.question, review.answer, *judged, review.by, now, review.note,
             json.dumps(review.former, ensure_ascii=False), review.document),
        ).lastrowid  # fmt: skip
    return replace(review, row=int(row or 0), at=now)


def reviews_in(store: Store) -> Iterator[Review]:
    """Every review, in the order in which they were made, streamed."""
    last = 0
    while store.format >= _FORMAT and (
        found := store.connection.execute(
            f"SELECT {_COLUMNS} FROM reviews WHERE row > ? ORDER BY row LIMIT ?", (last, _BATCH)
        ).fetchall()
    ):
        last = found[-1][0]
        yield from map(_review, found)


def last_review(store: Store, pair: str | None = None, *, sampled: bool = False) -> Review | None:
    """The newest decision, of all or about one pair; ``sampled``: the newest answer to a sample instead."""
    if store.format < _FORMAT:
        return None
    condition = f"decision {'=' if sampled else '!='} 'sample' AND (?1 IS NULL OR pair = ?1)"
    row = store.connection.execute(
        f"SELECT {_COLUMNS} FROM reviews WHERE {condition} ORDER BY row DESC LIMIT 1", (pair,)
    ).fetchone()
    return None if row is None else _review(row)


def forget_review(store: Store, row: int) -> None:
    """Take a decision off the list; what it did is the caller's to undo."""
    with store.transaction():
        store.connection.execute("DELETE FROM reviews WHERE row = ?", (row,))


def former_of(store: Store, pair: QAPair) -> dict[str, Any]:
    """All that a stored pair is but its vector, as JSON: its columns, the text of its key and its further places."""
    ambiguous, key_text, added = store.connection.execute(
        "SELECT ambiguous, key_text, added FROM pairs WHERE id = ?", (pair.id,)
    ).fetchone()
    span = None if pair.span is None else [pair.span.start, pair.span.end]
    return {
        "question": pair.question, "answer": pair.answer, "document": pair.document_id, "span": span,
        "origin": pair.origin, "generator": pair.generator, "generator_score": pair.generator_score,
        "filter_score": pair.filter_score, "line": pair.line, "ambiguous": ambiguous, "key_text": key_text,
        "added": added,
        "support": [[document, place.start, place.end] for document, place in support_of(store, pair.id)],
    }  # fmt: skip


def pair_of(former: Mapping[str, Any]) -> QAPair:
    """The pair that ``former_of`` described; FormatError where it describes none."""
    try:
        span = None if former["span"] is None else Span(*former["span"])
        if former["origin"] not in get_args(Origin):
            raise ValueError(former["origin"])
        texts = former["key_text"], former["added"], former["ambiguous"] or ""
        if not all(isinstance(text, str) for text in (*texts, *(place[0] for place in former["support"]))):
            raise TypeError("a text is none")
        return QAPair.make(
            former["question"], former["answer"], document_id=former["document"], span=span,
            origin=cast(Origin, former["origin"]), generator=former["generator"],
            generator_score=former["generator_score"], filter_score=former["filter_score"], line=former["line"],
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(f"a review does not say what the pair was ({error!r}); restore the memory") from error


def sources_of(store: Store, pair: QAPair, support: Sequence[Sequence[Any]]) -> list[str]:
    """The sources of the documents in which a pair stands; "" for one that stands in none."""
    documents = [pair.document_id, *(place[0] for place in support)]
    return sorted({"" if document is None else store.source(document) for document in documents})


def turn_away(store: Store, pair: QAPair, sources: Sequence[str]) -> None:
    """Keep what a pair says from coming back from these sources."""
    normal = normalized(pair.question, pair.answer)
    with store.transaction():
        store.connection.executemany(
            "INSERT OR REPLACE INTO rejected (normal, source) VALUES (?, ?)", ((normal, source) for source in sources)
        )


def let_in(store: Store, pair: QAPair, sources: Sequence[str]) -> None:
    """What a pair says may come from these sources again."""
    normal = normalized(pair.question, pair.answer)
    with store.transaction():
        store.connection.executemany(
            "DELETE FROM rejected WHERE normal = ? AND source = ?", ((normal, source) for source in sources)
        )


def count_reviews(store: Store) -> dict[str, int]:
    """How many decisions of each kind there are, and how many pairs are kept from coming back."""
    if store.format < _FORMAT:
        return {}
    found = dict(store.connection.execute("SELECT decision, count(*) FROM reviews GROUP BY decision").fetchall())
    rejected = int(store.connection.execute("SELECT count(*) FROM rejected").fetchone()[0])
    return {**{str(name): int(count) for name, count in found.items()}, "kept_out": rejected}


def _review(row: Sequence[Any]) -> Review:
    number, pair, decision, question, answer, well_formed, right, by, at, note, former, document = row
    return Review(
        pair, decision, question, answer, _said(well_formed), _said(right), by, note, json.loads(former), document,
        number, at,
    )  # fmt: skip


def _said(value: int | None) -> bool | None:
    return None if value is None else bool(value)
