"""Paraphrases by what the token vectors say: BERTScore of two sentences, at every layer (QuIP section 5.2).

Zero-shot: AUROC of the score. Few-shot, frozen: a logistic regression over the scores of the upper third of the layers.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quipu.datasets.io import find, need
from quipu.datasets.sentences import PARAPHRASE_TESTS, PARAPHRASE_TRAINS, SentencePair, read_pairs
from quipu.errors import InputError
from quipu.evaluation.report import Report
from quipu.models.spans import Floats, SupportsStates
from quipu.records import Score

TEXTS = 512  # encoded together
SHOTS = 16  # examples a class
SEEDS = (13, 21, 42, 87, 100)  # those of the published splits
Progress = Callable[[dict[str, Any]], None]
Values = NDArray[np.float64]


def bert_score(left: Floats, right: Floats) -> Values:
    """BERTScore F of two texts at every layer: (L, T1, D), (L, T2, D) -> (L,). All tokens count, special ones too."""
    left = left / np.linalg.norm(left, axis=-1, keepdims=True)
    right = right / np.linalg.norm(right, axis=-1, keepdims=True)
    cosine = left @ right.transpose(0, 2, 1)
    precision, recall = cosine.max(axis=2).mean(axis=1), cosine.max(axis=1).mean(axis=1)
    total = precision + recall
    return np.asarray(2 * precision * recall / np.where(total == 0, 1.0, total), dtype=np.float64)


def features(encoder: SupportsStates, pairs: Sequence[SentencePair], progress: Progress | None = None) -> Values:
    """BERTScore of each pair at each layer, (n, layers + 1)."""
    found = []
    for first in range(0, len(pairs), TEXTS // 2):
        some = pairs[first : first + TEXTS // 2]
        states = encoder.states([text for pair in some for text in (pair.left, pair.right)])
        found += [bert_score(states[2 * row], states[2 * row + 1]) for row in range(len(some))]
        if progress is not None:
            progress({"pairs": first + len(some), "of": len(pairs)})
    return np.array(found)


def ranking(scores: Values, labels: NDArray[np.bool_]) -> dict[str, float]:
    """AUROC, average precision, best accuracy and best F1 over all thresholds, in per cent but AUROC and AP (0-1)."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order])
    taken = np.arange(1, len(order) + 1)
    last = np.append(np.diff(scores[order]) != 0, True)  # a threshold takes all of equal score
    total = int(labels.sum())
    accuracy = (hits + (len(labels) - total) - (taken - hits)) / len(labels)
    f1 = 2 * hits / (taken + total)
    return {
        "auroc": float(roc_auc_score(labels, scores)),
        "average_precision": float(average_precision_score(labels, scores)),
        "best_accuracy": 100 * float(max(accuracy[last].max(), 1 - total / len(labels))),
        "best_f1": 100 * float(f1[last].max()),
    }


def zero_shot(encoder: SupportsStates, data: Path, progress: Progress | None = None) -> tuple[Report, Values]:
    """Figures of the last layer by their names, of the best layer and of each: ``layer 4 auroc``; and the features."""
    pairs = read_pairs(need(data, PARAPHRASE_TESTS, "paraphrase file"))
    labels = np.array([pair.same for pair in pairs])
    found = features(encoder, pairs, progress)
    layers = [ranking(found[:, layer], labels) for layer in range(found.shape[1])]
    best = max(range(len(layers)), key=lambda layer: layers[layer]["auroc"])
    n = len(pairs)
    scores = [Score(name, value, n) for name, value in layers[-1].items()]
    scores += [Score("best_layer_auroc", layers[best]["auroc"], n), Score("best_layer", float(best), n)]
    scores += [Score(f"layer {layer} auroc", row["auroc"], n) for layer, row in enumerate(layers)]
    return Report("paraphrase", encoder.name, tuple(scores), {"data": data.name}), found


def upper_third(layers: int) -> list[int]:
    """Which layers few-shot features come from: 17-24 of 24, 5-6 of 6."""
    return list(range(layers - max(1, layers // 3) + 1, layers + 1))


def few_shot_split(data: Path, seed: int, shots: int = SHOTS) -> tuple[list[SentencePair], list[SentencePair]]:
    """Training and test pairs: the published ``16-SEED/train.tsv`` where it is, else drawn from the training file."""
    published = find(data, [f"{shots}-{seed}/train.tsv", f"*/{shots}-{seed}/train.tsv"])
    if published is not None:
        return read_pairs(published), read_pairs(need(published.parent, PARAPHRASE_TESTS, "test file"))
    pool = read_pairs(need(data, PARAPHRASE_TRAINS, "training file"))
    rng, chosen = random.Random(seed), []
    for label in (True, False):
        of_label = [pair for pair in pool if pair.same == label]
        if len(of_label) < shots:
            raise InputError(f"{data}: {len(of_label)} training pairs with label {int(label)}, {shots} are needed")
        chosen += rng.sample(of_label, shots)
    return chosen, read_pairs(need(data, PARAPHRASE_TESTS, "test file"))


def frozen(train: Values, train_labels: NDArray[np.bool_], test: Values) -> Values:
    """Decision values of a logistic regression (C = 1, liblinear) over standardised features; right where > 0."""
    from sklearn.linear_model import LogisticRegression

    mean, spread = train.mean(axis=0), train.std(axis=0) + 1e-12
    model = LogisticRegression(C=1.0, solver="liblinear").fit((train - mean) / spread, train_labels)
    return np.asarray(model.decision_function((test - mean) / spread), dtype=np.float64)


def decisions(values: Values, labels: NDArray[np.bool_]) -> dict[str, float]:
    """F1, accuracy, precision, recall at 0 (per cent), and AUROC."""
    said = values > 0
    hits = float((said & labels).sum())
    precision, recall = hits / max(1.0, said.sum()), hits / max(1.0, labels.sum())
    return {
        "f1": 100 * 2 * precision * recall / max(1e-12, precision + recall),
        "accuracy": 100 * float((said == labels).mean()),
        "precision": 100 * precision,
        "recall": 100 * recall,
        "auroc": ranking(values, labels)["auroc"],
    }


Tuned = Callable[[Sequence[SentencePair], Sequence[SentencePair], int], Values]


def few_shot(encoder: SupportsStates, data: Path, seeds: Sequence[int] = SEEDS, *, tune: Tuned | None = None) -> Report:
    """Mean and standard error over seeds; ``tune`` trains a fresh copy of the encoder and returns decision values."""
    kinds: dict[str, list[dict[str, float]]] = {"": [], **({"tuned_": []} if tune is not None else {})}
    known: dict[tuple[SentencePair, ...], Values] = {}
    for seed in seeds:
        train, test = few_shot_split(data, seed)
        labels = np.array([pair.same for pair in test])
        for pairs in (train, test):
            if tuple(pairs) not in known:
                known[tuple(pairs)] = features(encoder, pairs)
        columns = upper_third(encoder.layers)
        values = frozen(
            known[tuple(train)][:, columns],
            np.array([pair.same for pair in train]),
            known[tuple(test)][:, columns],
        )
        kinds[""].append(decisions(values, labels))
        if tune is not None:
            kinds["tuned_"].append(decisions(tune(train, test, seed), labels))
    scores = [
        over_seeds(f"{kind}{metric}", [row[metric] for row in rows])
        for kind, rows in kinds.items()
        for metric in rows[0]
    ]
    return Report("paraphrase-few-shot", encoder.name, tuple(scores), {"data": data.name, "seeds": list(seeds)})


def over_seeds(metric: str, values: Sequence[float]) -> Score:
    """Mean and standard error (population standard deviation over the root of n, as the papers count)."""
    spread = float(np.std(values) / np.sqrt(len(values))) if len(values) > 1 else None
    return Score(metric, float(np.mean(values)), len(values), spread)


def seeds_of(count: int) -> list[int]:
    """The published seeds, then 101, 102, ..."""
    return [*SEEDS, *range(101, 101 + max(0, count - len(SEEDS)))][:count]
