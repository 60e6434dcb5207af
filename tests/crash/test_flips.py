"""One changed byte in any file of a memory: verify says so, or nothing that the memory holds has changed."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from quipu.errors import FormatError, QuipuError
from quipu.memory.index import Index
from quipu.memory.provenance import add_support, mark_ambiguous
from quipu.memory.store import Store
from quipu.memory.tokens import PassageTokens, put, search_ids
from quipu.memory.verify import verify
from quipu.models import hub
from quipu.records import Document, Mark, Passage, QAPair, Span, Verdict

FLIPS = int(os.environ.get("QUIPU_FLIPS", "25"))  # of each file; 300 takes minutes


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memory with documents, passages, pairs and an index."""
    path = tmp_path_factory.mktemp("sound") / "m"
    with Store.create(path, width=32, models={"m@1": "0123"}) as store:
        for number in range(6):
            text = f"The river number {number} is {number * 7} kilometres long. " * 8
            document = Document.make(
                f"{number}.txt", f"River {number}", text, {"file": f"{number}.txt"}, [Mark(Span(0, 20))]
            )
            store.add_documents([document], [Passage.make(document, Span(0, 60))])
            pairs = [QAPair.make(f"How long is {number} {n}?", f"{n}", document_id=document.id) for n in range(10)]
            keys = np.random.default_rng(number).standard_normal((10, 32)).astype(np.float32)
            keys /= np.linalg.norm(keys, axis=1, keepdims=True)
            said = [Verdict(pair.id, "local", True, number / 3, "kept", "x") for pair in pairs]
            store.add(pairs, keys, [pair.question for pair in pairs], said, [document.id] * 10)
            add_support(store, [(pairs[0].id, document.id, Span(5, 9))])
            mark_ambiguous(store, [(pairs[1].id, "another")])
            store.journal_mark(f"document:{document.id}", "note", document.id)
            coded = [PassageTokens(np.full((2, 4), number, np.uint8), np.array([[0, 3], [4, 9]], np.int32))]
            put(store, list(store.passages(document.id)), keys[:1], coded)
        store.remove(pair=pairs[3].id)
        Index.rebuild(store)
    return path


def essence(path: Path) -> object:
    """All that can be read."""
    with Store.open(path, read_only=True) as store:
        tables = ("documents", "passages", "pairs", "vectors", "verdicts", "journal", "support", "tokens", "marks")
        return (
            {key: value for key, value in store.manifest.items() if key != "digest"},
            [store.connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables],
            store.gone().tolist(),
            [store.search_words(words, 5)[0].tolist() for words in ("long 3", "river", "kilometres 42", "5")],
            [search_ids(store, words, 5) for words in ("river 3", "28 long", "kilometres 42")],
        )


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
