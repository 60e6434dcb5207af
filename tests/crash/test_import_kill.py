"""kill -9 at random moments of an import: the memory is there whole, or not at all, and the next import makes it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from quipu.records import QAPair
from quipu.storage.interchange import export_memory, import_memory
from quipu.storage.store import Store
from quipu.storage.verify import verify

KILLS = int(os.environ.get("QUIPU_KILLS", "6"))
CHILD = """
import sys
from pathlib import Path
from quipu.storage.interchange import import_memory
print("begun", flush=True)
import_memory(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_killed_import_leaves_no_half_memory(tmp_path: Path) -> None:
    """Under its name it would answer, without saying that half of its pairs are missing."""
    keys = np.random.default_rng(0).standard_normal((1500, 8)).astype(np.float32)
    keys /= np.linalg.norm(keys, axis=1, keepdims=True)
    with Store.create(tmp_path / "m", width=8, models={}) as store:
        pairs = [QAPair.make(f"How long is pier {n}?", str(n)) for n in range(len(keys))]
        store.add(pairs, keys, [pair.question for pair in pairs])
        export_memory(store, tmp_path / "a.jsonl")
    chance, into = random.Random(2), tmp_path / "n"
    for _ in range(KILLS):
        command = [sys.executable, "-c", CHILD, str(tmp_path / "a.jsonl"), str(into)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None and child.stdout.readline() == "begun\n"
            time.sleep(chance.random())
            child.kill()
        if into.exists():
            assert verify(into).problems == []
            break
    if not into.exists():
        assert import_memory(tmp_path / "a.jsonl", into) == len(keys)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.jsonl", "m", "n"]
