"""A page that a program writes: written, or with ``--check`` compared with what stands there."""

from __future__ import annotations

import sys
from pathlib import Path


def write_or_check(target: Path, text: str) -> int:
    """The exit code: 0, or 1 where ``--check`` was given and ``target`` does not hold ``text``."""
    if "--check" not in sys.argv[1:]:
        target.write_text(text, encoding="utf-8")
        return 0
    if target.is_file() and target.read_text(encoding="utf-8") == text:
        return 0
    print(f"docs/{target.name} is stale; run: make docs", file=sys.stderr)
    return 1
