"""The part of a record that knows files: one row for one real path, whatever it was called when it was read.

A memory of an older quipu has no such rows. Its documents name their files, and such a name, seen from the folder in
which the program runs, stands for a file of which nothing else is known until it is read again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from quipu.records import Document, QAPair, content_id
from quipu.storage.pairs import normalized
from quipu.storage.store import Store

Kind = Literal["documents", "pairs"]
_COLUMNS = "path, name, kind, size, modified, sha256, read, note"


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file that was read. ``size`` in bytes, ``modified`` in nanoseconds, ``sha256`` of its bytes.

    ``name``: how it is shown, which no other file is; ``read``: when, in UTC, "" where it is not known. A size of -1
    says that nothing but the name is known. ``note``: what else was noticed ("left_out", "language").
    """

    path: str
    name: str
    kind: Kind = "documents"
    size: int = -1
    modified: int = 0
    sha256: str = ""
    read: str = ""
    note: Mapping[str, Any] = field(default_factory=dict)


def known_files(store: Store) -> list[KnownFile]:
    """Every file, in the order of the paths; those that only their documents name come last."""
    found = [] if store.format < 5 else list(_rows(store, "ORDER BY path", ()))
    names = {file.name for file in found}
    paths = {file.path for file in found}
    for (name,) in store.connection.execute("SELECT file FROM documents GROUP BY file ORDER BY min(row)"):
        if name not in names and (path := os.path.realpath(name)) not in paths:
            paths.add(path)
            found.append(KnownFile(path, name))
    return found


def file_at(store: Store, path: str) -> KnownFile | None:
    """What is known of the file with this real path."""
    return next(_rows(store, "WHERE path = ?", (path,)), None) if store.format >= 5 else None


def keep_file(store: Store, file: KnownFile) -> None:
    """Note that a file was read, now; what was known of its path or under its name is replaced."""
    read = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with store.transaction():
        store.connection.execute(
            f"INSERT OR REPLACE INTO files ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (file.path, file.name, file.kind, file.size, file.modified, file.sha256, read,
             json.dumps(dict(file.note), ensure_ascii=False)),
        )  # fmt: skip


def forget_file(store: Store, name: str) -> None:
    """Know nothing of a file any more; its documents stay, so that it is read again when it is next met."""
    with store.transaction():
        store.connection.execute("DELETE FROM files WHERE name = ?", (name,))


def documents_of(store: Store, name: str) -> list[str]:
    """Ids of the documents of the file that is shown by ``name``."""
    return [row[0] for row in store.connection.execute("SELECT id FROM documents WHERE file = ? ORDER BY row", (name,))]


def file_of(store: Store, document_id: str) -> str:
    """The name of the file of a document, "" where there is no such document."""
    row = store.connection.execute("SELECT file FROM documents WHERE id = ?", (document_id,)).fetchone()
    return str(row[0]) if row else ""


def alike(store: Store, document: Document) -> Document | None:
    """The stored document with the source, the text and the structure of this one.

    Page, line, title and metadata may differ; a document of an older quipu, without structure, is alike too.
    """
    for (known,) in store.connection.execute(
        "SELECT id FROM documents WHERE source = ? AND sha256 = ?", (document.source, document.sha256)
    ).fetchall():
        stored = store.document(known)
        if not stored.marks or _structure(stored) == _structure(document):
            return stored
    return None


def with_free_id(store: Store, document: Document) -> Document:
    """The document, under another id where one that was moved away already has its own."""
    known = "SELECT 1 FROM documents WHERE id = ?"
    while store.connection.execute(known, (document.id,)).fetchone() is not None:
        document = replace(document, id=content_id(document.id, "another"))
    return document


def restate(store: Store, document: Document) -> None:
    """Give the stored document of this id the source, title, metadata and marks of ``document``; its text stays."""
    with store.transaction():
        former, former_source = store.searches(document.id), store.source(document.id)
        store.connection.execute(
            "UPDATE documents SET source = ?, file = ?, title = ?, metadata = ? WHERE id = ?",
            (document.source, str(document.metadata.get("file", document.source)), document.title,
             json.dumps(dict(document.metadata), ensure_ascii=False), document.id),
        )  # fmt: skip
        sources = (document.source, former_source)
        store.connection.execute("UPDATE feedback SET source = ? WHERE source = ?", sources)
        store.connection.execute("UPDATE OR REPLACE rejected SET source = ? WHERE source = ?", sources)
        store.connection.execute("DELETE FROM marks WHERE document = ?", (document.id,))
        store.add_marks(document)
        store.search_otherwise(document.id, former)


def move_file(store: Store, known: KnownFile, path: str, name: str, titles: tuple[str, str]) -> None:
    """A file was renamed or moved: its documents follow, with all that came from them, in one transaction.

    ``titles``: what the old and the new name are as titles; a document that bears the first takes the second.
    """
    with store.transaction():
        for document_id in documents_of(store, known.name):
            document = store.document(document_id)
            source = name + document.source.removeprefix(known.name)
            title = titles[1] if document.title == titles[0] else document.title
            metadata = {**document.metadata, "file": name}
            restate(store, replace(document, source=source, title=title, metadata=metadata))
        forget_file(store, known.name)
        keep_file(store, replace(known, path=path, name=name))


def free_name(path: str, name: str, taken: Mapping[str, str]) -> str:
    """``name``, or the whole ``path`` where another file is shown by it; ``taken``: path by name."""
    for shown in (name, path):
        if taken.get(shown, path) == path:
            return shown
    number = 2
    while f"{path} ({number})" in taken:
        number += 1
    return f"{path} ({number})"


def listed(store: Store) -> Iterator[dict[str, Any]]:
    """For every file what is known of it, with its title and its documents, pages, passages and pairs, counted."""
    for file in known_files(store):
        title, documents, pairs, passages = store.connection.execute(
            "SELECT (SELECT title FROM documents WHERE file = ?1 ORDER BY row LIMIT 1), count(*),"
            " sum((SELECT count(*) FROM pairs p WHERE p.document = d.id)),"
            " sum((SELECT count(*) FROM passages p WHERE p.document = d.id)) FROM documents d WHERE file = ?1",
            (file.name,),
        ).fetchone()
        pages = None
        if store.format >= 4:
            pages = store.connection.execute(
                "SELECT max(page) FROM marks m JOIN documents d ON d.id = m.document WHERE d.file = ?", (file.name,)
            ).fetchone()[0]
        yield {
            "path": file.path, "name": file.name, "kind": file.kind, "title": title or "", "size": file.size,
            "modified": file.modified, "read": file.read or None,
            "documents": documents, "pages": pages, "passages": passages or 0, "pairs": pairs or 0,
        }  # fmt: skip


class Renewal(AbstractContextManager["Renewal"]):
    """The pairs of a file of ready pairs while the file is read again; their document is ``document_id``."""

    def __init__(self, store: Store, document_id: str) -> None:
        """What was given is noted in a table of this connection, for a file may hold millions of pairs."""
        self._store, self._document = store, document_id
        store.connection.execute("CREATE TEMP TABLE given (id TEXT PRIMARY KEY) WITHOUT ROWID")

    def __exit__(self, *_: object) -> None:
        self._store.connection.execute("DROP TABLE given")

    def missing(self, pairs: Iterable[QAPair]) -> list[QAPair]:
        """Which of these pairs of the file are not stored; the others take their line.

        The same pair from an older quipu, which kept no file, gives way.
        """
        execute = self._store.connection.execute
        fresh = []
        for pair in pairs:
            if not execute("INSERT OR IGNORE INTO given VALUES (?)", (pair.id,)).rowcount:
                continue
            stored = execute("SELECT line FROM pairs WHERE id = ?", (pair.id,)).fetchone()
            if stored is None:
                normal = normalized(pair.question, pair.answer)
                execute("DELETE FROM pairs WHERE normal = ? AND document IS NULL AND origin = 'imported'", (normal,))
                fresh.append(pair)
            elif stored[0] != pair.line:
                execute("UPDATE pairs SET line = ? WHERE id = ?", (pair.line, pair.id))
        return fresh

    def answered_anew(self) -> int:
        """How many of the pairs that were not given ask what one that was given answers otherwise."""
        count, last = 0, self._store.last_row()
        execute = self._store.connection.execute
        query = "SELECT id FROM pairs WHERE document = ? AND id NOT IN (SELECT id FROM given)"
        for (pair_id,) in execute(query, (self._document,)).fetchall():
            alike = self._store.asked_alike(self._store.pair(pair_id), last)
            count += any(execute("SELECT 1 FROM given WHERE id = ?", (item,)).fetchone() for item in alike)
        return count

    def remove_others(self) -> int:
        """Remove the pairs of the file that were not given; how many."""
        condition = "document = ? AND id NOT IN (SELECT id FROM given)"
        execute = self._store.connection.execute
        with self._store.transaction():
            execute(f"DELETE FROM verdicts WHERE pair IN (SELECT id FROM pairs WHERE {condition})", (self._document,))
            return execute(f"DELETE FROM pairs WHERE {condition}", (self._document,)).rowcount


def begin_pairs(store: Store, path: str, name: str) -> tuple[str, str]:
    """Note that a file of ready pairs is about to be read: the name by which it is shown, and its document's id."""
    known = file_at(store, path)
    if known is not None:
        name = known.name
    else:
        name = free_name(path, name, {file.name: file.path for file in known_files(store)})
    with store.transaction():
        found = documents_of(store, name)
        if not found:
            digest = hashlib.sha256(b"").hexdigest()
            document = Document(content_id("pairs", path), name, "", "", digest, {"file": name})
            document = with_free_id(store, document)
            store.add_documents([document], [])
            found = [document.id]
        keep_file(store, KnownFile(path, name, "pairs"))  # without its hash: it is read again where this is not ended
    return name, found[0]


def _rows(store: Store, condition: str, values: tuple[object, ...]) -> Iterator[KnownFile]:
    found: list[tuple[Any, ...]] = store.connection.execute(
        f"SELECT {_COLUMNS} FROM files {condition}", values
    ).fetchall()
    for path, name, kind, size, modified, sha256, read, note in found:
        yield KnownFile(path, name, kind, size, modified, sha256, read, json.loads(note))


def _structure(document: Document) -> list[tuple[object, ...]]:
    return [(mark.span, mark.kind, mark.level) for mark in document.marks]
