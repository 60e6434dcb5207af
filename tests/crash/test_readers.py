"""Eight reading processes beside one writer that adds, removes, compacts and indexes: no error, and no half state."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from quipu.errors import QuipuError
from quipu.records import Document, Passage, QAPair, Span
from quipu.storage.index import Index
from quipu.storage.maintenance import compact
from quipu.storage.store import Store
from quipu.storage.verify import verify

READER = """
import sys, time
from pathlib import Path
import numpy as np
from quipu.storage.index import Index
from quipu.storage.store import Store

store = Store.open(Path(sys.argv[1]), read_only=True)
index = Index.load(store)
print("ready", flush=True)
end, asked = time.monotonic() + float(sys.argv[2]), 0
while time.monotonic() < end:
    index.refresh()
    with store.snapshot():
        counts = store.counts()
        assert counts["pairs"] == 5 * counts["documents"] == 5 * counts["passages"], counts
        seen = {}
        for _, pair in store.pairs():
            seen.setdefault(pair.answer, set()).add(pair.question)
        assert all(len(questions) == 5 for questions in seen.values()), "half a batch"
        words = store.search_words("question " + next(iter(seen), "x"), 5)[0]
        assert len([row for row in words if row > 0]) == (5 if seen else 0), "words and pairs of two moments"
    rows, scores = index.search(np.eye(8, dtype=np.float32), 5)
    for pair in store.pairs_by_rows(rows.ravel().tolist()):
        assert pair is None or pair.question.startswith(f"Question {pair.answer} ")
    if asked % 7 == 0:
        store.close()
        store = Store.open(Path(sys.argv[1]), read_only=True)
        index = Index.load(store)
    asked += 1
print(asked, flush=True)
"""


def test_readers_see_committed_states_only(tmp_path: Path) -> None:
    """A server that answers while its memory grows must neither fail nor answer out of half a batch."""
    path = tmp_path / "m"
    seconds = 2.5
    with Store.create(path, width=8, models={}) as store:
        add(store, 0)
        command = [sys.executable, "-c", READER, str(path), str(seconds)]
        readers = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(8)
        ]
        for reader in readers:
            assert reader.stdout is not None and reader.stdout.readline() == "ready\n"
        end, batch, compacted = time.monotonic() + seconds, 1, 0
        while time.monotonic() < end:
            add(store, batch)
            if batch % 3 == 2:
                store.remove(document=f"{batch - 1}.txt")
            if batch % 5 == 4:
                Index.rebuild(store)
            if batch % 20 == 19:
                try:
                    store.connection.execute("PRAGMA busy_timeout = 100")
                    compact(store)
                    compacted += 1
                except QuipuError as error:  # a reader keeps the log, which compaction says
                    assert "reading" in str(error) or "nothing is lost" in str(error)
            batch += 1
        results = [reader.communicate(timeout=30) for reader in readers]
    assert all(reader.returncode == 0 for reader in readers), results
    assert batch > 5 and sum(int(said) for said, _ in results) > 20
    assert verify(path).problems == []


def add(store: Store, batch: int) -> None:
    """One document with five pairs, in one transaction."""
    document = Document.make(f"{batch}.txt", "t", f"text of {batch}", {"file": f"{batch}.txt"})
    pairs = [QAPair.make(f"Question {batch} {n}?", str(batch), document_id=document.id) for n in range(5)]
    with store.transaction():
        store.add_documents([document], [Passage.make(document, Span(0, 4))])
        store.add(pairs, np.eye(8, dtype=np.float32)[:5], [pair.question for pair in pairs])
