"""Fit the probability of an answer, and the threshold for a wanted precision.

With labelled questions: a logistic regression over the features of ``quipu.answering.probability``, then a monotone
curve (isotonic regression over out-of-fold predictions), then the lowest threshold whose answers are right often
enough. Without labels a memory is asked about itself: its own questions reworded (an answer is right when it is the
pair's), near-twins of them, and its own questions with their document left out (right only if another pair gives the
same answer).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quipu.answering.lookup import Found
from quipu.answering.probability import FEATURES, PLAIN, Blend, Calibration, Features, shipped
from quipu.api import Memory
from quipu.errors import InputError, MissingExtra
from quipu.evaluation.metrics import exact_match, expected_calibration_error
from quipu.evaluation.twins.rules import any_twin, names_of, paraphrase
from quipu.models.hub import BUNDLED
from quipu.records import Example, QAPair

FOLDS = 5
LEAST = 40  # labelled questions
ENOUGH = 150  # right and wrong answers each for weights of their own; below, only the shipped ones are bent
KNOTS = 24
BATCH = 64


@dataclass(frozen=True, slots=True)
class Labelled:
    """Features (n, F) of the answers to n questions, and whether each was right (n,)."""

    features: Features
    right: NDArray[np.bool_]
    kinds: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.right)


def calibrate(
    memory: Memory,
    examples: Sequence[Example] | None = None,
    *,
    target_precision: float | None = 0.95,
    rerank: bool = True,
    count: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Fit a memory's probability and threshold, keep them in the memory, and say how well they fit.

    examples: questions with accepted answers; None: the memory's own pairs, asked in other words (see this module).
    """
    data = of_itself(memory, count, rerank=rerank, seed=seed) if examples is None else labelled(memory, examples)
    known = shipped(BUNDLED / "quipu-mini" / "calibration.json")
    models = memory.model_hashes(rerank=rerank)
    base = known if known is not None and set(known.models.values()) == set(models.values()) else None
    fitted_on = f"{len(data)} questions about itself" if examples is None else f"{len(data)} labelled questions"
    made = fit(
        data, models=models, fitted_on=fitted_on, target_precision=target_precision, base=base,
        blend=PLAIN if base is None else base.blend, seed=seed,
    )  # fmt: skip
    memory.keep_calibration(made)
    probabilities = made.probability(data.features)
    given = probabilities >= made.threshold
    return {
        "questions": len(data),
        "right": float(data.right.mean()),
        "threshold": made.threshold,
        "answered": float(given.mean()),
        "precision": float(data.right[given].mean()) if given.any() else None,
        "ece": expected_calibration_error(probabilities.tolist(), data.right.tolist()),
        "fitted_on": fitted_on,
    }


def labelled(memory: Memory, examples: Sequence[Example], *, rerank: bool = True, k: int = 50) -> Labelled:
    """What the memory says to questions with known answers; a question without accepted answers has no right one."""
    return judged(ask(memory, examples, rerank=rerank, k=k), examples)


def ask(memory: Memory, examples: Sequence[Example], *, rerank: bool = True, k: int = 50) -> list[Found | None]:
    """What the memory finds for each question, in order."""
    return [
        item
        for some in _batches(examples)
        for item in memory.find_many([example.question for example in some], k=k, rerank=rerank)
    ]


def judged(found: Sequence[Found | None], examples: Sequence[Example]) -> Labelled:
    """The features of what was found, and whether its answer is an accepted one."""
    right = [
        item is not None and bool(exact_match(_text(item), example.answers))
        for item, example in zip(found, examples, strict=True)
    ]
    return _joined(found, right, ["asked"] * len(found))


def of_itself(memory: Memory, count: int = 600, *, rerank: bool = True, k: int = 50, seed: int = 0) -> Labelled:
    """About ``count`` questions of the memory's own pairs: two fifths reworded, a fifth twins, two fifths left out."""
    rng = random.Random(seed)
    total = memory.store.count()
    if not total:
        raise InputError(f"{memory.path} holds no pairs; there is nothing to calibrate on")
    rows = memory.store.rows()
    chosen = rng.sample(rows.tolist(), min(count, len(rows)))
    pairs = [pair for pair in memory.store.pairs_by_rows(chosen) if pair is not None]
    names = [name for pair in pairs for name in names_of(pair.question)]
    questions: list[str] = []
    without: list[QAPair | None] = []
    plans: list[tuple[str, QAPair]] = []
    for number, pair in enumerate(pairs):
        kind = ("reworded", "left out", "reworded", "left out", "twin")[number % 5]
        made = any_twin(pair.question, rng, names) if kind == "twin" else None
        if kind == "twin" and made is None:
            kind = "reworded"
        text = made[1] if made is not None else pair.question
        questions.append(paraphrase(text, rng, 2 if kind == "reworded" else 1))
        without.append(pair if kind == "left out" else None)
        plans.append((kind, pair))
    found: list[Found | None] = []
    for first in range(0, len(questions), BATCH):
        part = slice(first, first + BATCH)
        found += memory.find_many(questions[part], k=k, rerank=rerank, without=without[part])
    right = []
    for (kind, pair), item in zip(plans, found, strict=True):
        same = item is not None and bool(exact_match(_text(item), [pair.answer]))
        right.append(same and kind != "twin")
    return _joined(found, right, [kind for kind, _ in plans])


def fit_blend(found: Sequence[Found | None], examples: Sequence[Example]) -> Blend:
    """How far to trust the retriever beside the reader, beside the reranker, and alone.

    Within a question, right candidates (an accepted answer) should stand above wrong ones: a logistic regression over
    their differences gives the weights, one over all candidates the constant and the scale.
    """
    groups: dict[str, list[tuple[list[list[float]], list[bool]]]] = {"read": [], "reranked": [], "alone": []}
    for item, example in zip(found, examples, strict=True):
        if item is None:
            continue
        rows: dict[str, tuple[list[list[float]], list[bool]]] = {kind: ([], []) for kind in groups}
        for hit, reranked, judged in zip(item.hits, item.reranked, item.judged, strict=True):
            similar, right = 10.0 * (hit.score - 0.5), bool(exact_match(hit.pair.answer, example.answers))
            kind = "read" if judged is not None else "alone" if reranked is None else "reranked"
            other = judged if judged is not None else reranked
            values = [similar] if other is None else [similar, float(np.clip(other, -16.0, 16.0))]
            rows[kind][0].append(values)
            rows[kind][1].append(right)
        for kind, row in rows.items():
            groups[kind].append(row)
    with_reader, with_reranker, alone = (_ranked(groups[kind]) for kind in ("read", "reranked", "alone"))
    a, b, c = with_reader
    d, e, f = with_reranker
    return Blend((a, b, c), (d, e, f), (alone[0], alone[1]))


def _ranked(groups: Sequence[tuple[list[list[float]], list[bool]]]) -> list[float]:
    """Weights that rank right above wrong, scaled to log-odds, and the constant."""
    from sklearn.linear_model import LogisticRegression

    apart = [
        np.subtract(values[good], values[bad])
        for values, right in groups
        for good in range(len(right))
        for bad in range(len(right))
        if right[good] and not right[bad]
    ]
    both = np.concatenate([apart, np.negative(apart)])
    order = LogisticRegression(C=1.0, fit_intercept=False).fit(both, np.repeat([True, False], len(apart)))
    direction = order.coef_[0]
    flat = np.array([value for values, _ in groups for value in values]) @ direction
    scaled = LogisticRegression(C=1.0).fit(flat[:, None], [good for _, right in groups for good in right])
    scale = max(0.05, float(scaled.coef_[0, 0]))
    return [*(scale * direction).tolist(), float(scaled.intercept_[0])]


def fit(
    data: Labelled,
    *,
    models: Mapping[str, str],
    fitted_on: str,
    target_precision: float | None = 0.95,
    base: Calibration | None = None,
    blend: Blend = PLAIN,
    seed: int = 0,
) -> Calibration:
    """A calibration from labelled answers.

    With fewer than ``ENOUGH`` right or wrong ones the weights of ``base`` stay, and only scale and offset of its
    log-odds are fitted. InputError where there are too few, or all are right or all wrong.
    """
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedKFold
    except ImportError as error:
        raise MissingExtra("calibrating needs scikit-learn: pip install 'quipu[eval]'") from error
    if len(data) < LEAST or data.right.sum() < 5 or (~data.right).sum() < 5:
        raise InputError(
            f"{len(data)} questions with {int(data.right.sum())} right answers are too few to calibrate on: "
            f"{LEAST} are needed, 5 of them answered right and 5 wrong"
        )
    small = base is not None and min(int(data.right.sum()), int((~data.right).sum())) < ENOUGH

    def weights(rows: NDArray[np.bool_] | NDArray[np.int64]) -> Calibration:
        found, right = data.features[rows], data.right[rows]
        if small and base is not None:
            logit = _logit(base.raw(found))[:, None]
            model = LogisticRegression(C=1.0).fit(logit, right)
            slope, offset = max(0.05, float(model.coef_[0, 0])), float(model.intercept_[0])
            return replace(base, weights=tuple(slope * w for w in base.weights), bias=slope * base.bias + offset)
        mean, scale = found.mean(axis=0), found.std(axis=0)
        scale = np.where(scale < 1e-6, 1.0, scale)
        model = LogisticRegression(C=1.0, max_iter=2000).fit((found - mean) / scale, right)
        return Calibration(
            tuple(mean.tolist()), tuple(scale.tolist()), tuple(model.coef_[0].tolist()), float(model.intercept_[0]),
            ((0.0, 0.0), (1.0, 1.0)), 0.5, target_precision, dict(models), fitted_on, blend,
        )  # fmt: skip

    raw = np.zeros(len(data))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(data.features, data.right):
        raw[test] = weights(train).raw(data.features[test])
    made = replace(
        weights(np.ones(len(data), dtype=np.bool_)), models=dict(models), fitted_on=fitted_on,
        target_precision=target_precision,
    )  # fmt: skip
    curve = _curve(raw, data.right)
    xs, ys = zip(*curve, strict=True)
    probabilities = np.interp(raw, xs, ys)
    threshold = 0.5 if target_precision is None else threshold_for(probabilities, data.right, target_precision)
    return replace(made, curve=curve, threshold=threshold)


def threshold_for(probabilities: Features, right: NDArray[np.bool_], precision: float, least: int = 20) -> float:
    """The lowest threshold above which a share ``precision`` of the answers is right, over ``least`` answers or more.

    1.01, which answers nothing, where no threshold reaches it.
    """
    order = np.argsort(-probabilities, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    ranked = probabilities[order]
    ends = np.append(ranked[1:] != ranked[:-1], True)  # a threshold takes all of equal probability or none
    fits = np.flatnonzero((share >= precision) & ends & (np.arange(1, len(order) + 1) >= least))
    return float(ranked[fits[-1]]) if len(fits) else 1.01


def _curve(raw: Features, right: NDArray[np.bool_]) -> tuple[tuple[float, float], ...]:
    """A monotone curve through bins of equal mass, by isotonic regression; few knots, so that it stays smooth."""
    from sklearn.isotonic import IsotonicRegression

    order = np.argsort(raw, kind="stable")
    bins = np.array_split(order, max(5, min(KNOTS, len(raw) // 25)))
    xs = np.array([raw[part].mean() for part in bins])
    # a bin is never wholly right or wrong: one more of each, weighed as a fifth of an answer
    ys = np.array([(right[part].sum() + 0.2 * right.mean()) / (len(part) + 0.2) for part in bins])
    smooth = IsotonicRegression(y_min=0.0, y_max=1.0).fit(xs, ys, sample_weight=[len(part) for part in bins])
    values = smooth.predict(xs)
    knots = [(0.0, float(values[0])), *zip(xs.tolist(), values.tolist(), strict=True), (1.0, float(values[-1]))]
    kept = [knots[0]]
    for knot in knots[1:]:
        if knot[0] > kept[-1][0]:
            kept.append(knot)
    return tuple(kept)


def _joined(found: Sequence[Found | None], right: Sequence[bool], kinds: Sequence[str]) -> Labelled:
    kept = [
        (item.features, good, kind) for item, good, kind in zip(found, right, kinds, strict=True) if item is not None
    ]
    rows = np.array([row for row, _, _ in kept]).reshape(-1, len(FEATURES))
    return Labelled(rows, np.array([good for _, good, _ in kept], dtype=np.bool_), tuple(kind for *_, kind in kept))


def _text(found: Found) -> str:
    return found.hits[found.best].pair.answer


def _logit(probabilities: Features) -> Features:
    clipped = np.clip(probabilities, 1e-6, 1 - 1e-6)
    logit: Features = np.log(clipped / (1 - clipped))
    return logit


def _batches(examples: Sequence[Example]) -> list[Sequence[Example]]:
    return [examples[first : first + BATCH] for first in range(0, len(examples), BATCH)]
