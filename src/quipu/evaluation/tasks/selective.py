"""Selective answering: does quipu know when it knows? Probability and abstention against what was right.

*Answerable* is a question with an accepted answer among the best ``k`` stored pairs; the others no lookup can answer,
and an honest lookup refuses them (a cascade may find the answer in a passage). Risk is the share of wrong answers
among those given. Of a cascade every step is measured as well, alone and together with those before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from quipu.answering.decision import held
from quipu.answering.steps.lookup import scorer_name
from quipu.errors import InputError, MissingExtra
from quipu.evaluation.metrics import (
    aurc,
    exact_match,
    expected_calibration_error,
    mean_score,
    precision_error,
    risk_coverage,
)
from quipu.evaluation.report import Report
from quipu.memory import Memory
from quipu.records import Example, Score

Method = Literal["lookup", "cascade"]
BATCH = 64
SHARES = (5, 10, 20, 50)
"""Per cent of the questions that are answered, the surest first, for which precision is shown."""
STEP_METRICS = ("AURC", "ECE", *(f"precision at {share}% answered" for share in SHARES), "EM of all")


@dataclass(frozen=True, slots=True)
class Said:
    """What was said to one question, were nothing held back: its probability, whether right, whether answerable."""

    probability: float
    right: bool
    answerable: bool
    score: float


def ask_all(
    memory: Memory, examples: Sequence[Example], *, k: int = 50, rerank: bool = False, method: Method = "lookup"
) -> list[Said]:
    """Every question answered; InputError where the memory's models have no calibration."""
    scorer = memory.answerer.fitted(scorer_name(rerank))
    if scorer is None:
        raise InputError(f"{memory.path}: its models have no calibration; run: quipu calibrate {memory.path}")
    said = []
    for first in range(0, len(examples), BATCH):
        some = examples[first : first + BATCH]
        if method == "cascade":
            said += _by_cascade(memory, some, k, rerank)
            continue
        found = memory.answerer.find([example.question for example in some], k=k, rerank=rerank)
        for item, example in zip(found, some, strict=True):
            if item is None:
                said.append(Said(0.0, False, False, 0.0))
                continue
            answers = [hit.pair.answer for hit in item.hits]
            right = bool(exact_match(answers[item.best], example.answers))
            held = any(exact_match(answer, example.answers) for answer in answers)
            probability = scorer.probability(scorer.score(item.features)) or 0.0
            said.append(Said(probability, right, held, item.hits[item.best].score))
    return said


def _by_cascade(memory: Memory, examples: Sequence[Example], k: int, rerank: bool) -> list[Said]:
    questions = [example.question for example in examples]
    answers = memory.ask_many(questions, k=k, rerank=rerank, min_probability=0.0)
    said = []
    for answer, hits, example in zip(answers, memory.search_many(questions, k, method="vector"), examples, strict=True):
        held = any(exact_match(hit.pair.answer, example.answers) for hit in hits)
        right = bool(exact_match(answer.text or "", example.answers))
        said.append(Said(answer.probability or 0.0, right, held, hits[0].score if hits else 0.0))
    return said


def by_step(memory: Memory, examples: Sequence[Example], *, k: int = 50, rerank: bool = False) -> dict[str, list[Said]]:
    """What every step says to every question, before and after the combination.

    "passage" is the step alone, were it asked only what the steps before it leave open; "to passage" is what it and
    the steps before it say together. No step is sure enough to end a question here, so that each is asked all of them.
    Steps that a memory cannot take, and what nobody weighs together, are left out.
    """
    found: dict[str, list[Said]] = {}
    weights = memory.answerer.fitted("cascade")
    for first in range(0, len(examples), BATCH):
        some = examples[first : first + BATCH]
        answers = memory.ask_many([example.question for example in some], k=k, rerank=rerank, min_probability=1.0)
        for at, (answer, example) in enumerate(zip(answers, some, strict=True), start=first):
            for count, trace in enumerate(answer.tried, start=1):
                found.setdefault(trace.route, []).append(_said(trace.text or trace.held, trace.probability, example))
                if count > 1 and weights is not None:
                    texts = {text: weights.score(row) for text, row in held(answer.tried[:count]).items()}
                    text = max(texts, key=lambda text: texts[text], default=None)
                    probability = None if text is None else weights.probability(texts[text])
                    found.setdefault(f"to {trace.route}", []).append(_said(text, probability, example))
            for row in found.values():  # a step that was sure of all its answers left this question out
                row += [Said(0.0, False, False, 0.0)] * (at + 1 - len(row))
    return found


def _said(text: str | None, probability: float | None, example: Example) -> Said:
    return Said(probability or 0.0, bool(exact_match(text or "", example.answers)), False, 0.0)


def step_reports(steps: Mapping[str, Sequence[Said]]) -> list[Report]:
    """Of each row of ``by_step`` risk and coverage: AURC, ECE, and how many are right of the surest answers."""
    return [
        Report("selective", name, (*_trust(said), *_precisions(said), _right(said)), {"questions": len(said)})
        for name, said in steps.items()
    ]


def evaluate(
    memory: Memory,
    examples: Sequence[Example],
    *,
    threshold: float | None = None,
    k: int = 50,
    rerank: bool = False,
    method: Method = "lookup",
) -> tuple[Report, list[Said]]:
    """AURC, ECE, precision and coverage at ``threshold`` (None: the calibration's), refused share of unanswerable."""
    said = ask_all(memory, examples, k=k, rerank=rerank, method=method)
    bar = threshold if threshold is not None else _threshold(memory, rerank, method)
    right = [item.right for item in said]
    given = [item for item in said if item.probability >= bar]
    precision = sum(item.right for item in given) / len(given) if given else 0.0
    scores = [
        _right(said),
        mean_score("answerable", [float(item.answerable) for item in said], scale=100.0),
        *_trust(said),
        Score("AURC by retrieval score", aurc([item.score for item in said], right), len(said), None, False),
        mean_score("answered", [float(item.probability >= bar) for item in said], scale=100.0),
        Score("precision", 100.0 * precision, len(given), 100.0 * precision_error(precision, len(given)) / 1.96),
        mean_score(
            "refused of unanswerable", [float(item.probability < bar) for item in said if not item.answerable],
            scale=100.0,
        ),
        *_precisions(said),
    ]  # fmt: skip
    settings = {"threshold": bar, "k": k, "rerank": rerank, "method": method, "questions": len(said)}
    name = ("cascade" if method == "cascade" else "lookup") + (" + reranker" if rerank else "")
    return Report("selective", name, tuple(scores), settings), said


def _threshold(memory: Memory, rerank: bool, method: Method) -> float:
    """The least probability at which an answer is given: of a cascade, by all its steps together."""
    names = ("cascade", scorer_name(rerank)) if method == "cascade" else (scorer_name(rerank),)
    known = [scorer.threshold for name in names if (scorer := memory.answerer.fitted(name)) is not None]
    return max(known[0], memory.answerer.calibrations[0].floor)


def _right(said: Sequence[Said]) -> Score:
    return mean_score("EM of all", [float(item.right) for item in said], scale=100.0)


def _trust(said: Sequence[Said]) -> tuple[Score, Score]:
    """Area under risk and coverage, and calibration error."""
    probabilities, right = [item.probability for item in said], [item.right for item in said]
    return (
        Score("AURC", aurc(probabilities, right), len(said), None, False),
        Score("ECE", expected_calibration_error(probabilities, right), len(said), None, False),
    )


def _precisions(said: Sequence[Said]) -> list[Score]:
    """Precision when the surest 5, 10, 20 and 50 % are answered."""
    _, risk = risk_coverage([item.probability for item in said], [item.right for item in said])
    counts = [(share, max(1, share * len(said) // 100)) for share in SHARES] if risk else []
    return [Score(f"precision at {share}% answered", 100.0 * (1.0 - risk[count - 1]), count) for share, count in counts]


def plot(path: Path, said: Sequence[Said], title: str = "", steps: Mapping[str, Sequence[Said]] | None = None) -> None:
    """Risk-coverage and reliability, side by side, to a .png or .svg file; ``steps``: see ``by_step``."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError as error:
        raise MissingExtra("a plot needs matplotlib: pip install 'quipu-qa[eval]'") from error
    if path.suffix.lower() not in (".png", ".svg"):
        raise InputError(f"{path}: a plot is written as .png or .svg")
    probabilities, right = [item.probability for item in said], [item.right for item in said]
    figure, (left, other) = pyplot.subplots(1, 2, figsize=(10, 4.2))
    for label, values in (("probability", probabilities), ("retrieval score", [item.score for item in said])):
        coverage, risk = risk_coverage(values, right)
        left.plot(coverage, risk, label=f"by {label}, AURC {aurc(values, right):.3f}")
    for name, row in (steps or {}).items():
        values, good = [item.probability for item in row], [item.right for item in row]
        style = "-" if name.startswith("to ") else "--"
        left.plot(*risk_coverage(values, good), style, linewidth=1, label=f"{name}, AURC {aurc(values, good):.3f}")
    left.set(xlabel="coverage (share answered)", ylabel="risk (share wrong)", xlim=(0, 1), ylim=(0, 1), title=title)
    left.legend(frameon=False, fontsize="small")
    order = sorted(range(len(said)), key=lambda at: probabilities[at])
    size = max(1, len(order) // 15)
    bins = [order[first : first + size] for first in range(0, len(order), size)]
    other.plot([0, 1], [0, 1], color="0.8")
    other.plot(
        [sum(probabilities[at] for at in part) / len(part) for part in bins],
        [sum(right[at] for at in part) / len(part) for part in bins],
        marker="o",
    )
    gap = expected_calibration_error(probabilities, right)
    other.set(xlabel="probability", ylabel="share right", xlim=(0, 1), ylim=(0, 1), title=f"ECE {gap:.3f}")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
