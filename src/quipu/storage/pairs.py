"""The part of a record that holds pairs, with the words and the vectors by which a search finds them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from quipu.errors import FormatError, InputError
from quipu.records import Origin, QAPair, Span, Verdict
from quipu.storage.journal import Journal
from quipu.storage.texts import Texts
from quipu.storage.words import match_expression
from quipu.text import normalize_answer

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]

_LARGEST = float(np.finfo(np.float16).max)
_COLUMNS = "id, question, answer, document, start, end, origin, generator, generator_score, filter_score, line"


class Pairs(Texts, Journal):
    """Pairs and what came of them; ``Store`` is one."""

    width: int

    def _open_record(self) -> None:
        """Open it, FormatError where it cannot be read, and see what it holds of a pair: no line before format 5."""
        self._columns = _COLUMNS if self.format >= 5 else _COLUMNS.replace("line", "NULL")

    def add(
        self,
        pairs: Sequence[QAPair],
        keys: Vectors,
        key_texts: Sequence[str],
        verdicts: Sequence[Verdict] = (),
        verdict_documents: Sequence[str | None] | None = None,
        verdict_passages: Sequence[str | None] | None = None,
    ) -> list[str]:
        """Pairs with their key vectors (n, width) and key texts, in one transaction; the ids that were new.

        What somebody rejected does not come back: it gets a verdict.
        """
        keys = np.asarray(keys, dtype=np.float32).reshape(len(pairs), -1 if len(pairs) else self.width)
        if len(pairs) != len(key_texts) or (len(pairs) and keys.shape[1] != self.width):
            raise FormatError(
                f"{self.path}: {len(pairs)} pairs, {len(key_texts)} key texts and keys of {keys.shape} do not fit a "
                f"memory of width {self.width}"
            )
        if not (np.abs(keys) <= _LARGEST).all():  # also False for NaN
            raise FormatError(f"{self.path}: a key vector holds a number that 16 bits cannot; nothing was added")
        halves = keys.astype(np.float16)
        added: list[str] = []
        turned_away: list[QAPair] = []
        with self.transaction():
            for pair, vector, key_text in zip(pairs, halves, key_texts, strict=True):
                # OR IGNORE would use up a row number for each pair that is there already
                if self.connection.execute("SELECT 1 FROM pairs WHERE id = ?", (pair.id,)).fetchone():
                    continue
                if self.is_rejected(pair):
                    turned_away.append(pair)
                    continue
                place = (pair.span.start, pair.span.end) if pair.span else (None, None)
                cursor = self.connection.execute(
                    f"INSERT INTO pairs ({_COLUMNS}, key_text, normal) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                    (pair.id, pair.question, pair.answer, pair.document_id, *place, pair.origin, pair.generator,
                     pair.generator_score, pair.filter_score, pair.line, key_text,
                     normalized(pair.question, pair.answer)),
                )  # fmt: skip
                key = cursor.lastrowid, vector.tobytes()
                self.connection.execute("INSERT INTO vectors (row, vector) VALUES (?, ?)", key)
                added.append(pair.id)
            self.add_verdicts(verdicts, verdict_documents, verdict_passages)
            for pair in turned_away:
                self.say_rejected(pair)
        return added

    def is_rejected(self, pair: QAPair) -> bool:
        """Whether somebody rejected what the pair says of its document, or of any where it has none."""
        row = self.connection.execute(
            "SELECT 1 FROM rejected WHERE normal = ?1"
            " AND (?2 IS NULL OR source = (SELECT source FROM documents WHERE id = ?2))",
            (normalized(pair.question, pair.answer), pair.document_id),
        ).fetchone()
        return row is not None

    def say_rejected(self, pair: QAPair) -> None:
        """The verdict on a pair that somebody rejected, beside those of the stages that made it."""
        self.connection.execute(
            "INSERT OR REPLACE INTO verdicts (pair, stage, kept, reason, document, passage) VALUES (?1, 'review', 0,"
            " 'rejected by a reviewer', ?2, (SELECT passage FROM verdicts WHERE pair = ?1 AND passage IS NOT NULL))",
            (pair.id, pair.document_id),
        )

    def remove(self, *, document: str | None = None, pair: str | None = None) -> int:
        """Remove a document (by id, source or file) with all that came from it, or one pair; how many pairs went."""
        if (document is None) == (pair is None):
            raise InputError("remove takes a document or a pair, one of the two")
        before = self.count()
        with self.transaction():
            if pair is not None:
                if not self.connection.execute("DELETE FROM pairs WHERE id = ?", (pair,)).rowcount:
                    raise InputError(f"{self.path} has no pair {pair!r}")
                self.connection.execute("DELETE FROM verdicts WHERE pair = ?", (pair,))
                self.connection.execute("DELETE FROM feedback WHERE pair = ?", (pair,))
                self.connection.execute("DELETE FROM reviews WHERE pair = ?", (pair,))
            elif document is not None:
                found = self.find_documents(document)
                if not found:
                    raise InputError(f"{self.path} has no document {document!r}; `quipu documents` lists them")
                for document_id in found:
                    self.connection.execute(
                        "DELETE FROM pairs WHERE document = ?", (document_id,)
                    )  # fires the word triggers
                    self.connection.execute("DELETE FROM documents WHERE id = ?", (document_id,))
        return before - self.count()

    def pair(self, pair_id: str) -> QAPair:
        """The pair; InputError where there is none."""
        row = self.connection.execute(f"SELECT {self._columns} FROM pairs WHERE id = ?", (pair_id,)).fetchone()
        if row is None:
            raise InputError(f"{self.path} has no pair {pair_id!r}")
        return _pair(row)

    def pairs(self, after_row: int = 0) -> Iterator[tuple[int, QAPair]]:
        """Every pair with its row number, in order, streamed."""
        while True:
            found = self.connection.execute(
                f"SELECT row, {self._columns} FROM pairs WHERE row > ? ORDER BY row LIMIT 1024", (after_row,)
            ).fetchall()
            for row in found:
                after_row = row[0]
                yield row[0], _pair(row[1:])
            if not found:
                return

    def pairs_by_rows(self, rows: Sequence[int]) -> list[QAPair | None]:
        """The pairs of these rows, None where one is gone (or the row is -1)."""
        wanted = [int(row) for row in rows]
        found: dict[int, QAPair] = {}
        for start in range(0, len(wanted), 900):
            part = wanted[start : start + 900]
            marks = ",".join("?" * len(part))
            for row in self.connection.execute(f"SELECT row, {self._columns} FROM pairs WHERE row IN ({marks})", part):
                found[row[0]] = _pair(row[1:])
        return [found.get(row) for row in wanted]

    def key_texts(self, pair_ids: Sequence[str]) -> dict[str, str]:
        """What the keys of these pairs were made of, by id."""
        found: dict[str, str] = {}
        for first in range(0, len(pair_ids), 500):
            some = pair_ids[first : first + 500]
            marks = ",".join("?" * len(some))
            found |= dict(
                self.connection.execute(f"SELECT id, key_text FROM pairs WHERE id IN ({marks})", some).fetchall()
            )
        return found

    def key_text(self, pair_id: str) -> str:
        """The text that the pair's key vector was made from."""
        row = self.connection.execute("SELECT key_text FROM pairs WHERE id = ?", (pair_id,)).fetchone()
        return str(row[0]) if row else ""

    def question_answer_exists(self, question: str, answer: str) -> str | None:
        """Id of a stored pair with the same normalised question and answer."""
        row = self.connection.execute(
            "SELECT id FROM pairs WHERE normal = ?", (normalized(question, answer),)
        ).fetchone()
        return str(row[0]) if row else None

    def answered_in_document(self, question: str) -> str | None:
        """Id of a pair with which a document itself answers this question."""
        asked = normalize_answer(question)
        rows = self.connection.execute(
            "SELECT id, question FROM pairs WHERE normal > ? AND normal < ? AND origin = 'document'",
            (f"{asked} ", f"{asked}!"),  # "!" is next to the space between question and answer
        )
        return next((str(pair_id) for pair_id, known in rows if normalize_answer(known) == asked), None)

    def asked_alike(self, pair: QAPair, until_row: int) -> list[str]:
        """Ids of pairs up to a row that ask what ``pair`` asks, from the same document or none, of the same origin."""
        asked = normalize_answer(pair.question)
        rows = self.connection.execute(
            "SELECT id, question FROM pairs WHERE normal > ? AND normal < ? AND document IS ? AND origin = ?"
            " AND row <= ?",
            (f"{asked} ", f"{asked}!", pair.document_id, pair.origin, until_row),
        )
        return [str(pair_id) for pair_id, known in rows if normalize_answer(known) == asked and pair_id != pair.id]

    def last_row(self) -> int:
        """The highest row number of a pair, 0 where there is none."""
        return int(self.connection.execute("SELECT coalesce(max(row), 0) FROM pairs").fetchone()[0])

    def count(self) -> int:
        """Pairs in the memory."""
        return int(self.connection.execute("SELECT count(*) FROM pairs").fetchone()[0])

    def search_words(self, question: str, k: int) -> tuple[Rows, Vectors]:
        """Best ``k`` rows by BM25 over question, answer and key text: rows (k,), scores (k,), padded -1 and -inf."""
        rows = np.full(k, -1, dtype=np.int64)
        scores = np.full(k, -np.inf, dtype=np.float32)
        expression = match_expression(self.connection, question)
        if expression:
            found = self.connection.execute(
                "SELECT rowid, rank FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?", (expression, k)
            ).fetchall()
            found.sort(key=lambda item: (item[1], item[0]))
            for at, (row, rank) in enumerate(found):
                rows[at], scores[at] = row, -rank
        return rows, scores

    def vectors(self, after_row: int = 0, batch: int = 8192) -> Iterator[tuple[Rows, Vectors]]:
        """Stored vectors as float32 in batches of rows, in order: rows (n,), vectors (n, width)."""
        while found := self.connection.execute(
            "SELECT row, vector FROM vectors WHERE row > ? ORDER BY row LIMIT ?", (after_row, batch)
        ).fetchall():
            after_row = found[-1][0]
            rows = np.array([row for row, _ in found], dtype=np.int64)
            data = b"".join(vector for _, vector in found)
            if len(data) != 2 * self.width * len(found):
                raise FormatError(f"{self.path}: a stored vector has the wrong length; run: quipu verify {self.path}")
            yield rows, np.frombuffer(data, dtype=np.float16).reshape(-1, self.width).astype(np.float32)

    def vector(self, row: int) -> Vectors | None:
        """The stored vector of a row (width,), None where there is none of that width."""
        found = self.connection.execute("SELECT vector FROM vectors WHERE row = ?", (row,)).fetchone()
        if found is None or len(found[0]) != 2 * self.width:
            return None
        return np.frombuffer(found[0], dtype=np.float16).astype(np.float32)

    def rows(self) -> Rows:
        """Every row number that holds a pair, in order."""
        # the narrow table's index, not the wide rows of the vectors; as one text, which is read three times faster
        query = "SELECT group_concat(row) FROM (SELECT row FROM pairs INDEXED BY pairs_by_document)"
        listed = self.connection.execute(query).fetchone()[0]
        return np.sort(np.array(listed.split(","), dtype=np.int64)) if listed else np.zeros(0, dtype=np.int64)

    def gone(self) -> Rows:
        """Row numbers that held a pair once, in order."""
        if self.format >= 2:
            found = self.connection.execute("SELECT row FROM gone ORDER BY row").fetchall()
            return np.array([row for (row,) in found], dtype=np.int64)
        rows = self.rows()
        return np.setdiff1d(np.arange(1, (int(rows[-1]) if len(rows) else 0) + 1, dtype=np.int64), rows)

    def is_gone(self, row: int) -> bool:
        """Whether a row that was given out holds no pair any more."""
        return self.connection.execute("SELECT 1 FROM pairs WHERE row = ?", (row,)).fetchone() is None


def _pair(row: Sequence[Any]) -> QAPair:
    span = Span(row[4], row[5]) if row[4] is not None else None
    origin = cast(Origin, row[6])
    return QAPair(row[0], row[1], row[2], row[3], span, origin, row[7], row[8], row[9], row[10])


def normalized(question: str, answer: str) -> str:
    """By which pairs with the same question and answer are known for duplicates."""
    return re.sub(r"\s+", " ", f"{normalize_answer(question)}\x1f{normalize_answer(answer) or answer.strip()}")
