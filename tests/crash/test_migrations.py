"""A memory of every older format, stopped at every statement of its way to the newest: it opens again, and is whole."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.full_memory import ASKED, made
from tests.handmade import WordEncoder
from tests.old_memories import as_format

import quipu
from quipu.errors import FormatError, QuipuError
from quipu.records import Document, Passage, QAPair, Span, Verdict
from quipu.storage import schema
from quipu.storage import store as store_module
from quipu.storage.schema import FORMAT_VERSION, MIGRATIONS
from quipu.storage.store import Store
from quipu.storage.verify import verify


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memory with rows in most tables, and gaps."""
    path = tmp_path_factory.mktemp("newest") / "m"
    with Store.create(path, width=4, models={"m@1": "0123"}) as store:
        for number in range(3):
            text = f"Pier {number} is {number * 7} metres long. It is closed in winter."
            document = Document.make(f"{number}.txt", f"Pier {number}", text, {"file": f"{number}.txt"})
            store.add_documents([document], [Passage.make(document, Span(0, 20)), Passage.make(document, Span(21, 40))])
            pairs = [QAPair.make(f"How long is {number} {n}?", f"{n}", document_id=document.id) for n in range(3)]
            store.add(
                pairs, np.eye(4, dtype=np.float32)[:3], [pair.question for pair in pairs],
                [Verdict(pair.id, "local", True, 0.5, "kept") for pair in pairs], [document.id] * 3,
            )  # fmt: skip
            store.journal_mark(f"document:{document.id}", "", document.id)
        store.remove(pair=pairs[1].id)
    return path


class Stopping:
    """A connection that ends at its n-th statement, as a killed process or a full disk ends it."""

    def __init__(self, connection: sqlite3.Connection, after: int, by_exit: bool = False) -> None:
        self._connection, self.left, self._by_exit = connection, after, by_exit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """Run it, or stop."""
        self._stop()
        return self._connection.execute(statement, *values)

    def executemany(self, statement: str, values: Any) -> sqlite3.Cursor:
        """Run it, or stop."""
        self._stop()
        return self._connection.executemany(statement, values)

    def _stop(self) -> None:
        if not self.left:
            self.left = -1
            if self._by_exit:
                os._exit(9)
            raise sqlite3.OperationalError("stopped")
        self.left -= 1


def stopping(after: int, by_exit: bool = False) -> Any:
    """``migrate``, which ends at its n-th statement."""
    return lambda connection, *rest: schema.migrate(Stopping(connection, after, by_exit), *rest)  # type: ignore[arg-type]


def essence(path: Path) -> object:
    """What the memory holds."""
    with Store.open(path, read_only=True) as store:
        return (
            list(store.pairs()), list(store.documents()), list(store.passages()), store.gone().tolist(),
            [store.verdicts(pair.id) for _, pair in store.pairs()],
            [vectors.tolist() for _, vectors in store.vectors()],
        )  # fmt: skip


@pytest.mark.parametrize("version", range(1, FORMAT_VERSION))
def test_a_migration_that_is_stopped_anywhere_is_done_again(
    newest: Path, tmp_path: Path, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A memory that was brought forward half-way and never opens again is lost with all the hours that made it."""
    before = essence(newest)
    old = tmp_path / "old"
    shutil.copytree(newest, old)
    as_format(old, version)
    stop = 1  # the first one only asks for the format
    while True:
        path = tmp_path / "m"
        shutil.copytree(old, path)
        try:
            with monkeypatch.context() as patch:
                patch.setattr(store_module, "migrate", stopping(stop))
                Store.open(path).close()
            finished = True
        except FormatError as error:
            assert "stopped" in str(error) and "\n" not in str(error)
            finished = False
        with Store.open(path) as store:
            assert store.format == FORMAT_VERSION
        if finished or stop % 9 == 0:
            assert verify(path).problems == [] and essence(path) == before
        shutil.rmtree(path)
        if finished:
            break
        stop += 1 if version == 1 else 4  # the first way holds every statement
    assert stop >= 9


def test_a_process_killed_inside_a_migration_leaves_the_old_memory(newest: Path, tmp_path: Path) -> None:
    """A process that is killed undoes nothing by itself; SQLite must."""
    before = essence(newest)
    for stop in (3, 9, 17, 30, 44):
        path = tmp_path / str(stop)
        shutil.copytree(newest, path)
        as_format(path, 1)
        child = os.fork()
        if not child:
            store_module.migrate = stopping(stop, by_exit=True)  # type: ignore[assignment, attr-defined]
            Store.open(path)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        Store.open(path).close()
        assert verify(path).problems == [] and essence(path) == before


@pytest.mark.parametrize("version", range(1, 5))
def test_what_an_older_quipu_left_half_done_is_done_again(newest: Path, tmp_path: Path, version: int) -> None:
    """It ran the statements of a step one by one, each for itself; killed between, "table ... already exists"."""
    before = essence(newest)
    script = MIGRATIONS[version][0]
    assert isinstance(script, str)
    statements = list(schema._statements(script))
    for done in range(1, len(statements) + 1):
        path = tmp_path / str(done)
        shutil.copytree(newest, path)
        as_format(path, version)
        with sqlite3.connect(path / "records.sqlite", isolation_level=None) as record:
            for statement in statements[:done]:
                record.execute(statement)
        record.close()
        Store.open(path).close()
        assert verify(path).problems == [] and essence(path) == before


def test_a_record_that_cannot_be_brought_forward_says_so(newest: Path, tmp_path: Path) -> None:
    """A traceback of SQLite names neither the memory nor a way out; and nothing may have changed."""
    path = tmp_path / "m"
    shutil.copytree(newest, path)
    as_format(path, 3)
    with sqlite3.connect(path / "records.sqlite", isolation_level=None) as record:
        record.execute("DROP TABLE verdicts")
    record.close()
    with pytest.raises(QuipuError, match=r"could not be brought from format 5 to 6.*restore it") as raised:
        Store.open(path)
    assert str(path) in str(raised.value)
    with Store.open(path, read_only=True) as store:
        assert store.format == 5 and store.count() == 8


@pytest.mark.parametrize("version", range(1, FORMAT_VERSION))
def test_an_older_memory_can_be_read_as_it_is(tmp_path: Path, version: int) -> None:
    """Whoever may not write to it, or keeps it for an older quipu, must not meet a table that is not there yet."""
    path = made(tmp_path / "m")
    as_format(path, version)
    with quipu.open(path, read_only=True, encoder=WordEncoder()) as memory:
        assert len(list(memory.store.documents())) == len(list(memory.documents())) == 7
        assert all(memory.search_many(ASKED, 3)) and list(memory.coverage()) and memory.info()
        assert memory.changes([tmp_path / "docs"]).new == []
        for answer in memory.ask_many(ASKED, method="lookup", min_probability=0.0):
            assert answer.text and answer.evidence
        assert memory.export(tmp_path / "all.jsonl") == memory.store.count()
    assert verify(path).problems == []


def test_a_record_that_was_brought_forward_and_a_manifest_that_was_not_are_no_damage(
    newest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are two files: a process that is killed between them leaves a sound memory, which the next one finishes."""
    path = tmp_path / "m"
    shutil.copytree(newest, path)
    as_format(path, 3)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "note", _stopped)
        with pytest.raises(KeyboardInterrupt):
            Store.open(path)
    assert verify(path).problems == []
    Store.open(path).close()
    assert verify(path).problems == [] and essence(path) == essence(newest)


def _stopped(*_: object) -> None:
    raise KeyboardInterrupt
