"""A memory that is cut and put together again is the same; memories that do not fit are not mixed."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
from tests import full_memory, random_memories
from tests.handmade import models

import quipu
from quipu.errors import InputError
from quipu.storage.content import content_hash
from quipu.storage.rows import TABLES, rows_of
from quipu.storage.splitting import merge, shard
from quipu.storage.store import Store
from quipu.storage.verify import verify


def parts_of(memory: Path, folder: Path, count: int) -> list[Path]:
    with Store.open(memory, read_only=True) as store:
        return [path for path, _ in shard(store, folder, count)]


def merged(paths: list[Path], into: Path, *, newest: bool = False) -> Path:
    stores = [Store.open(path, read_only=True) for path in paths]
    try:
        merge(stores, into, newest=newest)
    finally:
        for store in stores:
            store.close()
    return into


def rows(memory: Path) -> dict[str, list[str]]:
    """Every row of every table but for its number, which is another one in every memory."""
    found = {}
    with Store.open(memory, read_only=True) as store:
        for kind in TABLES:
            some = [dict(row) for row in rows_of(store, kind)]
            for row in some:
                row.pop("row", None)
            if kind == "support":
                ids = {pair.id: number for number, pair in store.pairs()}
                names = {number: name for name, number in ids.items()}
                some = [{**row, "pair": names[row["pair"]]} for row in some]
            found[kind] = sorted(json.dumps(row, sort_keys=True) for row in some)
    return found


def manifest(memory: Path) -> dict[str, object]:
    known = json.loads((memory / "manifest.json").read_text())
    return {key: value for key, value in known.items() if key != "digest"}


@pytest.mark.parametrize("count", [1, 2])
def test_parts_put_together_are_the_memory(tmp_path: Path, count: int) -> None:
    """A row that no part takes, or that two take, is lost or doubled without a word."""
    whole = full_memory.made(tmp_path / "m.quipu")
    paths = parts_of(whole, tmp_path / "parts", count)
    assert [path.name for path in paths] == [f"m-{at + 1}-of-{count}.quipu" for at in range(count)]
    assert all(verify(path).ok for path in paths)
    again = merged(paths, tmp_path / "again.quipu")
    assert verify(again).ok and rows(again) == rows(whole) and manifest(again) == manifest(whole)
    with Store.open(again, read_only=True) as one, Store.open(whole, read_only=True) as other:
        assert content_hash(one) == content_hash(other)
    pairs = [rows(path)["pair"] for path in paths]
    assert sorted(row for some in pairs for row in some) == rows(whole)["pair"] and all(pairs)


def test_random_memories_survive_it(tmp_path: Path) -> None:
    """Removed rows, several documents of a file, pairs of no document."""
    for seed in range(4):
        folder = tmp_path / str(seed)
        folder.mkdir()
        random_memories.made(folder, random.Random(seed))
        with Store.open(folder / "m", read_only=True) as store:
            documents = store.counts()["documents"]
        if not documents:
            continue
        count = min(2, documents)
        try:
            paths = parts_of(folder / "m", folder / "parts", count)
        except InputError as error:
            assert "cannot be cut" in str(error)
            continue
        assert rows(merged(paths, folder / "again")) == rows(folder / "m"), seed


def test_too_many_parts_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    whole = full_memory.made(tmp_path / "m.quipu")
    with pytest.raises(InputError, match="cannot be cut into 100 parts"):
        parts_of(whole, tmp_path / "parts", 100)
    assert list((tmp_path / "parts").iterdir()) == []


def test_two_documents_of_one_name_are_not_mixed(tmp_path: Path) -> None:
    """The guarantee of last year beside that of this year, and nobody is told."""
    made = []
    for name, metres in (("old", 5), ("new", 9)):
        docs = tmp_path / name / "docs"
        docs.mkdir(parents=True)
        (docs / "pier.md").write_text(f"The pier is {metres} metres long, and the boats are {metres}1.\n")
        made.append(tmp_path / name / "m.quipu")
        quipu.build([docs], made[-1], **models()).close()  # type: ignore[arg-type]
    for path, date in zip(made, ("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"), strict=True):
        with Store.open(path) as store, store.transaction():
            store.connection.execute("UPDATE files SET read = ?, name = 'docs/pier.md'", (date,))
            store.connection.execute("UPDATE documents SET source = 'docs/pier.md', file = 'docs/pier.md'")
    for order in (made, made[::-1]):
        with pytest.raises(InputError, match=r"docs/pier.md is in .* and not the same"):
            merged(order, tmp_path / "both.quipu")
        assert not (tmp_path / "both.quipu").exists()
        both = merged(order, tmp_path / "both.quipu", newest=True)
        with Store.open(both, read_only=True) as store:
            (document,) = store.documents()
            assert "9 metres" in document.text and all("5" not in pair.answer for _, pair in store.pairs())
        shutil.rmtree(both)


def test_a_memory_with_itself_is_itself(tmp_path: Path) -> None:
    whole = full_memory.made(tmp_path / "m.quipu")
    shutil.copytree(whole, tmp_path / "copy.quipu")
    assert rows(merged([whole, tmp_path / "copy.quipu"], tmp_path / "both.quipu")) == rows(whole)
