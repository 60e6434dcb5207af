"""Memories to files and back, whole; and files that cannot be used, named with the line at fault."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quipu.errors import InputError, MemoryLocked, MissingExtra
from quipu.records import Document, Mark, Passage, QAPair, Span, Verdict
from quipu.storage import interchange, making
from quipu.storage.digests import TABLES
from quipu.storage.files import KnownFile, keep_file
from quipu.storage.index import Index
from quipu.storage.interchange import export_memory, import_memory
from quipu.storage.passage_vectors import PassageTokens, put, search_ids
from quipu.storage.provenance import add_support, mark_ambiguous
from quipu.storage.rows import exported
from quipu.storage.store import Store
from quipu.storage.verify import verify

WIDTH = 8
Change = Callable[[list[dict[str, Any]]], None]


def rich(path: Path) -> Store:
    """Two documents, pairs of every origin with every optional field, gaps in the rows, verdicts and a journal."""
    store = Store.create(path, width=WIDTH, models={"encoder": "ab" * 32}, settings={"seed": 3, "names": ["é", None]})
    keys = np.random.default_rng(0).standard_normal((40, WIDTH)).astype(np.float32)
    keys /= np.linalg.norm(keys, axis=1, keepdims=True)
    ids = []
    for name in ("one", "two"):
        text = f"Text {name}: Łódź lies in Poland. 🚢\nIt has\x00 no sea."
        document = Document.make(
            f"{name}.txt",
            f"Of {name}",
            text,
            {"file": f"{name}.txt", "part": 2, "x": [1, "é"]},
            [Mark(Span(0, 9), "heading", 1, 2, 3), Mark(Span(10, 20))],
        )
        cut = text.index("\n")
        passages = [Passage.make(document, Span(0, cut)), Passage.make(document, Span(cut + 1, len(text)))]
        store.add_documents([document], passages)
        at = text.index("Poland")
        ids.append(document.id)
        generated = [
            QAPair.make(
                f"Where is it, {n}?", "Poland", document_id=document.id, span=Span(at, at + 6), origin="generated",
                generator="w", generator_score=-0.25 * n, filter_score=None if n % 2 else 0.1 * n,
            )
            for n in range(15)
        ]  # fmt: skip
        first = 20 * len(ids) - 20
        verdicts = [Verdict(pair.id, "dedup", n > 2, 0.5, "duplicate", "x") for n, pair in enumerate(generated)]
        store.add(generated, keys[first : first + 15], ["é key"] * 15, verdicts, [document.id] * 15)
        store.journal_mark(f"document:{document.id}", "note", document.id)
    others = [QAPair.make(f"Own {n}?", "yes", origin="user" if n % 2 else "imported") for n in range(5)]
    store.add(others, keys[35:], ["own"] * 5)
    for row, pair in list(store.pairs()):
        if row % 9 == 4:
            store.remove(pair=pair.id)
    ids_of = [pair.id for _, pair in store.pairs()]
    add_support(store, [(ids_of[0], ids[1], Span(3, 9))])
    mark_ambiguous(store, [(ids_of[1], "Norway")])
    coded = [PassageTokens(np.full((2, 4), n, np.uint8), np.array([[0, 3], [4, 9]], np.int32)) for n in range(4)]
    put(store, list(store.passages()), keys[:4], coded)
    keep_file(store, KnownFile("/x/one.txt", "one.txt", note={"left_out": {"picture": 2}}))
    store.note("calibration", {"threshold": 0.5})
    store.journal_mark("finished")
    return store


def content(store: Store) -> list[Any]:
    """Everything in a memory."""
    return [
        store.width, store.models, store.manifest["settings"], list(store.documents()), list(store.passages()),
        [(pair, store.key_text(pair.id), store.verdicts(pair.id)) for _, pair in store.pairs()],
        np.concatenate([vectors for _, vectors in store.vectors()]).tolist(), store.counts(), store.verdict_counts(),
        {key: value for key, value in store.manifest.items() if key != "digest"}, store.gone().tolist(),
        [sorted(store.connection.execute(f"SELECT * FROM {table}"), key=str) for table in TABLES],
        [store.search_words(words, 4)[0].tolist() for words in ("where 3", "own", "poland")],
        [search_ids(store, words, 4) for words in ("poland", "sea", "of two")],
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_round_trip_changes_nothing(tmp_path: Path, suffix: str) -> None:
    """A backup that loses a score, a vector's last bit or the tie of a verdict to its document loses it unseen."""
    with rich(tmp_path / "m") as store:
        before = content(store)
        query = next(store.vectors())[1][:3]
        found = [store.pairs_by_rows(rows) for rows in Index.load(store).search(query, 5)[0].tolist()]
        assert export_memory(store, tmp_path / f"a.{suffix}") == store.count()
    assert import_memory(tmp_path / f"a.{suffix}", tmp_path / "n") == len(before[5])
    with Store.open(tmp_path / "n") as store:
        assert content(store) == before
        assert [store.pairs_by_rows(rows) for rows in Index.load(store).search(query, 5)[0].tolist()] == found
        export_memory(store, tmp_path / f"b.{suffix}")
        assert store.remove(document="one.txt") > 0
    if suffix == "jsonl":
        assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert verify(tmp_path / "n").problems == []
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([f"a.{suffix}", f"b.{suffix}", "m", "n"])


@pytest.mark.parametrize("everything", [False, True])
def test_row_numbers_that_were_given_last_are_not_given_again(tmp_path: Path, everything: bool) -> None:
    """The pair that was removed last of all was not gone after an import, and its number was given anew."""
    with rich(tmp_path / "m") as store:
        for _, pair in list(store.pairs())[0 if everything else -1 :]:
            store.remove(pair=pair.id)
        if everything:
            for document in list(store.documents()):
                store.remove(document=document.id)
        gone = store.gone().tolist()
        export_memory(store, tmp_path / "a.jsonl")
        given = dict(store.connection.execute("SELECT name, seq FROM sqlite_sequence"))
    assert given == {"documents": 2, "passages": 4, "pairs": 35} and gone[-1] == 35
    import_memory(tmp_path / "a.jsonl", tmp_path / "n")
    with Store.open(tmp_path / "n") as store:
        assert store.gone().tolist() == gone
        assert dict(store.connection.execute("SELECT name, seq FROM sqlite_sequence")) == given
        store.add([QAPair.make("Who is next?", "me", origin="user")], np.eye(1, WIDTH, dtype=np.float32), ["next"])
        assert [row for row, _ in store.pairs()][-1] == 36


@pytest.mark.parametrize(("last", "gone"), [(None, 0), (3, 3), (1 << 60, 1000), ("3", None), (-1, None)])
def test_the_last_row_number_of_an_export_may_be_missing_or_be_nonsense(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: Any, gone: int | None
) -> None:
    """Exports of an earlier quipu must stay readable, and no number in one may fill the disk with rows."""
    monkeypatch.setattr("quipu.storage.rows._GAPS", 1000)
    monkeypatch.setattr(interchange, "last_rows", lambda _: {} if last is None else {"pair": last})
    with Store.create(tmp_path / "m", width=WIDTH, models={}) as store:
        export_memory(store, tmp_path / "a.jsonl")
    if gone is None:
        with pytest.raises(InputError, match=r"a\.jsonl, line 1: .*a last row number of"):
            import_memory(tmp_path / "a.jsonl", tmp_path / "n")
    else:
        import_memory(tmp_path / "a.jsonl", tmp_path / "n")
        with Store.open(tmp_path / "n") as store:
            assert len(store.gone()) == gone


def _set(kind: str, /, **fields: Any) -> Change:
    def change(records: list[dict[str, Any]]) -> None:
        next(record for record in records if record["record"] == kind).update(fields)

    return change


def _without(kind: str, field: str) -> Change:
    def change(records: list[dict[str, Any]]) -> None:
        del next(record for record in records if record["record"] == kind)[field]

    return change


def _vector(*numbers: float) -> str:
    return base64.b64encode(np.array(numbers, dtype="<f2").tobytes()).decode()


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (_set("memory", version=1), None, "version 1.*export the memory again"),
        (_set("memory", version=99), None, "version 99.*update quipu"),
        (_set("memory", version="2"), None, "version '2'"),
        (_set("memory", manifest={"models": {}}), 1, "kind memory"),
        (_set("memory", manifest={"width": "8", "models": {}}), 1, "kind memory"),
        (_set("memory", manifest={"width": 8, "models": 3}), 1, "kind memory"),
        (_set("memory", last_rows=7), 1, "kind memory"),
        (_without("memory", "last_rows"), None, "digest of the closing record"),
        (_set("document", text="changed"), 2, "does not fit its sha256"),
        (_set("document", id="../../etc"), 2, "has the id"),
        (_set("document", metadata="[" * 100_000), 2, "cannot be used"),
        (_set("passage", start=5, end=1), 4, "outside the document"),
        (_set("passage", end=1 << 70), 4, "outside the document"),
        (_set("passage", end=9), 4, "its id is not"),
        (_set("mark", end=99_999), 8, "outside the document"),
        (_set("mark", kind="poem"), 8, "no block"),
        (_set("pair", document="nobody"), None, "its document is not there"),
        (_set("pair", row=1 << 40), None, "a row number of"),
        (_set("pair", row=None), None, "no row number"),
        (_set("pair", vector=_vector(1.0, 0.0)), None, "4 bytes, 16 are needed"),
        (_set("pair", vector=_vector(*[float("nan")] * WIDTH)), None, "16 bits"),
        (_set("pair", vector=_vector(*[0.0] * WIDTH)), None, "unit length"),
        (_set("pair", vector="*"), None, "not base64"),
        (_set("pair", id="0" * 32), None, "its id is not"),
        (_set("pair", question=None), None, "cannot be used"),
        (_set("pair", question="What else?"), None, "its id is not"),
        (_set("pair", origin="heaven"), None, "an origin"),
        (_set("pair", filter_score="high"), None, "filter_score is not of type REAL"),
        (_without("pair", "key_text"), None, "key_text"),
        (_set("pair", colour="red"), None, "unknown field 'colour'"),
        (_set("tokens", places=""), None, "wrong length"),
        (_set("tokens", codes=base64.b64encode(b"abc").decode()), None, "do not fit"),
        (_set("verdict", stage="last"), None, "no stage"),
        (_set("support", end=99_999), None, "outside the document"),
        (_set("journal", record="diary"), None, "diary"),
        (_set("journal", note="otherwise"), None, "digest of the closing record"),
        (_set("end", counts={"pair": 1}), None, "counts of the closing record"),
        (lambda records: records.pop(20), None, "closing record"),
        (lambda records: records.pop(), None, "the file was cut"),
        (lambda records: records.append(records[-1]), None, "behind the closing record"),
        (lambda records: records.insert(4, records[4]), None, "cannot be used"),
    ],
)
def test_a_spoilt_export_names_the_line_and_leaves_no_folder(
    tmp_path: Path, change: Change, line: int | None, words: str
) -> None:
    """Half a memory under the name of a whole one would answer, and stand in the way of the second try."""
    with rich(tmp_path / "m") as store:
        export_memory(store, tmp_path / "a.jsonl")
    records = [json.loads(text) for text in (tmp_path / "a.jsonl").read_text().split("\n") if text]
    change(records)
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    with pytest.raises(InputError, match=words) as raised:
        import_memory(tmp_path / "a.jsonl", tmp_path / "n")
    assert "a.jsonl" in str(raised.value) and "\n" not in str(raised.value)
    assert line is None or f"line {line}:" in str(raised.value)
    assert not (tmp_path / "n").exists()


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_what_is_no_export_is_refused(tmp_path: Path, name: str) -> None:
    """Anything may be given to import by mistake; a traceback says nothing about which file it was."""
    for data in (b"", b"\xff\xfe\x00\x01", b'{"question": "a?", "answer": "b"}\n', b"[1, 2]\n", b"PAR1 and no more"):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=name):
            import_memory(tmp_path / name, tmp_path / "n")
        assert not (tmp_path / "n").exists()


def test_an_export_beside_a_writer_is_one_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Removed half-way, a document would be in the file without its pairs, or they without it."""
    with rich(tmp_path / "m") as writer, Store.open(tmp_path / "m", read_only=True) as reader:
        before = content(reader)

        def and_meanwhile(store: Store) -> Iterator[tuple[str, dict[str, Any]]]:
            for number, row in enumerate(exported(store)):
                if number == 2:
                    writer.remove(document="one.txt")
                yield row

        monkeypatch.setattr(interchange, "exported", and_meanwhile)
        count = export_memory(reader, tmp_path / "a.jsonl")
        assert count == len(before[5]) > writer.count()
    import_memory(tmp_path / "a.jsonl", tmp_path / "n")
    with Store.open(tmp_path / "n", read_only=True) as store:
        assert content(store) == before


def test_nothing_is_overwritten_and_nothing_left_half_written(tmp_path: Path) -> None:
    """An import over an existing memory, or an export to a place that cannot be written, must change nothing."""
    with rich(tmp_path / "m") as store:
        export_memory(store, tmp_path / "a.jsonl")
        with pytest.raises(InputError, match="cannot be written"):
            export_memory(store, tmp_path / "nowhere" / "a.jsonl")
        with pytest.raises(InputError, match=r"\.jsonl or \.parquet"):
            export_memory(store, tmp_path / "a.csv")
        before = content(store)
    with pytest.raises(InputError, match="choose another name"):
        import_memory(tmp_path / "a.jsonl", tmp_path / "m")
    with Store.open(tmp_path / "m", read_only=True) as store:
        assert content(store) == before


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pyarrow is an extra; without the command in the message a user has to guess its name."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with rich(tmp_path / "m") as store:
        with pytest.raises(MissingExtra, match=r"pip install 'quipu-qa\[parquet\]'"):
            export_memory(store, tmp_path / "a.parquet")
        assert not list(tmp_path.glob("a.parquet*"))
        export_memory(store, tmp_path / "a.jsonl")


def test_an_export_follows_no_link_and_destroys_nothing(tmp_path: Path) -> None:
    """A link that lies where the export writes leads it to a file of somebody else."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "a.jsonl.tmp").symlink_to(victim)
    (tmp_path / "a.jsonl").symlink_to(victim)
    with rich(tmp_path / "m") as store:
        export_memory(store, tmp_path / "a.jsonl")
    assert victim.read_text() == "mine" and not (tmp_path / "a.jsonl").is_symlink()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.jsonl", "a.jsonl.tmp", "m", "victim"]


def test_an_import_that_fails_leaves_nothing_and_two_do_not_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a full disk the half-made folder takes the room that is missing; a second import would mix with it."""
    with rich(tmp_path / "m") as store:
        export_memory(store, tmp_path / "a.jsonl")
    with monkeypatch.context() as patch:
        patch.setattr(making.Index, "rebuild", lambda store: (_ for _ in ()).throw(OSError(28, "No space left")))  # type: ignore[attr-defined]
        with pytest.raises(InputError, match=r"cannot be made .No space left"):
            import_memory(tmp_path / "a.jsonl", tmp_path / "n")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.jsonl", "m"]
    with Store.create(tmp_path / "n.importing", width=8, models={}), pytest.raises(MemoryLocked):
        import_memory(tmp_path / "a.jsonl", tmp_path / "n")
    assert (tmp_path / "n.importing" / "records.sqlite").exists()
    import_memory(tmp_path / "a.jsonl", tmp_path / "n")


def test_a_small_file_that_unfolds_is_refused_soon(tmp_path: Path) -> None:
    """Ten thousand passages that each hold the whole document are gigabytes of words from half a megabyte."""
    text = "word " * 50_000
    document = Document.make("a.txt", "a", text)
    with Store.create(tmp_path / "m", width=WIDTH, models={}) as store:
        store.add_documents([document], [Passage.make(document, Span(0, 50))])
        export_memory(store, tmp_path / "a.jsonl")
    records = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    passage = records[2]
    more = []
    for n in range(3000):
        place = {"start": n, "end": len(text), "id": Passage.make(document, Span(n, len(text))).id, "row": n + 2}
        more.append({**passage, **place})
    records[3:3] = more
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    began = time.process_time()
    with pytest.raises(InputError, match="far more than the document"):
        import_memory(tmp_path / "a.jsonl", tmp_path / "n")
    assert time.process_time() - began < 5
