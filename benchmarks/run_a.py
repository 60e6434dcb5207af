"""Run A: SQuAD's development half built into a memory, and lookup asked all of its 2,910 answerable questions.

    python benchmarks/run.py run-a --data DATA --work WORK

Measured: the build, what it keeps, the span extractor, the writer on people's answers, and lookup: EM, F1, recall@50
and the time of one question.
"""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import squad_half
from common import ask, batches, language_model, milliseconds, quality, recall, say, size
from figures import Figure, Result, share
from quipu.building.answers import candidates
from quipu.building.consistency import Question, read_back
from quipu.building.settings import GenerateSettings
from quipu.evaluation.metrics import mean_score, normalize_answer
from quipu.evaluation.tasks.open_domain import spread
from quipu.language.sentences import sentences
from quipu.records import Example, Score, Span

CANDIDATES = 14  # a passage
GOLD = 300  # questions whose answers the model asks about
PASSED = "questions that pass the filter, %"
GOALS = {
    ("lookup", "EM"): 52.0,
    ("lookup", "recall@50"): 80.0,
    ("lookup", "p50 ms"): 20.0,
    ("build", "passages/s"): 2.0,
    ("build", PASSED): 60.0,
    ("people's answers", PASSED): 60.0,
    ("extractor", f"gold answers among {CANDIDATES} candidates, %"): 85.0,
}


def filtered(path: Path) -> Figure:
    """Share of the questions written that pass the filter; what deduplication drops counts as passed."""
    record = sqlite3.connect(f"file:{path / 'records.sqlite'}?mode=ro", uri=True)
    try:
        made, dropped = record.execute(
            "SELECT COUNT(DISTINCT pair),"
            " COUNT(DISTINCT CASE WHEN kept = 0 AND stage NOT IN ('dedup', 'global') THEN pair END) FROM verdicts"
        ).fetchone()
    finally:
        record.close()
    return share("build", PASSED, made - dropped, made)


def build_figures(memory: Any, path: Path, seconds: float | None) -> list[Figure]:
    """What the build made, at which rate, and how large it is."""
    counts = memory.info()["counts"]
    pairs, passages = counts["pairs"], counts["passages"]
    scores = [Score("passages", passages, passages), Score("pairs", pairs, pairs)]
    if seconds is not None:
        scores.append(Score("passages/s", passages / seconds, passages))
    scores.append(Score("bytes a pair", size(path) / max(1, pairs), pairs, None, False))
    return [*(Figure("build", score) for score in scores), filtered(path)]


def extractor_figures(memory: Any, examples: Sequence[Example]) -> list[Figure]:
    """Share of gold answers, equal after normalisation, among the candidates of the passages of their paragraph."""
    extractor = memory.models.extractor()
    by_text = {document.text: document.id for document in memory.store.documents()}
    found: dict[str, set[str]] = {}
    for batch in batches(list(memory.store.passages()), 32):
        spans = candidates([passage.text for passage in batch], extractor, limit=CANDIDATES)
        for passage, of_one in zip(batch, spans, strict=True):
            found.setdefault(passage.document_id, set()).update(normalize_answer(item.text) for item in of_one)
    held = [
        float(any(normalize_answer(answer) in found[by_text[example.passages[0]]] for answer in example.answers))
        for example in examples
    ]
    return [Figure("extractor", mean_score(f"gold answers among {CANDIDATES} candidates, %", held, scale=100))]


def gold_figures(rows: Sequence[dict[str, str]], examples: Sequence[Example]) -> Figure:
    """The language model asks about people's answers; the share of its questions that pass the filter."""
    model, settings = language_model(), GenerateSettings()
    titles = {row["text"]: row["title"] for row in rows}
    spans: dict[str, dict[Span, None]] = {}
    for example in spread(examples, GOLD):
        text, answer = example.passages[0], example.answers[0]
        start = text.index(answer)
        spans.setdefault(text, {})[Span(start, start + len(answer))] = None
    asked: list[Question] = []
    for some in batches(list(spans), settings.batch):
        written = model.write(some, [list(spans[text]) for text in some], titles=[titles[text] for text in some])
        asked += [
            Question(
                passage=text,
                title=titles[text],
                about=titles[text],
                subject=titles[text],
                sentences=sentences(text),
                span=span,
                text=item.question,
                score=item.score,
            )
            for text, of_text in zip(some, written, strict=True)
            for span, of_span in zip(spans[text], of_text, strict=True)
            for item in of_span
        ]
    judged = read_back(asked, model, agreement=settings.agreement, threshold=settings.pair_threshold)
    return share("people's answers", PASSED, sum(item.kept for item in judged), len(judged))


def run(options: argparse.Namespace) -> Result:
    """Build and ask."""
    rows, examples = squad_half.load(options.data, options.limit)
    memory, seconds = squad_half.memory(rows, options, options.limit)
    questions = [example.question for example in examples]
    with memory:
        figures = build_figures(memory, memory.path, seconds)
        say("candidates ...")
        figures += extractor_figures(memory, examples)
        say("questions about people's answers ...")
        figures.append(gold_figures(rows, examples))
        for system, rerank in (("lookup", True), ("lookup, retriever alone", False)):
            answers = ask(memory, questions, system, method="lookup", rerank=rerank, min_probability=0.0)
            figures += quality(system, [answer.text for answer in answers], examples)
            if rerank:
                figures += recall(system, memory, examples)

            def one(question: str, rerank: bool = rerank) -> object:
                return memory.ask(question, method="lookup", rerank=rerank, min_probability=0.0)

            figures += milliseconds(system, one, questions)
    title = f"SQuAD half: {len(rows):,} paragraphs, {len(examples):,} questions, by lookup"
    return Result.now("run-a", title, figures, goals=GOALS)
