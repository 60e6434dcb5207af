"""Which files are read: one identity for one real file, and nothing passed over without a word."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from quipu.corpus import FileRead, FolderRead, FoundFile, Skipped, find_files, on_disk, read_files
from quipu.errors import InputError
from quipu.records import Document


def find(*paths: str | Path) -> tuple[list[FoundFile], dict[str, str], list[FolderRead]]:
    """Files, reasons by name, and folders."""
    items = list(find_files(paths))
    return (
        [item for item in items if isinstance(item, FoundFile)],
        {item.name: item.reason for item in items if isinstance(item, Skipped)},
        [item for item in items if isinstance(item, FolderRead)],
    )


def test_a_file_has_one_identity_however_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two names of one file would be two documents, of which one goes on answering when the other is removed."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("a")
    (tmp_path / "docs" / "link.txt").symlink_to("a.txt")
    (tmp_path / "linked").symlink_to("docs")
    monkeypatch.chdir(tmp_path)
    found, skipped, _ = find("docs", "docs/a.txt", tmp_path / "docs/../docs/a.txt", "docs/link.txt", "linked")
    assert [(item.path, item.name) for item in found] == [(os.path.realpath("docs/a.txt"), "docs/a.txt")]
    assert not skipped
    assert find("docs/link.txt")[0][0].name == "docs/a.txt"


def test_a_links_source_is_the_real_file(tmp_path: Path) -> None:
    """A link that is deleted must not take the file's text along, and an answer names the file that holds it."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "elsewhere.txt").write_text("b")
    (tmp_path / "docs" / "link.txt").symlink_to(tmp_path / "elsewhere.txt")
    found, _, _ = find(tmp_path / "docs")
    real = os.path.realpath(tmp_path / "elsewhere.txt")
    assert [(item.path, item.name) for item in found] == [(real, real)]


def test_what_is_left_out_is_named_or_counted(tmp_path: Path) -> None:
    """A folder that seems to be read whole, and is not, answers "I do not know" for reasons nobody can find."""
    (tmp_path / ".secret.txt").write_text("x")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config.txt").write_text("x")
    (tmp_path / "nothing.txt").symlink_to(tmp_path / "missing.txt")
    (tmp_path / "round").symlink_to(tmp_path)
    (tmp_path / "itself.txt").symlink_to("itself.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    found, skipped, (folder,) = find(tmp_path)
    assert not found
    assert folder.left_out == {"hidden file": 1, "hidden folder": 1, "device or pipe": 1} and not folder.unread
    assert {Path(name).name: reason for name, reason in skipped.items()} == {
        "nothing.txt": "a link to nothing",
        "round": "a link to a folder, not followed",
        "itself.txt": os.strerror(40),
    }


def test_a_memory_inside_the_folder_is_no_document(tmp_path: Path) -> None:
    """`quipu build . -o memory`, twice: the second time its own files are not named as unknown."""
    for name, last in (("finished", "manifest.json"), ("unfinished", "writer.lock")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "records.sqlite").write_bytes(b"")
        (tmp_path / name / last).write_text("{}")
        (tmp_path / name / "notes.txt").write_text("x")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "manifest.json").write_text("{}")
    found, skipped, (folder,) = find(tmp_path)
    assert [Path(item.name).name for item in found] == ["manifest.json"] and not skipped and not folder.left_out
    with pytest.raises(InputError, match="finished: a memory, not a folder of documents"):
        find(tmp_path / "finished")


def test_what_cannot_be_found_is_an_error(tmp_path: Path) -> None:
    """A folder that is not mounted must not look like a folder whose files were deleted."""
    for path, match in ((tmp_path / "no", "no such file"), ("a\0b", "cannot be read"), ("/dev/null", "neither")):
        with pytest.raises(InputError, match=match):
            find(path)
    (tmp_path / "link.txt").symlink_to("missing.txt")
    with pytest.raises(InputError, match="no such file"):
        find(tmp_path / "link.txt")


def test_a_folder_that_cannot_be_listed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands below it is unknown, not gone."""
    for name in ("open", "shut"):
        (tmp_path / "docs" / name).mkdir(parents=True)
        (tmp_path / "docs" / name / "a.txt").write_text(name)
    real = os.scandir

    def scandir(path: str = ".") -> object:
        if os.fspath(path) in shut:
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    shut = {str(tmp_path / "docs" / "shut")}
    found, skipped, (folder,) = find(tmp_path / "docs")
    assert [Path(item.name).parent.name for item in found] == ["open"]
    assert skipped == {(tmp_path / "docs" / "shut").as_posix(): "cannot be listed (Permission denied)"}
    assert folder.unread == (os.path.realpath(tmp_path / "docs" / "shut"),)
    shut = {str(tmp_path / "docs")}
    with pytest.raises(InputError, match=r"docs: cannot be listed \(Permission denied\)"):
        find(tmp_path / "docs")


def test_names_of_any_bytes_are_read(tmp_path: Path) -> None:
    """Old archives hold names in other encodings; their text is as good as any, and every name can be stored."""
    names = [b"caf\xe9.txt", b"two\nlines.txt", b"\x1b]0;title\x07.txt", b"back\\xe9slash.txt", "naïve.txt".encode()]
    for number, name in enumerate(names):
        (tmp_path / os.fsdecode(name)).write_text(f"The gate number {number} is open.")
    found, skipped, _ = find(tmp_path)
    items = list(read_files(found))
    documents = [item for item in items if isinstance(item, Document)]
    assert len(documents) == len(names) and not skipped
    assert all(item.complete for item in items if isinstance(item, FileRead))
    for item in found:
        json.dumps(item.name, ensure_ascii=False).encode()
        assert on_disk(item.path).read_text() == item.file.read_text()
    assert (tmp_path / r"caf\xe9.txt").as_posix() in {document.source for document in documents}
