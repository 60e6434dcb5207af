"""``quipu train recipes/mini/quip/2-label.toml``: see ``quipu.training.quip.teacher``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from quipu.training.quip.teacher import LabelRecipe, label_all


def run(recipe: LabelRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Write the soft labels and return their file."""
    return label_all(recipe, report)
