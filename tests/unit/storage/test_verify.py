"""What verify must notice: any value that others wrote, a spoilt word index, a schema that is not quipu's."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from tests.full_memory import keep_call

from quipu.errors import FormatError
from quipu.records import Document, Mark, Passage, QAPair, Span, Verdict
from quipu.storage import digests
from quipu.storage.feedback import Feedback, keep_feedback
from quipu.storage.passage_vectors import PassageTokens, put
from quipu.storage.provenance import add_support, mark_ambiguous
from quipu.storage.reviews import Review, keep_review, turn_away
from quipu.storage.store import Store
from quipu.storage.verify import verify


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memory with a row in every table."""
    path = tmp_path_factory.mktemp("sound") / "m"
    with Store.create(path, width=4, models={"m@1": "0123"}, settings={"seed": 3}) as store:
        text = "The pier is 120 metres long. It is closed in winter."
        document = Document.make(
            "pier.txt", "The pier", text, {"file": "pier.txt"}, [Mark(Span(0, 28), page=1, line=1)]
        )
        store.add_documents([document], [Passage.make(document, Span(0, 28))])
        pairs = [
            QAPair.make(
                f"How long is the pier, {n}?", "120", document_id=document.id, generator_score=-0.5, generator="w"
            )
            for n in range(3)
        ]
        said = [Verdict(pair.id, "local", True, 0.5, "kept", "x") for pair in pairs]
        store.add(pairs, np.eye(4, dtype=np.float32)[:3], ["pier"] * 3, said, [document.id] * 3)
        add_support(store, [(pairs[0].id, document.id, Span(5, 9))])
        mark_ambiguous(store, [(pairs[1].id, "another")])
        store.journal_mark(f"document:{document.id}", "note", document.id)
        tokens = [PassageTokens(np.ones((2, 4), np.uint8), np.array([[0, 3], [4, 9]], np.int32))]
        put(store, list(store.passages()), np.eye(4, dtype=np.float32)[:1], tokens)
        with store.transaction():
            store.connection.execute(
                "INSERT INTO files (path, name, kind, size, modified, sha256, read)"
                " VALUES ('/pier.txt', 'pier.txt', 'text', 5, 6, 'ab', '2026-01-01')"
            )
        store.remove(pair=pairs[2].id)
        keep_feedback(
            store, Feedback("How long?", "120", False, pairs[0].id, "pier.txt"), np.eye(4, dtype=np.float32)[0]
        )
        keep_review(store, Review(pairs[0].id, "sample", "How long?", "120", True, False, "Ana", "", None, document.id))
        turn_away(store, pairs[2], ["pier.txt"])
        keep_call(store, document.id)
    return path


def spoilt(sound: Path, tmp_path: Path, *statements: str) -> Path:
    """A copy in which others wrote."""
    path = tmp_path / "m"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(sound, path)
    with sqlite3.connect(path / "records.sqlite", isolation_level=None) as record:
        record.execute("PRAGMA foreign_keys = OFF")
        for statement in statements:
            record.execute(statement)
    record.close()
    return path


def test_a_sound_memory_has_no_problem(sound: Path) -> None:
    """A false alarm teaches people to pass over the true one."""
    assert verify(sound).problems == []


@pytest.mark.parametrize("table", digests.TABLES)
def test_no_value_of_any_table_changes_unseen(sound: Path, tmp_path: Path, table: str) -> None:
    """A title, a score, a verdict or a line that another program changed is shown as quipu's."""
    with sqlite3.connect(sound / "records.sqlite") as record:
        columns = [row[1] for row in record.execute(f"PRAGMA table_info({table})")]
    record.close()
    for column in columns:
        value = f"CASE typeof(\"{column}\") WHEN 'text' THEN \"{column}\" || 'x' WHEN 'blob' THEN X'00' ELSE 77 END"
        found = verify(
            spoilt(
                sound,
                tmp_path,
                f'UPDATE {table} SET "{column}" = {value} WHERE rowid = 1'
                if table not in ("marks", "support")
                else f'UPDATE {table} SET "{column}" = {value}',
            )
        )
        assert not found.ok, (table, column)


@pytest.mark.parametrize(
    ("statement", "kind", "derived"),
    [
        ("INSERT INTO words (words) VALUES ('delete-all')", "words", True),
        ("INSERT INTO passage_words (passage_words) VALUES ('delete-all')", "words", True),
        ("UPDATE passage_words_data SET block = X'0585' WHERE id = 1", "words", True),
        ("UPDATE words_docsize SET sz = X'090101' WHERE id = 1", "words", True),
        ("INSERT INTO gone SELECT row FROM pairs", "gone", True),
        ("DELETE FROM gone", "gone", True),
        ("DELETE FROM vectors WHERE row = 1", "pair", False),
        ("INSERT INTO verdicts (pair, stage, kept, reason) VALUES ('x', 'local', 1, 'kept')", "row", False),
        ("DROP INDEX pairs_by_document", "schema", False),
        ("CREATE TABLE more (x)", "schema", False),
    ],
)  # fmt: skip
def test_what_was_done_behind_its_back_is_named(
    sound: Path, tmp_path: Path, statement: str, kind: str, derived: bool
) -> None:
    """An emptied word index or a pair that is marked as gone is never found again, and nothing says so."""
    path = spoilt(sound, tmp_path, statement)
    problems = verify(path).problems
    assert kind in {problem.kind for problem in problems}
    assert all(problem.derived for problem in problems) == derived
    if derived:
        assert verify(path, repair=True).ok and verify(path).problems == []


def test_a_changed_manifest_is_named_and_not_signed_anew(sound: Path, tmp_path: Path) -> None:
    """Another threshold answers otherwise; the next calibration must not make it look right."""
    path = spoilt(sound, tmp_path)
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, "settings": {"seed": 4}}))
    assert [problem.kind for problem in verify(path).problems] == ["manifest"]
    with Store.open(path) as store, pytest.raises(FormatError, match="not as quipu wrote it"):
        store.note("answering", {})
    del manifest["digest"]
    (path / "manifest.json").write_text(json.dumps(manifest))
    with Store.open(path) as store:
        store.note("answering", {})
    assert verify(path).problems == []


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER more AFTER INSERT ON pairs BEGIN DELETE FROM documents; END",
        "CREATE VIEW more AS WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n",
    ],
)
def test_foreign_triggers_and_views_are_refused(sound: Path, tmp_path: Path, statement: str) -> None:
    """A trigger acts on the next write; a view in a table's place computes for ever."""
    path = spoilt(sound, tmp_path, statement)
    for read_only in (True, False):
        with pytest.raises(FormatError, match="more, which no quipu made"):
            Store.open(path, read_only=read_only)


def test_a_changed_table_is_not_written_to(sound: Path, tmp_path: Path) -> None:
    """Its defaults and checks may do what they like; reading it, for a rescue, goes on."""
    path = spoilt(sound, tmp_path, "ALTER TABLE journal ADD COLUMN more TEXT")
    with pytest.raises(FormatError, match="the table journal is not as quipu makes it"):
        Store.open(path)
    with Store.open(path, read_only=True) as store:
        assert store.count() == 2
