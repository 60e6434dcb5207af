"""The language model over the passages that questions were asked about, of SQuAD's development half.

    python benchmarks/run.py reader --data DATA [--torch FOLDER]

EM and F1 on ``--limit`` answerable questions (300, evenly spread; 0: all 2,910), as the model reads and where it has to
answer, and how often it says that nothing answers, on as many unanswerable ones. ``--torch``: the checkpoint that the
model was exported from reads the same questions (a Hugging Face folder; needs the extra "train").
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from common import quality, say
from figures import Figure, Result, share
from quipu.datasets import squad
from quipu.evaluation.tasks.open_domain import spread
from quipu.models.lm.model import LanguageModel
from quipu.records import Example, Score

QUESTIONS = 300
INT8, TORCH = "language model, int8", "the same in torch"
GOALS = {(INT8, "EM"): 69.0, (INT8, "F1"): 78.0}


def questions(data: Path) -> tuple[list[Example], list[Example]]:
    """Answerable and unanswerable questions, each with its passage; a title goes before the text."""
    answerable: list[Example] = []
    unanswerable: list[Example] = []
    for part in squad.half(data):
        where = (part.title.replace("_", " "), part.text)
        for item in part.questions:
            example = Example(item.id, item.text, item.answers, where)
            (unanswerable if item.impossible else answerable).append(example)
    return answerable, unanswerable


def read(model: LanguageModel, examples: list[Example], always: bool) -> list[str]:
    """What the model answers, "" where it says that nothing does."""
    titles, texts = [example.passages[0] for example in examples], [example.passages[1] for example in examples]
    found = model.read([example.question for example in examples], texts, titles=titles, always=always)
    return [reading.text for reading in found]


def read_by_torch(folder: Path, examples: list[Example]) -> list[str]:
    """The same by the model that was exported."""
    from quipu.training.lm.speaker import Speaker

    passages = [(example.passages[0], example.passages[1]) for example in examples]
    return [row[0].text for row in Speaker(folder).read(passages, [[example.question] for example in examples])]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.add_argument("--model", default="quipu-small/lm", help="name or folder")
    parser.add_argument("--torch", type=Path, metavar="FOLDER")
    parser.set_defaults(limit=QUESTIONS)


def run(options: argparse.Namespace) -> Result:
    """Read."""
    model = LanguageModel.from_pretrained(options.model)
    answerable, unanswerable = questions(options.data)
    limit = options.limit or len(answerable)
    asked, others = spread(answerable, limit), spread(unanswerable, limit)
    start = time.perf_counter()
    said = read(model, asked, always=False)
    seconds = time.perf_counter() - start
    say(f"{len(asked)} questions in {seconds:.0f} s")
    figures = [
        *quality(INT8, said, asked),
        Figure(INT8, Score("questions/s", len(asked) / seconds, len(asked))),
        share(INT8, "says that nothing answers, %", sum(not text for text in said), len(said), higher_is_better=False),
        *quality(f"{INT8}, has to answer", read(model, asked, always=True), asked),
    ]
    refused = sum(not text for text in read(model, others, always=False))
    figures.append(share("unanswerable questions", "says that nothing answers, %", refused, len(others)))
    if options.torch is not None:
        by_torch = quality(TORCH, read_by_torch(options.torch, asked), asked)
        own = figures[0].score
        gap = abs(own.value - by_torch[0].score.value)
        figures += [*by_torch, Figure("int8 beside torch", Score("difference of EM", gap, own.n, None, False), 0.5)]
    title = f"Reading the right passage: {len(asked)} questions of SQuAD half"
    return Result.now("reader", title, figures, goals=GOALS)
