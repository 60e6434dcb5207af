"""The files of the index: written whole with a sidecar that makes them valid, and read with everything checked.

``index.json`` names the rows that ``index.faiss`` covers and that file's sha256; ``vectors.f16`` is there above the
exact range only. Without the sidecar nobody uses the others, and a writer that is killed leaves it so.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from quipu.errors import QuipuError
from quipu.storage.coded import Coded, Runs, mapped
from quipu.storage.guard import bound_faiss, is_coded, is_flat, read_json, runs_of
from quipu.storage.store import Store

_COMPARED = 16  # rows whose vectors are compared with the record's whenever the file is loaded


@dataclass(slots=True)
class Part:
    """An index and the row of each of its places; ``gone`` of them are not in the record any more."""

    index: Any
    rows: Runs
    gone: int = 0
    trained_on: int = 0


class IndexFiles:
    """Those of one store, as they were when they were last read or written."""

    def __init__(self, store: Store) -> None:
        """Nothing is read yet."""
        import faiss

        self._faiss: Any = faiss
        self._store = store
        self._sidecar, self._file = store.path / "index.json", store.path / "index.faiss"
        self._vectors = store.path / "vectors.f16"
        self._stamp: tuple[int, int] | None = None

    def read(self) -> Part | None:
        """The files on disk, if they are those that the sidecar names and hold the record's vectors; else None.

        The first is hashed and read through one descriptor, so that a writer who replaces it in between is not read
        unhashed. The mapped vectors are compared with the record's in a few places here, in all by ``verify``.
        """
        width = self._store.width
        self._stamp = self._stamp_now()
        try:
            listing = read_json(self._sidecar)
            trained_on = int(listing.get("trained_on", 0))
            size = self._file.stat().st_size
            held = self._vectors.stat().st_size if trained_on else size
            runs = runs_of(listing, held // (2 * width))
            with self._file.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != listing["sha256"]:
                    return None
                file.seek(0)
                bound_faiss(self._faiss, size)
                index = self._deserialised(file)
            if trained_on:
                sound = is_coded(self._faiss, index, width, runs.count)
                index = Coded(index, mapped(self._vectors, runs.count, width))
            else:
                sound = is_flat(self._faiss, index, width, runs.count)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RuntimeError, MemoryError):
            return None
        part = Part(index, runs, 0, trained_on)
        return part if sound and not any(self.strangers(part, _COMPARED)) else None

    def _deserialised(self, file: BinaryIO) -> Any:
        reader = self._faiss.PyCallbackIOReader(file.read, 1 << 22)
        return self._faiss.read_index(self._faiss.BufferedIOReader(reader, 1 << 22))

    def strangers(self, part: Part, most: int | None = None) -> Iterator[int]:
        """Rows up to the last covered one that the index lacks or whose vector is not the stored one.

        ``most`` rows, evenly spaced over the covered ones, or all.
        """
        if most is None:
            rows = self._store.rows()
            rows = rows[: np.searchsorted(rows, part.rows.last, side="right")]
            yield from rows[part.rows.places(rows) < 0].tolist()
        else:
            rows = part.rows.rows(np.unique(np.linspace(0, part.rows.count - 1, most).astype(np.int64)))
        for row, place in zip(rows.tolist(), part.rows.places(rows).tolist(), strict=True):
            stored = self._store.vector(row)
            if stored is None and self._store.is_gone(row):
                continue
            if stored is None or place < 0 or not np.array_equal(part.index.reconstruct(place), stored):
                yield row

    def outdated(self) -> bool:
        """Whether another process has replaced the files since they were read."""
        stamp = self._stamp_now()
        return stamp is not None and stamp != self._stamp

    def _stamp_now(self) -> tuple[int, int] | None:
        try:
            found = self._sidecar.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino

    def write_exact(self, index: Any, runs: Runs) -> Part | None:
        """Write an exact index, or where it is empty take the files away; QuipuError where the disk refuses."""
        self._write(index, runs, 0)
        self._vectors.unlink(missing_ok=True)
        return Part(index, runs) if runs.count else None

    def write_coded(self, codes: Any, runs: Runs, trained_on: int) -> Part:
        """Add the stored vectors after those of ``runs`` to codes and mapped file, and write; QuipuError as above."""
        width = self._store.width
        try:
            if not runs.count:
                self._vectors.unlink(missing_ok=True)  # a reader that maps it keeps what it has
            with self._vectors.open("r+b" if runs.count else "wb") as file:
                file.seek(2 * width * runs.count)
                file.truncate()
                for rows, vectors in self._store.vectors(after_row=runs.last):
                    codes.add(vectors)
                    file.write(vectors.astype(np.float16).tobytes())
                    runs = runs.joined(rows)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._refused(error) from error
        self._write(codes, runs, trained_on)
        return Part(Coded(codes, mapped(self._vectors, runs.count, width)), runs, 0, trained_on)

    def _write(self, index: Any, runs: Runs, trained_on: int) -> None:
        """The file first, then the sidecar that makes it valid."""
        try:
            self._sidecar.unlink(missing_ok=True)
            if not runs.count:
                self._file.unlink(missing_ok=True)
                return
            listing = {"sha256": self._serialised(index), "rows": runs.count, "last_row": runs.last,
                       "runs": runs.listed()}  # fmt: skip
            if trained_on:
                listing["trained_on"] = trained_on
            temporary = _temporary(self._sidecar)
            temporary.write_text(json.dumps(listing) + "\n", encoding="utf-8")
            os.replace(temporary, self._sidecar)
            self._stamp = self._stamp_now()
        except (OSError, RuntimeError) as error:  # FAISS raises RuntimeError for what it cannot write
            raise self._refused(error) from error

    def _serialised(self, index: Any) -> str:
        """Write ``index.faiss``; its sha256."""
        temporary = _temporary(self._file)
        with temporary.open("wb+") as written:  # not by its name, which need not be UTF-8
            self._faiss.write_index(index, self._faiss.PyCallbackIOWriter(written.write, 1 << 22))
            written.seek(0)
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        os.replace(temporary, self._file)
        return digest

    def _refused(self, error: Exception) -> QuipuError:
        """The pairs do not depend on the index."""
        for file in (self._file, self._sidecar):
            _temporary(file).unlink(missing_ok=True)
        folder = self._store.path
        return QuipuError(
            f"{folder}: the pairs are stored, but index.faiss could not be written "
            f"({getattr(error, 'strerror', None) or 'no room on the disk, or no right to write'}); "
            f"make room, then: quipu verify {folder} --repair"
        )


def _temporary(file: Path) -> Path:
    return file.with_name(file.name + ".tmp")


def problems_of_the_index(store: Store) -> Iterator[str]:
    """What is wrong with the files on disk, every vector compared (for verify); nothing where there is no sidecar."""
    if not (store.path / "index.json").exists():
        return
    files = IndexFiles(store)
    part = files.read()
    if part is None:
        yield "not the file that was written, or made of other pairs"
        return
    for row in files.strangers(part):
        yield f"row {row} has another vector than the record"
        return
