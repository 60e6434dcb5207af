"""A reader that fails, crashes, hangs or grows costs its own file a line, and no other file anything."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quipu.cli.options import set_limits
from quipu.corpus import FileRead, FoundFile, Limits, Skipped, find_files, limits, read_files
from quipu.corpus.isolation import Worker
from quipu.errors import InputError, ReadError, SettingsError
from quipu.records import Document

READER = """
import ctypes, os, signal, sys, time
from quipu.corpus.readers import Bad, Block, Extract
from quipu.errors import ReadError

def read(path):
    kind = path.read_text().split()[0]
    if kind == "twice":
        yield Extract("first", (Block("The first half."),), "1", left_out={"picture": 2})
        raise ValueError("the second half is broken\\nand more")
    if kind == "device":
        yield Extract("first", (Block("The first half."),), "1")
        raise OSError(5, "Input/output error")
    if kind == "raises":
        raise AttributeError("no body")
    if kind == "deep":
        raise RecursionError
    if kind == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "exits":
        os._exit(3)
    if kind == "grows":
        held = [bytearray(20_000_000) for _ in range(100)]
    if kind == "loops":
        while True:
            pass
    if kind == "prints":
        print("between the frames")
        os.write(1, b"between the frames")
    if kind == "waits":
        time.sleep(1000)
    if kind == "bomb":
        yield Extract("bomb", (Block("x" * 3_000_000),))
    yield Extract("good", (Block("The gate was painted by Nora Quill."),))
"""
SMALL = Limits(seconds=1.5, memory=400_000_000, expanded=2_000_000)


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder beside a reader of files .md that fails as the file's first word says, in the child too."""
    package = tmp_path / "lib"
    package.mkdir()
    (package / "failing_reader.py").write_text(READER)
    (package / "quipu_failing.py").write_text(
        "import sys, failing_reader\nsys.modules['quipu.corpus.readers.markdown'] = failing_reader\n"
    )
    monkeypatch.syspath_prepend(str(package))
    monkeypatch.setattr(
        "quipu.corpus.isolation._CODE",
        "import sys; sys.path[:] = sys.argv[2:]; import quipu_failing; "
        "from quipu.corpus.isolation import serve; serve(sys.argv[1])",
    )
    folder = tmp_path / "docs"
    folder.mkdir()
    return folder


def both(folder: Path, within: Limits = SMALL) -> tuple[list[str], dict[str, str], dict[str, FileRead]]:
    """Names of documents, reasons by file name, and ends of files by file name."""
    documents: list[str] = []
    skipped: dict[str, str] = {}
    ends: dict[str, FileRead] = {}
    for item in read_files(find_files([folder]), limits=within):
        if isinstance(item, Document):
            documents.append(Path(item.source).name)
        elif isinstance(item, Skipped):
            skipped[Path(item.name).name] = item.reason
        elif isinstance(item, FileRead):
            ends[Path(item.name).name] = item
    return documents, skipped, ends


def test_whatever_a_reader_does_the_other_files_are_read(broken: Path) -> None:
    """One bad file in a folder of a thousand must not cost the build, whatever library falls over it."""
    kinds = ["bomb", "crashes", "deep", "device", "exits", "grows", "loops", "prints", "raises", "twice"]
    for kind in kinds:
        (broken / f"{kind}.md").write_text(kind)
        (broken / f"{kind}-after.md").write_text("good")
    documents, skipped, ends = both(broken)
    good = {f"{kind}-after.md" for kind in kinds} | {"prints.md"}
    assert documents == sorted(good | {"device.md#1", "twice.md#1"})
    assert {name for name, end in ends.items() if end.complete} == good
    assert skipped.pop("bomb.md") == "unpacks to more than 2 MB; --limit expanded=N allows more"
    assert "SIGSEGV" in skipped.pop("crashes.md")
    assert skipped.pop("deep.md") == "cannot be read (RecursionError)"
    assert skipped.pop("device.md") == "Input/output error"
    assert "exit code 3" in skipped.pop("exits.md")
    assert skipped.pop("grows.md") == "takes more than 400 MB of memory; --limit memory=N allows more"
    assert skipped.pop("loops.md") == "takes more than 1.5 s of CPU time; --limit seconds=N allows more"
    assert skipped.pop("raises.md") == "cannot be read (AttributeError: no body)"
    assert skipped.pop("twice.md") == "cannot be read (ValueError: the second half is broken)"
    assert not skipped
    assert ends["twice.md"].left_out == {"picture": 2} and ends["twice.md"].sha256


def test_a_reader_that_waits_for_ever_is_ended(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that hangs uses no CPU time."""
    monkeypatch.setattr("quipu.corpus.isolation._PATIENCE", 1.5)
    (broken / "waits.md").write_text("waits")
    _, skipped, ends = both(broken)
    assert "no progress" in skipped["waits.md"] and not ends["waits.md"].complete


def test_a_child_that_is_killed_costs_its_file_and_leaves_nothing(tmp_path: Path) -> None:
    """The system ends the process that needs most memory; the build is not to end with it."""
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_text(f"Notes of {name}.")
    found = [item for item in find_files([tmp_path]) if isinstance(item, FoundFile)]
    with Worker(Limits()) as worker:
        assert ended(worker.read(found[0])).complete
        assert worker._process is not None
        first = worker._process.pid
        os.kill(first, signal.SIGKILL)
        assert not ended(worker.read(found[1])).complete
        assert ended(worker.read(found[2])).complete
        assert worker._process is not None
        second = worker._process.pid
        assert second != first
    for process in (first, second):
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_leaving_in_the_middle_of_a_file_does_not_mix_it_with_the_next(tmp_path: Path) -> None:
    """What one file still had to say must never become another one's document."""
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"text": "Row {n}."}}\n' for n in range(50_000)))
    (tmp_path / "z.txt").write_text("The last file.")
    rows, last = (item for item in find_files([tmp_path]) if isinstance(item, FoundFile))
    with Worker(Limits()) as worker:
        stream = worker.read(rows)
        next(stream)
        stream.close()  # type: ignore[attr-defined]
        assert [item.text for item in worker.read(last) if isinstance(item, Document)] == ["The last file."]


def test_strict_ends_the_build_with_the_files_name(broken: Path) -> None:
    """Who asks for all or nothing is told which file it was, in a line."""
    (broken / "raises.md").write_text("raises")
    with pytest.raises(ReadError, match=r"raises\.md: cannot be read \(AttributeError: no body\)"):
        list(read_files(find_files([broken]), strict=True, limits=SMALL))


def test_a_child_that_cannot_start_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Otherwise every file would be named as broken."""
    (tmp_path / "a.txt").write_text("The gate was painted by Nora Quill.")
    monkeypatch.setattr("quipu.corpus.isolation._CODE", "raise SystemExit(1)")
    with pytest.raises(InputError, match="does not start"):
        both(tmp_path)
    with pytest.raises(SettingsError, match="limit seconds must be a number above 0"):
        Limits(seconds=0)


def test_limits_are_set_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long book that takes more than the usual time is somebody's only document."""
    monkeypatch.setattr(limits, "_current", Limits())
    set_limits(["seconds=90.5", "memory=2e9"])
    assert limits.current() == Limits(seconds=90.5, memory=2_000_000_000)
    for wrong in ("seconds=0", "seconds=inf", "seconds=nan", "memory=inf", "seconds", "time=3", "line=x"):
        with pytest.raises(SettingsError, match="limit"):
            set_limits([wrong])


def test_no_module_of_the_folder_that_is_read_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`quipu build .` in a downloaded folder must not run the code in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    for name in ("json", "docx", "lxml", "signal"):
        (tmp_path / f"{name}.py").write_text("open('ran', 'w')\n")
    (tmp_path / "a.html").write_text("<p>The gate was painted by Nora Quill.</p>")
    documents, skipped, _ = both(tmp_path, Limits())
    assert documents == ["a.html"] and not (tmp_path / "ran").exists()
    assert set(skipped) == {"json.py", "docx.py", "lxml.py", "signal.py"}


def test_the_end_of_a_file_says_what_was_read(tmp_path: Path) -> None:
    """What decides that a file is unchanged, or that its documents may be forgotten, must be true."""
    (tmp_path / "a.txt").write_text("The gate was painted by Nora Quill.")
    (tmp_path / "blank.txt").write_text(" \n")
    (tmp_path / "gone.txt").write_text("x")
    found = [item for item in find_files([tmp_path]) if isinstance(item, FoundFile)]
    (tmp_path / "gone.txt").unlink()
    ends = {Path(item.name).name: item for item in read_files(found) if isinstance(item, FileRead)}
    end, status = ends["a.txt"], (tmp_path / "a.txt").stat()
    assert (end.path, end.name) == (os.path.realpath(tmp_path / "a.txt"), (tmp_path / "a.txt").as_posix())
    assert (end.complete, end.size, end.modified) == (True, status.st_size, status.st_mtime_ns)
    assert end.sha256 == hashlib.sha256(b"The gate was painted by Nora Quill.").hexdigest()
    assert ends["blank.txt"].complete and not ends["gone.txt"].complete


def ended(items: Iterator[Document | Skipped | FileRead]) -> FileRead:
    """The end of a file, which is what comes last."""
    *_, last = items
    assert isinstance(last, FileRead)
    return last
