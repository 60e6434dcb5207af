"""Whole memories to files and back: JSONL or Parquet, one record a line, from which a memory is restored exactly."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from quipu.errors import InputError, MissingExtra, QuipuError
from quipu.memory.index import Index
from quipu.memory.opening import lock
from quipu.memory.provenance import add_support, all_support, mark_ambiguous
from quipu.memory.store import Store
from quipu.records import Document, Passage, QAPair, Span, Verdict

Record = tuple[str, str, dict[str, Any]]
"""Where it stands, its kind, its fields."""

_BATCH = 1024
_UNUSABLE = (KeyError, TypeError, ValueError, AttributeError, QuipuError)


def export_memory(store: Store, path: Path) -> int:
    """Write everything that the memory holds to ``path`` (.jsonl or .parquet); how many pairs."""
    path = Path(path)
    if path.suffix not in (".jsonl", ".parquet"):
        raise InputError(f"{path}: export writes .jsonl or .parquet")
    temporary = path.with_name(path.name + ".tmp")
    try:
        with store.snapshot():  # a writer beside must not give pairs without their documents
            count = store.count()
            if path.suffix == ".jsonl":
                with temporary.open("w", encoding="utf-8") as file:
                    for kind, record in _records(store):
                        file.write(json.dumps({"kind": kind, **record}, ensure_ascii=False) + "\n")
            else:
                _write_parquet(temporary, _records(store))
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)
    return count


def import_memory(path: Path, into: Path) -> int:
    """Make the memory ``into`` of an exported file; how many pairs.

    InputError names the line that cannot be used; nothing stays of the folder then.
    """
    path, into = Path(path), Path(into)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    records = _read_parquet(path) if path.suffix == ".parquet" else _read_jsonl(path)
    head = next(records, None)
    if head is None or head[1] != "memory":
        raise InputError(f"{path}: not an exported memory (its first record is not of kind memory)")
    try:
        width, models, settings = int(head[2]["width"]), dict(head[2]["models"]), dict(head[2]["settings"])
        if not 1 <= width <= 65_536:
            raise ValueError(f"a width of {width}")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}, {head[0]}: the record of kind memory cannot be used ({error!r})") from error
    beside = _place_beside(into)
    store = Store.create(beside, width=width, models=models, settings=settings)
    try:
        with store:
            for kind, group in itertools.groupby(records, key=lambda record: record[1]):
                while rows := list(itertools.islice(group, _BATCH)):
                    _restore_all(store, path, kind, rows)
            Index.rebuild(store)
            count = store.count()
        os.replace(beside, into)
        return count
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _restore_all(store: Store, path: Path, kind: str, rows: list[Record]) -> None:
    """A batch of one kind in one transaction; where it fails, again record by record, to name the one at fault."""
    try:
        with store.transaction():
            _restore(store, kind, [row for _, _, row in rows])
    except _UNUSABLE as error:
        for where, _, row in rows:
            try:
                with store.transaction():
                    _restore(store, kind, [row])
            except _UNUSABLE as reason:
                raise InputError(f"{path}, {where}: a record of kind {kind} cannot be used ({reason})") from reason
        raise InputError(f"{path}, {rows[0][0]} and after: records of kind {kind} cannot be used ({error})") from error


def _place_beside(into: Path) -> Path:
    """Where the memory is made before it is moved into place, so that one that was killed is never taken for whole."""
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise InputError(f"{into} exists and is no empty folder; choose another name or remove it")
    beside = into.absolute().with_name(into.name + ".importing")
    if beside.is_symlink() or (beside.exists() and not beside.is_dir()):
        raise InputError(f"{beside} is in the way; remove it")
    if beside.exists():
        os.close(lock(beside))  # MemoryLocked where another process is making it
        shutil.rmtree(beside)
    return beside


def _records(store: Store) -> Iterator[tuple[str, dict[str, Any]]]:
    settings = store.manifest.get("settings", {})
    yield "memory", {"width": store.width, "models": store.models, "settings": settings}
    for document in store.documents():
        yield "document", {
            "id": document.id, "source": document.source, "title": document.title, "text": document.text,
            "metadata": dict(document.metadata),
            "passages": [[item.span.start, item.span.end] for item in store.passages(document.id)],
        }  # fmt: skip
    for rows, vectors in store.vectors(batch=_BATCH):
        for pair, vector in zip(store.pairs_by_rows(rows.tolist()), vectors, strict=True):
            if pair is not None:
                yield "pair", {
                    "id": pair.id, "question": pair.question, "answer": pair.answer, "document": pair.document_id,
                    "start": pair.span.start if pair.span else None, "end": pair.span.end if pair.span else None,
                    "origin": pair.origin, "generator": pair.generator, "generator_score": pair.generator_score,
                    "filter_score": pair.filter_score, "key_text": store.key_text(pair.id),
                    "vector": base64.b64encode(vector.astype("<f2").tobytes()).decode("ascii"),
                }  # fmt: skip
    names = ("pair", "stage", "kept", "score", "reason", "because_of", "document", "passage")
    passage = "passage" if store.format >= 2 else "NULL"
    for row in store.connection.execute(
        f"SELECT pair, stage, kept, score, reason, because_of, document, {passage} FROM verdicts ORDER BY pair, stage"
    ):
        yield "verdict", dict(zip(names, row, strict=True))
    for pair_id, other, document_id, span in all_support(store):
        yield "support", {
            "pair": pair_id, "ambiguous": other, "document": document_id,
            "start": span.start if span else None, "end": span.end if span else None,
        }  # fmt: skip
    for key, note, document_id in store.connection.execute("SELECT key, note, document FROM journal ORDER BY key"):
        yield "journal", {"key": key, "note": note, "document": document_id}


def _restore(store: Store, kind: str, rows: list[dict[str, Any]]) -> None:
    if kind == "document":
        for row in rows:
            document = Document.make(row["source"], row["title"], row["text"], row["metadata"])
            if document.id != row["id"]:
                raise ValueError(f"the text of {row['source']} does not fit its id")
            store.add_documents([document], (Passage.make(document, Span(*span)) for span in row["passages"]))
    elif kind == "pair":
        pairs = [
            QAPair(
                row["id"], row["question"], row["answer"], row["document"],
                None if row["start"] is None else Span(row["start"], row["end"]), row["origin"], row["generator"],
                row["generator_score"], row["filter_score"],
            )
            for row in rows
        ]  # fmt: skip
        keys = [np.frombuffer(base64.b64decode(row["vector"], validate=True), dtype="<f2") for row in rows]
        store.add(pairs, np.stack(keys).astype(np.float32), [row["key_text"] for row in rows])
    elif kind == "verdict":
        verdicts = [
            Verdict(row["pair"], row["stage"], bool(row["kept"]), row["score"], row["reason"], row["because_of"])
            for row in rows
        ]
        store.add_verdicts(verdicts, [row["document"] for row in rows], [row.get("passage") for row in rows])
    elif kind == "support":
        add_support(store, ((r["pair"], r["document"], Span(r["start"], r["end"])) for r in rows if r["document"]))
        mark_ambiguous(store, ((row["pair"], row["ambiguous"]) for row in rows if row["ambiguous"] is not None))
    elif kind == "journal":
        with store.transaction():
            for row in rows:
                store.journal_mark(row["key"], row["note"], row["document"])
    else:
        raise ValueError(f"unknown kind {kind!r}")


def _read_jsonl(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line.decode("utf-8"))
                yield f"line {number}", row.pop("kind"), row
            except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
                raise InputError(f"{path}, line {number}: not a record of an exported memory ({error})") from error


def _write_parquet(path: Path, records: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Two columns: the kind, and the record as JSON (the kinds have different fields)."""
    arrow, parquet = _arrow()
    schema = arrow.schema([("kind", arrow.string()), ("record", arrow.string())])
    with parquet.ParquetWriter(str(path), schema, compression="zstd") as writer:
        stream = iter(records)
        while rows := list(itertools.islice(stream, _BATCH)):
            columns = [[kind for kind, _ in rows], [json.dumps(record, ensure_ascii=False) for _, record in rows]]
            writer.write_table(arrow.table([arrow.array(column, arrow.string()) for column in columns], schema=schema))


def _read_parquet(path: Path) -> Iterator[Record]:
    arrow, parquet = _arrow()
    try:
        number = 0
        for batch in parquet.ParquetFile(str(path)).iter_batches(_BATCH):
            for row in batch.to_pylist():
                number += 1
                yield f"row {number}", row["kind"], json.loads(row["record"])
    except (arrow.ArrowException, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not an exported memory ({error})") from error


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("Parquet files need pyarrow: pip install 'quipu-qa[parquet]'") from error
    return pyarrow, pyarrow.parquet
