"""Fit the scorers of every step of answering: ``quipu train recipes/mini/odds.toml``.

Memories are asked questions that no model was trained on. For each memory there is a file of questions with accepted
answers, one JSON object a line ({"question", "answers"}); questions without answers are about what the memory does not
hold, and teach the steps to hold back.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quipu.api import open as open_memory
from quipu.calibration.steps import Asked, fit_steps
from quipu.errors import SettingsError
from quipu.records import Example
from quipu.training import corpora


@dataclass(frozen=True, slots=True)
class OddsRecipe:
    """``memories`` and, in the same order, what is asked of each; ``out``: the file of the bundle."""

    memories: tuple[Path, ...]
    questions: tuple[Path, ...]
    out: Path
    rerank: bool = False  # fit look-up with the reranker too
    target_precision: float | None = None  # None: an answer is given when it is more likely right than wrong
    seed: int = 21


def run(recipe: OddsRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Ask, fit, and write the scorers to ``recipe.out``."""
    if len(recipe.memories) != len(recipe.questions) or not recipe.memories:
        raise SettingsError("memories and questions: give one file of questions for each memory, and one at least")
    asked = [_questions(path) for path in recipe.questions]
    with ExitStack() as stack:
        memories = [stack.enter_context(open_memory(path, read_only=True)) for path in recipe.memories]
        count = sum(map(len, asked))
        made = fit_steps(
            [Asked(*row) for row in zip(memories, asked, strict=True)],
            fitted_on=f"{count} questions over {len(asked)} memories",
            rerank=recipe.rerank, target_precision=recipe.target_precision, seed=recipe.seed, report=report,
        )  # fmt: skip
    recipe.out.parent.mkdir(parents=True, exist_ok=True)
    made.write(recipe.out)
    return recipe.out


def _questions(path: Path) -> list[Example]:
    rows = corpora.read_jsonl(path)
    return [Example(str(at), row["question"], tuple(row.get("answers", ()))) for at, row in enumerate(rows)]
