"""Fit the odds of reading, of chains and of a cascade for a memory reader: ``quipu train .../qamat/4-odds.toml``.

Reading: questions that no model was trained on are asked of two memories, one that a teacher answered and one that the
writer made; questions of the one that are asked of the other have no answer there. Chains: these, and the training
part of the composed questions. Cascade: the questions of reading that no step alone is sure of.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import quipu
from quipu.answering import cascade, chain, read
from quipu.errors import SettingsError
from quipu.evaluation.metrics import expected_calibration_error
from quipu.models.hub import BUNDLED
from quipu.records import Example
from quipu.text import exact_match
from quipu.training import corpora
from quipu.training.export import change_listing
from quipu.training.qamat.data import MASK, ExampleFiles

_TOGETHER = 64


@dataclass(frozen=True, slots=True)
class OddsRecipe:
    """``remembered``: the run of ``remember``; ``stories``: that of ``spans``, with FairytaleQA's val stories."""

    data: Path
    remembered: Path
    stories: Path
    out: Path = BUNDLED / "quipu-mini/qamat"
    composed: Path | None = None  # JSONL of composed questions over the remembered memory
    elsewhere: int = 200  # questions asked of the memory that does not hold them, each way
    threshold: float = 0.5
    chain_threshold: float = 0.8  # people's questions are less like the pairs than composed ones
    seed: int = 21


def run(recipe: OddsRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Fit both and write them into the listing of the reader in ``recipe.out``."""
    rng = random.Random(recipe.seed)
    held = ExampleFiles([recipe.remembered / "held.jsonl"])
    known = [Example(str(at), item.x.replace(MASK, "").strip(), item.answers) for at, item in enumerate(held)]
    contexts = corpora.fairytaleqa(recipe.data, "val")
    stories = [
        Example(f"{at}", item.question, (context.text[item.start : item.end],))
        for at, context in enumerate(contexts) for item in context.asked
    ]  # fmt: skip
    features: list[tuple[float, ...]] = []
    right: list[bool] = []
    folders = [recipe.remembered / "memory.quipu", recipe.stories / "memory.quipu"]
    for path, own, foreign in zip(folders, (known, stories), (stories, known), strict=True):
        asked = [*own, *_foreign(rng.sample(foreign, recipe.elsewhere))]
        with quipu.open(path, read_only=True, memory_reader=recipe.out) as memory:
            for first in range(0, len(asked), _TOGETHER):
                some = asked[first : first + _TOGETHER]
                for example, item in zip(some, memory.find_read_many([e.question for e in some]), strict=True):
                    if item is not None:
                        features.append(item.features)
                        right.append(bool(exact_match(item.reading.text, example.answers)))
        report({"memory": path.parent.name, "questions": len(asked), "right": float(np.mean(right))})
    weights, shift, figures = fit(np.array(features), np.array(right), recipe.threshold)
    report(figures)
    change_listing(recipe.out, read=_line(read.FEATURES, weights, 1.0, shift, recipe.threshold))
    if recipe.composed is not None:
        change_listing(recipe.out, chain=_chains(recipe, known, stories, rng, report))
    change_listing(recipe.out, cascade=_cascade(recipe, known, stories, rng, report))
    return recipe.out


def _line(names: Sequence[str], weights: Any, slope: float, shift: float, threshold: float) -> dict[str, Any]:
    """A ``quipu.answering.linear.Line`` for a listing."""
    named = {name: round(float(value), 6) for name, value in zip(names, weights, strict=True)}
    return {"weights": named, "slope": slope, "shift": shift, "threshold": threshold}


def _cascade(
    recipe: OddsRecipe,
    known: Sequence[Example],
    stories: Sequence[Example],
    rng: random.Random,
    report: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Weights of what the steps hold back, from questions that none of them answers."""
    features: list[tuple[float, ...]] = []
    right: list[bool] = []
    owner: list[int] = []
    first = 0
    steps = [step for step in cascade.STEPS if step != "chain" or recipe.composed is not None]
    for folder, own, foreign in ((recipe.remembered, known, stories), (recipe.stories, stories, known)):
        examples = [*own, *_foreign(rng.sample(list(foreign), recipe.elsewhere))]
        questions = [example.question for example in examples]
        with quipu.open(folder / "memory.quipu", read_only=True, memory_reader=recipe.out) as memory:
            said = [memory.ask_many(questions, method=step) for step in steps]
        for at, (example, *row) in enumerate(zip(examples, *said, strict=True), start=first):
            if all(answer.text is None for answer in row):
                for text, item in cascade.held(list(zip(steps, row, strict=True))).items():
                    features.append(item)
                    owner.append(at)
                    right.append(bool(exact_match(text, example.answers)))
        first += len(examples)
    weights, slope, shift, figures = fit_best(np.array(features), np.array(right), np.array(owner), recipe.threshold)
    report(figures)
    return _line(cascade.FEATURES, weights, slope, shift, recipe.threshold)


def _chains(
    recipe: OddsRecipe,
    known: Sequence[Example],
    stories: Sequence[Example],
    rng: random.Random,
    report: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Weights of chains: of a composed question its two pairs are right, of people's a single pair with the answer.

    Composed questions are asked of the memory that they were composed from; people's questions, a part of which nothing
    there answers, of both memories: composed ones alone are far too easy, and their odds would hold for no others.
    """
    assert recipe.composed is not None
    bridges = [row for row in corpora.read_jsonl(recipe.composed) if row["kind"] == "bridge"]
    if not bridges:
        raise SettingsError(f"{recipe.composed}: no composed bridge questions to fit chains on")
    composed = [Example(str(at), row["question"], tuple(row["answers"])) for at, row in enumerate(bridges)]
    asked = [
        (recipe.remembered, [tuple(row["chain"]) for row in bridges], composed),
        (recipe.remembered, None, [*known, *_foreign(rng.sample(list(stories), recipe.elsewhere))]),
        (recipe.stories, None, [*stories, *_foreign(rng.sample(list(known), recipe.elsewhere))]),
    ]
    features: list[tuple[float, ...]] = []
    right: list[bool] = []
    owner: list[int] = []
    number = 0
    for folder, pairs, examples in asked:
        with quipu.open(folder / "memory.quipu", read_only=True) as memory:
            for first in range(0, len(examples), _TOGETHER):
                some = examples[first : first + _TOGETHER]
                lines = memory.find_chains_many([example.question for example in some])
                for at, (example, line) in enumerate(zip(some, lines, strict=True), start=first):
                    for item in line:
                        features.append(item.features)
                        owner.append(number)
                        if pairs is not None:
                            right.append(tuple(hit.pair.id for hit in item.hits) == pairs[at])
                        else:
                            good = bool(exact_match(item.hits[-1].pair.answer, example.answers))
                            right.append(good and len(item.hits) == 1)
                    number += 1
    found = np.array(features), np.array(right), np.array(owner)
    weights, slope, shift, figures = fit_best(*found, recipe.chain_threshold)
    report(figures)
    return _line(chain.FEATURES, weights, slope, shift, recipe.chain_threshold)


def _foreign(examples: Sequence[Example]) -> list[Example]:
    """Questions that the memory has no answer to."""
    return [Example(item.id, item.question, ()) for item in examples]


def fit(features: Any, right: Any, threshold: float) -> tuple[Any, float, dict[str, Any]]:
    """Weights and bias of a logistic regression; its figures on every fifth row, which a first fit does not see."""
    from sklearn.linear_model import LogisticRegression

    fifth = np.arange(len(right)) % 5 == 4
    trial = LogisticRegression(C=1.0, max_iter=2000).fit(features[~fifth], right[~fifth])
    p = trial.predict_proba(features[fifth])[:, 1]
    sure = p >= threshold
    figures = {
        "questions": len(right), "right": float(right.mean()), "answered": float(sure.mean()),
        "right of the answered": float(right[fifth][sure].mean()) if sure.any() else 0.0,
        "ece": expected_calibration_error(p.tolist(), right[fifth].tolist()),
    }  # fmt: skip
    model = LogisticRegression(C=1.0, max_iter=2000).fit(features, right)
    return model.coef_[0], float(model.intercept_[0]), figures


def fit_best(features: Any, right: Any, owner: Any, threshold: float) -> tuple[Any, float, float, dict[str, Any]]:
    """Weights that order the candidates of each question, and slope and shift of the best one's log-odds."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1.0, max_iter=2000).fit(features, right)
    weights = model.coef_[0]
    scores = features @ weights
    best = np.array(
        [rows[scores[rows].argmax()] for at in np.unique(owner) if len(rows := np.flatnonzero(owner == at))]
    )
    line = LogisticRegression(C=1e6).fit(scores[best, None], right[best])
    slope, shift = float(line.coef_[0][0]), float(line.intercept_[0])
    p = 1 / (1 + np.exp(-(slope * scores[best] + shift)))
    sure = p >= threshold
    figures = {
        "chains": len(right), "questions": len(best), "right": float(right[best].mean()),
        "answered": float(sure.mean()), "right of the answered": float(right[best][sure].mean()) if sure.any() else 0.0,
        "ece": expected_calibration_error(p.tolist(), right[best].tolist()),
    }  # fmt: skip
    return weights, slope, shift, figures
