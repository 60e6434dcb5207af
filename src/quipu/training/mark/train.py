"""``quipu train recipes/mini/2-mark.toml``: see ``quipu.training.rounds.mark_answers``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from quipu.training.rounds import MarkRecipe, mark_answers


def run(recipe: MarkRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Write the marked contexts and return their file."""
    return mark_answers(recipe, report)
