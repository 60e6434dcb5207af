"""People's questions of two hops (HotpotQA, 2WikiMultihopQA, MuSiQue), asked of memories built from their paragraphs.

    python benchmarks/multihop.py --data DATA --work FOLDER [--fid FOLDER]

One memory a set, of all paragraphs of its questions, kept in FOLDER. F1 with its 95 % bootstrap interval, EM, and for
chains: how often the two pairs come from the two paragraphs that the question was made from, of all questions and of
those that were answered rightly.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from common import Models, built, say
from quipu.cli.terminal import print_table
from quipu.evaluation.tasks.compare import systems
from quipu.records import Answer
from quipu.text import best_f1, exact_match
from quipu.training.hops.data import MultiHop, read, write_documents

SETS = ("hotpotqa", "2wiki", "musique")
METHODS = ("lookup", "lookup-reranked", "read", "chain", "passage", "cascade", "span", "bm25-reader", "dense-reader")


def memory_of(items: list[MultiHop], work: Path, name: str, models: Models) -> Any:
    """The memory of all their paragraphs, each once; built where it is not there yet."""
    documents = work / f"{name}.jsonl"
    write_documents(items, documents)
    memory, _ = built(documents, work / f"{name}.quipu", models)
    return memory


def interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The 95 % bootstrap interval of a mean."""
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, len(values), (2000, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def right_chain(answer: Answer, titles: dict[str, str], needed: frozenset[str]) -> bool:
    """Both pairs of the chain, and no other paragraph than the two that are needed."""
    shown = {titles.get(item.pair.document_id or "", "") for item in answer.evidence}
    return len(answer.evidence) == 2 and shown == needed


def main() -> None:
    """Build, ask, print a table a set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--fid", type=Path)
    parser.add_argument("--limit", type=int, help="so many questions of each set, for a trial")
    parser.add_argument("--only", choices=SETS, action="append", help="only this set; may be given again")
    parser.add_argument("--build-only", action="store_true")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    models = Models.load(None, None, None)
    for name in options.only or SETS:
        items = read(options.data / name / "dev-100.jsonl.gz")[: options.limit]
        with memory_of(items, options.work, name, models) as memory:
            if not options.build_only:
                table(name, items, memory, options.fid)


def table(name: str, items: list[MultiHop], memory: Any, fid: Path | None) -> None:
    """One set: a row a method."""
    questions = [item.question for item in items]
    titles = {document.id: document.title for document in memory.store.documents()}
    known = systems(memory, fid)
    rows, scores = [], {}
    for method in (*METHODS, *(("fid-20",) if fid else ())):
        said = [item.text or "" for item in known[method]().predict(questions)]
        f1 = np.array([100 * best_f1(text, item.answers) for text, item in zip(said, items, strict=True)])
        em = np.array([100 * exact_match(text, item.answers) for text, item in zip(said, items, strict=True)])
        scores[method] = f1
        low, high = interval(f1)
        row = {"system": method, "EM": f"{em.mean():.1f}", "F1": f"{f1.mean():.1f}", "95 %": f"{low:.1f} to {high:.1f}"}
        for kind in sorted({item.kind for item in items}):
            row[f"F1 {kind}"] = f"{f1[[item.kind == kind for item in items]].mean():.1f}"
        if method == "chain":
            answers = memory.ask_many(questions, method="chain", min_probability=0.0)
            chains = np.array([right_chain(a, titles, item.needed) for a, item in zip(answers, items, strict=True)])
            two = np.array([len(item.needed) == 2 for item in items])
            right = two & (em > 0)
            share = chains[right].mean() if right.any() else 0.0
            say(f"{name}: of {two.sum()} questions over two paragraphs {chains[two].mean():.1%} have a chain of these, "
                f"of {right.sum()} answered rightly {share:.1%}")  # fmt: skip
        rows.append(row)
    low, high = interval(scores["chain"] - scores["read"])
    print(f"\n{name}: {len(items)} questions, {memory.store.count()} pairs")
    print(f"F1 of chain less that of read: {low:.1f} to {high:.1f}")
    print_table([list(row.values()) for row in rows], list(rows[0]))


if __name__ == "__main__":
    main()
