"""Extractive question answering, ``quipu eval squad`` and ``mrqa``: EM and F1 by the official formulas.

SQuAD 1.1 and 2.0: best over the accepted answers; a question without any is right when nothing is said. MRQA: the same
over ``answers``, a file at a time. Figures are per cent.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from quipu.datasets import mrqa as mrqa_files
from quipu.datasets import squad as squad_files
from quipu.errors import InputError
from quipu.evaluation.metrics import mean_score
from quipu.evaluation.report import Report
from quipu.models.protocols import SupportsRead
from quipu.models.spans import SupportsSpans, best_span, text_of
from quipu.records import Example, Score
from quipu.text import best_f1, exact_match, normalize_answer

PASSAGES = 128  # encoded together
Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a system says: with "no answer" (an empty text) allowed, and forced to answer."""

    free: str
    forced: str


def squad(system: Any, data: Path, *, predictions: Path | None = None, progress: Progress | None = None) -> Report:
    """A QuIP encoder or a reader on a SQuAD file. ``answerable``: of the questions that have an answer, forced."""
    examples = list(squad_files.examples(squad_files.paragraphs(data)))
    began = time.perf_counter()
    said = answers_of(system, examples, progress)
    seconds = time.perf_counter() - began
    unanswerable = any(not example.answers for example in examples)
    texts = [item.free if unanswerable else item.forced for item in said]
    if predictions is not None:
        write_predictions(predictions, {example.id: text for example, text in zip(examples, texts, strict=True)})
    scores = list(score(examples, texts))
    if unanswerable:
        has = [row for row, example in enumerate(examples) if example.answers]
        hasnt = [row for row, example in enumerate(examples) if not example.answers]
        forced = score([examples[row] for row in has], [said[row].forced for row in has])
        scores += [_named(item, f"answerable_{item.metric}") for item in forced]
        scores += [mean_score("refused", [float(not texts[row]) for row in hasnt], scale=100)]
    scores.append(Score("questions/s", len(examples) / seconds, len(examples)))
    return Report("squad", system.name, tuple(scores), {"data": data.name})


def mrqa(
    system: Any, folder: Path, *, predictions: Path | None = None, progress: Progress | None = None
) -> list[Report]:
    """A report for each MRQA file of a folder (or for the one file), and one of their mean."""
    paths = [folder] if folder.is_file() else sorted([*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz")])
    if not paths:
        raise InputError(f"{folder} holds no MRQA files (*.jsonl, *.jsonl.gz)")
    reports: list[Report] = []
    spoken: dict[str, str] = {}
    for path in paths:
        examples = mrqa_files.examples(path)
        texts = [item.forced for item in answers_of(system, examples, progress)]
        spoken |= {example.id: text for example, text in zip(examples, texts, strict=True)}
        reports.append(Report(path.name.split(".")[0], system.name, score(examples, texts), {"data": path.name}))
    if predictions is not None:
        write_predictions(predictions, spoken)
    mean = tuple(
        Score(metric, float(np.mean([report[metric].value for report in reports])), sum(r[metric].n for r in reports))
        for metric in ("exact_match", "f1")
    )
    return [*reports, Report("mean", system.name, mean)]


def score(examples: Sequence[Example], texts: Sequence[str]) -> tuple[Score, Score]:
    """EM and F1 in per cent. Accepted answers that normalise to nothing do not count, as in the official script."""
    exact, overlap = [], []
    for example, text in zip(examples, texts, strict=True):
        golds = [answer for answer in example.answers if normalize_answer(answer)] or [""]
        exact.append(exact_match(text, golds))
        overlap.append(best_f1(text, golds))
    return mean_score("exact_match", exact, scale=100), mean_score("f1", overlap, scale=100)


def answers_of(system: Any, examples: Sequence[Example], progress: Progress | None = None) -> list[Spoken]:
    """What a QuIP encoder or a cross-encoder reader (``SupportsRead``) says to each question about its passage."""
    by_passage: dict[str, list[int]] = {}
    for row, example in enumerate(examples):
        by_passage.setdefault(example.passages[0], []).append(row)
    passages, said = list(by_passage), [Spoken("", "")] * len(examples)
    for first in range(0, len(passages), PASSAGES):
        some = passages[first : first + PASSAGES]
        rows = [row for passage in some for row in by_passage[passage]]
        if hasattr(system, "passages"):
            found = _by_vectors(system, some, [[examples[row].question for row in by_passage[p]] for p in some])
        else:
            found = _by_reader(system, [examples[row] for row in rows])
        for row, item in zip(rows, found, strict=True):
            said[row] = item
        if progress is not None:
            progress({"passages": min(first + PASSAGES, len(passages)), "of": len(passages)})
    return said


def _by_vectors(system: SupportsSpans, passages: Sequence[str], questions: Sequence[Sequence[str]]) -> list[Spoken]:
    encoded = system.passages(passages)
    starts, ends = system.questions([question for some in questions for question in some])
    said, row = [], 0
    for passage, item, some in zip(passages, encoded, questions, strict=True):
        part = slice(row, row + len(some))
        row += len(some)
        kept = item.offsets[:, 0] < item.offsets[:, 1]
        for start, end in zip(starts[part] @ item.vectors.T, ends[part] @ item.vectors.T, strict=True):
            texts = [
                text_of(passage, item.offsets, best_span(start, end, no_answer=free, kept=kept))
                for free in (True, False)
            ]
            said.append(Spoken(*texts))
    return said


def _by_reader(reader: SupportsRead, examples: Sequence[Example]) -> list[Spoken]:
    readings = reader.read([item.question for item in examples], [item.passages[0] for item in examples])
    return [Spoken(item.text if item.score > 0 else "", item.text) for item in readings]


def write_predictions(path: Path, spoken: Mapping[str, str]) -> None:
    """One object, question id to text, as the official scripts read it."""
    path.write_text(json.dumps(spoken, ensure_ascii=False) + "\n", encoding="utf-8")


def _named(item: Score, metric: str) -> Score:
    return Score(metric, item.value, item.n, item.stderr, item.higher_is_better)
