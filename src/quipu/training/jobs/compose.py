"""Questions of two hops over the pairs of a memory: ``quipu train recipes/mini/qamat/4-compose.toml``.

Writes run/train.jsonl and run/test.jsonl (what ``quipu.training.jobs.composing`` gives, no entity in both) and
run/examples.jsonl: the training part as QAMAT reads it, with the first pair as the first hop's label.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quipu.models.lm.model import LanguageModel
from quipu.storage.store import Store
from quipu.training.jobs.composing import Composed, compose, split
from quipu.training.qamat.data import asked, write_examples


@dataclass(frozen=True, slots=True)
class ComposeRecipe:
    """``checked``: only questions that the reader answers from the passages of both pairs; ``test``: share of names."""

    memory: Path
    run: Path
    checked: bool = True
    test: float = 0.3
    limit: int | None = None
    seed: int = 13


def run(recipe: ComposeRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Compose, split, write; returns ``recipe.run``."""
    recipe.run.mkdir(parents=True, exist_ok=True)
    with Store.open(recipe.memory, read_only=True) as store:
        total = store.count()

        def progress(done: int, made: int) -> None:
            report({"doing": "pairs", "done": done, "of": total, "composed": made})

        reader = LanguageModel() if recipe.checked else None
        items = list(compose(store, reader=reader, seed=recipe.seed, limit=recipe.limit, progress=progress))
        train, test = split(items, recipe.test)
        rows = {pair.id: row for row, pair in store.pairs()}
        examples = [asked(item.question, item.answers, first=[rows[item.chain[0]]]) for item in train]
        write_examples(recipe.run / "examples.jsonl", examples)
    for name, part in (("train", train), ("test", test)):
        _write(recipe.run / f"{name}.jsonl", part)
    report({"composed": len(items), "train": len(train), "test": len(test)})
    return recipe.run


def _write(path: Path, items: list[Composed]) -> None:
    path.write_text("".join(json.dumps(item.to_json(), ensure_ascii=False) + "\n" for item in items), encoding="utf-8")
