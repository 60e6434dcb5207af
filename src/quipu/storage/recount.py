"""Whether the word indexes hold the words of the texts: their words are counted again beside, and compared.

FTS5's own check is a write and so no reader's; this one reads only, and compares every word at every place.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import zip_longest

from quipu.storage.schema import FORMAT_VERSION
from quipu.storage.store import Store

_ROWS = 8192
_PAIRS = "question, answer, key_text"
_AGAIN = "tokenize = 'unicode61 remove_diacritics 2'"


def spoilt_words(store: Store) -> Iterator[str]:
    """Which of the word indexes is not that of the texts."""
    if not _same(store, "words", _PAIRS):
        yield "the word index does not fit the pairs"
    # those of an older format hold what an older quipu searched, and are made anew when it is brought forward
    if store.format >= FORMAT_VERSION and not _same(store, "passage_words", "text"):
        yield "the word index of the passages is damaged"


def _same(store: Store, name: str, columns: str) -> bool:
    connection = store.connection
    of_pairs = name == "words"
    try:
        connection.execute(f"CREATE VIRTUAL TABLE temp.again USING fts5 ({columns}, content = '', {_AGAIN})")
        for table, which in ((f"main, {name}", "stored"), ("temp, again", "counted")):
            for kind in ("instance", "row"):
                connection.execute(f"CREATE VIRTUAL TABLE temp.{which}_{kind} USING fts5vocab ({table}, {kind})")
        if of_pairs:
            connection.execute(f"INSERT INTO again (rowid, {columns}) SELECT row, {columns} FROM pairs ORDER BY row")
        else:
            store.index_passages("again")
        # a removed passage's words stay until the memory is compacted
        still = "" if of_pairs else " WHERE {} IN (SELECT row FROM passages)"
        pairs = [
            (f"SELECT term, doc, col, offset FROM {{}}_instance{still.format('doc')}", "stored", "counted"),
            (f"SELECT id, sz FROM {{}}_docsize{still.format('id')} ORDER BY id", name, "again"),
            ("SELECT k, v FROM {}_config ORDER BY k", name, "again"),
        ]
        if not all(_equal(connection, query.format(here), query.format(there)) for query, here, there in pairs):
            return False
        if not _averages_fit(connection, name):
            return False
        # each word is found from the top, too
        least = "!=" if of_pairs else "<"
        lost = connection.execute(
            "SELECT 1 FROM counted_row c LEFT JOIN stored_row s ON s.term = c.term"
            f" WHERE s.doc IS NULL OR s.doc {least} c.doc LIMIT 1"
        ).fetchone()
        return lost is None
    except (sqlite3.DatabaseError, TypeError) as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
            raise
        return False
    finally:
        for table in ("stored_instance", "stored_row", "counted_instance", "counted_row", "again"):
            connection.execute(f"DROP TABLE IF EXISTS temp.{table}")


def _equal(connection: sqlite3.Connection, one: str, other: str) -> bool:
    here, there = connection.execute(one), connection.execute(other)
    while True:
        found = here.fetchmany(_ROWS)
        if found != there.fetchmany(_ROWS):
            return False
        if not found:
            return True


def _averages_fit(connection: sqlite3.Connection, name: str) -> bool:
    """Whether the totals by which BM25 divides are those of the texts' lengths: count, then words of each column."""
    totals: list[int] = [0]
    for (lengths,) in connection.execute(f"SELECT sz FROM {name}_docsize"):
        found = _varints(lengths)
        totals[0] += 1
        totals[1:] = [sum(both) for both in zip_longest(totals[1:], found, fillvalue=0)]
    (block,) = connection.execute(f"SELECT block FROM {name}_data WHERE id = 1").fetchone()
    return not any(here != there for here, there in zip_longest(_varints(block), totals, fillvalue=0))


def _varints(data: bytes) -> list[int]:
    """SQLite's integers: seven bits a byte, the highest first; a ninth byte counts whole."""
    found, value, length = [], 0, 0
    for byte in data:
        length += 1
        value = value << 8 | byte if length == 9 else value << 7 | byte & 0x7F
        if byte < 0x80 or length == 9:
            found.append(value)
            value = length = 0
    return [*found, -1] if length else found
