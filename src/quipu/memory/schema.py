"""The tables of ``records.sqlite`` and how older ones become newer ones: numbered functions, each applied once."""

from __future__ import annotations

import sqlite3

from quipu.errors import FormatError

FORMAT_VERSION = 5

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


def _m001_first_tables(connection: sqlite3.Connection) -> None:
    connection.executescript(_FIRST)


_SECOND = """
-- rows that were removed: an index that still covers them leaves them out without reading every row that is there
CREATE TABLE gone (row INTEGER PRIMARY KEY);
CREATE TRIGGER pairs_gone AFTER DELETE ON pairs BEGIN INSERT OR IGNORE INTO gone (row) VALUES (old.row); END;
INSERT INTO gone (row)
    WITH RECURSIVE numbers (row) AS (
        SELECT 1 UNION ALL SELECT row + 1 FROM numbers
        WHERE row < (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'pairs')
    )
    SELECT row FROM numbers WHERE row NOT IN (SELECT row FROM pairs)
    AND EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'pairs');
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


def _m002_gone_support_and_places_of_verdicts(connection: sqlite3.Connection) -> None:
    connection.executescript(_SECOND)


_THIRD = """
-- words of the passages, by row; a removed passage's stay until the memory is compacted, its row is never used again
CREATE VIRTUAL TABLE passage_words USING fts5 (
    text, content = '', tokenize = 'unicode61 remove_diacritics 2'
);
-- what a QuIP encoder says of a passage: see quipu.memory.tokens
CREATE TABLE tokens (
    row INTEGER PRIMARY KEY REFERENCES passages (row) ON DELETE CASCADE, vector BLOB NOT NULL, codes BLOB NOT NULL,
    places BLOB NOT NULL, digest INTEGER NOT NULL
);
"""


def _m003_words_and_tokens_of_passages(connection: sqlite3.Connection) -> None:
    connection.executescript(_THIRD)
    _index_passages(connection)


_FOURTH = """
-- the blocks of a document: what the characters are, and where they stand in its file
CREATE TABLE marks (
    document TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE, start INTEGER NOT NULL, "end" INTEGER NOT NULL,
    kind TEXT NOT NULL, level INTEGER NOT NULL, page INTEGER, line INTEGER, PRIMARY KEY (document, start)
) WITHOUT ROWID;
"""


def _m004_marks_of_documents(connection: sqlite3.Connection) -> None:
    connection.executescript(_FOURTH)


_FIFTH = """
-- files that were read: "path" is the real one, "name" how it is shown; documents.file is the name
CREATE TABLE files (
    path TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, size INTEGER NOT NULL,
    modified INTEGER NOT NULL, sha256 TEXT NOT NULL, read TEXT NOT NULL, note TEXT NOT NULL DEFAULT '{}'
);
-- the line of the file of ready pairs in which a pair stands; its document is the file's
ALTER TABLE pairs ADD COLUMN line INTEGER;
"""


def _m005_files(connection: sqlite3.Connection) -> None:
    connection.executescript(_FIFTH)


def _index_passages(connection: sqlite3.Connection) -> None:
    """Fill the words of passages without marks, document by document."""
    for document, title, text in connection.execute("SELECT id, title, text FROM documents ORDER BY row"):
        connection.executemany(
            "INSERT INTO passage_words (rowid, text) VALUES (?, ?)",
            [
                (row, f"{title} {text[start:end]}")
                for row, start, end in connection.execute(
                    'SELECT row, start, "end" FROM passages WHERE document = ? ORDER BY row', (document,)
                ).fetchall()
            ],
        )


MIGRATIONS = (
    _m001_first_tables,
    _m002_gone_support_and_places_of_verdicts,
    _m003_words_and_tokens_of_passages,
    _m004_marks_of_documents,
    _m005_files,
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to ``FORMAT_VERSION``; FormatError where they are newer than this version of quipu."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise FormatError(f"the memory has format {version}, this quipu reads up to {len(MIGRATIONS)}; update quipu")
    for number, step in enumerate(MIGRATIONS[version:], start=version + 1):
        step(connection)
        connection.execute(f"PRAGMA user_version = {number}")
