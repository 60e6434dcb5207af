"""Memories that a recipe builds in its run's folder, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import quipu


def built(
    path: Path, documents: Sequence[Path], report: Callable[[dict[str, Any]], None], *, pairs: Path | None = None
) -> quipu.Memory:
    """The memory at ``path``: opened where it is finished, else built; what a killed run has done is not done again."""
    if (path / "manifest.json").exists():
        memory = quipu.open(path)
        if memory.info()["finished"]:
            return memory
        memory.close()
    return quipu.build(documents, path, pairs=pairs, progress=report)
