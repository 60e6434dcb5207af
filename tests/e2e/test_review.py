"""Pairs that people decided about: what waits first, what stays away, what comes back, and files of decisions."""

from __future__ import annotations

import csv
import io
import json
import random
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.handmade import WordEncoder, models

import quipu
from quipu.building.review import PairChanged, Reviewer, queue, version_of
from quipu.building.review_files import export_reviews, harmless, import_reviews
from quipu.cli.main import run
from quipu.errors import InputError
from quipu.evaluation import sampled
from quipu.memory import Memory
from quipu.records import QAPair
from quipu.storage.interchange import import_memory
from quipu.storage.provenance import mark_ambiguous
from quipu.storage.reviews import last_review, reviews_in
from quipu.storage.verify import verify

TEXT = "The pier is 121 metres long. The mast is 33 feet high. The crane lifts 57 tonnes. The shed has 9 doors."
PIER, MAST, CRANE, SHED = (
    f"What number follows The {words}?" for words in ("pier is", "mast is", "crane lifts", "shed has")
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four written pairs and a ready one. Their scores: 1 each, which the tests change."""
    folder = tmp_path_factory.mktemp("review")
    (folder / "port.txt").write_text(TEXT)
    (folder / "ready.csv").write_text("question,answer\nWho keeps the key?,Ana\n")
    quipu.build([folder / "port.txt"], folder / "m", pairs=folder / "ready.csv", **models()).close()
    return folder


@pytest.fixture
def memory(built: Path, tmp_path: Path) -> Iterator[Memory]:
    shutil.copytree(built / "m", tmp_path / "m")
    with quipu.open(tmp_path / "m", encoder=WordEncoder()) as opened:
        yield opened


def by(memory: Memory, name: str = "Ana") -> Reviewer:
    return Reviewer(memory.store, memory.models.encoder, name)


def stored(memory: Memory) -> dict[str, QAPair]:
    return {pair.question: pair for _, pair in memory.store.pairs()}


def whole(memory: Memory) -> object:
    """All of every pair, but the number of its row, and what was said of it."""
    columns = "id, question, answer, document, start, end, origin, filter_score, key_text, ambiguous, added"
    rows = memory.store.connection.execute(
        f"SELECT {columns}, vector FROM pairs p JOIN vectors v ON v.row = p.row ORDER BY id"
    ).fetchall()
    support = memory.store.connection.execute(
        "SELECT p.id, s.document, s.start FROM support s JOIN pairs p ON p.row = s.pair ORDER BY 1, 2, 3"
    ).fetchall()
    return rows, support


def test_what_needs_a_look_comes_first(memory: Memory) -> None:
    """A reviewer who stops after ten pairs must have seen the ten that are most likely wrong, not the ten oldest."""
    pairs = stored(memory)
    assert len(pairs) == 5
    for question, score in ((PIER, 0.95), (MAST, 0.62), (CRANE, 0.99), (SHED, 0.7)):
        with memory.store.transaction():
            memory.store.connection.execute("UPDATE pairs SET filter_score = ? WHERE question = ?", (score, question))
    assert [item.pair.question for item in queue(memory.store, 9)][:4] == [MAST, SHED, PIER, CRANE]
    mark_ambiguous(memory.store, [(pairs[PIER].id, "another")])
    memory.mark_text(CRANE, "57", False)
    found = list(queue(memory.store, 9))
    assert [item.pair.question for item in found] == [CRANE, PIER, MAST, SHED, "Who keeps the key?"]
    assert [item.reason for item in found] == ["wrong", "ambiguous", "uncertain", "uncertain", "rest"]
    assert found[2].why == "its score is 0.62, where 0.60 was enough to keep it"
    by(memory).accept(pairs[CRANE].id)
    assert [item.pair.question for item in queue(memory.store, 1, skip=1)] == [MAST]
    assert [item.reason for item in queue(memory.store, 9, decided=True)][-1] == "decided"


def test_a_rejected_pair_stays_away(tmp_path: Path) -> None:
    """Who rejects a pair and meets it again after the next sync rejects nothing a third time."""
    port = tmp_path / "port.txt"
    port.write_text(TEXT)
    with quipu.build([port], tmp_path / "m", **models()) as memory:
        pair, former = stored(memory)[MAST], stored(memory)[PIER].id
        by(memory).reject(pair.id)
        assert MAST not in stored(memory)
        assert memory.why(pair.id)["verdicts"][-1]["reason"] == "rejected by a reviewer"
        assert memory.add([QAPair.make(MAST, "33"), QAPair.make("  what number follows mast IS", "33")]) == 0
        for text in (f"{TEXT} The quay is wide.", TEXT):  # read anew: another id of the document and its pairs
            port.write_text(text)
            assert memory.sync([port]).documents == 1
            assert MAST not in stored(memory) and SHED in stored(memory)
            assert (stored(memory)[PIER].id == former) == (text == TEXT)
        port.rename(tmp_path / "pier.txt")
        memory.sync([tmp_path], delete=True)
        (tmp_path / "pier.txt").write_text(f"{TEXT} The quay is wide.")
        memory.sync([tmp_path / "pier.txt"])
        assert MAST not in stored(memory) and SHED in stored(memory)
        with pytest.raises(InputError, match="rejected before"):
            by(memory).edit(stored(memory)[PIER].id, MAST, "33")
        memory.export(tmp_path / "all.jsonl")
    import_memory(tmp_path / "all.jsonl", tmp_path / "copy")
    with quipu.open(tmp_path / "copy", encoder=WordEncoder()) as copy:
        assert copy.add([QAPair.make(MAST, "33")]) == 0
    assert verify(tmp_path / "copy").problems == [] == verify(tmp_path / "m").problems


def test_a_removed_document_leaves_no_trace_of_its_reviews(memory: Memory, built: Path) -> None:
    """Its words would stay in what was decided about it, and nobody would look there."""
    pairs = stored(memory)
    by(memory).reject(pairs[MAST].id)
    by(memory).edit(pairs[CRANE].id, CRANE, "many tonnes")
    by(memory).accept(pairs[PIER].id)
    memory.remove(document=str(built / "port.txt"))
    for table in ("reviews", "rejected"):
        assert memory.store.connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    by(memory).reject(pairs["Who keeps the key?"].id)
    memory.remove(document=str(built / "ready.csv"))
    assert list(reviews_in(memory.store)) == []


def test_an_edit_keeps_its_place_where_the_answer_stands(memory: Memory) -> None:
    """Evidence that does not hold the answer is worse than none; a longer quotation of the same place is evidence."""
    pair = stored(memory)[PIER]
    longer = by(memory).edit(pair.id, PIER, "121 metres", version_of(pair))
    new = memory.store.pair(longer.pair)
    assert (new.document_id, new.origin) == (pair.document_id, "user") and new.span is not None
    assert memory.store.quote(str(new.document_id), new.span) == "121 metres"
    assert memory.ask(PIER, method="lookup", min_probability=0.0).text == "121 metres"
    asked = by(memory).edit(new.id, "How long is the pier?", "121 metres")
    assert memory.store.pair(asked.pair).span == new.span
    elsewhere = memory.store.pair(by(memory).edit(asked.pair, "How high is the mast?", "33 feet").pair)
    assert (elsewhere.document_id, elsewhere.span, elsewhere.origin) == (None, None, "user")
    cased = by(memory).edit(elsewhere.id, "How high is the Mast?", "33 feet")
    assert cased.pair == elsewhere.id and memory.store.pair(cased.pair).question == "How high is the Mast?"
    with pytest.raises(InputError, match="says so already"):
        by(memory).edit(stored(memory)[SHED].id, CRANE, "57")
    assert verify(memory.path).problems == []


def test_undo_brings_back_all_of_a_pair(memory: Memory) -> None:
    """A pair that comes back without its vector, its places or its mark answers otherwise than before."""
    pairs = stored(memory)
    document = str(pairs[PIER].document_id)
    with memory.store.transaction():
        memory.store.connection.execute(
            "INSERT INTO support (pair, document, start, end) SELECT row, ?, 40, 44 FROM pairs WHERE id = ?",
            (document, pairs[PIER].id),
        )
    mark_ambiguous(memory.store, [(pairs[PIER].id, "another")])
    with memory.store.transaction():
        memory.store.connection.execute("UPDATE pairs SET added = '2026-01-02T03:04:05Z'")
    before, choose = whole(memory), random.Random(3)
    for _ in range(12):
        now = list(stored(memory).values())
        pair = choose.choice(now)
        decision = choose.choice(("accept", "reject", "edit", "edit"))
        if decision == "edit":
            by(memory).edit(pair.id, f"{pair.question} {choose.random()}", choose.choice((pair.answer, "none")))
        else:
            getattr(by(memory), decision)(pair.id)
        if len(now) < 3:
            break
    assert whole(memory) != before
    with pytest.raises(InputError, match="no decision"):
        while True:
            by(memory).undo()
    assert whole(memory) == before
    assert memory.store.connection.execute("SELECT count(*) FROM rejected").fetchone() == (0,)
    assert verify(memory.path).problems == []


def test_the_second_reviewer_of_a_pair_is_told(memory: Memory) -> None:
    """The later of two decisions would win unseen, over a pair that its reviewer never saw."""
    pair = stored(memory)[PIER]
    seen = version_of(pair)
    by(memory).edit(pair.id, "What number follows pier IS?", "121")
    for decide in (
        by(memory, "Ben").accept,
        by(memory, "Ben").reject,
        partial(by(memory).edit, question="x", answer="y"),
    ):
        with pytest.raises(PairChanged):
            decide(pair.id, version=seen)
    now = stored(memory)[SHED]
    by(memory).accept(now.id, version_of(now))
    with pytest.raises(PairChanged, match="somebody else"):
        by(memory, "Ben").reject(now.id, version_of(now))
    by(memory).reject(stored(memory)[CRANE].id)
    with pytest.raises(PairChanged, match="removed"):
        by(memory, "Ben").accept(QAPair.make(CRANE, "57").id, "0")
    first = by(memory).edit(stored(memory)[MAST].id, "How high?", "33")
    by(memory).edit(first.pair, "How high is it?", "33")
    with pytest.raises(PairChanged, match="since this decision"):
        by(memory).undo(first.pair)


def test_a_table_of_reviews_goes_round(memory: Memory, tmp_path: Path) -> None:
    """Rows that are passed over in silence are believed to be decided; cells that act are run by the spreadsheet."""
    shutil.copytree(tmp_path / "m", tmp_path / "other")
    for ending in ("csv", "jsonl"):
        file = tmp_path / f"all.{ending}"
        assert export_reviews(memory.store, file) == 5
        found = import_reviews(memory.store, by(memory), file)
        assert found.undecided == 5 and not found.conflicts and not found.bad
    rows = list(csv.DictReader(io.StringIO((tmp_path / "all.csv").read_text("utf-8-sig"))))
    at = {row["question"]: row for row in rows}
    at[PIER]["answer"], at[MAST]["decision"], at[SHED]["decision"] = "'=1+1", "Reject", "accept"
    at[CRANE]["decision"] = "perhaps"
    written(tmp_path / "back.csv", [*rows, {**at[PIER], "pair": "ab"}, {**at[MAST], "decision": "accept"}])
    dry = import_reviews(memory.store, by(memory), tmp_path / "back.csv", dry_run=True)
    assert list(reviews_in(memory.store)) == []
    found = import_reviews(memory.store, by(memory), tmp_path / "back.csv")
    assert found.to_json() == dry.to_json()
    assert (found.accepted, found.rejected, found.edited, found.undecided) == (1, 1, 1, 1)
    assert len(found.bad) == 2 and len(found.conflicts) == 1
    assert any("not 'perhaps'" in line for line in found.bad) and any("line 7" in line for line in found.bad)
    assert "line 8" in found.conflicts[0] and "reject" in found.conflicts[0]
    assert stored(memory)[PIER].answer == "=1+1" and MAST not in stored(memory)
    again = import_reviews(memory.store, by(memory), tmp_path / "back.csv")
    assert (again.known, again.accepted + again.rejected + again.edited) == (3, 0)
    export_reviews(memory.store, tmp_path / "done.csv")
    assert "'=1+1" in (tmp_path / "done.csv").read_text("utf-8-sig")
    with quipu.open(tmp_path / "other", encoder=WordEncoder()) as other:
        found = import_reviews(other.store, by(other), tmp_path / "done.csv")
        assert (found.accepted, found.rejected, found.edited, found.bad) == (1, 1, 1, [])
        assert {pair.id for _, pair in other.store.pairs()} == {pair.id for _, pair in memory.store.pairs()}


def written(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)


def test_cells_that_act_are_harmless_and_come_back() -> None:
    """A formula in a document must not run on the machine of whoever reviews it, nor be changed by the way."""
    from quipu.building.review_files import _meant

    for text in ("=1+1", "+1", "-5", "@SUM(A1)", "'=x", "''-", "plain", "'quoted'", "", "\t=1", "5-3"):
        cell = harmless(text)
        assert cell[:1] not in tuple("=+-@\t\r") and _meant(cell) == text


def test_bad_tables_are_named(memory: Memory, tmp_path: Path) -> None:
    """A wrong file must not look like one without any decision."""
    for name, text, said in (
        ("a.csv", "", "it is empty"), ("a.csv", "pair,question\n", "no column decision"),
        ("a.xlsx", "", ".csv or .jsonl"),
    ):  # fmt: skip
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=said):
            import_reviews(memory.store, by(memory), tmp_path / name)
    (tmp_path / "a.jsonl").write_text('{"pair": 5, "decision": ""}\n[]\n\nx\n')
    found = import_reviews(memory.store, by(memory), tmp_path / "a.jsonl")
    assert [line.split("line ")[1][:2] for line in found.bad] == ["1:", "2:", "4:"]


@pytest.fixture
def cli(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The command line on the memory, with lines of input."""
    real = quipu.open
    path = memory.path
    memory.close()
    monkeypatch.setattr("quipu.open", lambda path, **options: real(path, **{"encoder": WordEncoder(), **options}))

    def call(*arguments: str, lines: str = "") -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(lines))
        return run(["review", *(str(path) if item == "M" else item for item in arguments)])

    yield call


def test_decisions_are_taken_at_the_terminal(cli: Any, memory: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    """Keys that act on another pair than the one that is shown decide blindly."""
    assert cli("M", lines="a\nx\ne\n\n33 feet\nr\nu\ns\nq\n") == 0
    out, err = capsys.readouterr()
    assert "»121« metres" in out and "port.txt" in out and "not 'x'" in err and "taken back: reject" in err
    shown = [line.removeprefix("Q  ") for line in out.splitlines() if line.startswith("Q  ")]
    assert shown == [PIER, MAST, CRANE, SHED, CRANE, SHED]
    with quipu.open(memory.path) as opened:
        assert [(item.decision, item.question) for item in reviews_in(opened.store)] == [
            ("accept", PIER), ("edit", MAST),
        ]  # fmt: skip
        assert stored(opened)[MAST].answer == "33 feet" and CRANE in stored(opened)
        assert last_review(opened.store) is not None
    assert cli("M", "--json") == 0
    assert [json.loads(line)["question"] for line in capsys.readouterr().out.splitlines()][:2] == [SHED, CRANE]


def test_a_sample_is_blind_and_goes_on(cli: Any, memory: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    """Shown scores sway who judges; a sample that begins anew is judged until it pleases."""
    arguments = ("sample", "M", "--n", "4", "--origin", "generated")
    assert cli(*arguments, lines="y\ny\ny\nn\n") == 0
    out = capsys.readouterr().out
    assert "score" not in out and "2 of 4 judged" in out and "3 of 4" in out
    assert cli(*arguments, "--json", lines="n\nn\ny\ny\n") == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (said["judged"], said["well_formed"]["count"], said["precision"]["count"]) == (4, 3, 2)
    assert said["precision"]["low"] == pytest.approx(0.1500, abs=1e-4)  # (2/4, z = 1.96): .15 to .85 by Wilson
    assert said["precision"]["high"] == pytest.approx(0.8500, abs=1e-4)
    with quipu.open(memory.path, read_only=True) as opened:
        first = [pair.id for pair in sampled.sample(opened.store, 3, 1)]
        assert first == [pair.id for pair in sampled.sample(opened.store, 5, 1)][:3]
        assert first != [pair.id for pair in sampled.sample(opened.store, 5, 2)][:3]


def test_a_file_of_decisions_with_conflicts_ends_with_1(
    cli: Any, memory: Memory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script that goes on after a conflict believes that all was decided."""
    assert cli("export", "M", str(tmp_path / "x.csv")) == 0
    assert cli("import", "M", str(tmp_path / "x.csv"), "--dry-run") == 0
    text = (tmp_path / "x.csv").read_text("utf-8-sig").replace("121", "=121")
    (tmp_path / "x.csv").write_text(text)
    with quipu.open(memory.path) as opened:
        by(opened, "Ben").reject(stored(opened)[SHED].id)
    rows = list(csv.DictReader(io.StringIO(text)))
    for row in rows:
        row["decision"] = "accept" if row["question"] == SHED else ""
    written(tmp_path / "x.csv", rows)
    capsys.readouterr()
    assert cli("import", "M", str(tmp_path / "x.csv")) == 1
    assert "decided about before (reject)" in capsys.readouterr().err
