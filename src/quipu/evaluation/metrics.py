"""Figures that can be checked by hand: EM, F1, recall@k, well-formedness accuracy, and how sure each mean is.

EM and F1 follow the SQuAD scorer: the best over the accepted answers, after its normalisation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from quipu.errors import InputError
from quipu.records import Score
from quipu.text import best_f1, exact_match, normalize_answer

__all__ = [
    "best_f1",
    "bootstrap_error",
    "exact_match",
    "first_hit",
    "latencies",
    "mean_score",
    "normalize_answer",
    "passage_holds",
    "percentile",
    "recall_at",
    "share_error",
    "threshold_accuracy",
]


def first_hit(hit_answers: Sequence[str], answers: Sequence[str]) -> int | None:
    """Rank (from 1) of the first hit whose answer is an accepted one after normalisation; None if there is none."""
    accepted = {normalize_answer(answer) for answer in answers}
    for rank, answer in enumerate(hit_answers, start=1):
        if normalize_answer(answer) in accepted:
            return rank
    return None


def recall_at(k: int, ranks: Sequence[int | None]) -> float:
    """Share of questions whose first accepted answer is among the best ``k`` hits; ``ranks`` from :func:`first_hit`."""
    if k < 1:
        raise InputError(f"recall@k needs k >= 1, not {k}")
    return sum(rank is not None and rank <= k for rank in ranks) / len(ranks) if ranks else 0.0


def passage_holds(passage: str, answers: Sequence[str]) -> bool:
    """True if the normalised passage contains an accepted answer as whole words."""
    text = f" {normalize_answer(passage)} "
    return any(f" {normal} " in text for normal in map(normalize_answer, answers) if normal)


def share_error(share: float, n: int) -> float:
    """Binomial standard error of a share of ``n`` independent yes/no outcomes: sqrt(p (1 - p) / n)."""
    return math.sqrt(share * (1 - share) / n) if n else 0.0


def bootstrap_error(values: Sequence[float], *, samples: int = 1000, seed: int = 0) -> float:
    """Standard error of the mean of ``values`` by resampling them with replacement ``samples`` times."""
    if len(values) < 2:
        return 0.0
    data = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    means = [data[rng.integers(0, len(data), len(data))].mean() for _ in range(samples)]
    return float(np.std(means, ddof=1))


def mean_score(metric: str, values: Sequence[float], *, scale: float = 1.0, higher_is_better: bool = True) -> Score:
    """The mean with its standard error: binomial where all values are 0 or 1, else by bootstrap."""
    n = len(values)
    mean = sum(values) / n if n else 0.0
    error = share_error(mean, n) if all(value in (0.0, 1.0) for value in values) else bootstrap_error(values)
    return Score(metric, scale * mean, n, scale * error, higher_is_better)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` (0-1) of ``values`` do not exceed, by linear interpolation (numpy's default)."""
    if not values:
        raise InputError("a percentile of no values does not exist")
    return float(np.quantile(np.asarray(values, dtype=np.float64), share))


def threshold_accuracy(
    predicted: Sequence[float], given: Sequence[float], *, threshold: float, given_threshold: float | None = None
) -> float:
    """Share of items on the same side of the threshold by prediction and by label, each side ``>= threshold``.

    ``given_threshold`` cuts the labels where they are cut elsewhere than the predictions. Query well-formedness
    calls a question well-formed when at least 0.8 of its annotators did (Faruqui and Das, 2018).
    """
    if len(predicted) != len(given):
        raise InputError(f"{len(predicted)} predictions for {len(given)} labels")
    cut = threshold if given_threshold is None else given_threshold
    # Labels are shares of five people, written as decimals: 0.8 must count as 4 of 5 however it was rounded.
    same = [(p >= threshold) == (g >= cut - 1e-6) for p, g in zip(predicted, given, strict=True)]
    return sum(same) / len(same) if same else 0.0


def latencies(ask: Callable[[str], object], questions: Sequence[str], clock: Callable[[], float]) -> list[float]:
    """Milliseconds of each question, asked one by one; the first question is asked once before, to warm up."""
    times = []
    if questions:
        ask(questions[0])
    for question in questions:
        start = clock()
        ask(question)
        times.append(1000 * (clock() - start))
    return times


def risk_coverage(probabilities: Sequence[float], right: Sequence[bool]) -> tuple[list[float], list[float]]:
    """Coverage and risk when the surest questions are answered first: share answered, share wrong among them.

    Questions of equal probability are answered together: each gets the risk at the end of its run.
    """
    if len(probabilities) != len(right):
        raise InputError(f"{len(probabilities)} probabilities for {len(right)} answers")
    given = np.asarray(probabilities, dtype=np.float64)
    order = np.argsort(-given, kind="stable")
    wrong = np.cumsum(~np.asarray(right, dtype=np.bool_)[order])
    answered = np.arange(1, len(order) + 1)
    ends = np.searchsorted(-given[order], -given[order], side="right") - 1
    return (answered / max(1, len(order))).tolist(), (wrong[ends] / answered[ends]).tolist()


def aurc(probabilities: Sequence[float], right: Sequence[bool]) -> float:
    """Area under the risk-coverage curve: the mean risk over all coverages (Geifman and El-Yaniv, 2017)."""
    _, risk = risk_coverage(probabilities, right)
    return sum(risk) / len(risk) if risk else 0.0


def expected_calibration_error(probabilities: Sequence[float], right: Sequence[bool], bins: int = 15) -> float:
    """Mean gap between probability and share of right answers over ``bins`` bins of equal mass, weighed by size."""
    if len(probabilities) != len(right):
        raise InputError(f"{len(probabilities)} probabilities for {len(right)} answers")
    given, good = np.asarray(probabilities, dtype=np.float64), np.asarray(right, dtype=np.float64)
    parts = [part for part in np.array_split(np.argsort(given, kind="stable"), bins) if len(part)]
    return float(sum(len(part) * abs(given[part].mean() - good[part].mean()) for part in parts) / max(1, len(given)))


def precision_error(share: float, n: int) -> float:
    """Half of the 95 % interval of a share (normal approximation): 1.96 standard errors."""
    return 1.96 * share_error(share, n)


def wilson(count: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of which ``count`` of ``n`` were seen (Wilson, 1927); 0 to 1 where n is 0."""
    if not n:
        return 0.0, 1.0
    z = 1.959964
    share, scale = count / n, 1 + z * z / n
    middle = (share + z * z / (2 * n)) / scale
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    return max(0.0, middle - half), min(1.0, middle + half)
