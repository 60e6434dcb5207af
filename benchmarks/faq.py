"""Ready pairs asked in other words: which questions are a stored one, and which only look like it?

    python benchmarks/run.py faq --data DATA --work WORK

200 pairs of OpenTriviaQA and WebQuestions that nothing was trained or fitted on were worded anew by the language model
(nucleus sampling, the pair as its passage); a person read every wording beside its pair and said whether it still asks
the same (63) or something else, less, or nothing that can be understood (137; ``faq_judged.jsonl``). All are asked of a
memory of these pairs and ``BACKGROUND`` others. Right is the pair's answer to a wording that asks the same; any other
answer is wrong. Recall is the share of the 63 that is answered rightly where 95 % of what is answered is right.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import quipu
from common import ask, write_lines
from figures import Figure, Result, share
from quipu.datasets import trivia
from quipu.datasets.io import read_jsonl
from quipu.datasets.questions import webquestions
from quipu.models.bundle import RERANKER
from quipu.models.reranker import load_reranker
from quipu.records import Answer, Score
from quipu.text import normalize_answer
from quipu.training.reranker.data import held_out

JUDGED = Path(__file__).with_name("faq_judged.jsonl")
BACKGROUND = 2000
PRECISION = 0.95
QUIPU = "probability, reranked"
GOALS = {(QUIPU, "recall at precision .95, %"): 60.0}


def background(data: Path, known: set[str]) -> list[tuple[str, str]]:
    """Other pairs of both sets."""
    found = [pair for pair in trivia.alone(data) if not held_out(pair[0])][:BACKGROUND]
    asked = webquestions(data / "webquestions" / "trainmodel.json")
    found += [(item.question, item.answers[0]) for item in asked[: BACKGROUND // 2]]
    return [pair for pair in dict(found).items() if pair[0] not in known]


def figures_of(system: str, scores: Sequence[float], right: Sequence[bool], same: int) -> list[Figure]:
    """Recall at the lowest threshold that leaves ``PRECISION``, and how often the best answer is right at all."""
    best = said = good = 0
    for _, ok in sorted(zip(scores, right, strict=True), key=lambda row: -row[0]):
        said, good = said + 1, good + ok
        if good >= PRECISION * said:
            best = good
    return [
        share(system, "recall at precision .95, %", best, same),
        Figure(system, Score("found, %", 100.0 * sum(right) / same, same)),
    ]  # fmt: skip


def run(options: argparse.Namespace) -> Result:
    """Ask a memory of all pairs in every way that ranks its answers."""
    judged = list(read_jsonl(JUDGED))[: options.limit]
    pairs = {row["question"]: row["answer"] for row in judged}
    file = options.work / "faq.jsonl"
    rows = [*pairs.items(), *background(options.data, set(pairs))]
    write_lines(file, ({"question": question, "answer": answer} for question, answer in rows))
    questions, same = [row["asked"] for row in judged], sum(row["same"] for row in judged)

    def right(texts: Sequence[str | None]) -> list[bool]:
        """Whether each text is the pair's answer to a wording that asks the same."""
        return [
            row["same"] and normalize_answer(text or "") == normalize_answer(row["answer"])
            for row, text in zip(judged, texts, strict=True)
        ]

    path = options.work / "faq.quipu"
    shutil.rmtree(path, ignore_errors=True)
    with quipu.build([], path, pairs=file) as memory:
        found = [memory.search(question, k=10) for question in questions]
        figures = figures_of(
            "cosine", [row[0].score for row in found], right([row[0].pair.answer for row in found]), same
        )
        logits = load_reranker(RERANKER).rerank(
            questions, [[(hit.pair.question, hit.pair.answer) for hit in row] for row in found],
            [[hit.score for hit in row] for row in found],
        )  # fmt: skip
        best = [int(row.argmax()) for row in logits]
        figures += figures_of(
            "reranker", [float(row.max()) for row in logits],
            right([row[at].pair.answer for row, at in zip(found, best, strict=True)]), same,
        )  # fmt: skip
        ways: Mapping[str, bool] = {"probability": False, QUIPU: True}
        for system, rerank in ways.items():
            answers: list[Answer] = ask(
                memory, questions, system, method="lookup", rerank=rerank, min_probability=0.0
            )  # fmt: skip
            scores = [answer.probability or 0.0 for answer in answers]
            figures += figures_of(system, scores, right([answer.text for answer in answers]), same)
    title = f"Ready pairs in other words: {same} wordings that ask the same, {len(judged) - same} that do not"
    return Result.now("faq", title, figures, goals=GOALS)
