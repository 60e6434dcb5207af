"""Memories to files and back, whole; and files that cannot be used, named with the line at fault."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quipu.errors import InputError, MissingExtra
from quipu.memory.index import Index
from quipu.memory.interchange import export_memory, import_memory
from quipu.memory.store import Store
from quipu.memory.verify import verify
from quipu.records import Document, Passage, QAPair, Span, Verdict

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
        document = Document.make(f"{name}.txt", f"Of {name}", text, {"file": f"{name}.txt", "part": 2, "x": [1, "é"]})
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
    store.journal_mark("finished")
    return store


def content(store: Store) -> list[Any]:
    """Everything in a memory but the row numbers."""
    return [
        store.width, store.models, store.manifest["settings"], list(store.documents()), list(store.passages()),
        [(pair, store.key_text(pair.id), store.verdicts(pair.id)) for _, pair in store.pairs()],
        np.concatenate([vectors for _, vectors in store.vectors()]).tolist(), store.counts(), store.verdict_counts(),
        sorted(store.connection.execute("SELECT * FROM journal")),
        sorted(store.connection.execute("SELECT * FROM verdicts")),
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


def _set(kind: str, /, **fields: Any) -> Change:
    def change(records: list[dict[str, Any]]) -> None:
        next(record for record in records if record["kind"] == kind).update(fields)

    return change


def _without(kind: str, field: str) -> Change:
    def change(records: list[dict[str, Any]]) -> None:
        del next(record for record in records if record["kind"] == kind)[field]

    return change


def _vector(*numbers: float) -> str:
    return base64.b64encode(np.array(numbers, dtype="<f2").tobytes()).decode()


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (_without("memory", "width"), 1, "kind memory"),
        (_set("memory", width="wide"), 1, "kind memory"),
        (_set("memory", models=3), 1, "kind memory"),
        (_set("document", text="changed"), 2, "does not fit its id"),
        (_set("document", passages=[[5, 1]]), 2, "start <= end"),
        (_set("pair", document="nobody"), 4, "does not fit what is stored"),
        (_set("pair", vector=_vector(1.0, 0.0)), 4, "kind pair"),
        (_set("pair", vector=_vector(*[float("nan")] * WIDTH)), 4, "16 bits"),
        (_set("pair", vector="*"), 4, "kind pair"),
        (_set("pair", question=None), 4, "kind pair"),
        (_without("pair", "key_text"), 4, "key_text"),
        (_set("journal", kind="diary"), None, "diary"),
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
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    with pytest.raises(InputError, match=words) as raised:
        import_memory(tmp_path / "a.jsonl", tmp_path / "n")
    assert "a.jsonl, line " in str(raised.value) and "\n" not in str(raised.value)
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
        read = reader.vectors

        def and_meanwhile(**options: Any) -> Any:
            writer.remove(document="one.txt")
            return read(**options)

        monkeypatch.setattr(reader, "vectors", and_meanwhile)
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
