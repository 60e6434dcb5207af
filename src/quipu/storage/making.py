"""A new memory from rows: made beside its place, and moved there when it is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from quipu.errors import InputError, MemoryLocked
from quipu.storage.index import Index
from quipu.storage.manifest import replace_manifest, sync_folder
from quipu.storage.opening import lock
from quipu.storage.schema import FORMAT_VERSION, list_gone
from quipu.storage.store import Store
from quipu.storage.verify import problems_of


@contextmanager
def making(into: Path, manifest: Mapping[str, Any], source: str) -> Iterator[Store]:
    """An empty store to put rows into; when the block ends, what follows from them is made, checked, and moved.

    Nothing stays of the folder where the block or a check fails: InputError says that ``source`` cannot be used then.
    MemoryLocked where another process makes a memory at the same place.
    """
    try:
        beside = _place_beside(into)
        try:
            with Store.create(beside, width=manifest["width"], models=manifest["models"]) as store:
                with store.transaction():
                    yield store
                    store.index_passages()
                    list_gone(store.connection)
                store.manifest = replace_manifest(beside, {**manifest, "format": FORMAT_VERSION})
                Index.rebuild(store)
                for problem in problems_of(store):
                    raise InputError(f"{source} cannot be used: {problem.kind} {problem.where}: {problem.what}")
            os.replace(beside, into)
            sync_folder(into.absolute().parent)
        except MemoryLocked:  # by another process, whose folder it is
            raise
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    except OSError as error:
        raise InputError(
            f"{into} cannot be made ({error.strerror or error}); is there room, and does no other process make it?"
        ) from error


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
