"""Linear probes: what a frozen encoder's vectors tell a logistic regression, at every layer.

SUBJ, TREC, SST-2, MR and MRPC, as mean-pooled and as first-token vectors. SUBJ and MR have no test part: a fifth, drawn
by the seed. A pair of sentences is |u - v| beside u * v.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from quipu.datasets.io import need
from quipu.datasets.sentences import (
    PARAPHRASE_TESTS,
    PARAPHRASE_TRAINS,
    read_opinions,
    read_pairs,
    read_sides,
    read_trec,
)
from quipu.errors import InputError
from quipu.evaluation.report import Report
from quipu.evaluation.tasks.paraphrase import over_seeds
from quipu.models.spans import Floats, SupportsStates
from quipu.records import Score

SETS = ("subj", "trec", "sst2", "mr", "mrpc")
POOLINGS = ("mean", "first")
TEXTS = 512
HELD_OUT = 0.2
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Probe:
    """Texts (one or two a row) and labels; ``test``: rows that are the test part, empty where there is none."""

    texts: tuple[tuple[str, ...], ...]
    labels: Labels
    test: frozenset[int]


def read_probe(kind: str, data: Path) -> Probe:
    """One of ``SETS`` from its folder, in the official files."""
    if kind == "subj":
        return _of(read_sides(data, ("subjective", "objective")))
    if kind == "mr":
        return _of([(item.text, int(item.positive)) for item in read_opinions(data)])
    if kind == "sst2":
        parts = [read_opinions(need(data, [f"{part}.tsv"], "SST-2 file")) for part in ("train", "test")]
        return _of(*([(item.text, int(item.positive)) for item in part] for part in parts))
    if kind == "trec":
        rows = [read_trec(need(data, [f"TREC.{part}", f"*{part}*"], "TREC file")) for part in ("train", "test")]
        names = sorted({label for part in rows for _, label in part})
        return _of(*([(text, names.index(label)) for text, label in part] for part in rows))
    if kind == "mrpc":
        both = [read_pairs(need(data, names, "MRPC file")) for names in (PARAPHRASE_TRAINS, PARAPHRASE_TESTS)]
        return _of(*([((pair.left, pair.right), int(pair.same)) for pair in part] for part in both))
    raise InputError(f"{kind!r} is no probe; choose among {', '.join(SETS)}")


def _of(train: Sequence[tuple[Any, int]], test: Sequence[tuple[Any, int]] = ()) -> Probe:
    rows = [*train, *test]
    texts = tuple(text if isinstance(text, tuple) else (text,) for text, _ in rows)
    return Probe(texts, np.array([label for _, label in rows]), frozenset(range(len(train), len(rows))))


def vectors_of(encoder: SupportsStates, probe: Probe) -> dict[tuple[str, int], Floats]:
    """(pooling, layer) to vectors (n, D), or (n, 2 D) for pairs of sentences."""
    pooled: dict[str, list[Floats]] = {pooling: [] for pooling in POOLINGS}
    flat = [text for texts in probe.texts for text in texts]
    for first in range(0, len(flat), TEXTS):
        for states in encoder.states(flat[first : first + TEXTS]):
            pooled["mean"].append(states.mean(axis=1))
            pooled["first"].append(states[:, 0].copy())
    made: dict[tuple[str, int], Floats] = {}
    for pooling, rows in pooled.items():
        stack = np.stack(rows, axis=1)  # (layers + 1, texts, D)
        if len(probe.texts[0]) == 2:
            left, right = stack[:, 0::2], stack[:, 1::2]
            stack = np.concatenate([np.abs(left - right), left * right], axis=-1)
        made |= {(pooling, layer): values for layer, values in enumerate(stack)}
    return made


def accuracy(vectors: Floats, labels: Labels, test: NDArray[np.bool_], *, shuffle: int | None = None) -> float:
    """Per cent right on the test rows, trained on the others; ``shuffle``: with their labels shuffled (a control)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    train = labels[~test]
    if shuffle is not None:
        train = np.random.default_rng(shuffle).permutation(train)
    mean, spread = vectors[~test].mean(axis=0), vectors[~test].std(axis=0) + 1e-6
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=0.01, max_iter=100).fit((vectors[~test] - mean) / spread, train)
    return 100 * float((model.predict((vectors[test] - mean) / spread) == labels[test]).mean())


def held_out(probe: Probe, seed: int) -> NDArray[np.bool_]:
    """Which rows are tested: the official test part, else a fifth drawn by ``seed``."""
    rows = np.zeros(len(probe.labels), dtype=np.bool_)
    chosen: Any = list(probe.test)
    if not chosen:
        chosen = np.random.default_rng(seed).permutation(len(rows))[: int(HELD_OUT * len(rows))]
    rows[chosen] = True
    return rows


def evaluate(
    encoder: SupportsStates,
    data: Path,
    seeds: Sequence[int],
    *,
    sets: Sequence[str] = SETS,
    layers: Literal["last", "all"] = "last",
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> Report:
    """Accuracy of the last layer, mean-pooled, by the set's name; ``subj first`` of the first token; other layers too.

    ``data``: the folder that holds a folder for each set. Only SUBJ and MR differ between seeds. ``accuracy`` is the
    mean over sets, ``shuffled accuracy`` the same with training labels shuffled.
    """
    scores: list[Score] = []
    means, shuffled = [], []
    for kind in sets:
        probe = read_probe(kind, data / kind if (data / kind).is_dir() else data)
        vectors = vectors_of(encoder, probe)
        drawn = list(seeds) if not probe.test else list(seeds)[:1]
        for pooling in POOLINGS:
            values = [accuracy(vectors[pooling, encoder.layers], probe.labels, held_out(probe, seed)) for seed in drawn]
            scores.append(over_seeds(kind if pooling == "mean" else f"{kind} first", values))
            if pooling == "mean":
                means.append(scores[-1].value)
        last = vectors["mean", encoder.layers]
        shuffled.append(accuracy(last, probe.labels, held_out(probe, drawn[0]), shuffle=drawn[0]))
        if layers == "all":
            scores += [
                Score(f"{kind} {pooling} layer {layer}", accuracy(values, probe.labels, held_out(probe, drawn[0])), 1)
                for (pooling, layer), values in vectors.items()
            ]
        if progress is not None:
            progress({"set": kind, "accuracy": round(means[-1], 2)})
    head = [
        Score("accuracy", float(np.mean(means)), len(sets)),
        Score("shuffled accuracy", float(np.mean(shuffled)), 1),
    ]
    return Report("probe", encoder.name, (*head, *scores), {"seeds": list(seeds), "sets": list(sets)})
