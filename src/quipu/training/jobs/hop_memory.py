"""A memory of the paragraphs of multi-hop training questions: ``quipu train recipes/mini/qamat/3-hops.toml``.

``quipu.training.calibration`` asks these questions of it, to fit which chains lead to an answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quipu.datasets.multihop import read, write_documents
from quipu.evaluation.tasks.open_domain import spread
from quipu.training.jobs.memories import built


@dataclass(frozen=True, slots=True)
class HopsRecipe:
    """``files``: training questions; of each at most ``limit``, evenly spread."""

    run: Path
    files: tuple[Path, ...]
    limit: int = 100


def run(recipe: HopsRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Write run/questions.jsonl and build run/memory.quipu, which a killed run continues; returns the memory."""
    recipe.run.mkdir(parents=True, exist_ok=True)
    items = []
    for file in recipe.files:
        items += spread(read(file), recipe.limit)
    lines = [
        {"question": item.question, "answers": item.answers, "kind": item.kind, "needed": sorted(item.needed)}
        for item in items
    ]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (recipe.run / "questions.jsonl").write_text(text, encoding="utf-8")
    documents, path = recipe.run / "documents.jsonl", recipe.run / "memory.quipu"
    write_documents(items, documents)
    built(path, [documents], report).close()
    return path
