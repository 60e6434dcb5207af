"""Zero-shot sentiment by two questions, "Why is it good?" and "Why is it bad?" (QuIP section 5.4).

A question's score is the largest start logit plus the largest end logit over the text, less the same averaged over ten
inputs without content. The best short span of the winning question is the rationale.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quipu.datasets.sentences import read_opinions
from quipu.evaluation.report import Report
from quipu.evaluation.tasks.paraphrase import over_seeds, ranking
from quipu.models.spans import SupportsSpans, best_span, text_of
from quipu.records import Score

PROMPTS = (
    ("Why is it good?", "Why is it bad?"),
    ("Why is this movie good?", "Why is this movie bad?"),
    ("Why is it great?", "Why is it terrible?"),
    ("What makes this movie good?", "What makes this movie bad?"),
    ("What is the reason this movie is good?", "What is the reason this movie is bad?"),
    ("What is the reason this movie is great?", "What is the reason this movie is terrible?"),
)
HEADLINE = 4  # the paper's default pair, from zero
NEUTRAL = ("the", "be", "to", "of", "and", "a", "in", "that", "have", "I")
RATIONALE = 5  # word pieces
TEXTS = 512
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rationale:
    """A text with what was said of it and the words that say why."""

    text: str
    positive: bool
    said: bool
    span: str


def scores_of(encoder: SupportsSpans, texts: Sequence[str], questions: Sequence[str]) -> Values:
    """max_i of start logits plus max_i of end logits, (texts, questions)."""
    starts, ends = encoder.questions(questions)
    found = []
    for first in range(0, len(texts), TEXTS):
        for item in encoder.passages(texts[first : first + TEXTS]):
            found.append((starts @ item.vectors.T).max(axis=1) + (ends @ item.vectors.T).max(axis=1))
    return np.array(found, dtype=np.float64)


def evaluate(
    encoder: SupportsSpans,
    data: Path,
    *,
    subject: str = "movie",
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> tuple[Report, Values]:
    """Accuracy of all six pairs, calibrated and not, their mean with its error, the default pair's ranking figures.

    Also returns the calibrated difference (texts, pairs), positive minus negative.
    """
    opinions = read_opinions(data)
    labels = np.array([opinion.positive for opinion in opinions])
    questions = [question.replace("movie", subject) for pair in PROMPTS for question in pair]
    values = scores_of(encoder, [opinion.text for opinion in opinions], questions)
    neutral = scores_of(encoder, NEUTRAL, questions).mean(axis=0)
    raw = values[:, 0::2] - values[:, 1::2]
    calibrated = (values - neutral)[:, 0::2] - (values - neutral)[:, 1::2]
    accuracies = [100 * ((side > 0) == labels[:, None]).mean(axis=0) for side in (calibrated, raw)]
    n = len(opinions)
    figures = ranking(calibrated[:, HEADLINE], labels)
    scores = [
        over_seeds("accuracy", accuracies[0].tolist()),
        over_seeds("uncalibrated_accuracy", accuracies[1].tolist()),
        *(Score(name, figures[name], n) for name in ("auroc", "average_precision")),
        *(Score(f"pair {at + 1}", float(value), n) for at, value in enumerate(accuracies[0])),
        *(Score(f"pair {at + 1} uncalibrated", float(value), n) for at, value in enumerate(accuracies[1])),
        Score("majority", 100 * float(max(labels.mean(), 1 - labels.mean())), n),
    ]
    if progress is not None:
        progress({"texts": n})
    return Report("sentiment", encoder.name, tuple(scores), {"data": data.name, "subject": subject}), calibrated


def rationales(
    encoder: SupportsSpans, data: Path, differences: Values, *, count: int = 10, subject: str = "movie"
) -> list[Rationale]:
    """The best span of at most five word pieces for the question that wins, of texts evenly spread over the file."""
    opinions = read_opinions(data)
    rows = [at * len(opinions) // count for at in range(min(count, len(opinions)))]
    starts, ends = encoder.questions([question.replace("movie", subject) for question in PROMPTS[HEADLINE]])
    shown = []
    for row, item in zip(rows, encoder.passages([opinions[row].text for row in rows]), strict=True):
        said = bool(differences[row, HEADLINE] > 0)
        side = 0 if said else 1
        kept = item.offsets[:, 0] < item.offsets[:, 1]
        span = best_span(
            item.vectors @ starts[side], item.vectors @ ends[side], longest=RATIONALE, no_answer=False, kept=kept
        )
        text = opinions[row].text
        shown.append(Rationale(text, opinions[row].positive, said, text_of(text, item.offsets, span)))
    return shown
