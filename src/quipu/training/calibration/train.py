"""Fit the probabilities that ship: ``quipu train recipes/small/calibration.toml``.

Memories of labelled sets are built in the run's folder, once for the models that make them, and asked; see
``quipu.calibration.shipped``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import quipu.api as api
from quipu.calibration.questions import Asked
from quipu.calibration.shipped import fit_shipped
from quipu.errors import SettingsError
from quipu.models.bundle import Models
from quipu.training.calibration.data import HELD, SETS, Wanted

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class CalibrationRecipe:
    """``run``: where memories and records are kept; ``out``: the file of the bundle.

    ``precision``: how often an answer that is given must be right over all sets together. ``encoder``, ``reranker`` and
    ``language_model``: folders of other models than those that ship.
    """

    data: Path
    run: Path
    out: Path
    answers: Path
    manuals: Path
    faqs: Path
    sets: tuple[str, ...] = tuple(SETS)
    held: tuple[str, ...] = tuple(HELD)
    questions: int = 200  # of a set, at most
    passages: int = 200  # of a set, about
    precision: float | None = 0.85
    rerank: bool = True  # fit lookup with the reranker too, where there is one
    encoder: str | None = None
    reranker: str | None = None
    language_model: str | None = None
    seed: int = 21


def run(recipe: CalibrationRecipe, report: Report = lambda line: None) -> Path:
    """Build, ask, fit, measure, and write the scorers to ``recipe.out``; what was measured goes to run/figures.json."""
    known = {**SETS, **HELD}
    unknown = [name for name in (*recipe.sets, *recipe.held) if name not in known]
    if unknown or not recipe.sets:
        raise SettingsError(f"sets and held name labelled sets, of {', '.join(known)}; not {', '.join(unknown)}")
    recipe.run.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        asked, held = ([_asked(recipe, name, stack, report) for name in names] for names in (recipe.sets, recipe.held))
        made = fit_shipped(
            asked, held, recipe.run, precision=recipe.precision, rerank=recipe.rerank, seed=recipe.seed, report=report
        )
    recipe.out.parent.mkdir(parents=True, exist_ok=True)
    made.write(recipe.out)
    return recipe.out


def _asked(recipe: CalibrationRecipe, name: str, stack: ExitStack, report: Report) -> Asked:
    """The memory of a labelled set, built where it is not there yet, with its questions."""
    wanted = Wanted(
        recipe.data,
        recipe.run,
        recipe.answers,
        recipe.manuals,
        recipe.faqs,
        recipe.questions,
        recipe.passages,
        recipe.seed,
    )
    found = {**SETS, **HELD}[name](wanted)
    path = recipe.run / f"{name}-{_makers(recipe)}.quipu"
    if not _finished(path, recipe):
        report({"building": name})
        api.build(
            found.documents, path, pairs=found.pairs, encoder=recipe.encoder, writer=recipe.language_model,
            reader=recipe.language_model, progress=report, **found.settings,
        ).close()  # fmt: skip
    memory = stack.enter_context(
        api.open(
            path, read_only=True, encoder=recipe.encoder, reranker=recipe.reranker,
            language_model=recipe.language_model,
        )
    )  # fmt: skip
    return Asked(memory, found.questions, name)


def _finished(path: Path, recipe: CalibrationRecipe) -> bool:
    if not (path / "manifest.json").exists():
        return False
    with api.open(path, encoder=recipe.encoder, read_only=True) as memory:
        return bool(memory.info()["finished"])


def _makers(recipe: CalibrationRecipe) -> str:
    """A name for the models that make pairs and keys, and for the size of the sets."""
    models = Models(recipe.encoder, language_model=recipe.language_model)
    known = sorted(models.hashes(("encoder", "extractor", "language_model")).values())
    sizes = map(str, (recipe.questions, recipe.passages, recipe.seed))
    return hashlib.sha256(" ".join((*known, *sizes)).encode()).hexdigest()[:8]
