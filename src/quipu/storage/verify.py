"""Read a memory again, whole: every hash, span, vector, word and count; and make the derived parts anew."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from quipu.errors import FormatError
from quipu.records import content_id
from quipu.storage import digests
from quipu.storage.feedback import feedback_id
from quipu.storage.index_files import problems_of_the_index
from quipu.storage.maintenance import compact
from quipu.storage.manifest import is_whole, read_manifest
from quipu.storage.pairs import normalized
from quipu.storage.recount import spoilt_words
from quipu.storage.reviews import problem_of_review
from quipu.storage.schema import differences
from quipu.storage.store import Store
from quipu.text import normalize_answer

Progress = Callable[[dict[str, int | float | str]], None]
_MOST = 100  # problems of a kind that are listed one by one
_DIGESTS = 6  # the format from which on rows and manifest have digests
_FEEDBACK = 7  # the format from which on answers are marked
_REVIEWS = 8  # the format from which on pairs are reviewed
_STEPS = 1_000_000  # of SQLite's machine between two looks at the clock
_SECONDS, _BYTES_A_SECOND = 60.0, 1e6  # of CPU that one check may take


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it should be; ``derived`` says that --repair mends it."""

    kind: str
    where: str
    what: str
    derived: bool = False


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What verify found. ``ok`` is True where nothing is wrong, or everything wrong was mended."""

    problems: list[Problem] = field(default_factory=list)
    repaired: bool = False
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Nothing is left that is wrong."""
        return all(problem.derived and self.repaired for problem in self.problems)

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return {**asdict(self), "ok": self.ok}


def verify(path: Path, *, repair: bool = False, progress: Progress | None = None) -> VerifyReport:
    """Check the memory at ``path``; with ``repair`` rebuild words and index and leave no removed byte in any file."""
    with Store.open(Path(path), read_only=not repair) as store:
        if repair:
            store.begin_writing()
        problems = problems_of(store, progress)
        if repair:
            try:
                compact(store)
            except sqlite3.DatabaseError as error:
                raise FormatError(f"{path}: the record is damaged ({error}); restore it from a copy") from error
        return VerifyReport(problems, repair, _counts(store))


def problems_of(store: Store, progress: Progress | None = None) -> list[Problem]:
    """Everything that is not as it should be in an open memory; nothing is changed."""
    problems: list[Problem] = []
    checks = (
        _schema, _database, _manifest, _rows, _gone, _documents, _pairs, _vectors, _feedback, _reviews, _words, _index
    )  # fmt: skip
    for number, check in enumerate(checks):
        if progress is not None:
            progress({"stage": "verify", "done": number, "total": len(checks)})
        _limit(store)
        try:
            with store.snapshot():  # a writer beside must not look like damage
                problems += check(store)
        except (sqlite3.Error, ValueError, TypeError, AttributeError, OverflowError) as error:
            problems.append(Problem("record", "records.sqlite", f"cannot be read ({error})"))
    store.connection.set_progress_handler(None, 0)
    if progress is not None:
        progress({"stage": "verify", "done": len(checks), "total": len(checks)})
    return problems


def _counts(store: Store) -> dict[str, int]:
    try:
        return store.counts()
    except sqlite3.DatabaseError:  # the problems say it
        return {}


def _limit(store: Store) -> None:
    """End a query that goes on for ever, as those of a crafted record can."""
    size = (store.path / "records.sqlite").stat().st_size
    latest = time.process_time() + _SECONDS + size / _BYTES_A_SECOND
    store.connection.set_progress_handler(lambda: time.process_time() > latest, _STEPS)


def _schema(store: Store) -> Iterator[Problem]:
    for what in differences(store.connection):
        yield Problem("schema", "records.sqlite", what)


def _manifest(store: Store) -> Iterator[Problem]:
    manifest = read_manifest(store.path)
    if "digest" not in manifest and int(manifest["format"]) < _DIGESTS:
        return  # of an older quipu; whoever brought its record forward was killed before this
    if store.format >= _DIGESTS and not is_whole(manifest):
        yield Problem("manifest", "manifest.json", "not as it was written")


def _rows(store: Store) -> Iterator[Problem]:
    for table in digests.signed(store.connection) if store.format >= _DIGESTS else ():
        for key in digests.damaged(store.connection, table, _MOST):
            yield Problem("row", f"{table}: {key}", "not as it was written")


def _gone(store: Store) -> Iterator[Problem]:
    last = store.connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'pairs'").fetchone()
    both = np.concatenate([store.rows(), store.gone()])
    if not np.array_equal(np.sort(both), np.arange(1, (int(last[0]) if last else 0) + 1)):
        yield Problem("gone", "records.sqlite", "the rows of removed pairs are not those that hold none", derived=True)


def _database(store: Store) -> Iterator[Problem]:
    for (line,) in store.connection.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield Problem("record", "records.sqlite", str(line))
    for row in store.connection.execute("PRAGMA foreign_key_check"):
        yield Problem("record", f"{row[0]} row {row[1]}", f"refers to a row of {row[2]} that is gone")


def _documents(store: Store) -> Iterator[Problem]:
    for document in store.documents():
        digest = hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).hexdigest()
        if digest != document.sha256:
            yield Problem("document", document.source, "the text is not the one that was stored (sha256)")
    for row, document_id, start, end, known in store.connection.execute(
        'SELECT row, document, start, "end", id FROM passages'
    ):
        if content_id(document_id, start, end) != known:
            yield Problem("passage", f"row {row}", "its id is not that of its place")
    query = (
        'SELECT p.id, d.source FROM passages p JOIN documents d ON d.id = p.document WHERE p."end" > letters(d.text)'
        ' OR p.start < 0 OR p.start >= p."end"'
    )
    for passage, source in store.connection.execute(query):
        yield Problem("passage", f"{source}: {passage}", "its span is outside the document")


def _pairs(store: Store) -> Iterator[Problem]:
    query = (
        'SELECT p.id, p.answer, d.source, piece(d.text, p.start, p."end"), p."end" > letters(d.text),'
        " p.origin FROM pairs p JOIN documents d ON d.id = p.document WHERE p.start IS NOT NULL"
    )
    for pair, answer, source, quote, outside, origin in store.connection.execute(query):
        if outside:
            yield Problem("pair", f"{source}: {pair}", "its span is outside the document")
        elif origin == "generated" and normalize_answer(quote) != normalize_answer(answer):
            yield Problem("pair", f"{source}: {pair}", f"the document says {quote!r} there, the pair {answer!r}")
    query = 'SELECT row, id, question, answer, document, start, "end", normal FROM pairs'
    for row, known, question, answer, document, start, end, normal in store.connection.execute(query):
        place = (document,) if start is None else (document, start, end)
        expected = content_id(normalize_answer(question), normalize_answer(answer) or answer, *place)
        if expected != known or normalized(question, answer) != normal:
            yield Problem("pair", f"row {row}", "its id is not that of its question, answer and place")
    for (pair,) in store.connection.execute(
        "SELECT id FROM pairs WHERE NOT EXISTS (SELECT 1 FROM vectors v WHERE v.row = pairs.row)"
    ):
        yield Problem("pair", pair, "it has no vector")


def _vectors(store: Store) -> Iterator[Problem]:
    query = "SELECT row, length(vector) FROM vectors WHERE length(vector) != ? LIMIT ?"
    wrong = store.connection.execute(query, (2 * store.width, _MOST)).fetchall()
    for row, length in wrong:
        yield Problem("vector", f"row {row}", f"{length} bytes, {2 * store.width} expected")
    if wrong:
        return
    for rows, vectors in store.vectors():
        norms = np.linalg.norm(vectors, axis=1)
        for row in rows[~(np.abs(norms - 1.0) < 0.02)][:_MOST]:
            yield Problem("vector", f"row {row}", "not of unit length")


def _feedback(store: Store) -> Iterator[Problem]:
    if store.format < _FEEDBACK:
        return
    query = "SELECT id, question, answer, is_right, length(vector) FROM feedback"
    for known, question, answer, right, length in store.connection.execute(query):
        if known != feedback_id(question, answer) or right not in (0, 1):
            yield Problem("feedback", known, "its id is not that of its question and answer, or it says nothing")
        if length != 2 * store.width:
            yield Problem("feedback", known, f"a key of {length} bytes, {2 * store.width} expected")


def _reviews(store: Store) -> Iterator[Problem]:
    if store.format < _REVIEWS:
        return
    query = "SELECT row, decision, well_formed, is_right, former FROM reviews"
    for row, *decided in store.connection.execute(query):
        if what := problem_of_review(*decided):
            yield Problem("review", f"row {row}", what)


def _words(store: Store) -> Iterator[Problem]:
    for what in spoilt_words(store):
        yield Problem("words", "records.sqlite", what, derived=True)


def _index(store: Store) -> Iterator[Problem]:
    for what in problems_of_the_index(store):
        yield Problem("index", "index.faiss", what, derived=True)
