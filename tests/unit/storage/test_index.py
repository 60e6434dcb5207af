"""The index against brute force over the stored half-precision vectors, and against every kind of damage."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from quipu.records import Document, QAPair
from quipu.storage import codes
from quipu.storage.coded import Runs
from quipu.storage.codes import choose
from quipu.storage.index import Index, Rebuilding
from quipu.storage.index_files import IndexFiles
from quipu.storage.store import Store
from quipu.storage.verify import verify

WIDTH = 16


def unit(count: int, seed: int = 0, width: int = WIDTH) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def made(path: Path, keys: np.ndarray, document: Document | None = None, of_document: int = 0) -> Store:
    """A memory of these keys in row order; the first ``of_document`` pairs come from ``document``."""
    store = Store.create(path, width=keys.shape[1], models={})
    if document is not None:
        store.add_documents([document], [])
    add(store, keys, 0, document.id if document else None, of_document)
    return store


def add(store: Store, keys: np.ndarray, first: int, document_id: str | None = None, of_document: int = 0) -> None:
    pairs = [
        QAPair.make(f"Question {first + n}?", f"{first + n}", document_id=document_id if n < of_document else None)
        for n in range(len(keys))
    ]
    store.add(pairs, keys, ["x"] * len(pairs))


def brute_force(store: Store, queries: np.ndarray, k: int) -> list[list[int]]:
    """Rows by inner product in double precision, ties by row."""
    rows, vectors = (np.concatenate(part) for part in zip(*store.vectors(), strict=True))
    scores = queries.astype(np.float64) @ vectors.astype(np.float64).T
    return [rows[np.lexsort((rows, -line))][:k].tolist() for line in scores]


def test_ranks_equal_brute_force_over_the_stored_vectors(tmp_path: Path) -> None:
    """Half precision in the index and single precision in the check would differ in exactly the close cases."""
    with made(tmp_path / "m", unit(3000, 1, 384)) as store:
        index = Index.rebuild(store)
        queries = unit(40, 2, 384)
        found, scores = index.search(queries, 25)
        assert index.exact and found.tolist() == brute_force(store, queries, 25)
        assert (np.diff(scores, axis=1) <= 0).all()
        alone = np.concatenate([index.search(query[None], 25)[0] for query in queries])
        assert alone.tolist() == found.tolist()


def test_many_equal_vectors_come_in_the_order_of_their_rows(tmp_path: Path) -> None:
    """One question with many answers gives equal keys; which of them is the answer must not change from run to run."""
    keys = np.concatenate([unit(50, 3), np.repeat(unit(1, 4), 300, axis=0), unit(50, 5)])
    with made(tmp_path / "m", keys) as store:
        index = Index.rebuild(store)
        for k in (1, 7, 299):
            assert index.search(unit(1, 4), k)[0][0].tolist() == list(range(51, 51 + k))
        store.remove(pair=next(pair for row, pair in store.pairs() if row == 53).id)
        index.refresh()
        assert index.search(unit(1, 4), 4)[0][0].tolist() == [51, 52, 54, 55]


def test_a_removed_crowd_around_the_question_hides_nobody(tmp_path: Path) -> None:
    """A reader still holds the file with a removed document's thousands of pairs, all nearer than any that remain."""
    centre = unit(1, 6)
    crowd = centre + 0.01 * unit(3500, 7)
    keys = np.concatenate([crowd / np.linalg.norm(crowd, axis=1, keepdims=True), unit(1000, 8)])
    document = Document.make("d.txt", "d", "text", {"file": "d.txt"})
    path = tmp_path / "m"
    with made(path, keys, document, 3500) as store:
        Index.rebuild(store)
        with Store.open(path, read_only=True) as reader:
            index = Index.load(reader)
            assert index.search(centre, 1)[0][0, 0] <= 3500
            store.remove(document="d.txt")
            index.refresh()
            queries = np.concatenate([centre, unit(3, 9)])
            assert index.search(queries, 10)[0].tolist() == brute_force(store, queries, 10)
            assert index.search(queries, 1200)[0][0].tolist().count(-1) == 200


def test_one_removal_does_not_cost_the_file(tmp_path: Path) -> None:
    """Thrown away for one removed pair, the index of a large memory would be read anew from the record by everyone."""
    path = tmp_path / "m"
    with made(path, unit(500)) as store:
        Index.rebuild(store)
        written = (path / "index.faiss").read_bytes()
        store.remove(pair=next(pair for row, pair in store.pairs() if row == 250).id)
        add(store, unit(3, 11), 500)
        index = Index.load(store)
        assert index._covered is not None and index._covered.rows.count == 500 and index.size == 502
        assert index.search(unit(5, 12), 20)[0].tolist() == brute_force(store, unit(5, 12), 20)
        assert (path / "index.faiss").read_bytes() == written
    assert verify(path).problems == []


def test_refresh_sees_what_others_did(tmp_path: Path) -> None:
    """A server holds its index for days; what another process added or removed must show at the next question."""
    path = tmp_path / "m"
    with made(path, unit(100)) as store, Store.open(path, read_only=True) as reader:
        index = Index.load(reader)
        for step in range(6):
            add(store, unit(20, 20 + step), 100 + 20 * step)
            for row, pair in list(store.pairs())[step :: 11 + step]:
                assert store.remove(pair=pair.id) == 1, row
            index.refresh()
            assert index.size == store.count()
            assert index.search(unit(4, 40 + step), 15)[0].tolist() == brute_force(store, unit(4, 40 + step), 15)
        everything = [pair.id for _, pair in store.pairs()]
        for pair_id in everything:
            store.remove(pair=pair_id)
        index.refresh()
        assert index.size == 0 and index.search(unit(1), 2)[0].tolist() == [[-1, -1]]


@pytest.mark.parametrize(
    "damage", ["truncated", "flipped", "no sidecar", "no file", "sidecar garbage", "other rows", "of another memory"]
)
def test_no_damaged_index_is_ever_used(tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAISS trusts what it reads: a wrong byte there is a crash or a wrong answer, so it must not get to read it."""
    path = tmp_path / "m"
    with made(path, unit(300, 1)) as store:
        Index.rebuild(store)
    file, sidecar = path / "index.faiss", path / "index.json"
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:-100])
    elif damage == "flipped":
        data = bytearray(file.read_bytes())
        data[40] ^= 0xFF
        file.write_bytes(bytes(data))
    elif damage == "no sidecar":
        sidecar.unlink()
    elif damage == "no file":
        file.unlink()
    elif damage == "sidecar garbage":
        sidecar.write_text('{"sha256": 3, "runs": "all"}')
    elif damage == "other rows":
        listing = json.loads(sidecar.read_text())
        sidecar.write_text(json.dumps({**listing, "runs": [[2, 302]]}))
    else:
        with made(tmp_path / "other", unit(300, 2)) as other:
            Index.rebuild(other)
        for name in ("index.faiss", "index.json"):
            shutil.copy(tmp_path / "other" / name, path / name)
    with Store.open(path, read_only=True) as store, monkeypatch.context() as patched:
        if damage in ("truncated", "flipped"):
            patched.delattr(IndexFiles, "_deserialised")
        index = Index.load(store)
        assert index._covered is None
        assert index.search(unit(5, 3), 10)[0].tolist() == brute_force(store, unit(5, 3), 10)
    assert [problem.kind for problem in verify(path).problems] == (["index"] if sidecar.exists() else [])
    assert verify(path, repair=True).ok and verify(path).problems == []


def test_verify_compares_every_vector(tmp_path: Path) -> None:
    """The quick check at loading looks at a few rows; one changed row among many shows only in the full one."""
    path = tmp_path / "m"
    with made(path, unit(100)) as store:
        Index.rebuild(store)
        store.connection.execute("UPDATE vectors SET vector = (SELECT vector FROM vectors WHERE row = 1) WHERE row = 5")
    assert [(problem.kind, problem.derived) for problem in verify(path).problems] == [("index", True)]


def test_compressed_codes_find_nearly_all_with_exact_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the exact range a search may miss a pair, but a score is never wrong and a removed row never there."""
    monkeypatch.setattr(codes, "EXACT_UP_TO", 1000)
    centres = unit(600, 1)
    rng = np.random.default_rng(2)
    keys = centres[rng.integers(0, 600, 41_500)] + 0.08 * rng.standard_normal((41_500, WIDTH)).astype(np.float32)
    keys /= np.linalg.norm(keys, axis=1, keepdims=True)
    path = tmp_path / "m"
    with made(path, keys[:41_000]) as store:
        assert not Index.rebuild(store).exact
        add(store, keys[41_000:], 41_000)
        gone = [pair.id for _, pair in store.pairs()][:40]
        for pair_id in gone:
            store.remove(pair=pair_id)
    with Store.open(path, read_only=True) as store:
        index = Index.load(store)
        assert not index.exact and index._covered is not None and index._tail is not None
        queries = keys[np.r_[0:40, 20_000:20_080, 41_400:41_480]]
        found, scores = index.search(queries, 10)
        gold = brute_force(store, queries, 10)
        assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found.tolist(), gold, strict=True)]) >= 0.95
        assert found.min() > 40
        stored = keys.astype(np.float16).astype(np.float32)
        assert np.allclose(scores, np.einsum("qkw,qw->qk", stored[found - 1], queries), atol=1e-5)


@pytest.mark.parametrize("count", [1, 100_000, 100_001, 1_000_000, 10_000_000, 65_000_000])
def test_codes_stay_trainable_and_small(count: int) -> None:
    """Too many cells cannot be trained from what there is; too few make every search long."""
    chosen = choose(count, 384)
    assert chosen.exact == (count <= 100_000)
    assert chosen.ram_a_pair + chosen.mapped_a_pair < 1000
    if not chosen.exact:
        cells = int(chosen.factory.split(",")[0].removeprefix("IVF"))
        assert 256 <= cells <= 16_384 and count / cells >= 39 and chosen.train_rows <= 3_000_000
        assert "PQ64x4fs" in chosen.factory and chosen.probes >= 16 and chosen.ram_a_pair <= 72


def test_runs_are_the_rows_they_stand_for() -> None:
    """Rows and places by hand: 1-3 and 7-8 are places 0-2 and 3-4."""
    runs = Runs.of(np.array([1, 2, 3, 7, 8]))
    assert runs.listed() == [[1, 4], [7, 9]] and runs.count == 5 and runs.last == 8
    assert runs.rows(np.array([0, 2, 3, 4, -1])).tolist() == [1, 3, 7, 8, -1]
    assert runs.places(np.array([0, 1, 3, 4, 6, 7, 8, 9])).tolist() == [-1, 0, 2, -1, -1, 3, 4, -1]
    assert Runs.parsed(runs.listed()).all().tolist() == [1, 2, 3, 7, 8]
    assert runs.joined(np.array([9, 12])).listed() == [[1, 4], [7, 10], [12, 13]]
    assert runs.joined(np.array([11])).listed() == [[1, 4], [7, 9], [11, 12]]
    nothing = Runs.of(np.zeros(0, dtype=np.int64))
    assert nothing.last == 0 and nothing.joined(np.array([4])).listed() == [[4, 5]]
    assert nothing.places(np.array([1])).tolist() == [-1]
    for wrong in ([[3, 3]], [[3, 5], [4, 6]], [[5, 6], [1, 2]], [[-1, 2]]):
        with pytest.raises(ValueError, match="ascend"):
            Runs.parsed(wrong)


def large(path: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, np.ndarray]:
    """A memory above the exact range, which is lowered for the test."""
    monkeypatch.setattr(codes, "EXACT_UP_TO", 1000)
    centres = unit(200, 1)
    rng = np.random.default_rng(2)
    keys = centres[rng.integers(0, 200, count)] + 0.08 * rng.standard_normal((count, WIDTH)).astype(np.float32)
    keys /= np.linalg.norm(keys, axis=1, keepdims=True)
    return made(path, keys), keys


@pytest.mark.parametrize("exact", [True, False])
def test_a_folder_whose_name_is_not_utf_8_keeps_its_index(
    tmp_path: Path, exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A memory below "/home/Jos\\xe9" failed as soon as its index was written, for FAISS takes names in UTF-8 only."""
    path = tmp_path / os.fsdecode(b"Jos\xe9") / os.fsdecode(b"\xff")
    path.parent.mkdir()
    with made(path, unit(30)) if exact else large(path, 12_000, monkeypatch)[0] as store:
        assert Index.rebuild(store).exact is exact
    with Store.open(path, read_only=True) as store:
        index = Index.load(store)
        assert index._covered is not None and index._tail is None and index.size == store.count()
    assert verify(path).problems == []


def test_new_rows_join_the_trained_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained anew for every addition, a memory of ten million pairs would be training all day."""
    path = tmp_path / "m"
    store, keys = large(path, 16_000, monkeypatch)
    with store:
        Index.rebuild(store)
        trained = json.loads((path / "index.json").read_text())["trained_on"]
        add(store, keys[:3000], 16_000)
        index = Index.bring_up_to_date(store)
        assert index._uncovered() == 3000  # too few to be worth it
        monkeypatch.setattr("quipu.storage.index._TAIL", 100)
        index = Index.bring_up_to_date(store)
        assert index._uncovered() == 0 and index.size == 19_000 and not index.exact
        listing = json.loads((path / "index.json").read_text())
        assert listing["trained_on"] == trained == 16_000 and listing["rows"] == 19_000
        assert (path / "vectors.f16").stat().st_size == 19_000 * WIDTH * 2
        monkeypatch.setattr("quipu.storage.index._OUTGROWN", 1)
        add(store, keys[:3000], 19_000)
        Index.bring_up_to_date(store)
        assert json.loads((path / "index.json").read_text())["trained_on"] == 22_000
    assert verify(path).problems == []


def test_a_reader_takes_the_files_that_a_writer_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tail would grow without end, and every question with it."""
    path = tmp_path / "m"
    store, keys = large(path, 16_000, monkeypatch)
    with store:
        Index.rebuild(store)
        with Store.open(path, read_only=True) as reader:
            index = Index.load(reader)
            add(store, keys[:3000], 16_000)
            index.refresh()
            assert index._uncovered() == 3000
            rebuilding = Rebuilding(path)
            monkeypatch.setattr("quipu.storage.index._TAIL", 100)
            rebuilding.start()
            rebuilding.start()  # once is enough
            rebuilding.wait()
            add(store, keys[:1], 19_000)
            index.refresh()
            assert index._uncovered() == 1 and index.size == 19_001
            found, scores = index.search(keys[:20], 5)
            assert (found > 0).all() and (np.diff(scores, axis=1) <= 0).all()


def test_changed_bytes_in_the_mapped_vectors_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is not hashed when it is opened: it may be larger than memory. ``verify`` reads all of it."""
    path = tmp_path / "m"
    store, _ = large(path, 16_000, monkeypatch)
    with store:
        Index.rebuild(store)
    data = bytearray((path / "vectors.f16").read_bytes())
    data[2 * WIDTH * 777 + 5] ^= 0x40
    (path / "vectors.f16").write_bytes(bytes(data))
    assert [problem.kind for problem in verify(path).problems] == ["index"]
    assert verify(path, repair=True).ok and verify(path).problems == []
    (path / "vectors.f16").write_bytes(bytes(data[:-2]))
    with Store.open(path, read_only=True) as reader:
        assert Index.load(reader)._covered is None
