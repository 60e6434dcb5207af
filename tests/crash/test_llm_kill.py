"""kill -9 at random moments of a build with an external model: nothing is paid twice, and the memory is the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

KILLED = Path(__file__).parents[1] / "fakes" / "killed.py"
KILLS = os.environ.get("QUIPU_KILLS", "2")


def test_a_killed_build_ends_like_one_that_was_not(tmp_path: Path) -> None:
    """A reply that is lost is money that is lost; a pair that is lost is never missed. The budget and the key too."""
    command = [sys.executable, str(KILLED), str(tmp_path / "work"), KILLS, "7", "6"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["bad"] == [] and done.stderr == "", done.stderr
    assert found["kills"] == int(KILLS) and found["runs"] > found["kills"] + 2 and found["calls"] > 15
