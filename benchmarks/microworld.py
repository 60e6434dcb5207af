"""The micro-world: documents about invented entities, so that no model can know the answers, with a table of all facts.

    python benchmarks/run.py microworld --work WORK

Makes the world of the seed and the memory of its ``--limit`` documents (1,000), unless they are in WORK, judges every
kept pair by the table, and asks unseen phrasings: all by lookup, some by the cascade. Then near-twins, and what is
still said of documents that were removed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import quipu
from common import ask, built, milliseconds, quality, recall, say, whole_way
from figures import Figure, Result, share
from quipu.evaluation.metrics import exact_match, mean_score
from quipu.evaluation.microworld import World, coverage, duplicates, make, pair_precision
from quipu.evaluation.tasks.open_domain import spread
from quipu.records import Answer, Example, Score

SEED = 0
DOCUMENTS = 1000
GOALS = {
    ("pairs", "facts covered, %"): 85.0,
    ("pairs", "precision, %"): 92.0,
    ("lookup", "EM"): 60.0,
    ("cascade", "ECE"): 0.05,
}
Rows = Sequence[Mapping[str, Any]]


def pair_figures(world: World, memory: Any, seconds: float | None) -> list[Figure]:
    """What the kept pairs cover, and how many of them are right, by the table of facts."""
    pairs = [pair for _, pair in memory.store.pairs()]
    covered, precision, repeated = coverage(world, pairs), pair_precision(world, pairs), duplicates(pairs)
    decided = precision.right + precision.wrong
    figures = [
        share("pairs", "facts covered, %", round(covered.share * covered.facts), covered.facts),
        share("pairs", "facts covered rightly, %", covered.covered_right, covered.facts),
        share("pairs", "precision, %", precision.right, decided),
        share("pairs", "precision, nameless questions wrong, %", round(precision.named * decided), decided),
        share("pairs", "duplicates, %", round(repeated.share * len(pairs)), len(pairs), higher_is_better=False),
    ]
    if seconds is not None:
        passages = memory.info()["counts"]["passages"]
        figures.append(Figure("pairs", Score("build, passages/s", passages / seconds, passages)))
    for reason, count in precision.reasons.items():
        say(f"  pairs, {reason}: {count}")
    return figures


def forced(memory: Any, rows: Rows, label: str) -> list[Answer]:
    """What lookup says to the questions of rows, nothing held back."""
    return ask(memory, [row["question"] for row in rows], label, method="lookup", min_probability=0.0)


def refused(memory: Any, rows: Rows, label: str) -> Score:
    """Share of questions that lookup refuses at its threshold, in per cent."""
    answers = ask(memory, [row["question"] for row in rows], label, method="lookup")
    return mean_score("refused, %", [float(answer.text is None) for answer in answers], scale=100)


def twin_figures(memory: Any, world: World, limit: int) -> list[Figure]:
    """Questions with a twin: the right answer, and the twin's answer given instead."""
    figures = []
    for kind in ("name", "relation"):
        rows = [row for row in world.questions("twins") if row["kind"] == kind][:limit]
        if not rows:
            continue
        said = [answer.text or "" for answer in forced(memory, rows, f"twins by {kind}")]
        right = [exact_match(text, row["answer"]) for text, row in zip(said, rows, strict=True)]
        other = [exact_match(text, [row["twin_answer"]]) for text, row in zip(said, rows, strict=True)]
        name = f"twins by {kind}"
        figures.append(Figure(name, mean_score("EM", right, scale=100)))
        figures.append(Figure(name, mean_score("the twin's answer, %", other, scale=100, higher_is_better=False)))
    return figures


def removal_figures(path: Path, world: World, rows: Sequence[dict[str, Any]]) -> list[Figure]:
    """A tenth of the documents removed from a copy: questions about them, about all others, about nothing stored."""
    documents = sorted({row["document"] for row in rows})
    gone = set(random.Random(SEED).sample(documents, len(documents) // 10))
    lost = [row for row in rows if row["document"] in gone]
    kept = [row for row in rows if row["document"] not in gone]
    never = list(world.questions("unanswerable"))[: len(rows)]

    def right(memory: Any, some: Rows, label: str) -> Score:
        said = forced(memory, some, label)
        values = [exact_match(answer.text or "", row["answer"]) for answer, row in zip(said, some, strict=True)]
        return mean_score("EM", values, scale=100)

    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "copy.quipu"
        shutil.copytree(path, copy)
        with quipu.open(copy) as memory:
            figures = [
                Figure("removed documents, before", right(memory, lost, "removed, before")),
                Figure("other documents, before", right(memory, kept, "others, before")),
            ]
            stored = {document.source: document.id for document in memory.store.documents()}
            for name in gone:
                memory.remove(document=next(known for source, known in stored.items() if source.endswith(name)))
            figures += [
                Figure("removed documents, after", right(memory, lost, "removed, after")),
                Figure("removed documents, after", refused(memory, lost, "removed, refused")),
                Figure("other documents, after", right(memory, kept, "others, after")),
                Figure("facts never stored", refused(memory, never, "never stored")),
            ]
    return figures


def examples_of(rows: Rows) -> list[Example]:
    """Rows of questions as examples."""
    return [Example(row["id"], row["question"], tuple(row["answer"])) for row in rows]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.set_defaults(limit=DOCUMENTS)
    parser.add_argument("--questions", type=int, default=1500, help="unseen phrasings for lookup")
    parser.add_argument("--cascade", type=int, default=500, help="unseen phrasings for the cascade")


def run(options: argparse.Namespace) -> Result:
    """Run everything."""
    stem = f"microworld-{options.limit}"
    folder = options.work / stem
    if not folder.exists():
        make(folder, options.limit, SEED)
    world = World.load(folder)
    memory, seconds = built(folder / "documents", options.work / f"{stem}.quipu", keep=options.keep)
    rows = spread(list(world.questions("questions-test")), options.questions)
    examples = examples_of(rows)
    with memory:
        path = memory.path
        world.bind(memory.store.documents())
        figures = pair_figures(world, memory, seconds)
        answers = forced(memory, rows, "unseen phrasings")
        figures += quality("lookup", [answer.text for answer in answers], examples)
        figures += recall("lookup", memory, examples)
        figures += milliseconds(
            "lookup", lambda question: memory.ask(question, method="lookup"), [e.question for e in examples]
        )
        figures += whole_way("cascade", memory, spread(examples, options.cascade))
        hops = examples_of(list(world.questions("two-hop"))[: options.cascade])
        said = ask(memory, [example.question for example in hops], "two hops", min_probability=0.0)
        figures += quality("cascade, two hops", [answer.text for answer in said], hops)
        figures += twin_figures(memory, world, options.questions)
    figures += removal_figures(path, world, rows)
    title = f"Micro-world: {len(world.by_document):,} documents about invented things, {len(world.facts):,} facts"
    return Result.now("microworld", title, figures, goals=GOALS)
