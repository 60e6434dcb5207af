"""Whatever happens to the files, and whatever fails: after a sync the memory is what a fresh build would be."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.changing_files import drifted

RUNS, STEPS = 10, 100  # a thousand steps


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, RUNS))])
def test_a_synced_memory_is_a_fresh_one(tmp_path: Path, seed: int) -> None:
    """A memory that drifts from its files by one wrong step is wrong for good, and nobody notices."""
    assert drifted(tmp_path, seed, STEPS) == []
