"""``quipu train recipes/mini/5-ask.toml``: see ``quipu.training.rounds.ask_spans``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from quipu.training.rounds import AskRecipe, ask_spans


def run(recipe: AskRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Write the passages with both questions and return their file."""
    return ask_spans(recipe, report)
