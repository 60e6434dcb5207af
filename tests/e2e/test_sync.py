"""A memory stays true to its files: changed, moved, gone and unreadable ones, and two of one name."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.handmade import WordEncoder, models

import quipu
from quipu.cli.main import run
from quipu.cli.outcome import outcome_of, print_outcome
from quipu.corpus import reading
from quipu.corpus.readers import Bad, Block, Extract
from quipu.errors import InputError, ReadError
from quipu.memory import Memory
from quipu.models.bundle import Models
from quipu.records import QAPair
from quipu.storage.verify import verify

CANAL = "The canal was opened in 1869. Its length is 193 kilometres."
TEA = "Tea came to Japan in 1191. Tea came to India in 1848."
TOWER = "The tower was finished in 1889."


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three files, in a folder that is named from its parent."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, text in (("canal.txt", CANAL), ("tea.txt", TEA), ("tower.txt", TOWER)):
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def memory(docs: Path) -> Iterator[Memory]:
    """Their memory; it is whole after every test."""
    with quipu.build(["docs"], "m", **models()) as made:
        yield made
    assert verify(docs.parent / "m").problems == []


def reopened(path: Path | str) -> Memory:
    """A memory with the models that it was built with."""
    made = quipu.open(path, encoder=WordEncoder())
    made._models = Models(**models())
    return made


def sources(memory: Memory) -> dict[str, str]:
    """The document of each answer."""
    return {pair.answer: memory.store.source(str(pair.document_id)) for _, pair in memory.store.pairs()}


def test_a_moved_file_is_followed_without_a_model(docs: Path, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer whose source is a file that is not there any more cannot be checked by anybody."""
    before = [pair.id for _, pair in memory.store.pairs()]
    (docs / "old").mkdir()
    (docs / "tea.txt").rename(docs / "old" / "leaves.txt")
    (docs / "canal.txt").rename(docs / "suez.txt")
    monkeypatch.setattr(Models, "writer", lambda _: pytest.fail("a model was run"))
    report = memory.add_documents(["docs"])
    assert report.moved == [("docs/canal.txt", "docs/suez.txt"), ("docs/tea.txt", "docs/old/leaves.txt")]
    assert report.unchanged == 1 and report.gone == [] and report.documents == 0
    assert sources(memory)["1848"] == "docs/old/leaves.txt" and sources(memory)["193"] == "docs/suez.txt"
    assert [pair.id for _, pair in memory.store.pairs()] == before
    evidence = memory.ask("What number follows came to India in?").evidence[0]
    assert evidence.document == "docs/old/leaves.txt" and evidence.passage and evidence.passage.title == "leaves"
    assert memory.remove(document="docs/suez.txt") == 2


def test_a_new_file_under_the_name_of_a_moved_one(docs: Path, memory: Memory) -> None:
    """The moved document keeps its id, so a copy under its former name must not be taken for it."""
    (docs / "tea.txt").rename(docs / "leaves.txt")
    memory.sync(["docs"])
    (docs / "tea.txt").write_text(TEA)
    report = memory.sync(["docs"])
    assert report.documents == 1 and report.moved == []
    assert {row["name"] for row in memory.documents()} == {
        "docs/canal.txt", "docs/leaves.txt", "docs/tea.txt", "docs/tower.txt"
    }  # fmt: skip
    (docs / "leaves.txt").unlink()
    memory.sync(["docs"], delete=True)
    assert sources(memory)["1848"] == "docs/tea.txt"


def test_a_file_moved_over_another_replaces_it(docs: Path, memory: Memory) -> None:
    """What was overwritten is gone, however it was overwritten."""
    os.replace(docs / "tea.txt", docs / "tower.txt")
    report = memory.sync(["docs"], delete=True)
    assert report.moved == [("docs/tea.txt", "docs/tower.txt")] and report.removed == []
    assert sources(memory) == {
        "1869": "docs/canal.txt", "193": "docs/canal.txt", "1191": "docs/tower.txt", "1848": "docs/tower.txt"
    }  # fmt: skip


def test_a_file_that_is_gone_is_named_and_forgotten_only_when_asked(docs: Path, memory: Memory) -> None:
    """A deleted file that goes on answering without a word is worse than no answer."""
    (docs / "tower.txt").unlink()
    assert memory.add_documents([docs]).gone == ["docs/tower.txt"]
    assert memory.sync(["docs"]).gone == ["docs/tower.txt"] and "1889" in sources(memory)
    assert memory.changes(["docs"]).to_json()["gone"] == ["docs/tower.txt"]
    report = memory.sync(["docs"], delete=True)
    assert report.removed == ["docs/tower.txt"] and report.gone == [] and "1889" not in sources(memory)
    assert len(list(memory.documents())) == 2


def test_many_deletions_are_refused(docs: Path, memory: Memory) -> None:
    """A mistyped folder must not empty a memory that took hours to build."""
    (docs / "tower.txt").unlink()
    (docs / "tea.txt").write_text("Tea came to Ceylon in 1867.")
    (docs / "canal.txt").unlink()
    with pytest.raises(InputError, match=r"2 of 3 known files are gone, .* allows \(1\); nothing was done"):
        memory.sync(["docs"], delete=True)
    assert "1867" not in sources(memory)
    for wrong in ("many", "101%", "-1"):
        with pytest.raises(InputError, match="--max-delete takes"):
            memory.sync(["docs"], delete=True, max_delete=wrong)
    memory.sync(["docs"], delete=True, max_delete=2)
    assert set(sources(memory)) == {"1867"}


def test_a_disk_that_is_not_there_removes_nothing(docs: Path, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unmounted folder is empty, one behind a broken disk cannot be listed: nothing is known of their files."""
    away = docs.rename(docs.parent / "away")
    with pytest.raises(InputError, match="no such file or folder"):
        memory.sync(["docs"], delete=True)
    docs.mkdir()
    report = memory.sync(["docs"], delete=True, max_delete="100%")
    assert report.removed == report.gone == [] and "nothing is removed" in report.remarks[0]
    docs.rmdir()
    away.rename(docs)
    (docs / "deep").mkdir()
    (docs / "deep" / "ship.txt").write_text("The ship has 12 cabins.")
    memory.sync(["docs"])
    listed = os.scandir

    def scandir(path: str = ".") -> object:
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    report = memory.sync(["docs"], delete=True, max_delete="100%")
    monkeypatch.undo()
    assert report.removed == report.gone == [] and len(sources(memory)) == 6
    assert any("deep" in item.name for item in report.skipped)


def test_a_reader_that_fails_half_way_removes_nothing(
    docs: Path, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands behind the error was not seen; it is not gone."""
    (docs / "rows.jsonl").write_text(
        "".join(json.dumps({"id": n, "text": f"Row {n} weighs {n * 6 + 1} grams."}) + "\n" for n in range(9))
    )
    memory.sync(["docs"])
    known = sources(memory)
    assert len(known) > 10

    def failing(path: Path) -> Iterator[Extract | Bad]:
        yield Extract("rows", (Block("Row 1 weighs 7 grams."),), "1")
        yield Extract("rows", (Block("Row 2 weighs 999 grams."),), "2")
        raise OSError(5, "Input/output error")

    (docs / "rows.jsonl").write_text("changed")
    monkeypatch.setattr(reading, "reader_for", lambda _: failing)
    in_this_process = lambda files, **_: (item for file in files for item in reading.read_file(file))  # noqa: E731
    monkeypatch.setattr("quipu.building.documents.read_files", in_this_process)
    report = memory.sync(["docs"], delete=True)
    assert sources(memory) == known and [item.reason for item in report.skipped] == ["Input/output error"]
    monkeypatch.undo()
    monkeypatch.chdir(docs.parent)
    (docs / "rows.jsonl").write_text('{"id": 1, "text": "Row 1 weighs 7 grams."}\n')
    memory.sync(["docs"])
    assert len(sources(memory)) == 6 and sources(memory)["1"] == "docs/rows.jsonl#1"


def test_unchanged_files_are_not_read(docs: Path, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of a thousand files is synced each minute: only what changed may cost anything."""
    os.utime(docs / "tea.txt")  # another time, the same bytes
    not_to_be_read = lambda files, **_: pytest.fail("read") if list(files) else []  # noqa: E731
    monkeypatch.setattr("quipu.building.documents.read_files", not_to_be_read)
    report = memory.sync(["docs"])
    assert report.unchanged == 3 and not report.changed
    assert memory.add_documents(["docs"]).unchanged == 3


def test_one_file_by_many_names(docs: Path, memory: Memory) -> None:
    """A document that is stored under two names answers on when one of them is removed."""
    (docs.parent / "link.txt").symlink_to(docs / "tea.txt")
    for name in (docs / "tea.txt", "./docs/../docs/tea.txt", "link.txt"):
        assert memory.add_documents([name]).unchanged == 1
    (docs / "tea.txt").write_text(TEA.replace("1848", "1849"))
    memory.add_documents(["link.txt"])
    assert sources(memory)["1849"] == "docs/tea.txt" and "1848" not in sources(memory)
    assert memory.remove(document=str(docs / "tea.txt")) == 2


def test_two_files_of_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """notes.txt of one project must not replace notes.txt of another."""
    for folder, text in (("first", CANAL), ("second", TOWER)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "notes.txt").write_text(text)
    monkeypatch.chdir(tmp_path / "first")
    with quipu.build(["notes.txt"], tmp_path / "m", **models()) as memory:
        monkeypatch.chdir(tmp_path / "second")
        report = memory.add_documents(["notes.txt"])
        whole = str(tmp_path / "second" / "notes.txt")
        assert report.remarks == [
            f"notes.txt is shown as {whole}: by that name {tmp_path}/first/notes.txt is known already"
        ]
        assert sources(memory) == {"1869": "notes.txt", "193": "notes.txt", "1889": whole}
        assert memory.add_documents(["notes.txt"]).remarks == []
        (tmp_path / "second" / "notes.txt").write_text(TOWER.replace("1889", "1887"))
        memory.sync(["notes.txt"])
        assert sources(memory) == {"1869": "notes.txt", "193": "notes.txt", "1887": whole}


def test_a_memory_without_known_files_takes_them_over(docs: Path, memory: Memory) -> None:
    """Memories of an older quipu have no files; the next sync must neither double nor lose anything."""
    memory.store.connection.execute("DELETE FROM files")
    before = [pair.id for _, pair in memory.store.pairs()]
    assert {row["read"] for row in memory.documents()} == {None}
    (docs / "tower.txt").unlink()
    report = memory.sync([docs], delete=True)
    assert report.removed == ["docs/tower.txt"] and report.documents == 0
    assert [pair.id for _, pair in memory.store.pairs()] == before[:-1]
    assert memory.sync(["docs"]).unchanged == 2


def test_documents_are_listed(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever asks where answers come from needs the list, and what of it is out of date."""
    quipu.build(["docs"], "m", **models()).close()
    (docs / "tower.txt").unlink()
    (docs / "tea.txt").write_text("Tea.")
    assert run(["documents", "m", "--json"]) == 0
    rows = {row["name"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert {name: row["state"] for name, row in rows.items()} == {
        "docs/canal.txt": "", "docs/tea.txt": "changed", "docs/tower.txt": "missing"
    }  # fmt: skip
    row = rows["docs/canal.txt"]
    assert row["path"] == str(docs / "canal.txt") and row["title"] == "canal" and row["read"].endswith("Z")
    assert (row["documents"], row["passages"], row["pairs"], row["pages"]) == (1, 1, 2, None)
    assert run(["documents", "m"]) == 0
    assert "docs/tower.txt" in capsys.readouterr().out
    assert run(["sync", "m", "docs", "--dry-run", "--json"]) == 0
    changes = json.loads(capsys.readouterr().out)
    assert changes["changed"] == ["docs/tea.txt"] and changes["gone"] == ["docs/tower.txt"]
    assert run(["sync", "m", "docs", "--dry-run", "--delete", "--max-delete", "0"]) == 2
    assert "1 of 3 known files are gone" in capsys.readouterr().err


def test_unchanged_is_said(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """ "0 pairs, 0.0 passages/s" tells nobody that all is well."""
    quipu.build(["docs"], "m", **models()).close()
    assert run(["sync", "m", "docs"]) == 0
    said = capsys.readouterr()
    assert said.out == "m: unchanged (3 files)\n" and said.err == ""
    (docs / "tea.txt").rename(docs / "leaves.txt")
    (docs / "tower.txt").unlink()
    with reopened("m") as again:
        again.sync(["docs"])
    assert run(["sync", "m", "docs"]) == 0
    assert (
        "1 known file is gone (docs/tower.txt) and still answered from; forget it with: quipu sync m docs --delete"
        in capsys.readouterr().err
    )


def test_pairs_of_a_file(docs: Path, memory: Memory) -> None:
    """A ready pair whose file and line nobody knows can be neither checked nor taken back."""
    file = docs.parent / "p1.csv"
    file.write_text("question,answer\nWhat is the wifi password?,bluebird7\nWhen does the cafe open?,8:00\n")
    assert memory.add_pairs_file("p1.csv") == 2 and memory.add_pairs_file(file) == 0
    pairs = {pair.answer: pair for _, pair in memory.store.pairs() if pair.origin == "imported"}
    assert pairs["8:00"].line == 3 and memory.store.source(str(pairs["8:00"].document_id)) == "p1.csv"
    memory.remove(pair=pairs["8:00"].id)
    assert memory.add_pairs_file("p1.csv") == 1
    file.write_text("question,answer\nWho cleans?,Ms Kern\nWhat is the wifi password?,greenfrog9\n")
    memory.sync(["docs", "p1.csv"])
    pairs = {pair.answer: pair for _, pair in memory.store.pairs() if pair.origin == "imported"}
    assert {answer: pair.line for answer, pair in pairs.items()} == {"Ms Kern": 2, "greenfrog9": 3}
    other = docs.parent / "p2.csv"
    other.write_text("question,answer\nWhat is the wifi password?,redfox1\nWho cleans?,Ms Kern\n")
    assert memory.add_documents([], pairs=other).pairs == 2
    assert memory.store.counts()["pairs"] == 9
    other.rename(docs.parent / "p3.csv")
    assert memory.sync(["p3.csv"]).moved == [(str(other), "p3.csv")]
    assert memory.remove(document="p1.csv") == 2
    assert sorted(a for a in sources(memory) if not a.isdigit()) == ["Ms Kern", "redfox1"]


def test_pairs_that_were_imported_without_their_file(docs: Path, memory: Memory) -> None:
    """An older quipu kept no file: the same pairs must not be there twice when the file is added again."""
    memory.add([QAPair.make("Who cleans?", "Ms Kern", origin="imported")])
    (docs.parent / "p.csv").write_text("question,answer\nWho cleans?,Ms Kern\n")
    memory.add_pairs_file("p.csv")
    assert sources(memory)["Ms Kern"] == "p.csv" and memory.store.count() == 6


def test_nothing_readable_leaves_nothing(docs: Path) -> None:
    """An empty memory that stays behind answers nothing and stands in the way of the next build."""
    (docs / "empty").mkdir()
    with pytest.raises(InputError, match="there are no files"):
        quipu.build(["docs/empty"], "n", **models())
    (docs / "song.mp3").write_bytes(b"x")
    with pytest.raises(InputError, match=r"no file can be read \(docs/song.mp3: unknown kind"):
        quipu.build(["docs/song.mp3"], "n", **models())
    with pytest.raises(ReadError):
        quipu.build(["docs/song.mp3"], "n", strict=True, **models())
    assert not Path("n").exists()


def test_a_memory_inside_its_own_folder(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`build . -o mem` must not read the memory that it makes."""
    monkeypatch.chdir(docs)
    with quipu.build(["."], "mem", **models()) as memory:
        assert memory.report.skipped == [] and memory.report.files == 3
        assert memory.sync(["."]).unchanged == 3


def test_an_unfinished_build_says_so(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ "The memory holds nothing like it" of a memory that is half built is no answer."""
    monkeypatch.setattr("quipu.api.make_pairs", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        quipu.build(["docs"], "m", **models())
    monkeypatch.undo()
    monkeypatch.chdir(docs.parent)
    with quipu.open("m", read_only=True, encoder=WordEncoder()) as memory:
        assert "3 passages have no pairs yet" in memory.ask("What number follows came to India in?").reason
        assert not memory.info()["finished"]
    with quipu.build(["docs"], "m", **models()) as memory:
        assert memory.ask("What number follows came to India in?").text == "1848" and memory.info()["finished"]


def test_watch_syncs_what_changes_and_stops(
    docs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The writer's lock must be free while nothing happens, and a change must be seen when it rests."""
    quipu.build(["docs"], "m", **models()).close()
    real = quipu.open
    monkeypatch.setattr(quipu, "open", lambda path, **options: real(path, **options) if options else reopened(path))
    steps = iter(range(20))

    def sleep(seconds: float) -> None:
        step = next(steps)
        with real("m"):  # nobody holds the lock
            pass
        if step == 1:
            (docs / "tea.txt").write_text("Tea came to Ceylon in 1867.")
        if step == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr("quipu.cli.sync.time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    assert run(["watch", "m", "docs", "--json"]) == 130
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["files"] == 1 and json.loads(line)["pairs"] == 1
    monkeypatch.undo()
    monkeypatch.chdir(docs.parent)
    with real("m", read_only=True) as again:
        assert "1867" in sources(again)


def test_a_spoilt_file_of_pairs_does_not_end_a_sync(docs: Path, memory: Memory) -> None:
    """The documents beside it would stay unread, and the memory look like one that was interrupted."""
    file = docs / "pairs.csv"
    file.write_text("question,answer\nWho cleans?,Ms Kern\n")
    memory.add_pairs_file("docs/pairs.csv")
    for spoilt in ("", "no such columns\nx\n"):
        file.write_text(spoilt)
        (docs / "ship.txt").write_text(f"The ship was built in 19{len(spoilt):02}.")
        report = memory.sync(["docs"])
        assert [item.name for item in report.skipped] == ["docs/pairs.csv"] and report.files == 1
        assert "pairs.csv" not in report.skipped[0].reason
        assert memory.info()["finished"] and sources(memory)["Ms Kern"] == "docs/pairs.csv"
    with pytest.raises(InputError, match=r"docs/pairs\.csv: columns"):
        memory.sync(["docs"], strict=True)


def test_a_file_whose_name_is_no_text_can_be_removed(docs: Path, memory: Memory) -> None:
    """It is given as the system writes it, and known as it is shown."""
    file = os.fsdecode(b"docs/\xff.csv")
    Path(file).write_text("question,answer\nWho cleans?,Ms Kern\n")
    memory.add_pairs_file(file)
    assert memory.remove(document=file) == 1


def test_a_folder_is_no_file_of_pairs(docs: Path, memory: Memory) -> None:
    """Its first file would be taken, and the others passed over without a word."""
    (docs.parent / "pairs").mkdir()
    for name in ("a.csv", "b.csv"):
        (docs.parent / "pairs" / name).write_text("question,answer\nWho cleans?,Ms Kern\n")
    with pytest.raises(InputError, match="pairs: a folder"):
        memory.add_pairs_file("pairs")


def test_only_what_was_done_is_said(docs: Path, memory: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    """ "0 pairs from 0 passages" and progress of nothing hide that a file was moved."""
    (docs / "tea.txt").rename(docs / "a leaf.txt")
    told: list[object] = []
    memory.sync(["docs"], progress=told.append)
    (docs / "canal.txt").unlink()
    print_outcome({**outcome_of(memory), "gone": ["docs/canal.txt"]}, [Path("my docs")], as_json=False)
    said = capsys.readouterr()
    assert said.out == "m: 1 file moved, 2 files unchanged\n" and not told
    assert said.err.splitlines()[0] == "quipu: docs/tea.txt is now docs/a leaf.txt"
    assert "forget it with: quipu sync m 'my docs' --delete" in said.err


def test_a_limit_is_checked_also_where_nothing_is_deleted(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A limit that says nothing would be noticed on the day on which it is needed."""
    quipu.build(["docs"], "m", **models()).close()
    for verb in ("sync", "watch"):
        assert run([verb, "m", "docs", "--max-delete", "some"]) == 2
        assert "--max-delete takes a number" in capsys.readouterr().err
