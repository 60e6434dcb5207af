"""Word search over a memory's passages, for the rare work that needs it: the global filter and growing from a log.

Look-up never searches passages, so the memory keeps no index of them; it is made here in a temporary file when needed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from quipu.memory.store import Store
from quipu.memory.words import quoted_words
from quipu.records import Passage


class PassageWords:
    """BM25 over the passages that the store holds now. A context manager: the temporary file goes at the end."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._db = sqlite3.connect("")  # a temporary file that SQLite spills to and removes
        self._db.execute("CREATE VIRTUAL TABLE words USING fts5 (text, content = '')")
        self._db.execute("CREATE TABLE ids (row INTEGER PRIMARY KEY, id TEXT NOT NULL)")
        with self._db:
            for row, passage in enumerate(store.passages(), start=1):
                text = f"{passage.title} {passage.text}"
                self._db.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (row, text))
                self._db.execute("INSERT INTO ids VALUES (?, ?)", (row, passage.id))

    def __enter__(self) -> PassageWords:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def search(self, question: str, k: int) -> Iterator[Passage]:
        """The best ``k`` passages for a question, best first; none where no word of it stands in any."""
        expression = quoted_words(question)
        if expression:
            rows = self._db.execute(
                "SELECT ids.id FROM words JOIN ids ON ids.row = words.rowid WHERE words MATCH ? ORDER BY rank LIMIT ?",
                (expression, k),
            ).fetchall()
            for (passage_id,) in rows:
                yield self._store.passage(passage_id)
