"""Folders made by hand to harm whoever opens them: one clear error, no wait, no memory blow-up, nothing outside."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quipu.errors import InputError, QuipuError
from quipu.models.folders import resolve
from quipu.records import Document, Passage, QAPair, Span
from quipu.storage.index import Index
from quipu.storage.interchange import export_memory, import_memory
from quipu.storage.manifest import read_manifest
from quipu.storage.store import Store
from quipu.storage.verify import verify

WIDTH = 8
NASTY = [
    "'; DROP TABLE pairs; --",
    '" OR 1=1 NEAR/2 NOT *',
    "question: {answer} ^ - + ( ) AND",
    "../../../../etc/passwd",
    "words MATCH 'x' UNION SELECT 1",
    "%s%n\\x00\u202e",
]


def made(path: Path, count: int = 40) -> Path:
    """A small memory with an index."""
    with Store.create(path, width=WIDTH, models={"m@1": "x"}) as store:
        pairs = [QAPair.make(f"Question {n}?", f"answer {n}") for n in range(count)]
        keys = np.random.default_rng(1).standard_normal((count, WIDTH)).astype(np.float32)
        keys /= np.linalg.norm(keys, axis=1, keepdims=True)
        store.add(pairs, keys, [pair.question for pair in pairs])
        Index.rebuild(store)
    return path


def signed(path: Path, data: bytes) -> None:
    """Put ``data`` in place of the index, with the hash that makes it look like ours."""
    (path / "index.faiss").write_bytes(data)
    listing = json.loads((path / "index.json").read_text())
    (path / "index.json").write_text(json.dumps({**listing, "sha256": hashlib.sha256(data).hexdigest()}))


OPENER = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
import numpy as np
from quipu.storage.index import Index
from quipu.storage.store import Store
for folder in sys.argv[1:]:
    with Store.open(Path(folder), read_only=True) as store:
        index = Index.load(store)
        found = index.search(np.eye(8, dtype=np.float32), 5)[0]
        assert (found > 0).all() and found.max() <= 40, found
        print(folder, index._covered is None, flush=True)
"""


def test_no_signed_index_kills_the_process(tmp_path: Path) -> None:
    """Whoever makes the folder writes the hash too: FAISS would follow any number in the file into foreign memory."""
    sound = (made(tmp_path / "sound") / "index.faiss").read_bytes()
    chance = np.random.default_rng(3)
    bad = [b"", sound[:17], sound[:-3], chance.bytes(len(sound)), b"IxSQ" + chance.bytes(200)]
    for at in range(4, 120, 4):  # every number of the header, absurd
        bad += [sound[:at] + struct.pack("<q", value) + sound[at + 8 :] for value in (1 << 39, -1, 10**12)]
    bad += [fourcc + sound[4:] for fourcc in (b"IxF2", b"IHNf", b"IwPf", b"IxPT", b"IxRF", b"IvSQ", b"IxMp")]
    folders = []
    for number, data in enumerate(bad):
        folder = made(tmp_path / str(number)) if number == 0 else tmp_path / str(number)
        if number:
            subprocess.run(["cp", "-r", tmp_path / "sound", folder], check=True)
        signed(folder, data)
        folders.append(str(folder))
    done = subprocess.run(
        [sys.executable, "-c", OPENER, *folders], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-200:]
    assert len(done.stdout.splitlines()) == len(bad)


@pytest.mark.parametrize(
    "listing",
    [
        '{"sha256": "x", "runs": [[1, 1000000000001]]}',
        '{"sha256": "x", "runs": [[1, 1e300]]}',
        '{"sha256": "x", "runs": [[-5, 3]]}',
        '{"sha256": "x", "runs": 7}',
        "[" * 300_000,
        "[]",
        "null",
    ],
)
def test_a_listing_that_cannot_be_is_not_believed(tmp_path: Path, listing: str) -> None:
    """Twelve zeros in one small file must not cost eight terabytes."""
    path = made(tmp_path / "m")
    (path / "index.json").write_text(listing)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Store.open(path, read_only=True) as store:
        assert Index.load(store)._covered is None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
    assert verify(path, repair=True).ok and verify(path).problems == []


@pytest.mark.parametrize(
    "text",
    [
        "[" * 300_000, "null", "[]", "{}", '{"format": 1, "width": 65537, "models": {}}', "\ufeff{",
        '{"format": 1, "width": 1e400, "models": {}}', '{"format": 1, "width": 8, "models": {}, "settings": 3}',
        '{"format": 99, "width": 8, "models": {}}', '{"format": 1, "width": -1, "models": {}}', "9" * 10_000,
    ],
)  # fmt: skip
def test_a_manifest_that_cannot_be_is_one_line(tmp_path: Path, text: str) -> None:
    """A traceback out of a parser tells nobody which file to mend."""
    path = made(tmp_path / "m")
    (path / "manifest.json").write_text(text)
    with pytest.raises(QuipuError) as raised:
        Store.open(path)
    assert "\n" not in str(raised.value) and str(path) in str(raised.value)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["format", "width", "models", "settings", "runs", "sha256"]), inner)
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_no_manifest_and_no_listing_gives_another_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever the bytes are: usable, or an error that quipu raises on purpose."""
    path = tmp_path_factory.getbasetemp() / "any"
    if not path.exists():
        made(path)
        (path / "kept").write_bytes((path / "manifest.json").read_bytes())
    (path / "manifest.json").write_bytes((path / "kept").read_bytes())
    (path / "index.json").write_bytes(data)
    with Store.open(path, read_only=True) as store:
        assert Index.load(store)._covered is None
    (path / "manifest.json").write_bytes(data)
    try:
        read_manifest(path)
    except QuipuError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize("name", ["manifest.json", "records.sqlite", "writer.lock", "index.json", "index.faiss.tmp"])
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_links_and_pipes_are_refused(tmp_path: Path, name: str, kind: str) -> None:
    """Through a link a writer overwrites a file outside; a pipe keeps a reader waiting for ever."""
    path, outside = made(tmp_path / "m"), tmp_path / "outside"
    outside.write_bytes((path / name).read_bytes() if (path / name).exists() else b"mine")
    before = outside.read_bytes()
    (path / name).unlink(missing_ok=True)
    if kind == "link":
        (path / name).symlink_to(outside)
    else:
        os.mkfifo(path / name)
    for read_only in (True, False):
        with pytest.raises(QuipuError, match="is a link"):
            Store.open(path, read_only=read_only)
    assert outside.read_bytes() == before


def test_names_and_texts_are_only_ever_data(tmp_path: Path) -> None:
    """A document's name is no path to write to, and no text is a part of a query."""
    with Store.create(tmp_path / "m", width=WIDTH, models={}) as store:
        for text in NASTY:
            document = Document.make(text, text, text, {"file": text})
            store.add_documents([document], [Passage.make(document, Span(0, len(text)))])
            pair = QAPair.make(text, text, document_id=document.id)
            store.add([pair], np.eye(WIDTH, dtype=np.float32)[:1], [text])
        for text in NASTY:
            store.search_words(text, 5)
            assert len(store.find_documents(text)) == 1
        assert export_memory(store, tmp_path / "out.jsonl") == len(NASTY)
    import_memory(tmp_path / "out.jsonl", tmp_path / "back")
    with Store.open(tmp_path / "back") as store:
        assert [pair.question for _, pair in store.pairs()] == [text.strip() for text in NASTY]
        assert store.remove(document=NASTY[3]) == 1 and store.count() == len(NASTY) - 1
    assert sorted(item.name for item in tmp_path.iterdir()) == ["back", "m", "out.jsonl"]


@pytest.mark.parametrize(
    "listing",
    [
        "[" * 300_000, "[]", '{"kind": "encoder", "name": "x", "version": 1, "files": {"../../secret.json": "0"}}',
        '{"kind": "encoder", "name": "x", "version": 1, "files": {"/etc/passwd": "0"}}',
        '{"kind": "encoder", "name": "x", "version": 1, "files": ["a"]}',
        '{"kind": "encoder", "name": "x", "version": 1, "files": {"a.pkl": "0"}}',
    ],
)  # fmt: skip
def test_a_model_listing_leads_nowhere_else(tmp_path: Path, listing: str) -> None:
    """A model's folder holds its own files, and no program."""
    (tmp_path / "secret.json").write_text("{}")
    folder = tmp_path / "a" / "model"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(listing)
    with pytest.raises(InputError) as raised:
        resolve(folder, "encoder")
    assert "\n" not in str(raised.value)
