"""One changed byte in any file of a memory: verify says so, or nothing that the memory holds has changed."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from quipu.errors import FormatError, QuipuError
from quipu.memory.index import Index
from quipu.memory.store import Store
from quipu.memory.verify import verify
from quipu.models import hub
from quipu.records import Document, Passage, QAPair, Span

FLIPS = 25


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memory with documents, passages, pairs and an index."""
    path = tmp_path_factory.mktemp("sound") / "m"
    with Store.create(path, width=32, models={"m@1": "0123"}) as store:
        for number in range(6):
            text = f"The river number {number} is {number * 7} kilometres long. " * 8
            document = Document.make(f"{number}.txt", f"River {number}", text, {"file": f"{number}.txt"})
            store.add_documents([document], [Passage.make(document, Span(0, 60))])
            pairs = [QAPair.make(f"How long is {number} {n}?", f"{n}", document_id=document.id) for n in range(10)]
            keys = np.random.default_rng(number).standard_normal((10, 32)).astype(np.float32)
            keys /= np.linalg.norm(keys, axis=1, keepdims=True)
            store.add(pairs, keys, [pair.question for pair in pairs])
        Index.rebuild(store)
    return path


def essence(path: Path) -> object:
    """What questions, answers and sources are made of."""
    with Store.open(path, read_only=True) as store:
        pairs = [(row, pair.id, pair.question.lower(), pair.answer.lower()) for row, pair in store.pairs()]
        texts = [(document.id, document.source, document.text) for document in store.documents()]
        places = [(passage.id, passage.text) for passage in store.passages()]
        return pairs, texts, places


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
        changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
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


def test_one_changed_byte_of_a_model(tmp_path: Path) -> None:
    """Every file that a model lists is compared with its hash before it is used."""
    source = hub.bundled("quipu-small/encoder")
    if source is None:
        pytest.skip("the models do not travel with this checkout")
    folder = tmp_path / "model"
    shutil.copytree(source, folder)
    chance = random.Random(5)
    for name in hub.resolve(folder, "encoder").settings["files"]:
        with (folder / name).open("r+b") as file:
            at = chance.randrange((folder / name).stat().st_size)
            file.seek(at)
            byte = file.read(1)
            file.seek(at)
            file.write(bytes([byte[0] ^ 16]))
            file.flush()
            with pytest.raises(FormatError, match="sha256"):
                hub.resolve(folder, "encoder")
            file.seek(at)
            file.write(byte)
