"""Fit the weights of ``quipu.answering.extract`` for an encoder: ``quipu train recipes/mini/quip/5-spans.toml``.

A memory of documents is asked questions whose answers are known and that neither encoder nor reader was trained on. A
logistic regression over all candidates orders them; a second one, of one feature, says how probable the best one is.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from quipu.answering.extract import FEATURES
from quipu.evaluation.metrics import expected_calibration_error
from quipu.models.hub import BUNDLED
from quipu.models.loaded import SPANS
from quipu.text import exact_match
from quipu.training import corpora
from quipu.training.export import change_listing
from quipu.training.memories import built


@dataclass(frozen=True, slots=True)
class SpansRecipe:
    """What is asked."""

    data: Path
    run: Path
    documents: int = 60  # stories of FairytaleQA's validation part; their questions are asked
    distractors: int = 300  # sections of other texts beside them
    threshold: float = 0.5
    seed: int = 21


def run(recipe: SpansRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Build the memory (kept in ``recipe.run``), ask, fit, write the weights into the QuIP encoder that ships."""
    contexts = corpora.fairytaleqa(recipe.data, "val")
    folder = recipe.run / "documents"
    if not folder.exists():
        folder.mkdir(parents=True)
        stories: dict[str, list[str]] = {}
        for context in contexts:
            stories.setdefault(context.group, []).append(context.text)
        for number, (_, parts) in enumerate(sorted(stories.items())[: recipe.documents]):
            (folder / f"story-{number}.txt").write_text("\n\n".join(parts), encoding="utf-8")
        prose = random.Random(recipe.seed).sample(corpora.prose(recipe.data), recipe.distractors)
        for number, text in enumerate(prose):
            (folder / f"text-{number}.txt").write_text(" ".join(text.split()[:100]), encoding="utf-8")
    asked = [(item.question, context.text[item.start : item.end]) for context in contexts for item in context.asked]
    with built(recipe.run / "memory.quipu", [folder], report) as memory:
        texts = {passage.id: passage.text for passage in memory.store.passages()}
        found = [
            line for first in range(0, len(asked), 64)
            for line in memory.find_spans_many([question for question, _ in asked[first : first + 64]])
        ]  # fmt: skip
    rows, right, owner = [], [], []
    for at, (line, (_, gold)) in enumerate(zip(found, asked, strict=True)):
        for item in line:
            rows.append(item.features)
            right.append(exact_match(texts[item.passage_id][item.start : item.end], [gold]))
            owner.append(at)
    content, figures = fit(np.array(rows), np.array(right), np.array(owner), recipe.threshold)
    report(figures)
    change_listing(BUNDLED / SPANS, span={**content, "fitted_on": f"{len(asked)} questions of FairytaleQA (val)"})
    return BUNDLED / SPANS


def best_of(scores: Any, owner: Any) -> Any:
    """The row of the best score of each owner."""
    rows = (np.flatnonzero(owner == at) for at in np.unique(owner))
    return np.array([some[scores[some].argmax()] for some in rows])


def fit(features: Any, right: Any, owner: Any, threshold: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Weights for ``extract.Weights.of``, and how good they are: features (n, 5), right (n), owner (n) the question."""
    from sklearn.linear_model import LogisticRegression

    spread = features.std(axis=0) + 1e-9
    model = LogisticRegression(C=1.0, max_iter=1000).fit(features / spread, right)
    weights = model.coef_[0] / spread
    scores = features @ weights
    best = best_of(scores, owner)
    top, hit = scores[best], right[best]
    line = LogisticRegression(C=1e6).fit(top[:, None], hit)
    slope, shift = float(line.coef_[0][0]), float(line.intercept_[0])
    p = 1 / (1 + np.exp(-(slope * top + shift)))
    figures = {
        "questions": len(best), "right": float(hit.mean()), "answered": float((p >= threshold).mean()),
        "right of the answered": float(hit[p >= threshold].mean()) if (p >= threshold).any() else 0.0,
        "ece": expected_calibration_error(p.tolist(), [bool(value) for value in hit]),
    }  # fmt: skip
    named = {name: round(float(value), 6) for name, value in zip(FEATURES, weights, strict=True)}
    return {"weights": named, "slope": slope, "shift": shift, "threshold": threshold}, figures
