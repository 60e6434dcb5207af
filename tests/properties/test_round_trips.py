"""Random small memories, exported and imported: the same rows, the same answers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.random_memories import lost_on_the_way

ROUNDS = int(os.environ.get("QUIPU_ROUNDS", "8"))  # 150 are in the benchmarks


def test_an_imported_memory_is_the_exported_one(tmp_path: Path) -> None:
    """A backup that loses a score, a place or the order of two equal pairs answers otherwise, unseen."""
    for number in range(ROUNDS):
        assert lost_on_the_way(tmp_path / str(number), number) == []
        shutil.rmtree(tmp_path / str(number))
