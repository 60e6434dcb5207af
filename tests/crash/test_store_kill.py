"""kill -9 at random moments of a process that adds, removes and indexes: what was acknowledged is there, and whole."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from quipu.storage.index import Index
from quipu.storage.store import Store
from quipu.storage.verify import verify

WIDTH = 8
BATCH = 5
CHILD = """
import sys, numpy as np
from pathlib import Path
from quipu.storage.index import Index
from quipu.storage.maintenance import compact
from quipu.storage.store import Store
from quipu.records import Document, Passage, QAPair, Span, Verdict

with Store.open(Path(sys.argv[1])) as store:
    print("open", flush=True)
    for batch in range(int(sys.argv[2]), int(sys.argv[2]) + 1000):
        document = Document.make(f"{batch}.txt", "t", f"text of {batch}", {"file": f"{batch}.txt"})
        pairs = [QAPair.make(f"Question {batch} {n}?", str(batch), document_id=document.id) for n in range(5)]
        with store.transaction():
            store.add_documents([document], [Passage.make(document, Span(0, 4))])
            store.add(pairs, np.eye(8, dtype=np.float32)[:5], [pair.question for pair in pairs],
                      [Verdict(pair.id, "local", True, 1.0, "kept") for pair in pairs], [document.id] * 5)
            store.journal_mark(f"batch:{batch}", document=document.id)
        print("added", batch, flush=True)
        if batch % 3 == 2:
            print("removing", batch - 1, flush=True)
            store.remove(document=f"{batch - 1}.txt")
            print("removed", batch - 1, flush=True)
        if batch % 4 == 3:
            Index.rebuild(store)
        if batch % 10 == 9:
            compact(store)
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_what_was_acknowledged_survives_kills(tmp_path: Path, seed: int) -> None:
    """A pair that was said to be stored and is gone, or one said to be removed and is back, is found by nobody."""
    path = tmp_path / "m"
    Store.create(path, width=WIDTH, models={}).close()
    rng = random.Random(seed)
    there: set[int] = set()
    open_ends: set[int] = set()
    gone: set[int] = set()
    for life in range(3):
        command = [sys.executable, "-c", CHILD, str(path), str(1000 * life)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None and child.stdout.readline() == "open\n"
            time.sleep(rng.uniform(0.02, 0.6))
            child.kill()
            said = [line.split() for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        for word, number in said:
            batch = int(number)
            if word == "added":
                there.add(batch)
            elif word == "removing":
                there.discard(batch)
                open_ends.add(batch)
            else:
                open_ends.discard(batch)
                gone.add(batch)
        assert verify(path).problems == []
        with Store.open(path, read_only=True) as store:
            answers = [int(pair.answer) for _, pair in store.pairs()]
            stored = set(answers)
            assert there <= stored, "acknowledged and lost"
            assert not gone & stored, "removed and back"
            last = {max(there | gone | open_ends, default=1000 * life - 1) + 1, 1000 * life}
            assert stored - there <= open_ends | last | {batch for batch in stored if batch < 1000 * life}
            assert all(answers.count(batch) == BATCH and store.journal_has(f"batch:{batch}") for batch in stored)
            counts = store.counts()
            assert counts["documents"] == counts["passages"] == len(stored)
            assert counts["pairs"] == counts["verdicts"] == BATCH * len(stored)
            index = Index.load(store)
            rows = index.search(np.eye(WIDTH, dtype=np.float32)[:BATCH], len(stored) + 1)[0]
            best = store.pairs_by_rows(rows[:, : len(stored)].ravel().tolist())
            assert sorted(int(pair.answer) for pair in best if pair) == sorted(answers)
    assert there | gone
    assert verify(path, repair=True).ok
