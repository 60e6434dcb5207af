"""People's questions over two documents (HotpotQA, 2WikiMultihopQA, MuSiQue), asked of memories of their paragraphs.

    python benchmarks/run.py multihop --data DATA --work WORK

One memory a set, of all paragraphs of its development sample, each asked about at ``--spans`` places only, so that the
three are built in reasonable time. F1 of every step, nothing held back. ``--limit``: so many questions of each set.
"""

from __future__ import annotations

import argparse
from typing import Any

from common import ask, built, quality
from figures import Figure, Result
from quipu.datasets.multihop import MultiHop, read, write_documents
from quipu.evaluation.metrics import mean_score
from quipu.records import Answer, Example

SETS = {"hotpotqa": "HotpotQA", "2wiki": "2Wiki", "musique": "MuSiQue"}
METHODS = ("lookup", "chain", "passage", "cascade")
GOALS = {("HotpotQA cascade", "F1"): 35.0, ("2Wiki cascade", "F1"): 40.0, ("MuSiQue cascade", "F1"): 20.0}


def right_chain(answer: Answer, titles: dict[str, str], needed: frozenset[str]) -> bool:
    """Both pieces of evidence, and no other paragraph than the two that are needed."""
    shown = {titles.get(item.passage.document_id, "") for item in answer.evidence if item.passage is not None}
    return len(answer.evidence) == 2 and shown == needed


def asked(name: str, memory: Any, items: list[MultiHop], methods: list[str]) -> list[Figure]:
    """EM and F1 of each method; of the chains also how often they join the two paragraphs that are needed."""
    examples = [Example(str(at), item.question, item.answers) for at, item in enumerate(items)]
    questions = [item.question for item in items]
    figures: list[Figure] = []
    for method in methods:
        answers = ask(memory, questions, f"{name}, {method}", method=method, min_probability=0.0)
        figures += quality(f"{name} {method}", [answer.text for answer in answers], examples)
        if method == "chain":
            titles = {document.id: document.title for document in memory.store.documents()}
            two = [(answer, item) for answer, item in zip(answers, items, strict=True) if len(item.needed) == 2]
            joined = [float(right_chain(answer, titles, item.needed)) for answer, item in two]
            figures.append(Figure(f"{name} chain", mean_score("joins both paragraphs, %", joined, scale=100)))
    return figures


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.add_argument("--spans", type=int, default=6, help="candidate answers of a passage")
    parser.add_argument("--only", choices=tuple(SETS), action="append", help="only this set; may be given again")
    parser.add_argument("--methods", nargs="*", default=list(METHODS))


def run(options: argparse.Namespace) -> Result:
    """Build and ask."""
    figures: list[Figure] = []
    sizes = []
    for name in options.only or SETS:
        items = read(options.data / name / "dev-100.jsonl.gz")[: options.limit]
        stem = f"{name}-{options.spans}" if options.limit is None else f"{name}-{options.spans}-{options.limit}"
        documents = options.work / f"{stem}.jsonl"
        documents.parent.mkdir(parents=True, exist_ok=True)
        write_documents(items, documents)
        path = options.work / f"{stem}.quipu"
        memory, _ = built(documents, path, keep=options.keep, candidates_per_passage=options.spans)
        with memory:
            counts = memory.info()["counts"]
            sizes.append(f"{SETS[name]} {counts['documents']:,} paragraphs with {counts['pairs']:,} pairs")
            figures += asked(SETS[name], memory, items, options.methods)
    note = f"Memories of the samples' own paragraphs, {options.spans} candidate answers a passage: {', '.join(sizes)}."
    title = "Questions over two documents: development samples"
    return Result.now("multihop", title, figures, goals=GOALS, notes=[note])
