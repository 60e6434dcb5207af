"""Answers for questions that came without: the model reads them itself (``quipu train recipes/small/3-label.toml``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from quipu.datasets import published
from quipu.datasets.contexts import Asked, Context, title_of
from quipu.training.jobs.self_labelling import write_context
from quipu.training.lines import whole_lines
from quipu.training.lm.speaker import Answer, Speaker


@dataclass(frozen=True, slots=True)
class LabelRecipe:
    """``sets``: public sets with unmarked questions; an answer is kept from probability ``least`` on."""

    data: Path
    model: Path  # a Hugging Face folder that train = "lm" wrote
    out: Path
    sets: tuple[str, ...] = ("squad_qg", "squad_train_sentences")
    least: float = 0.35
    chunk: int = 512  # contexts at once
    cells: int = 400_000  # see ``Generation``
    limit: int | None = None  # contexts of each set


def run(recipe: LabelRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Write all contexts with the answers that stand in them; an interrupted run goes on where it stopped."""
    contexts = [item for name in recipe.sets for item in published.named(recipe.data, name)[: recipe.limit]]
    recipe.out.parent.mkdir(parents=True, exist_ok=True)
    done = whole_lines(recipe.out)
    speaker = Speaker(recipe.model, recipe.cells)
    with recipe.out.open("a", encoding="utf-8") as file:
        for first in range(done, len(contexts), recipe.chunk):
            some = contexts[first : first + recipe.chunk]
            unmarked = [[item.question for item in context.asked if _unmarked(item)] for context in some]
            answers = speaker.read([(title_of(context), context.text) for context in some], unmarked)
            marked = [marked_by(context, read, recipe.least) for context, read in zip(some, answers, strict=True)]
            for context in marked:
                write_context(file, context)
            file.flush()
            report(
                {
                    "contexts": first + len(some),
                    "of": len(contexts),
                    "asked": sum(map(len, unmarked)),
                    "marked": sum(len(new.asked) for new in marked)
                    - sum(len(old.asked) - len(left) for old, left in zip(some, unmarked, strict=True)),
                }
            )
    return recipe.out


def _unmarked(item: Asked) -> bool:
    return item.start < 0 and not item.answer


def marked_by(context: Context, answers: list[Answer], least: float) -> Context:
    """The context with the answers (of its unmarked questions, in order) at their first place in it.

    Questions whose answer is not in the text, is missing, or is less likely than ``least`` are dropped.
    """
    asked: list[Asked] = []
    found = iter(answers)
    for item in context.asked:
        if not _unmarked(item):
            asked.append(item)
            continue
        answer = next(found)
        start = context.text.lower().find(answer.text.lower()) if answer.text else -1
        if start >= 0 and answer.p >= least:
            asked.append(Asked(item.question, start, start + len(answer.text)))
    return replace(context, asked=tuple(asked))
