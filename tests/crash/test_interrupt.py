"""Processes that are killed at random moments of each operation that writes; 200 kills are in the benchmarks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_ten_kills(tmp_path: Path) -> None:
    """Whoever pulls the plug must find everything that was committed, and end where the others end."""
    out = tmp_path / "interrupt.json"
    command = [sys.executable, ROOT / "benchmarks" / "run.py", "interrupt", "--kills", "10", "--results", tmp_path,
               "--work", tmp_path / "work"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(out.read_text(encoding="utf-8"))["figures"]
    sums = {figure["metric"]: figure for figure in figures if figure["system"] == "all operations"}
    assert {name: figure["value"] for name, figure in sums.items()} == dict.fromkeys(
        ["verify failed", "pairs lost", "half done", "wrong at end", "processes left"], 0.0
    )
    assert sums["verify failed"]["n"] == 10
