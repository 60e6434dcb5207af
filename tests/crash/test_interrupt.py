"""The installed command, killed at random moments of each operation that writes; 200 kills are in the benchmarks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from quipu.models.hub import is_bundled

ROOT = Path(__file__).parents[2]


def test_ten_kills(tmp_path: Path) -> None:
    """Whoever pulls the plug must find everything that was committed, and end where the others end."""
    if not is_bundled("quipu-small/encoder"):
        pytest.skip("the models do not travel with this checkout")
    command = [sys.executable, ROOT / "benchmarks" / "interrupt.py", "--kills", "10", "--documents", "12", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert sum(row["kills"] for row in rows) == 10
    for row in rows:
        assert not row["verify_failed"] + row["pairs_lost"] + row["half_done"] + row["wrong_at_end"], row
