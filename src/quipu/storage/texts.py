"""The part of a record that holds documents and their passages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from quipu.errors import InputError
from quipu.records import Document, Mark, Passage, Span
from quipu.storage.outline import Outline
from quipu.storage.transactions import Transactions


class Texts(Transactions):
    """Documents and passages; ``Store`` is one."""

    def add_documents(self, documents: Iterable[Document], passages: Iterable[Passage]) -> int:
        """Documents with their passages; those that are known stay as they are. How many documents were new."""
        new = 0
        outlines: dict[str, Outline] = {}
        with self.transaction():
            for item in documents:
                outlines[item.id] = Outline(item.text, item.marks)
                added = self.connection.execute(
                    "INSERT OR IGNORE INTO documents (id, source, file, title, text, sha256, metadata)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (item.id, item.source, str(item.metadata.get("file", item.source)), item.title, item.text,
                     item.sha256, json.dumps(dict(item.metadata), ensure_ascii=False)),
                ).rowcount  # fmt: skip
                new += added
                if added:
                    self.add_marks(item)
            for passage in passages:
                stored = self.connection.execute(
                    "INSERT OR IGNORE INTO passages (id, document, start, end) VALUES (?, ?, ?, ?)",
                    (passage.id, passage.document_id, passage.span.start, passage.span.end),
                )
                if stored.rowcount:
                    if passage.document_id in outlines:
                        above = outlines[passage.document_id].above(passage.span.start)
                        passage = replace(passage, headings=above.headings, lead=above.lead)
                    self.connection.execute(
                        "INSERT INTO passage_words (rowid, text) VALUES (?, ?)", (stored.lastrowid, searched(passage))
                    )
        return new

    def index_passages(self, table: str = "passage_words") -> None:
        """Fill the words of all passages anew."""
        self.connection.execute(f"INSERT INTO {table} ({table}) VALUES ('delete-all')")
        after = 0
        while found := self._passages("WHERE p.row > ? ORDER BY p.row LIMIT 256", (after,)):
            self.connection.executemany(
                f"INSERT INTO {table} (rowid, text) VALUES (?, ?)",
                [(row, searched(passage)) for row, passage in found],
            )
            after = found[-1][0]

    def add_marks(self, document: Document) -> None:
        """The blocks of a stored document that has none yet."""
        self.connection.executemany(
            "INSERT INTO marks (document, start, end, kind, level, page, line) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (document.id, mark.span.start, mark.span.end, mark.kind, mark.level, mark.page, mark.line)
                for mark in document.marks
            ],
        )

    def searches(self, document_id: str) -> dict[int, str]:
        """By what words a search finds each passage of a document: its text and what goes with it, by row."""
        found = self._passages("WHERE p.document = ?", (document_id,))
        return {row: searched(passage) for row, passage in found}

    def search_otherwise(self, document_id: str, former: Mapping[int, str]) -> None:
        """Have the passages of a document found by what ``searches`` says now; until now it was ``former``."""
        for row, text in self.searches(document_id).items():
            if text != former[row]:
                values = (row, former[row])
                self.connection.execute(
                    "INSERT INTO passage_words (passage_words, rowid, text) VALUES ('delete', ?, ?)", values
                )
                self.connection.execute("INSERT INTO passage_words (rowid, text) VALUES (?, ?)", (row, text))

    def document(self, document_id: str) -> Document:
        """The document; InputError where there is none."""
        row = self.connection.execute(
            "SELECT id, source, title, text, sha256, metadata FROM documents WHERE id = ?", (document_id,)
        ).fetchone()
        if row is None:
            raise InputError(f"{self.path} has no document {document_id!r}")
        query = 'SELECT start, "end", kind, level, page, line FROM marks WHERE document = ? ORDER BY start'
        marks = self.connection.execute(query, (document_id,)) if self.format >= 4 else ()
        return Document(
            row[0], row[1], row[2], row[3], row[4], json.loads(row[5]),
            tuple(Mark(Span(start, end), *rest) for start, end, *rest in marks),
        )  # fmt: skip

    def documents(self) -> Iterator[Document]:
        """Every document, in the order in which they were added, one at a time."""
        last = 0
        while found := self.connection.execute(
            "SELECT row, id FROM documents WHERE row > ? ORDER BY row LIMIT 1", (last,)
        ).fetchone():
            last = found[0]
            yield self.document(found[1])

    def find_documents(self, name: str) -> list[str]:
        """Ids of the documents with this source, from this file, or with this id."""
        rows = self.connection.execute(
            "SELECT id FROM documents WHERE source = ?1 OR file = ?1 OR id = ?1 ORDER BY row", (name,)
        )
        return [row[0] for row in rows]

    def quote(self, document_id: str, span: Span) -> str:
        """The characters of the document that the span marks."""
        row = self.connection.execute(
            "SELECT piece(text, ?, ?) FROM documents WHERE id = ?", (span.start, span.end, document_id)
        ).fetchone()
        return str(row[0]) if row else ""

    def title(self, document_id: str) -> str:
        """The document's title, "" where there is no such document."""
        row = self.connection.execute("SELECT title FROM documents WHERE id = ?", (document_id,)).fetchone()
        return str(row[0]) if row else ""

    def source(self, document_id: str) -> str:
        """Where the document came from."""
        row = self.connection.execute("SELECT source FROM documents WHERE id = ?", (document_id,)).fetchone()
        return str(row[0]) if row else ""

    def passage(self, passage_id: str) -> Passage:
        """The passage; InputError where there is none."""
        for found in self._passages("WHERE p.id = ?", (passage_id,)):
            return found[1]
        raise InputError(f"{self.path} has no passage {passage_id!r}")

    def passages(self, document_id: str | None = None, after: int = 0) -> Iterator[Passage]:
        """Passages in the order in which they were added, those of one document or all; streamed."""
        while True:
            condition = "WHERE p.row > ?" if document_id is None else "WHERE p.row > ? AND p.document = ?"
            values = (after,) if document_id is None else (after, document_id)
            found = self._passages(condition + " ORDER BY p.row LIMIT 256", values)
            for row, passage in found:
                after = row
                yield passage
            if not found:
                return

    def passages_to_ask(self, limit: int) -> list[Passage]:
        """The next passages, in order, whose pairs are not there yet (their mark "passage:ID" is missing)."""
        condition = "WHERE NOT EXISTS (SELECT 1 FROM journal j WHERE j.key = 'passage:' || p.id) ORDER BY p.row LIMIT ?"
        return [passage for _, passage in self._passages(condition, (limit,))]

    def count_to_ask(self) -> int:
        """How many passages wait for their pairs."""
        query = (
            "SELECT count(*) FROM passages p"
            " WHERE NOT EXISTS (SELECT 1 FROM journal j WHERE j.key = 'passage:' || p.id)"
        )
        return int(self.connection.execute(query).fetchone()[0])

    def passage_at(self, document_id: str, span: Span) -> Passage | None:
        """The passage in which the span begins."""
        found = self._passages(
            "WHERE p.document = ? AND p.start <= ? ORDER BY p.start DESC LIMIT 1", (document_id, span.start)
        )
        return found[0][1] if found else None

    def text_at(self, document_id: str, span: Span) -> str:
        """The text of the passage in which the span begins, "" where there is none; nothing of what stands over it."""
        row = self.connection.execute(
            'SELECT piece(d.text, p.start, p."end") FROM passages p JOIN documents d ON d.id = p.document'
            " WHERE p.document = ? AND p.start <= ? ORDER BY p.start DESC LIMIT 1",
            (document_id, span.start),
        ).fetchone()
        return str(row[0]) if row else ""

    def search_passage_words(self, words: Sequence[str], k: int) -> list[tuple[str, float]]:
        """Ids of the best ``k`` passages that hold one of ``words`` (each quoted), by BM25, with their scores."""
        rows = self.connection.execute(
            "SELECT p.id, w.rank FROM passage_words w JOIN passages p ON p.row = w.rowid"
            " WHERE passage_words MATCH ? ORDER BY w.rank LIMIT ?",
            (" OR ".join(words), k),
        )
        return [(passage_id, -rank) for passage_id, rank in rows]

    def passages_where(self, condition: str, values: tuple[object, ...]) -> list[Passage]:
        """For the rest of this room: passages ``p`` under a condition of SQL."""
        return [passage for _, passage in self._passages(condition, values)]

    def _passages(self, condition: str, values: tuple[object, ...]) -> list[tuple[int, Passage]]:
        """Rows and passages with their blocks and what stands over them: three queries, however many passages."""
        rows = self.connection.execute(
            "SELECT p.row, p.id, p.document, d.title, piece(d.text, p.start, p.end), p.start, p.end"
            f" FROM passages p JOIN documents d ON d.id = p.document {condition}",
            values,
        ).fetchall()
        plain = [(row[0], Passage(row[1], row[2], row[3], row[4], Span(row[5], row[6]))) for row in rows]
        if not plain or not self.connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'marks'").fetchone():
            return plain  # an older quipu's record that is only read
        blocks: dict[int, list[Mark]] = {row: [] for row, _ in plain}
        for row, start, end, *rest in self.connection.execute(
            'SELECT p.row, m.start, m."end", m.kind, m.level, m.page, m.line FROM passages p JOIN marks m'
            ' ON m.document = p.document AND m.start < p."end" AND m.start >= coalesce((SELECT max(start) FROM marks'
            ' WHERE document = p.document AND start <= p.start), p.start) WHERE m."end" > p.start AND p.row IN'
            f" ({','.join('?' * len(plain))}) ORDER BY p.row, m.start",
            tuple(blocks),
        ):
            blocks[row].append(Mark(Span(start, end), *rest))
        outlines = self._connections.own().outlines.of(self.connection, [passage.document_id for _, passage in plain])
        found = []
        for row, passage in plain:
            above = outlines[passage.document_id].above(passage.span.start)
            found.append((row, replace(passage, marks=tuple(blocks[row]), headings=above.headings, lead=above.lead)))
        return found


def searched(passage: Passage) -> str:
    """What a search by words finds a passage by: its text, its document's title and the headings over it."""
    return f"{passage.about()} {passage.text}"
