"""One changed byte in any file of a memory: verify says so, or nothing that the memory holds has changed."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from tests.full_memory import asked, made, stored

from quipu.cli.main import run
from quipu.errors import FormatError, QuipuError
from quipu.models import folders
from quipu.storage.verify import verify

FLIPS = int(os.environ.get("QUIPU_FLIPS", "25"))  # of each file; 300 takes minutes


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memory with rows in every table and an index."""
    return made(tmp_path_factory.mktemp("sound") / "m")


def essence(path: Path) -> object:
    """All that can be read."""
    return stored(path), asked(path)


def _place(chance: random.Random, data: bytes) -> int:
    """Rarely inside the zeros that fill pages, which nothing reads."""
    for _ in range(9):
        at = chance.randrange(len(data))
        if any(data[max(0, at - 4) : at + 4]):
            break
    return at


@pytest.mark.parametrize("name", ["index.faiss", "index.json", "records.sqlite", "manifest.json"])
def test_one_changed_byte(sound: Path, tmp_path: Path, name: str) -> None:
    """A memory that was copied over a bad cable answers otherwise, and nobody would know."""
    before = essence(sound)
    data = (sound / name).read_bytes()
    chance = random.Random(name)
    noticed = 0
    for number in range(FLIPS):
        path = tmp_path / str(number)
        shutil.copytree(sound, path)
        changed = bytearray(data)
        changed[_place(chance, data)] ^= 1 << chance.randrange(8)
        (path / name).write_bytes(changed)
        try:
            problems = verify(path).problems
        except QuipuError as error:
            assert "\n" not in str(error)
            noticed += 1
            continue
        noticed += bool(problems)
        if not problems:
            assert essence(path) == before
        if name.startswith("index"):
            assert name == "index.json" or problems, "a changed index that nobody noticed"
            assert verify(path, repair=True).ok and verify(path).problems == []
        shutil.rmtree(path)
    if name == "index.faiss":
        assert noticed == FLIPS


def test_whoever_asks_a_damaged_memory_is_told(sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """SQLite's own errors name neither the memory nor a way out, and end a server's request in a traceback."""
    data = (sound / "records.sqlite").read_bytes()
    refused = 0
    for at in range(4096, len(data), 3 * 4096):
        path = tmp_path / "m"
        shutil.copytree(sound, path)
        (path / "records.sqlite").write_bytes(data[:at] + b"\xff" * 4096 + data[at + 4096 :])
        try:
            assert verify(path).problems
            asked(path)
        except QuipuError as error:
            assert "\n" not in str(error) and str(path) in str(error)
            refused += 1
        shutil.rmtree(path)
    assert refused
    shutil.copytree(sound, tmp_path / "m")
    (tmp_path / "m" / "records.sqlite").write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    for verb in ("info", "yield", "documents"):
        assert run([verb, str(tmp_path / "m")]) == 2
        assert "Traceback" not in capsys.readouterr().err


def test_one_changed_byte_of_a_model(tmp_path: Path) -> None:
    """Every file that a model lists is compared with its hash before it is used."""
    source = folders.bundled("quipu-small/encoder")
    if source is None:
        pytest.skip("the models do not travel with this checkout")
    folder = tmp_path / "model"
    shutil.copytree(source, folder)
    chance = random.Random(5)
    for name in folders.resolve(folder, "encoder").settings["files"]:
        with (folder / name).open("r+b") as file:
            at = chance.randrange((folder / name).stat().st_size)
            file.seek(at)
            byte = file.read(1)
            file.seek(at)
            file.write(bytes([byte[0] ^ 16]))
            file.flush()
            with pytest.raises(FormatError, match="sha256"):
                folders.resolve(folder, "encoder")
            file.seek(at)
            file.write(byte)
