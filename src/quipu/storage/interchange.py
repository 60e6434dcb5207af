"""Whole memories to files and back: JSONL or Parquet, one record a line, from which a memory is restored exactly.

The first record holds the version and the manifest, the last one counts and a digest of all lines before it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from quipu.errors import InputError, MissingExtra, QuipuError
from quipu.storage.making import making
from quipu.storage.manifest import sync_folder
from quipu.storage.rows import UNUSABLE, Importer, exported, last_rows
from quipu.storage.store import Store

VERSION = 2
_BATCH = 1024
_LONGEST = 1 << 28  # bytes of a line


def export_memory(store: Store, path: Path) -> int:
    """Write everything that the memory holds to ``path`` (.jsonl or .parquet); how many pairs.

    A file that is there is replaced when the new one is whole. InputError where it cannot be written.
    """
    path = Path(path)
    if path.suffix not in (".jsonl", ".parquet"):
        raise InputError(f"{path}: export writes .jsonl or .parquet")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file, store.snapshot():  # one moment, whatever a writer does meanwhile
                count = store.count()
                if path.suffix == ".jsonl":
                    file.writelines(line + b"\n" for line in _lines(store))
                else:
                    _write_parquet(file, _lines(store))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error})") from error
    except UNUSABLE as error:
        if isinstance(error, QuipuError):
            raise
        raise InputError(f"{store.path} cannot be exported ({error}); run: quipu verify {store.path}") from error
    return count


def _lines(store: Store) -> Iterator[bytes]:
    digest, counts = hashlib.sha256(), Counter[str]()
    manifest = {key: value for key, value in store.manifest.items() if key != "digest"}
    head = ("memory", {"version": VERSION, "manifest": manifest, "last_rows": last_rows(store)})
    for kind, row in itertools.chain([head], exported(store)):
        line = json.dumps({"record": kind, **row}, ensure_ascii=False).encode("utf-8")
        digest.update(line + b"\n")
        counts[kind] += 1
        yield line
    yield json.dumps({"record": "end", "counts": dict(counts), "sha256": digest.hexdigest()}).encode()


def import_memory(path: Path, into: Path) -> int:
    """Make the memory ``into`` of an exported file; how many pairs.

    InputError names the line that cannot be used, or says that the file is cut or was changed; nothing stays of the
    folder then. MemoryLocked where another process imports to the same place.
    """
    path, into = Path(path), Path(into)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    lines = enumerate(_read_parquet(path) if path.suffix == ".parquet" else _read_jsonl(path), start=1)
    first = next(lines, None)
    manifest, given = _head(path, first[1] if first else b"")
    with making(into, manifest, str(path)) as store:
        digest = hashlib.sha256(first[1] + b"\n" if first else b"")
        _restore(store, path, lines, digest, given)
        return store.count()


def _head(path: Path, line: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the first line says of the memory: its manifest, and the last row numbers, which older exports lack."""
    try:
        head = json.loads(line)
        if head["record"] != "memory":
            raise ValueError("its first record is not of kind memory")
    except UNUSABLE as error:
        raise InputError(f"{path}: not an exported memory ({error})") from error
    version = head.get("version")
    if type(version) is not int or version != VERSION:
        newer = type(version) is int and version > VERSION
        mend = "update quipu" if newer else "export the memory again with this quipu"
        raise InputError(f"{path}: an export of version {version!r}, this quipu reads version {VERSION}; {mend}")
    try:
        manifest = head["manifest"]
        width, models, settings = manifest["width"], manifest["models"], manifest.get("settings", {})
        given = head.get("last_rows", {})
        if type(width) is not int or not 1 <= width <= 65_536:
            raise ValueError(f"a width of {width}")
        if not isinstance(settings, dict) or not all(isinstance(name, str) for name in models.values()):
            raise ValueError("models or settings are none")
        return dict(manifest), dict(given)
    except UNUSABLE as error:
        raise InputError(f"{path}, line 1: the record of kind memory cannot be used ({error!r})") from error


def _restore(
    store: Store, path: Path, lines: Iterator[tuple[int, bytes]], digest: Any, given: Mapping[str, Any]
) -> None:
    """Put the records into the store, up to the closing one, where row numbers up to ``given`` were given.

    InputError names the line.
    """
    importer, counts = Importer(store), Counter({"memory": 1})
    for number, line in lines:
        try:
            row = json.loads(line)
            kind = row.pop("record")
            if kind == "end":
                _close(row, counts, digest.hexdigest())
                if next(lines, None) is not None:
                    raise ValueError("something stands behind the closing record")
                break
            importer.add(kind, row)
        except UNUSABLE as error:
            if isinstance(error, QuipuError):
                raise
            what = f"it lacks {error}" if isinstance(error, KeyError) else error
            raise InputError(f"{path}, line {number}: cannot be used ({what})") from error
        counts[kind] += 1
        digest.update(line + b"\n")
    else:
        raise InputError(f"{path}: its end is missing (no closing record); the file was cut, export it again")
    try:
        importer.go_on_after(given)
    except ValueError as error:
        raise InputError(f"{path}, line 1: cannot be used ({error})") from error


def _close(row: dict[str, Any], counts: Counter[str], digest: str) -> None:
    if row["counts"] != dict(counts):
        raise ValueError("the counts of the closing record are not those of the records; the file was changed")
    if row["sha256"] != digest:
        raise ValueError("the digest of the closing record is not that of the records; the file was changed")


def _read_jsonl(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while line := file.readline(_LONGEST):
            if not line.endswith(b"\n"):
                raise InputError(f"{path}: its end is missing, or a line is too long; export it again")
            yield line[:-1]


def _write_parquet(file: IO[bytes], lines: Iterable[bytes]) -> None:
    """One column of the records as JSON (the kinds have different fields)."""
    arrow, parquet = _arrow()
    schema = arrow.schema([("record", arrow.string())])
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        stream = iter(lines)
        while rows := list(itertools.islice(stream, _BATCH)):
            column = arrow.array([line.decode("utf-8") for line in rows], arrow.string())
            writer.write_table(arrow.table([column], schema=schema))


def _read_parquet(path: Path) -> Iterator[bytes]:
    arrow, parquet = _arrow()
    try:
        for batch in parquet.ParquetFile(str(path)).iter_batches(_BATCH):
            for row in batch.to_pylist():
                yield row["record"].encode("utf-8")
    except (arrow.ArrowException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not an exported memory ({error})") from error


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("Parquet files need pyarrow: pip install 'quipu-qa[parquet]'") from error
    return pyarrow, pyarrow.parquet
