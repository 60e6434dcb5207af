"""The record under bad luck: lost files, failed parts, odd characters, readers beside a writer, removal to the byte."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from quipu.errors import FormatError, InputError, MemoryLocked, QuipuError
from quipu.records import Document, Passage, QAPair, Span, Verdict
from quipu.storage.index import Index
from quipu.storage.maintenance import compact
from quipu.storage.store import Store
from quipu.storage.verify import verify

WIDTH = 8
SECRETS = ("kilometres", "Lesseps", "1869")


def axis(number: int) -> np.ndarray:
    return np.eye(WIDTH, dtype=np.float32)[[number % WIDTH]]


def one(question: str, answer: str = "yes", **place: object) -> tuple[list[QAPair], np.ndarray, list[str]]:
    """The arguments of ``Store.add`` for one pair."""
    return [QAPair.make(question, answer, **place)], axis(len(question)), [question]  # type: ignore[arg-type]


def with_secrets(path: Path) -> Store:
    """A memory in which one document's words stand in its text, title, pairs, verdicts, journal and vectors."""
    store = Store.create(path, width=WIDTH, models={})
    text = "Lesseps opened the canal in 1869; it is 193 kilometres long. " * 2000
    document = Document.make("canal.txt", "Of Lesseps", text, {"file": "canal.txt", "author": "Lesseps"})
    store.add_documents([document], [Passage.make(document, Span(0, 60))])
    spans = [Span(start, start + 7) for start in range(0, 2000, 61)]
    pairs = [
        QAPair.make(f"Who opened it, {n}?", "Lesseps", document_id=document.id, span=s) for n, s in enumerate(spans)
    ]
    keys = np.random.default_rng(7).standard_normal((len(pairs), WIDTH)).astype(np.float32)
    keys /= np.linalg.norm(keys, axis=1, keepdims=True)
    verdicts = [Verdict(pair.id, "local", False, 0.1, "reader answered otherwise", "193 kilometres") for pair in pairs]
    store.add(pairs, keys, ["opened in 1869"] * len(pairs), verdicts, [document.id] * len(pairs))
    store.journal_mark("passage:x", "Lesseps", document.id)
    store.add(*one("Who rules?", "the mayor"))
    return store


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "another database"])
def test_a_lost_record_is_an_error_and_stays_as_it_is(tmp_path: Path, damage: str, read_only: bool) -> None:
    """A writer that makes a new record in place of the lost one would answer "I know nothing" to everything."""
    path = tmp_path / "m"
    with_secrets(path).close()
    file = path / "records.sqlite"
    file.unlink()
    if damage == "empty":
        file.touch()
    elif damage == "garbage":
        file.write_bytes(b"no database at all" * 500)
    elif damage == "another database":
        with sqlite3.connect(file) as other:
            other.execute("CREATE TABLE recipes (name TEXT)")
        other.close()
    before = file.read_bytes() if file.exists() else None
    with pytest.raises(FormatError) as raised:
        Store.open(path, read_only=read_only)
    assert "\n" not in str(raised.value) and "records.sqlite" in str(raised.value)
    if damage != "another database":
        assert (file.read_bytes() if file.exists() else None) == before


def test_a_newer_record_is_left_alone(tmp_path: Path) -> None:
    """An older quipu that writes into a newer format destroys what it does not know."""
    path = tmp_path / "m"
    with_secrets(path).close()
    with sqlite3.connect(path / "records.sqlite") as record:
        record.execute("PRAGMA user_version = 99")
    record.close()
    for read_only in (True, False):
        with pytest.raises(FormatError, match="update quipu"):
            Store.open(path, read_only=read_only)


def test_a_part_that_fails_leaves_nothing_in_the_whole(tmp_path: Path) -> None:
    """Whoever catches the error of one batch and goes on would commit the half of it."""
    with Store.create(tmp_path / "m", width=WIDTH, models={}) as store:
        good, bad = QAPair.make("First?", "1"), QAPair.make("Second?", "2", document_id="nobody")
        with store.transaction():
            store.add(*one("Before?"))
            with pytest.raises(InputError, match="does not fit"):
                store.add([good, bad], np.concatenate([axis(0), axis(1)]), ["a", "b"])
            store.add(*one("After?"))
        assert [pair.question for _, pair in store.pairs()] == ["Before?", "After?"]


def test_what_cannot_be_stored_is_said_in_one_line(tmp_path: Path) -> None:
    """A lone surrogate and a number too large for 16 bits come from real files and real models."""
    with Store.create(tmp_path / "m", width=WIDTH, models={}) as store:
        with pytest.raises(InputError, match="a lone surrogate"):
            store.add(*one("Is \ud800 a letter?"))
        pairs, _, texts = one("Too large?")
        for number in (1e6, np.nan, np.inf):
            with pytest.raises(FormatError, match="16 bits"):
                store.add(pairs, np.full((1, WIDTH), number, np.float32), texts)
        assert store.count() == 0 and not store.connection.in_transaction


def test_positions_hold_in_any_text(tmp_path: Path) -> None:
    """SQLite ends a text at a NUL, and counts bytes elsewhere: the quote under an answer would be cut or moved."""
    text = "Łódź 🚢 e\u0301\x00 then the Suez Canal\r\nof 1869"
    document = Document.make("odd.txt", "odd", text)
    with Store.create(tmp_path / "m", width=WIDTH, models={}) as store:
        store.add_documents([document], [Passage.make(document, Span(3, len(text)))])
        assert store.document(document.id) == document
        assert [passage.text for passage in store.passages()] == [text[3:]]
        at = text.index("Suez")
        assert store.quote(document.id, Span(at, at + 4)) == "Suez"
        span = Span(text.index("1869"), len(text))
        store.add(*one("When?", "1869", document_id=document.id, span=span, origin="generated"))
    assert verify(tmp_path / "m").problems == []


def test_compaction_leaves_no_removed_byte_in_any_file(tmp_path: Path) -> None:
    """A word in a free page, a log, an index or the rest of a killed process can be read by whoever gets the folder."""
    path = tmp_path / "m"
    with with_secrets(path) as store:
        Index.rebuild(store)
        vectors = np.concatenate([vectors for _, vectors in store.vectors()]).astype(np.float16)[:-1]
        (path / "index.faiss.tmp").write_bytes(vectors.tobytes())
        store.remove(document="canal.txt")
        assert store.verdict_counts() == {} and not store.journal_has("passage:x")
        assert store.connection.execute("PRAGMA freelist_count").fetchone()[0] > 20
        compact(store)
        assert store.connection.execute("PRAGMA freelist_count").fetchone()[0] == 0
        forbidden = [word.lower().encode() for word in SECRETS] + [vector.tobytes() for vector in vectors]
        for file in sorted(path.iterdir()):
            data = file.read_bytes()
            found = [word for word in forbidden if word in data or word in data.lower()]
            assert not found, (file.name, found[:3])
        assert [pair.answer for _, pair in store.pairs()] == ["the mayor"]
        assert Index.load(store).search(axis(2), 3)[0].tolist()[0][1:] == [-1, -1]


def test_a_removed_text_is_overwritten_at_once(tmp_path: Path) -> None:
    """Before any compaction single words may remain in the word index; the text and the vectors must not."""
    path = tmp_path / "m"
    with with_secrets(path) as store:
        vectors = np.concatenate([vectors for _, vectors in store.vectors()]).astype(np.float16)[:-1]
        store.remove(document="canal.txt")
    data = (path / "records.sqlite").read_bytes()
    assert b"opened the canal in" not in data and b"Who opened it" not in data and b"193 kilometres" not in data
    assert not [vector for vector in vectors if vector.tobytes() in data]


@pytest.mark.parametrize(
    "damage",
    [
        "INSERT INTO words (words, rowid, question, answer, key_text) VALUES ('delete', 1, 'Who opened it?', 'x', 'y')",
        "DELETE FROM words_docsize WHERE id = 2",
        "DELETE FROM words_data WHERE id > 10",
    ],
)
def test_a_spoilt_word_index_is_found_and_made_anew(tmp_path: Path, damage: str) -> None:
    """Search by words would miss pairs that are there, for ever."""
    path = tmp_path / "m"
    with with_secrets(path) as store:
        found = store.search_words("opened canal 1869", 50)[0].tolist()
        store.connection.execute(damage)
    report = verify(path, repair=True)
    assert {(problem.kind, problem.derived) for problem in report.problems} == {("words", True)} and report.ok
    with Store.open(path, read_only=True) as store:
        assert store.search_words("opened canal 1869", 50)[0].tolist() == found
    assert verify(path).problems == []


def test_compaction_says_when_a_reader_keeps_the_log(tmp_path: Path) -> None:
    """Believed to be gone, the removed text would stay in the write-ahead log."""
    path = tmp_path / "m"
    with with_secrets(path) as store:
        store.connection.execute("PRAGMA busy_timeout = 50")
        with Store.open(path, read_only=True) as reader, reader.snapshot():
            assert reader.count() > 1
            store.remove(document="canal.txt")
            with pytest.raises(QuipuError, match="another process is reading"):
                compact(store)
            assert reader.count() > 1
        compact(store)
    assert all(b"kilometres" not in file.read_bytes() for file in path.iterdir())


def test_readers_go_on_while_a_writer_writes(tmp_path: Path) -> None:
    """A reader sees whole batches: what was committed, nothing of what is under way, one moment in a snapshot."""
    path = tmp_path / "m"
    with with_secrets(path) as store, Store.open(path, read_only=True) as reader:
        before = reader.count()
        with store.transaction():
            store.add(*one("Under way?"))
            assert reader.count() == before and reader.search_words("under way", 1)[0].tolist() == [-1]
        assert reader.count() == before + 1
        with reader.snapshot():
            assert reader.count() == before + 1
            store.add(*one("Later?"))
            assert reader.count() == before + 1
        assert reader.count() == before + 2


def test_the_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    """Without the number a user cannot know what to wait for; a lock that outlives its process locks for ever."""
    path = tmp_path / "m"
    with with_secrets(path), Store.open(path) as other:
        assert other.count() > 1  # whoever writes nothing needs no lock
        with pytest.raises(MemoryLocked, match=rf"process {os.getpid()};"):
            other.journal_mark("x")
    code = (
        "import sys, time; from pathlib import Path; from quipu.storage.store import Store\n"
        "store = Store.open(Path(sys.argv[1])); store.begin_writing(); print('open', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "open\n"
        with Store.open(path) as store, pytest.raises(MemoryLocked, match=rf"process {child.pid};"):
            store.begin_writing()
        child.kill()
        child.wait()
    with Store.open(path) as store:
        store.begin_writing()


def test_frequent_words_do_not_drown_rare_ones(tmp_path: Path) -> None:
    """Left out for speed, a frequent word must still count where a question holds no other."""
    with Store.create(tmp_path / "m", width=WIDTH, models={}) as store:
        pairs = [QAPair.make(f"river number {n}?", f"r{n}") for n in range(4100)]
        pairs.append(QAPair.make("Which river crosses Zaragoza in Aragón?", "the Ebro"))
        store.add(pairs, np.repeat(axis(1), len(pairs), axis=0), ["river"] * len(pairs))
        assert store.search_words("what river flows through ARAGON", 1)[0].tolist() == [4101]
        rows, scores = store.search_words("river", 5)
        assert (rows > 0).all() and np.isfinite(scores).all()
        assert store.search_words("r17", 2)[0].tolist() == [18, -1]


def test_a_record_that_lost_its_manifest_is_not_begun_anew(tmp_path: Path) -> None:
    """What looks like a killed creation may be all that is left of a memory."""
    with Store.create(tmp_path / "m", width=4, models={}) as store:
        pair = QAPair.make("Who keeps it?", "Ann")
        store.add([pair], np.eye(1, 4, dtype=np.float32), [pair.question])
    (tmp_path / "m" / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"lost its manifest\.json"):
        Store.create(tmp_path / "m", width=4, models={})
    assert (tmp_path / "m" / "records.sqlite").stat().st_size > 4096


def test_a_pair_that_is_added_again_uses_up_no_row(tmp_path: Path) -> None:
    """Its number would be nobody's: neither stored nor listed as removed, and verify would call the memory damaged."""
    with Store.create(tmp_path / "m", width=WIDTH, models={}) as store:
        pair = QAPair.make("Where is the key?", "In the safe")
        assert store.add([pair], np.eye(1, WIDTH, dtype=np.float32), ["x"]) == [pair.id]
        assert store.add([pair], np.eye(1, WIDTH, dtype=np.float32), ["x"]) == []
        store.add([QAPair.make("Who has it?", "Nora")], np.eye(1, WIDTH, 1, dtype=np.float32), ["x"])
        assert store.rows().tolist() == [1, 2]
    assert verify(tmp_path / "m").problems == []
