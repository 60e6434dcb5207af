"""Where a pair comes from and what became of the pairs of a passage: evidence, verdicts, and counts that add up."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from quipu.errors import InputError
from quipu.records import Place, QAPair, Span, Stage
from quipu.storage.store import Store

_STAGES: tuple[Stage, ...] = ("well_formed", "local", "dedup", "judge", "global", "review")  # in their order
Found = tuple[str, Span]  # document id, characters


def add_support(store: Store, rows: Iterable[tuple[str, str, Span]]) -> None:
    """Further places (pair id, document, span) of stored pairs; a pair or document that is not there is passed over."""
    with store.transaction():
        for pair_id, document_id, span in rows:
            store.connection.execute(
                "INSERT OR IGNORE INTO support (pair, document, start, end) SELECT p.row, d.id, ?, ?"
                " FROM pairs p, documents d"
                " WHERE p.id = ? AND d.id = ?"
                " AND NOT (p.document IS d.id AND p.start IS NOT NULL AND p.start < ? AND ? < p.end)",
                (span.start, span.end, pair_id, document_id, span.end, span.start),
            )


def support_of(store: Store, pair_id: str) -> list[Found]:
    """The further places of a pair, in the order in which their documents came."""
    if store.format < 2:
        return []
    rows = store.home(pair_id=pair_id).connection.execute(
        "SELECT s.document, s.start, s.end FROM support s JOIN pairs p ON p.row = s.pair"
        " JOIN documents d ON d.id = s.document WHERE p.id = ? ORDER BY d.row, s.start",
        (pair_id,),
    )
    return [(document, Span(start, end)) for document, start, end in rows]


def supported_elsewhere(store: Store, documents: Sequence[str]) -> list[tuple[QAPair, list[Found]]]:
    """Pairs of ``documents`` with their places in other documents: what should outlive them."""
    marks = ",".join("?" * len(documents))
    rows = store.connection.execute(
        f"SELECT DISTINCT p.id FROM support s JOIN pairs p ON p.row = s.pair"
        f" WHERE p.document IN ({marks}) AND s.document NOT IN ({marks})",
        (*documents, *documents),
    ).fetchall()
    gone = set(documents)
    return [
        (store.pair(pair_id), [place for place in support_of(store, pair_id) if place[0] not in gone])
        for (pair_id,) in rows
    ]


def drop(store: Store, pair_ids: Sequence[str]) -> None:
    """Take pairs out of the memory and leave what was said of them."""
    with store.transaction():
        store.connection.executemany("DELETE FROM pairs WHERE id = ?", ((pair_id,) for pair_id in pair_ids))


def mark_ambiguous(store: Store, marks: Iterable[tuple[str, str]]) -> None:
    """Keep pairs (id, the other answer) and say that the documents answer their question otherwise too."""
    with store.transaction():
        store.connection.executemany(
            "UPDATE pairs SET ambiguous = ? WHERE id = ?", ((other, pair_id) for pair_id, other in marks)
        )


def states_of(store: Store, pair_ids: Sequence[str]) -> dict[str, str]:
    """Of stored pairs by id: "wrong" or "right" where the answer was marked so, else "ambiguous" or "plain"."""
    marked = "(SELECT min(f.is_right) FROM feedback f WHERE f.pair = p.id)" if store.format >= 7 else "NULL"
    ambiguous = "p.ambiguous IS NOT NULL" if store.format >= 2 else "0"
    found: dict[str, str] = {}
    for first in range(0, len(pair_ids), 500):
        some = pair_ids[first : first + 500]
        found |= dict(
            store.connection.execute(
                f"SELECT p.id, CASE {marked} WHEN 0 THEN 'wrong' WHEN 1 THEN 'right' ELSE"
                f" CASE WHEN {ambiguous} THEN 'ambiguous' ELSE 'plain' END END FROM pairs p"
                f" WHERE p.id IN ({','.join('?' * len(some))})",
                tuple(some),
            ).fetchall()
        )
    return found


def unchecked(store: Store, limit: int) -> list[QAPair]:
    """Generated pairs, in order, on which the global filter has not spoken yet."""
    rows = store.connection.execute(
        "SELECT id FROM pairs p WHERE origin = 'generated' AND document IS NOT NULL AND start IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM verdicts v WHERE v.pair = p.id AND v.stage = 'global') ORDER BY row LIMIT ?",
        (limit,),
    ).fetchall()
    return [store.pair(pair_id) for (pair_id,) in rows]


def count_unchecked(store: Store) -> int:
    """How many there are."""
    query = (
        "SELECT count(*) FROM pairs p WHERE origin = 'generated' AND document IS NOT NULL AND start IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM verdicts v WHERE v.pair = p.id AND v.stage = 'global')"
    )
    return int(store.connection.execute(query).fetchone()[0])


def why(store: Store, prefix: str) -> dict[str, Any]:
    """All that is known of a pair, or of one that was dropped: by its id, or by a beginning that only it has.

    InputError where no pair or more than one begins so.
    """
    if not prefix or not all(letter in "0123456789abcdef" for letter in prefix):
        raise InputError(f"{prefix!r} is no pair's id; `quipu ask` and `quipu search` show them")
    found = store.connection.execute(
        "SELECT id FROM pairs WHERE id >= ? AND id < ? UNION SELECT pair FROM verdicts WHERE pair >= ? AND pair < ?"
        " LIMIT 3",
        (prefix, prefix + "g", prefix, prefix + "g"),
    ).fetchall()
    if len(found) != 1:
        what = "no pair's id begins" if not found else "more than one pair's id begins"
        raise InputError(f"{store.path}: {what} with {prefix}; `quipu ask --json` shows whole ids")
    pair_id = str(found[0][0])
    verdicts = [
        {"stage": said.stage, "kept": said.kept, "score": said.score, "reason": said.reason,
         "because_of": said.because_of}
        for said in sorted(store.verdicts(pair_id), key=lambda item: _STAGES.index(item.stage))
    ]  # fmt: skip
    row = store.connection.execute("SELECT added FROM pairs WHERE id = ?", (pair_id,)).fetchone()
    if row is None:
        return {"id": pair_id, "stored": False, "verdicts": verdicts}
    pair = store.pair(pair_id)
    ambiguous = None
    if store.format >= 2:
        ambiguous = store.connection.execute("SELECT ambiguous FROM pairs WHERE id = ?", (pair_id,)).fetchone()[0]
    places = [] if pair.document_id is None else [(pair.document_id, pair.span)]
    return {
        "id": pair_id,
        "stored": True,
        "question": pair.question,
        "answer": pair.answer,
        "origin": pair.origin,
        "generator": pair.generator,
        "generator_score": pair.generator_score,
        "filter_score": pair.filter_score,
        "added": row[0],
        "ambiguous": ambiguous,
        "evidence": [_place(store, pair, *place) for place in (*places, *support_of(store, pair_id))],
        "verdicts": verdicts,
    }


def _place(store: Store, pair: QAPair, document_id: str, span: Span | None) -> dict[str, Any]:
    """A place of a pair; of one from a file of pairs, the file with its line."""
    passage = None if span is None else store.passage_at(document_id, span)
    place = Place(line=pair.line) if passage is None or span is None else Place.of(passage, span.start)
    return {
        "document": store.source(document_id),
        "title": passage.title if passage else "",
        "start": span.start if span else None,
        "end": span.end if span else None,
        **asdict(place),
        "quote": store.quote(document_id, span) if span else None,
        "passage": passage.text if passage else None,
        "passage_start": passage.span.start if passage else None,
    }


def coverage(store: Store) -> Iterator[dict[str, Any]]:
    """One row a passage: pairs made, kept, and dropped by reason; made = kept + all of dropped. Streamed.

    Verdicts of memories that an older quipu built name no passage; they come last, as one row without a passage.
    """
    named = store.format >= 2
    for passage in store.passages():
        if named:
            yield _counted(
                {
                    "passage": passage.id,
                    "document": store.source(passage.document_id),
                    "title": passage.title,
                    "start": passage.span.start,
                    "end": passage.span.end,
                },
                _outcomes(store, "passage = ?", (passage.id,)),
            )
    unknown = _outcomes(store, "passage IS NULL" if named else "1", ())
    if unknown:
        yield _counted({"passage": None, "document": None, "title": "", "start": None, "end": None}, unknown)


def barest(rows: Iterable[dict[str, Any]], limit: int) -> dict[str, Any]:
    """Totals of the rows of ``coverage``, what was dropped by reason, and the ``limit`` with the fewest pairs kept."""
    total: Counter[str] = Counter(passages=0, bare=0, made=0, kept=0)
    dropped: Counter[str] = Counter()
    heap: list[tuple[int, int, dict[str, Any]]] = []
    for number, row in enumerate(rows):
        total.update(passages=1, bare=int(row["kept"] == 0), made=row["made"], kept=row["kept"])
        dropped.update(row["dropped"])
        heapq.heappush(heap, (-row["kept"], -number, row))
        if len(heap) > limit:
            heapq.heappop(heap)
    found = [row for *_, row in sorted(heap, key=lambda item: (-item[0], -item[1]))]
    return {"total": dict(total), "dropped": dict(dropped.most_common()), "passages": found}


def _outcomes(store: Store, condition: str, values: tuple[object, ...]) -> Counter[str]:
    """What became of each pair: the reason of the stage that dropped it, or "kept"."""
    rows = store.connection.execute(
        f"SELECT coalesce(min(CASE WHEN kept = 0 THEN reason END), 'kept'), pair FROM verdicts WHERE {condition}"
        " GROUP BY pair",
        values,
    )
    return Counter(str(reason) for reason, _ in rows)


def _counted(row: dict[str, Any], outcomes: Counter[str]) -> dict[str, Any]:
    dropped = {reason: count for reason, count in outcomes.most_common() if reason != "kept"}
    return {**row, "made": outcomes.total(), "kept": outcomes["kept"], "dropped": dropped}
