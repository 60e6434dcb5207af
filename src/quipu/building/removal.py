"""Files and documents out, with their pairs; a pair that another document supports too stays."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np

from quipu.building.builder import Builder
from quipu.building.pipeline import key_texts
from quipu.corpus.files import named
from quipu.records import QAPair, Span, Verdict
from quipu.storage import files
from quipu.storage.feedback import forget_feedback
from quipu.storage.files import documents_of
from quipu.storage.provenance import add_support, supported_elsewhere
from quipu.storage.store import Store


def remove_named(store: Store, name: str, builder: Callable[[], Builder]) -> int:
    """Remove documents by path, file or id, with their files; how many pairs went. InputError where there is none."""
    found = store.find_documents(named(name))
    if not found and (known := files.file_at(store, named(os.path.realpath(name)))) is not None:
        found = store.find_documents(known.name)
    if not found:
        return store.remove(document=named(name))  # says so
    before = store.count()
    with store.transaction():
        forget_feedback(store, [store.source(document_id) for document_id in found])
        for file in {files.file_of(store, document_id) for document_id in found}:
            files.forget_file(store, file)
        remove_documents(builder(), found)
    return before - store.count()


def forget_file(builder: Builder, name: str) -> None:
    """Remove a file with its documents, their pairs, and what was said of their answers."""
    with builder.store.transaction():
        if found := documents_of(builder.store, name):
            forget_feedback(builder.store, [builder.store.source(document_id) for document_id in found])
            remove_documents(builder, found)
        files.forget_file(builder.store, name)


def remove_documents(builder: Builder, document_ids: Sequence[str]) -> None:
    """Remove documents; a pair that others support too moves to the first of them, with a key of its sentence."""
    moving = supported_elsewhere(builder.store, document_ids)
    moved: list[QAPair] = []
    texts: list[str] = []
    support: list[tuple[str, str, Span]] = []
    for pair, ((document_id, span), *rest) in moving:
        passage = builder.store.passage_at(document_id, span)
        if passage is None:
            continue
        new = QAPair.make(
            pair.question, pair.answer, document_id=document_id, span=span, origin=pair.origin,
            generator=pair.generator, generator_score=pair.generator_score, filter_score=pair.filter_score,
        )  # fmt: skip
        moved.append(new)
        texts += key_texts([(new, passage)], builder.settings.key_kind)
        support += [(new.id, *place) for place in rest]
    keys = builder.models.encoder().encode(texts) if texts else np.zeros((0, builder.store.width), dtype=np.float32)
    with builder.store.transaction():
        said = [Verdict(pair.id, "dedup", True, None, "kept when its first document was removed") for pair in moved]
        builder.store.add(moved, keys, texts, said, [pair.document_id for pair in moved])
        add_support(builder.store, support)
        for document_id in document_ids:
            builder.store.remove(document=document_id)
    builder.report.changed = True
