"""The record and its index: what was committed is found, what was removed is gone, what is broken is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from quipu.errors import FormatError, InputError, MemoryLocked
from quipu.records import Document, Passage, QAPair, Span, Verdict
from quipu.storage import codes
from quipu.storage.index import Index
from quipu.storage.interchange import export_memory, import_memory
from quipu.storage.store import Store
from quipu.storage.verify import verify

WIDTH = 8
TEXT = "The Suez Canal was opened in 1869. It is 193 kilometres long."


def unit(seed: int) -> np.ndarray:
    vector = np.random.default_rng(seed).standard_normal(WIDTH).astype(np.float32)
    return vector / np.linalg.norm(vector)


def filled(path: Path) -> Store:
    """A memory of one document with two pairs, and one pair without a document."""
    store = Store.create(path, width=WIDTH, models={"encoder": "abc"}, settings={"seed": 1})
    document = Document.make("canal.txt", "Suez", TEXT, {"file": "canal.txt"})
    store.add_documents([document], [Passage.make(document, Span(0, len(TEXT)))])
    pairs = [
        QAPair.make(
            "When was the canal opened?", "1869", document_id=document.id, span=Span(29, 33), origin="generated"
        ),
        QAPair.make(
            "How long is it?", "193 kilometres", document_id=document.id, span=Span(41, 55), origin="generated"
        ),
        QAPair.make("Who rules Bogotá?", "the mayor"),
    ]
    verdict = Verdict("dropped", "local", False, 0.1, "reader answered otherwise")
    keys = np.stack([unit(1), unit(2), unit(3)])
    store.add(pairs, keys, [pair.question for pair in pairs], [verdict], [document.id])
    return store


def test_a_pair_comes_back_whole_and_once(tmp_path: Path) -> None:
    """A field lost on the way to the disk shows only when somebody asks where an answer came from."""
    with filled(tmp_path / "m") as store:
        stored = [pair for _, pair in store.pairs()]
        assert [pair.answer for pair in stored] == ["1869", "193 kilometres", "the mayor"]
        assert store.add([stored[0]], unit(9)[None], ["again"]) == []
        assert stored[0].span and store.quote(stored[0].document_id or "", stored[0].span) == "1869"
        assert store.question_answer_exists("when was THE canal opened", "1869") == stored[0].id
        assert store.verdict_counts() == {"reader answered otherwise": 1}


def test_removing_a_document_takes_exactly_what_came_from_it(tmp_path: Path) -> None:
    """Too little leaves answers without a source, too much forgets what the user did not name."""
    with filled(tmp_path / "m") as store:
        assert store.remove(document="canal.txt") == 2
        assert store.counts() == {"documents": 0, "passages": 0, "pairs": 1, "verdicts": 0}
        assert store.search_words("canal", 3)[0].tolist() == [-1, -1, -1]
        with pytest.raises(InputError, match="no document"):
            store.remove(document="canal.txt")


def test_nothing_removed_can_be_found_in_any_file(tmp_path: Path) -> None:
    """Deleted means deleted: a word or a vector that stays in a free page can be read by whoever gets the folder."""
    path = tmp_path / "m"
    with filled(path) as store:
        Index.rebuild(store)
        vector = next(iter(store.vectors()))[1][0].astype(np.float16).tobytes()
        store.remove(document="canal.txt")
    assert verify(path, repair=True).ok
    for file in path.iterdir():
        data = file.read_bytes()
        assert b"kilometres" not in data and b"1869" not in data and vector not in data, file.name


def test_a_second_writer_is_told_at_once(tmp_path: Path) -> None:
    """Two writers would interleave their batches; waiting without a word looks like a hang."""
    with filled(tmp_path / "m"):
        with Store.open(tmp_path / "m") as other, pytest.raises(MemoryLocked, match="being written by process"):
            other.remove(pair="x")
        with Store.open(tmp_path / "m", read_only=True) as reader:
            assert reader.count() == 3
            with pytest.raises(InputError, match="reading only"):
                reader.remove(pair="x")


def test_words_are_searched_whatever_the_question_holds(tmp_path: Path) -> None:
    """A quote, an operator or a NUL in a question must never reach the query language."""
    with filled(tmp_path / "m") as store:
        assert store.search_words("who rules bogota", 1)[0].tolist() == [3]
        for question in ('"', "a AND NOT (", "canal* NEAR/2", "\x00", "question: x", "🚢", "", "the of"):
            rows, scores = store.search_words(question, 2)
            assert rows.shape == scores.shape == (2,)


def test_a_failed_batch_leaves_nothing(tmp_path: Path) -> None:
    """Half a batch would be taken for a whole one by the journal."""
    with filled(tmp_path / "m") as store:
        with pytest.raises(RuntimeError), store.transaction():
            store.add([QAPair.make("Who?", "Nasser")], unit(4)[None], ["Who?"])
            raise RuntimeError
        with pytest.raises(FormatError, match="do not fit"):
            store.add([QAPair.make("Who?", "Nasser")], np.ones((1, 3), np.float32), ["Who?"])
        assert store.count() == 3


def test_strange_folders_are_refused_with_one_line(tmp_path: Path) -> None:
    """A traceback tells the user nothing; opening garbage as a memory would be worse."""
    filled(tmp_path / "m").close()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="is no memory"):
        Store.create(tmp_path / "other", width=8, models={})
    with pytest.raises(FormatError, match=r"manifest\.json is missing"):
        Store.open(tmp_path / "other")
    manifest = tmp_path / "m" / "manifest.json"
    good = manifest.read_text()
    for bad, words in ((json.dumps({**json.loads(good), "format": 99}), "update quipu"), ("{", "manifest")):
        manifest.write_text(bad)
        with pytest.raises(FormatError, match=words):
            Store.open(tmp_path / "m", read_only=True)
    manifest.write_text(good)
    (tmp_path / "m" / "records.sqlite").write_bytes(b"garbage" * 1000)
    with pytest.raises(FormatError, match="not a memory's record"):
        Store.open(tmp_path / "m", read_only=True)


@pytest.mark.parametrize("left", ["writer.lock", "records.sqlite-journal", "records.sqlite-wal", "manifest.json.tmp"])
def test_a_creation_that_was_killed_can_be_begun_again(tmp_path: Path, left: str) -> None:
    """Killed before the manifest, the folder is no memory yet; the same build must not be refused for it."""
    Store.create(tmp_path / "m", width=WIDTH, models={}).close()
    (tmp_path / "m" / "manifest.json").unlink()
    (tmp_path / "m" / left).write_bytes(b"")
    with Store.create(tmp_path / "m", width=WIDTH, models={}) as store:
        assert store.counts() == {"documents": 0, "passages": 0, "pairs": 0, "verdicts": 0}


def brute_force(store: Store, query: np.ndarray, k: int) -> list[int]:
    """Rows by inner product with the stored half-precision vectors, ties by row."""
    rows, vectors = (np.concatenate(part) for part in zip(*store.vectors(), strict=True))
    return rows[np.lexsort((rows, -(vectors @ query)))][:k].tolist()


def test_index_agrees_with_brute_force_and_never_returns_the_removed(tmp_path: Path) -> None:
    """Covered rows, rows after them and removed rows all meet in one search; each can go missing on its own."""
    with Store.create(tmp_path / "m", width=WIDTH, models={}) as store:
        pairs = [QAPair.make(f"Question {n}?", f"{n}") for n in range(300)]
        keys = np.stack([unit(n % 250) for n in range(300)])  # some are equal, so that ties occur
        store.add(pairs[:200], keys[:200], ["x"] * 200)
        index = Index.rebuild(store)
        store.add(pairs[200:], keys[200:], ["x"] * 100)
        for pair in pairs[::7]:
            store.remove(pair=pair.id)
        index.refresh()
        reopened = Index.load(store)
        for query in (unit(5), unit(240), unit(1000)):
            expected = brute_force(store, query, 20)
            assert index.search(query[None], 20)[0][0].tolist() == expected
            assert reopened.search(query[None], 20)[0][0].tolist() == expected
        assert index.search(unit(1)[None], 400)[0][0].tolist().count(-1) == 400 - store.count()


def test_a_damaged_index_costs_time_and_nothing_else(tmp_path: Path) -> None:
    """The index is a cache: a flipped byte in it must neither crash a reader nor change an answer."""
    path = tmp_path / "m"
    with filled(path) as store:
        Index.rebuild(store)
    file = path / "index.faiss"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    with Store.open(path, read_only=True) as store:
        assert Index.load(store).search(unit(2)[None], 1)[0].tolist() == [[2]]
    report = verify(path)
    assert [problem.kind for problem in report.problems] == ["index"] and not report.ok
    assert verify(path, repair=True).ok and verify(path).problems == []


def test_an_index_of_older_rows_is_no_damage(tmp_path: Path) -> None:
    """A removal that is killed after its commit leaves the old index; calling that damage would cry wolf."""
    path = tmp_path / "m"
    with filled(path) as store:
        Index.rebuild(store)
        store.remove(document="canal.txt")
    assert verify(path).problems == []
    with Store.open(path, read_only=True) as store:
        assert Index.load(store).search(unit(1)[None], 3)[0].tolist() == [[3, -1, -1]]
    (path / "index.json").write_text("{")
    assert [problem.kind for problem in verify(path).problems] == ["index"]


def test_codes_above_the_exact_range_find_nearly_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong factory string or too few probes would show only in memories that no test can afford."""
    monkeypatch.setattr(codes, "EXACT_UP_TO", 1000)
    rng = np.random.default_rng(0)
    keys = rng.standard_normal((45_000, 16)).astype(np.float32)
    keys /= np.linalg.norm(keys, axis=1, keepdims=True)
    with Store.create(tmp_path / "m", width=16, models={}) as store:
        store.add([QAPair.make(f"Question {n}?", f"{n}") for n in range(len(keys))], keys, ["x"] * len(keys))
        index = Index.rebuild(store)
        assert not index.exact
        found = index.search(keys[:50], 1)[0][:, 0]
    assert (found == np.arange(1, 51)).mean() >= 0.95


@pytest.mark.parametrize(
    ("table", "change", "kind"),
    [
        ("documents", "text = replace(text, '1869', '1870')", "document"),
        ("vectors", "vector = x'00'", "vector"),
        ("pairs", "answer = 'never'", "pair"),
        ("passages", '"end" = 9999', "passage"),
    ],
)
def test_verify_finds_what_was_changed(tmp_path: Path, table: str, change: str, kind: str) -> None:
    """A memory that answers from changed text, without anyone being told, is worse than none."""
    path = tmp_path / "m"
    with filled(path) as store:
        assert verify(path).problems == []
        store.connection.execute(f"UPDATE {table} SET {change} WHERE row = 1")
    assert kind in {problem.kind for problem in verify(path).problems}


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_export_and_import_restore_the_memory(tmp_path: Path, suffix: str) -> None:
    """A backup that loses a span, a vector or a verdict is found out when it is needed."""
    with filled(tmp_path / "m") as store:
        store.journal_mark("finished")
        assert export_memory(store, tmp_path / f"out{suffix}") == 3
    assert import_memory(tmp_path / f"out{suffix}", tmp_path / "n") == 3
    with Store.open(tmp_path / "m", read_only=True) as old, Store.open(tmp_path / "n", read_only=True) as new:
        assert list(old.pairs()) == list(new.pairs()) and old.counts() == new.counts()
        assert next(old.vectors())[1].tolist() == next(new.vectors())[1].tolist()
        assert list(old.passages()) == list(new.passages()) and new.journal_has("finished")
        assert old.verdict_counts() == new.verdict_counts()
    assert verify(tmp_path / "n").problems == []
