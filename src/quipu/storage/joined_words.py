"""Search by words over several records as if they were one: BM25 with the counts of all of them together.

SQLite ranks within one record. What a word is worth and how long a text is on average are not the same in each, so the
ranks of two records do not compare. Each record names candidates; then every word's rank is taken apart into how often
the word stands in the row, and put together again with the counts of all records. See the source of FTS5's ``bm25``.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Table = Literal["words", "passage_words"]
Ranked = tuple[float, int, int]
"""A score, higher is better; the row; which of the records."""

_K1, _B = 1.2, 0.75  # of FTS5
_DEPTH = 100  # candidates that each record names, at least


@dataclass(frozen=True, slots=True)
class _Counts:
    """Of one record or of all: rows, words of all rows together, and the rows that hold each word asked for."""

    rows: int
    length: int
    holding: tuple[int, ...]

    def worth(self, word: int) -> float:
        """The inverse document frequency, which FTS5 never lets be 0."""
        found = math.log((self.rows - self.holding[word] + 0.5) / (self.holding[word] + 0.5))
        return found if found > 0 else 1e-6

    def norm(self, length: int) -> float:
        """What a row of this length adds to how often a word stands in it."""
        return _K1 * (1 - _B + _B * length * self.rows / self.length)


def best(records: Sequence[sqlite3.Connection], table: Table, words: Sequence[str], k: int) -> list[Ranked]:
    """The best ``k`` rows that hold one of ``words`` (each quoted), best first; of equals the lower row."""
    counts = [_counts(record, table, words) for record in records]
    together = _Counts(
        sum(item.rows for item in counts), sum(item.length for item in counts),
        tuple(map(sum, zip(*(item.holding for item in counts), strict=True))),
    )  # fmt: skip
    found: list[Ranked] = []
    for at, (record, own) in enumerate(zip(records, counts, strict=True)):
        if any(own.holding):
            scores = _scores(record, table, words, own, together, max(4 * k, _DEPTH))
            found += [(score, row, at) for row, score in scores.items()]
    return sorted(found, key=lambda item: (-item[0], item[1], item[2]))[:k]


def _scores(
    record: sqlite3.Connection, table: Table, words: Sequence[str], own: _Counts, together: _Counts, depth: int
) -> dict[int, float]:
    """The candidates of one record, with what they would score in one that holds all."""
    query = f"SELECT rowid FROM {table} WHERE {table} MATCH ? ORDER BY rank LIMIT ?"
    rows = [row for (row,) in record.execute(query, (" OR ".join(words), depth))]
    marks = ",".join("?" * len(rows))
    sizes = record.execute(f"SELECT id, sz FROM {table}_docsize WHERE id IN ({marks})", rows)
    lengths = {row: sum(_varints(size)) for row, size in sizes}
    scores = dict.fromkeys(rows, 0.0)
    for at, word in enumerate(words):
        if not own.holding[at]:
            continue
        ranks = record.execute(
            f"SELECT rowid, rank FROM {table} WHERE {table} MATCH ? AND rowid IN ({marks})", (word, *rows)
        )
        for row, rank in ranks:
            weight = -rank / own.worth(at)  # f (k1 + 1) / (f + norm)
            times = round(weight * own.norm(lengths[row]) / (_K1 + 1 - weight))
            scores[row] += together.worth(at) * times * (_K1 + 1) / (times + together.norm(lengths[row]))
    return scores


def _counts(record: sqlite3.Connection, table: Table, words: Sequence[str]) -> _Counts:
    stored = record.execute(f"SELECT block FROM {table}_data WHERE id = 1").fetchone()
    rows, *lengths = _varints(stored[0]) if stored and stored[0] else [0]
    count = f"SELECT count(*) FROM {table} WHERE {table} MATCH ?"
    return _Counts(rows, sum(lengths), tuple(record.execute(count, (word,)).fetchone()[0] for word in words))


def _varints(data: bytes) -> list[int]:
    """SQLite's numbers of variable length: seven bits a byte, the highest first (those of nine bytes do not occur)."""
    found, value = [], 0
    for byte in data:
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            found.append(value)
            value = 0
    return found
