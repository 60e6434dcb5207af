"""Documents in: what is new or changed is read, split and stored; what a file no longer holds goes with its pairs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from quipu.building.builder import ADDING, Builder
from quipu.building.pairs import read_again
from quipu.building.pipeline import key_texts
from quipu.building.removal import forget_file, remove_documents
from quipu.corpus import FileRead, FolderRead, Skipped, read_files
from quipu.corpus.passages import split, structured
from quipu.corpus.readers.plain import title_of
from quipu.corpus.ready import ready_pairs
from quipu.records import Document, Passage, QAPair, Span
from quipu.storage import files, passage_vectors
from quipu.storage.files import KnownFile, alike, documents_of, keep_file, move_file, restate, with_free_id
from quipu.storage.provenance import add_support
from quipu.syncing import Changes, Moved, survey
from quipu.text import normalize_answer

_DOCUMENTS = 64  # documents per transaction
_CODED = 256  # passages whose tokens are coded in a transaction


def add_documents(builder: Builder, paths: Sequence[str | Path], *, strict: bool = False) -> None:
    """Read, split and store what is new or changed; what a file no longer holds is removed with its pairs.

    Known files that are gone are named in the report. What else happens: see ``take_in``.
    """
    take_in(builder, survey(builder.store, paths, strict=strict), strict=strict)


def take_in(builder: Builder, changes: Changes, *, delete: bool = False, strict: bool = False) -> None:
    """Make the memory hold the files as they are: moved ones first, without any model; what is gone, with
    ``delete``, else it is named; then what is new or changed. A file is one transaction, or ends with one where it
    is long.
    """
    began = time.perf_counter()
    builder.report.note(changes)
    if changes.new or changes.changed:
        builder.store.journal_mark(ADDING)
    for moved in changes.moved:
        _move(builder, moved)
    if delete:
        for file in changes.gone:
            forget_file(builder, file.name)
            builder.report.gone.remove(file.name)
            builder.report.removed.append(file.name)
    for file in changes.same:
        keep_file(builder.store, file)
    reading = [*changes.new, *changes.changed]
    for item in reading:
        if item.known is not None and item.known.kind == "pairs":
            read_again(builder, item.found, strict=strict)
    documents = [item.found for item in reading if item.known is None or item.known.kind == "documents"]
    if documents:
        _read(builder, read_files(documents, strict=strict), {found.name: found.path for found in documents})
    code_passages(builder)
    builder.report.seconds += time.perf_counter() - began


def _read(
    builder: Builder, items: Iterable[Document | Skipped | FileRead | FolderRead], paths: Mapping[str, str]
) -> None:
    """Store documents as they come, each file's followed by its ``FileRead``; ``paths``: of files by name."""
    waiting: list[Document] = []
    added: list[str] = []
    seen: set[str] = set()
    for item in items:
        if isinstance(item, Skipped):
            builder.report.skipped.append(item)
        elif isinstance(item, Document):
            waiting.append(item)
            if len(waiting) == _DOCUMENTS:
                name = str(item.metadata["file"])
                with builder.store.transaction():
                    keep_file(builder.store, KnownFile(paths[name], name))  # not as read: the rest may not come
                    _store_documents(builder, waiting, added, seen)
                waiting.clear()
        elif isinstance(item, FileRead):
            with builder.store.transaction():
                _store_documents(builder, waiting, added, seen)
                _end_file(builder, item, added, seen)
            _count_file(builder, item, len(added))
            waiting, added, seen = [], [], set()


def _store_documents(builder: Builder, documents: Sequence[Document], added: list[str], seen: set[str]) -> None:
    """Store those that are not there yet; ``seen`` and ``added`` take the ids of all and of the new ones."""
    with builder.store.transaction():
        for document in map(structured, documents):
            stored = alike(builder.store, document)
            if stored is None:
                document = with_free_id(builder.store, document)
                builder.store.add_documents([document], split(document))
                _keep_ready(builder, document)
                added.append(document.id)
            elif (same := replace(document, id=stored.id)) != stored and stored.id not in seen:
                restate(builder.store, same)
            seen.add(document.id if stored is None else stored.id)


def _keep_ready(builder: Builder, document: Document) -> None:
    """Store the questions that a document answers itself; one that is known gets one place more."""
    fresh: dict[tuple[str, str], tuple[QAPair, Passage]] = {}
    support: list[tuple[str, str, Span]] = []
    for pair in ready_pairs(document):
        words = normalize_answer(pair.question), normalize_answer(pair.answer)
        known = builder.store.question_answer_exists(pair.question, pair.answer)
        known = fresh[words][0].id if words in fresh else known
        passage = builder.store.passage_at(document.id, cast(Span, pair.span))
        if known is not None:
            support.append((known, document.id, cast(Span, pair.span)))
        elif passage is not None:
            fresh[words] = pair, passage
    pairs = [pair for pair, _ in fresh.values()]
    if pairs:
        texts = key_texts(list(fresh.values()), builder.settings.key_kind)
        builder.store.add(pairs, builder.models.encoder().encode(texts), texts)
        builder.report.pairs += len(pairs)
        builder.grew(len(pairs))
    add_support(builder.store, support)


def _end_file(builder: Builder, file: FileRead, added: Sequence[str], seen: set[str]) -> None:
    """Of a file that was read to its end, remove what it no longer holds; of any other, what of it is new, where
    an earlier reading is there.
    """
    known = documents_of(builder.store, file.name)
    if file.complete:
        stale = [document_id for document_id in known if document_id not in seen]
        if seen:
            note: dict[str, Any] = {"left_out": dict(file.left_out)} if file.left_out else {}
            note |= {"language": file.language} if file.language else {}
            keep_file(
                builder.store,
                KnownFile(file.path, file.name, "documents", file.size, file.modified, file.sha256, note=note),
            )
        else:
            files.forget_file(builder.store, file.name)
    else:
        stale = list(added) if len(added) < len(known) else []
    if stale:
        remove_documents(builder, stale)


def _count_file(builder: Builder, file: FileRead, added: int) -> None:
    builder.report.files += file.complete
    builder.report.documents += added
    builder.report.changed |= bool(added)
    builder.report.left_out.update(file.left_out)
    if file.language:
        builder.report.languages[file.language] += 1
    builder.tell(stage="read", done=builder.report.documents, total=0)


def _move(builder: Builder, moved: Moved) -> None:
    known, found = moved.known, moved.found
    with builder.store.transaction():
        if documents_of(builder.store, found.name):
            forget_file(builder, found.name)
        titles = title_of(Path(known.name)), title_of(Path(found.name))
        move_file(builder.store, known, found.path, found.name, titles)
    builder.report.moved.append((known.name, found.name))
    builder.report.changed = True


def code_passages(builder: Builder) -> None:
    """Keep vectors and token codes of every passage that has none, where the encoder can make them."""
    encoder = builder.models.span_encoder()
    if encoder is None:
        return
    if not passage_vectors.made_by(builder.store, encoder):
        passage_vectors.forget(builder.store, encoder)
    done = 0
    while batch := passage_vectors.waiting(builder.store, _CODED):
        found = encoder.passages([passage.text for passage in batch])
        vectors = np.array([_unit(item.vectors.mean(axis=0)) for item in found])
        made = [passage_vectors.PassageTokens(encoder.codebook.encode(item.vectors), item.offsets) for item in found]
        passage_vectors.put(builder.store, batch, vectors, made)
        done += len(batch)
        builder.tell(stage="code", done=done, total=0)


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return vector / (np.linalg.norm(vector) or 1.0)
