"""The tables of ``records.sqlite`` and how older ones become newer ones: numbered steps, each one transaction."""

from __future__ import annotations

import functools
import re
import sqlite3
from collections.abc import Callable, Iterator

from quipu.errors import FormatError, QuipuError
from quipu.storage import digests

FORMAT_VERSION = 8
Step = str | Callable[[sqlite3.Connection], None]

_FIRST = """
CREATE TABLE documents (
    row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, source TEXT NOT NULL, file TEXT NOT NULL,
    title TEXT NOT NULL, text TEXT NOT NULL, sha256 TEXT NOT NULL, metadata TEXT NOT NULL
);
CREATE INDEX documents_by_source ON documents (source);
CREATE INDEX documents_by_file ON documents (file);
CREATE TABLE passages (
    row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE, start INTEGER NOT NULL, "end" INTEGER NOT NULL
);
CREATE INDEX passages_by_place ON passages (document, start);
-- AUTOINCREMENT: a row number is never used twice, so an index that still holds a removed row cannot mistake it
CREATE TABLE pairs (
    row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, question TEXT NOT NULL, answer TEXT NOT NULL,
    document TEXT REFERENCES documents (id) ON DELETE CASCADE, start INTEGER, "end" INTEGER, origin TEXT NOT NULL,
    generator TEXT, generator_score REAL, filter_score REAL, key_text TEXT NOT NULL, normal TEXT NOT NULL,
    added TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
);
CREATE INDEX pairs_by_document ON pairs (document);
CREATE INDEX pairs_by_normal ON pairs (normal);
CREATE TABLE vectors (row INTEGER PRIMARY KEY REFERENCES pairs (row) ON DELETE CASCADE, vector BLOB NOT NULL);
CREATE TABLE verdicts (
    pair TEXT NOT NULL, stage TEXT NOT NULL, kept INTEGER NOT NULL, score REAL, reason TEXT NOT NULL, because_of TEXT,
    document TEXT REFERENCES documents (id) ON DELETE CASCADE, PRIMARY KEY (pair, stage)
);
CREATE INDEX verdicts_by_document ON verdicts (document);
CREATE TABLE journal (
    key TEXT PRIMARY KEY, note TEXT NOT NULL, document TEXT REFERENCES documents (id) ON DELETE CASCADE
);
-- remove_diacritics 2: "Bogota" finds "Bogotá"; no stemming, so that names and numbers match as they are
CREATE VIRTUAL TABLE words USING fts5 (
    question, answer, key_text, content = 'pairs', content_rowid = 'row', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE VIRTUAL TABLE terms USING fts5vocab ('words', 'row');
CREATE TRIGGER pairs_added AFTER INSERT ON pairs BEGIN
    INSERT INTO words (rowid, question, answer, key_text) VALUES (new.row, new.question, new.answer, new.key_text);
END;
CREATE TRIGGER pairs_removed AFTER DELETE ON pairs BEGIN
    INSERT INTO words (words, rowid, question, answer, key_text)
    VALUES ('delete', old.row, old.question, old.answer, old.key_text);
END;
"""


_SECOND = """
-- rows that were removed: an index that still covers them leaves them out without reading every row that is there
CREATE TABLE gone (row INTEGER PRIMARY KEY);
CREATE TRIGGER pairs_gone AFTER DELETE ON pairs BEGIN INSERT OR IGNORE INTO gone (row) VALUES (old.row); END;
-- further places that hold the same answer to the same question
CREATE TABLE support (
    pair INTEGER NOT NULL REFERENCES pairs (row) ON DELETE CASCADE,
    document TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE, start INTEGER NOT NULL, "end" INTEGER NOT NULL,
    PRIMARY KEY (pair, document, start, "end")
) WITHOUT ROWID;
CREATE INDEX support_by_document ON support (document);
ALTER TABLE pairs ADD COLUMN ambiguous TEXT;
ALTER TABLE verdicts ADD COLUMN passage TEXT;
"""


_THIRD = """
-- words of the passages, by row; a removed passage's stay until the memory is compacted, its row is never used again
CREATE VIRTUAL TABLE passage_words USING fts5 (
    text, content = '', tokenize = 'unicode61 remove_diacritics 2'
);
-- what a QuIP encoder says of a passage: see quipu.storage.passage_vectors
CREATE TABLE tokens (
    row INTEGER PRIMARY KEY REFERENCES passages (row) ON DELETE CASCADE, vector BLOB NOT NULL, codes BLOB NOT NULL,
    places BLOB NOT NULL, digest INTEGER NOT NULL
);
"""


_FOURTH = """
-- the blocks of a document: what the characters are, and where they stand in its file
CREATE TABLE marks (
    document TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE, start INTEGER NOT NULL, "end" INTEGER NOT NULL,
    kind TEXT NOT NULL, level INTEGER NOT NULL, page INTEGER, line INTEGER, PRIMARY KEY (document, start)
) WITHOUT ROWID;
"""


_FIFTH = """
-- files that were read: "path" is the real one, "name" how it is shown; documents.file is the name
CREATE TABLE files (
    path TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, size INTEGER NOT NULL,
    modified INTEGER NOT NULL, sha256 TEXT NOT NULL, read TEXT NOT NULL, note TEXT NOT NULL DEFAULT '{}'
);
-- the line of the file of ready pairs in which a pair stands; its document is the file's
ALTER TABLE pairs ADD COLUMN line INTEGER;
"""


_SEVENTH = """
-- what people said of answers: see quipu.storage.feedback; "vector" is the key of the question
CREATE TABLE feedback (
    id TEXT PRIMARY KEY, question TEXT NOT NULL, answer TEXT NOT NULL, is_right INTEGER NOT NULL, pair TEXT,
    source TEXT NOT NULL, marked TEXT NOT NULL, vector BLOB NOT NULL, digest INTEGER
);
"""


_EIGHTH = """
-- what people decided about pairs: see quipu.storage.reviews; "former" is the pair as it was, so that it can come back
CREATE TABLE reviews (
    row INTEGER PRIMARY KEY, pair TEXT NOT NULL, decision TEXT NOT NULL, question TEXT NOT NULL, answer TEXT NOT NULL,
    well_formed INTEGER, is_right INTEGER, "by" TEXT NOT NULL, at TEXT NOT NULL, note TEXT NOT NULL,
    former TEXT NOT NULL, document TEXT REFERENCES documents (id) ON DELETE CASCADE, digest INTEGER
);
CREATE INDEX reviews_by_pair ON reviews (pair);
CREATE INDEX reviews_by_document ON reviews (document);
-- what must not come back, as pairs.normal has it; a document that is read anew has another id, but the same source
CREATE TABLE rejected (
    normal TEXT NOT NULL, source TEXT NOT NULL, digest INTEGER, PRIMARY KEY (normal, source)
);
CREATE INDEX rejected_by_source ON rejected (source);
-- calls of models elsewhere, kept as the reply arrives, so that none is paid twice
CREATE TABLE calls (
    key TEXT PRIMARY KEY, role TEXT NOT NULL, document TEXT REFERENCES documents (id) ON DELETE CASCADE, passage TEXT,
    model TEXT NOT NULL, request_sha256 TEXT NOT NULL, response TEXT, tokens_in INTEGER NOT NULL DEFAULT 0,
    tokens_out INTEGER NOT NULL DEFAULT 0, cost REAL, status TEXT NOT NULL, attempts INTEGER NOT NULL,
    at TEXT NOT NULL, digest INTEGER
);
CREATE INDEX calls_by_document ON calls (document);
"""


def list_gone(connection: sqlite3.Connection) -> None:
    """List the rows of removed pairs anew: those that were given out and hold none."""
    connection.execute("DELETE FROM gone")
    connection.execute(
        """INSERT INTO gone (row)
        WITH RECURSIVE numbers (row) AS (
            SELECT 1 UNION ALL SELECT row + 1 FROM numbers
            WHERE row < (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'pairs')
        )
        SELECT row FROM numbers WHERE row NOT IN (SELECT row FROM pairs)
        AND EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'pairs')"""
    )


MIGRATIONS: tuple[tuple[Step, ...], ...] = (
    (_FIRST,),
    (_SECOND, list_gone),
    (_THIRD,),
    (_FOURTH,),
    (_FIFTH,),
    (digests.add_to_every_table,),
    (_SEVENTH,),
    (_EIGHTH,),
)
"""What is done to come to format 1, 2, ...: scripts of SQL and functions."""


def migrate(connection: sqlite3.Connection, where: str, finish: Callable[[], None] | None = None) -> None:
    """Bring the tables to ``FORMAT_VERSION``, each step with its number in one transaction.

    ``finish`` is called inside the last one: it makes anew what the texts are found by, as this quipu does it.

    What a step of an older quipu left half done, which was in no transaction, is done again. FormatError where the
    record of ``where`` is newer than this quipu or cannot be brought forward, QuipuError where the disk refuses.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > FORMAT_VERSION:
        raise FormatError(f"{where} has format {version}, this quipu reads up to {FORMAT_VERSION}; update quipu")
    for number in range(version + 1, FORMAT_VERSION + 1):
        try:
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("PRAGMA user_version").fetchone()[0] >= number:  # another process was faster
                connection.execute("ROLLBACK")
                continue
            _take(connection, MIGRATIONS[number - 1])
            if number == FORMAT_VERSION and finish is not None:
                finish()
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if not isinstance(error, sqlite3.Error | UnicodeDecodeError):
                raise
            what = f"{where} could not be brought from format {number - 1} to {number} ({error}); it is as it was"
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DISK:
                raise QuipuError(
                    f"{what}. Make room on the disk, or wait for the other process, and try again"
                ) from error
            raise FormatError(
                f"{what}. The record is damaged: restore it from a copy, or read it with the quipu that made it"
            ) from error


_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY)
_MADE = re.compile(r"\s*CREATE (?:VIRTUAL )?(TABLE|TRIGGER|INDEX) (\w+)")
_COLUMN = re.compile(r"\s*ALTER TABLE (\w+) ADD COLUMN (\w+)")


def _take(connection: sqlite3.Connection, steps: tuple[Step, ...]) -> None:
    for step in steps:
        if isinstance(step, str):
            for statement in _statements(step):
                _again(connection, statement)
        else:
            step(connection)


def _again(connection: sqlite3.Connection, statement: str) -> None:
    """Execute a statement of a step that may have been begun: what it makes replaces what is there."""
    if made := _MADE.match(statement):
        connection.execute(f"DROP {made[1]} IF EXISTS {made[2]}")
    elif (column := _COLUMN.match(statement)) and column[2] in digests.columns(connection, column[1]):
        return
    connection.execute(statement)


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, without comments."""
    statement = ""
    for line in script.splitlines(keepends=True):
        if not line.lstrip().startswith("--"):
            statement += line
            if sqlite3.complete_statement(statement):
                yield statement.strip()
                statement = ""


@functools.cache
def expected(version: int) -> dict[tuple[str, str], str | None]:
    """The SQL of everything that a record of this format holds, by kind and name."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    digests.register(connection)
    for steps in MIGRATIONS[:version]:
        _take(connection, steps)
    found = stored(connection)
    connection.close()
    return found


def stored(connection: sqlite3.Connection) -> dict[tuple[str, str], str | None]:
    """The SQL of everything that the record holds, by kind and name."""
    rows = connection.execute("SELECT type, name, sql FROM main.sqlite_schema")
    return {(str(kind), str(name)): sql for kind, name, sql in rows}


def differences(connection: sqlite3.Connection) -> Iterator[str]:
    """What is missing, changed or added in comparison with what quipu makes."""
    found = stored(connection)
    known = expected(connection.execute("PRAGMA user_version").fetchone()[0])
    for kind, name in sorted(found.keys() | known.keys()):
        if (kind, name) not in found:
            yield f"the {kind} {name} is missing"
        elif (kind, name) not in known:
            yield f"the {kind} {name} is none of quipu's"
        elif found[kind, name] != known[kind, name]:
            yield f"the {kind} {name} is not as quipu makes it"


def strangers(connection: sqlite3.Connection) -> list[str]:
    """Triggers and views that no quipu made: they would act when something is read or written."""
    known = expected(FORMAT_VERSION)
    return [
        f"{kind} {name}"
        for (kind, name), sql in stored(connection).items()
        if kind in ("trigger", "view") and known.get((kind, name)) != sql
    ]
