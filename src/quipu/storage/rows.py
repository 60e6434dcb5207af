"""The rows of a record as plain objects, and back with everything checked: they may have been made to harm."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

import numpy as np

from quipu.records import BlockKind, Origin, Stage, content_id
from quipu.storage.digests import columns
from quipu.storage.feedback import feedback_id
from quipu.storage.pairs import normalized
from quipu.storage.reviews import problem_of_review
from quipu.storage.store import Store
from quipu.text import normalize_answer

Fields = dict[str, Any]

TABLES = {
    "document": "documents", "passage": "passages", "mark": "marks", "file": "files", "pair": "pairs",
    "tokens": "tokens", "verdict": "verdicts", "support": "support", "journal": "journal",
    "feedback": "feedback", "review": "reviews", "rejected": "rejected", "call": "calls",
}  # fmt: skip
"""The kinds of rows, in an order in which each finds what it refers to, and their tables."""

_ID = re.compile(r"[0-9a-f]{32}")
_GAPS = 1_000_000  # row numbers without a row, beside 100 for each row that is there
_PASSAGES = 8  # times a document's length that its passages may hold together
_FILES = ("documents", "pairs")
_NUMBERED = {"document": "documents", "passage": "passages", "pair": "pairs"}  # a row's number is never given twice
_TYPES: dict[str, tuple[type, ...]] = {"TEXT": (str,), "INTEGER": (int,), "REAL": (float, int), "BLOB": (str,)}


def exported(store: Store) -> Iterator[tuple[str, Fields]]:
    """Every row of every table, with its kind."""
    for kind in TABLES:
        for row in rows_of(store, kind):
            yield kind, row


def rows_of(store: Store, kind: str) -> Iterator[Fields]:
    """Every row of a kind; a pair with its vector. Bytes as base64, metadata and notes as JSON."""
    table = TABLES[kind]
    if not store.connection.execute(
        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", (table,)
    ).fetchone():
        return
    known = columns(store.connection, table)
    names = [name for name in known if name != "digest"]
    keys = "row" if "row" in known else ", ".join(f'"{name}"' for name, is_key in known.items() if is_key)
    listed = ", ".join(f'"{name}"' for name in names)
    if kind == "pair":
        names.append("vector")
        listed += ", (SELECT vector FROM vectors v WHERE v.row = pairs.row)"
    for values in store.connection.execute(f"SELECT {listed} FROM {table} ORDER BY {keys}"):
        yield {name: _plain(value) for name, value in zip(names, values, strict=True)}


def _plain(value: Any) -> Any:
    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value


def last_rows(store: Store) -> dict[str, int]:
    """The last row number that was given in each table, also where its row was removed again."""
    given = dict(store.connection.execute("SELECT name, seq FROM sqlite_sequence"))
    return {kind: given.get(table, 0) for kind, table in _NUMBERED.items()}


class Importer:
    """Puts rows into an empty store, each checked: ValueError, sqlite3.Error and the like where one cannot be."""

    def __init__(self, store: Store) -> None:
        """``store``: without any row."""
        self._store, self._db = store, store.connection
        self._types = {
            table: {row[1]: row[2] for row in self._db.execute(f"PRAGMA table_info({table})")}
            for table in TABLES.values()
        }
        self._lengths: dict[str, int] = {}  # of the documents' texts
        self._taken: dict[str, int] = {}  # characters in passages
        self._marked: dict[str, int] = {}  # the end of the last mark
        self._rows = dict.fromkeys(TABLES, 0)
        self._checks: Mapping[str, Callable[[Fields], None]] = {
            "document": self._document, "passage": self._passage, "mark": self._mark, "file": self._file,
            "pair": self._pair, "tokens": self._tokens, "verdict": self._verdict, "support": self._support,
            "journal": self._journal, "feedback": self._feedback, "review": self._review, "rejected": self._rejected,
            "call": self._call,
        }  # fmt: skip

    def add(self, kind: str, row: Fields) -> None:
        """Check a row and insert it."""
        if kind not in TABLES:
            raise ValueError(f"unknown kind {kind!r}")
        table = TABLES[kind]
        vector = self._vector(row.pop("vector")) if kind == "pair" else None
        values = self._typed(table, row)
        self._rows[kind] += 1
        if "row" in values and not 0 < values["row"] <= self._most(kind):
            raise ValueError(f"a row number of {values['row']}")
        self._checks[kind](values)
        values["digest"] = 0  # what the store writes is signed by it
        names = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join("?" * len(values))
        self._db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(values.values()))
        if vector is not None:
            self._db.execute("INSERT INTO vectors (row, vector) VALUES (?, ?)", (values["row"], vector))

    def go_on_after(self, last_rows: Mapping[str, int]) -> None:
        """Give no number again that ``last_rows`` says was given; to be called when every row is there.

        What is more than a row may have is cut to that: the rows behind it are gone whoever counts them.
        """
        for kind, table in _NUMBERED.items():
            last = last_rows.get(kind, 0)
            if type(last) is not int or last < 0:
                raise ValueError(f"a last row number of {last!r}")
            here = self._db.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()[0]
            last = min(last, self._most(kind))
            if here is None and last:
                self._db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, last))
            elif here is not None and last > here:
                self._db.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (last, table))

    def _most(self, kind: str) -> int:
        """The highest number that a row may have after the rows that came."""
        return _GAPS + 100 * self._rows[kind]

    def _typed(self, table: str, row: Fields) -> Fields:
        types = self._types[table]
        values = {}
        for name, value in row.items():
            if name not in types or name == "digest":
                raise ValueError(f"unknown field {name!r}")
            kind = types[name]
            if value is not None:
                if isinstance(value, bool) or not isinstance(value, _TYPES[kind]):
                    raise ValueError(f"{name} is not of type {kind}")
                if kind == "BLOB":
                    value = _bytes(value)
                if kind == "REAL" and not math.isfinite(value):
                    raise ValueError(f"{name} is not a number")
            values[name] = value
        if "row" in types and type(values.get("row")) is not int:
            raise ValueError("it has no row number")
        return values

    def _span(self, row: Fields) -> int:
        """The length of the row's span, which lies in its document."""
        start, end, length = row["start"], row["end"], self._lengths.get(row["document"])
        if length is None:
            raise ValueError("its document is not there")
        if type(start) is not int or type(end) is not int or not 0 <= start <= end <= length:
            raise ValueError(f"its span {start}-{end} is outside the document")
        return end - start

    def _document(self, row: Fields) -> None:
        if not _ID.fullmatch(row["id"]):
            raise ValueError(f"no document has the id {row['id']!r}")
        if hashlib.sha256(row["text"].encode("utf-8")).hexdigest() != row["sha256"]:
            raise ValueError("its text does not fit its sha256")
        _mapping(row["metadata"])
        self._lengths[row["id"]] = len(row["text"])

    def _passage(self, row: Fields) -> None:
        document = row["document"]
        self._taken[document] = self._taken.get(document, 0) + self._span(row)
        if self._taken[document] > _PASSAGES * self._lengths[document]:
            raise ValueError("the passages of its document hold far more than the document")
        if row["start"] == row["end"] or row["id"] != content_id(document, row["start"], row["end"]):
            raise ValueError("its id is not that of its place")

    def _mark(self, row: Fields) -> None:
        self._span(row)
        if row["kind"] not in get_args(BlockKind) or row["start"] < self._marked.get(row["document"], 0):
            raise ValueError("it is no block that stands behind the one before")
        self._marked[row["document"]] = row["end"]

    def _file(self, row: Fields) -> None:
        if not row["path"] or not row["name"] or row["kind"] not in _FILES:
            raise ValueError("it is no file's")
        _mapping(row.get("note", "{}"))

    def _pair(self, row: Fields) -> None:
        question, answer, document = row["question"], row["answer"], row["document"]
        if not question.strip() or not answer.strip() or row["origin"] not in get_args(Origin):
            raise ValueError("it needs a question, an answer and an origin")
        place = [document]
        if row["start"] is not None or row["end"] is not None:
            self._span(row)
            place += [row["start"], row["end"]]
        if row["id"] != content_id(normalize_answer(question), normalize_answer(answer) or answer, *place):
            raise ValueError("its id is not that of its question, answer and place")
        if row["normal"] != normalized(question, answer):
            raise ValueError("its normal form is not that of its question and answer")

    def _vector(self, text: Any) -> bytes:
        data = _bytes(text)
        if len(data) != 2 * self._store.width:
            raise ValueError(f"its vector has {len(data)} bytes, {2 * self._store.width} are needed")
        vector = np.frombuffer(data, dtype="<f2").astype(np.float32)
        if not np.isfinite(vector).all():
            raise ValueError("its vector holds a number that 16 bits cannot")
        if abs(float(np.linalg.norm(vector)) - 1.0) > 0.02:
            raise ValueError("its vector is not of unit length")
        return data

    def _tokens(self, row: Fields) -> None:
        count = len(row["places"]) // 2
        if len(row["vector"]) != 2 * self._store.width or not count or len(row["places"]) % 2:
            raise ValueError("its vector or its places have the wrong length")
        if not row["codes"] or len(row["codes"]) % count:
            raise ValueError("its codes do not fit its places")

    def _verdict(self, row: Fields) -> None:
        if row["stage"] not in get_args(Stage) or row["kept"] not in (0, 1):
            raise ValueError("no stage of a build says so")

    def _support(self, row: Fields) -> None:
        self._span(row)

    def _journal(self, row: Fields) -> None:
        if not row["key"]:
            raise ValueError("it has no key")

    def _feedback(self, row: Fields) -> None:
        if row["id"] != feedback_id(row["question"], row["answer"]) or row["is_right"] not in (0, 1):
            raise ValueError("its id is not that of its question and answer, or it says nothing")
        if len(row["vector"]) != 2 * self._store.width:
            raise ValueError("its vector has the wrong length")

    def _review(self, row: Fields) -> None:
        if problem := problem_of_review(row["decision"], row["well_formed"], row["is_right"], row["former"]):
            raise ValueError(problem)

    def _rejected(self, row: Fields) -> None:
        if not row["normal"]:
            raise ValueError("it says nothing")

    def _call(self, row: Fields) -> None:
        if not row["key"] or row["attempts"] < 0 or row["tokens_in"] < 0 or row["tokens_out"] < 0:
            raise ValueError("it has no key, or counts less than nothing")


def _bytes(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ValueError("bytes are written as base64")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64 ({error})") from error


def _mapping(text: str) -> None:
    if not isinstance(json.loads(text), dict):
        raise ValueError("an object was expected")


UNUSABLE = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, sqlite3.Error)
"""What ``Importer.add`` raises."""
