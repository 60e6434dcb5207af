"""The same pairs and questions in quipu, txtai, and sentence-transformers with FAISS.

    python benchmarks/side_by_side.py MEMORY --questions dev-half-v2.0.json.gz --pairs trivia.jsonl [--count 50000]

The pairs are those of MEMORY, filled up with ``--pairs`` to ``--count``; a copy of MEMORY is filled up likewise. The
rivals match the question with stored questions by the cosine of all-MiniLM-L6-v2. Each system runs in a process of its
own, the rivals in an environment that is made under ``--work`` (about a gigabyte). EM is of the first answer, nothing
held back. False hits: twins that pass where 90 % of the paraphrases do (``quipu eval twins``).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import venv
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import quipu
from common import read_lines, say, stored_pairs
from quipu.answering.probability import shipped
from quipu.evaluation.tasks.open_domain import read_examples
from quipu.evaluation.tasks.twins import by_encoder, by_probability, evaluate
from quipu.evaluation.twins import suite
from quipu.models.encoder import Encoder
from quipu.models.hub import BUNDLED
from quipu.models.reranker import load_reranker
from quipu.text import exact_match
from quipu.training.base import base_folder

RIVALS = ("torch==2.13.0", "sentence-transformers", "txtai", "faiss-cpu")


def environment(folder: Path) -> Path:
    """The interpreter of the rivals' environment."""
    python = folder / "bin" / "python"
    if not python.exists():
        say("installing the rivals ...")
        venv.create(folder, with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *RIVALS], check=True)
    return python


def prepare(options: argparse.Namespace, work: Path) -> None:
    """The files that every system reads."""
    with quipu.open(options.memory, read_only=True) as memory:
        pairs = [{"question": pair.question, "answer": pair.answer} for pair in stored_pairs(memory.store)]
    known, more = {pair["question"] for pair in pairs}, []
    for row in read_lines(options.pairs):
        if len(pairs) + len(more) >= options.count:
            break
        if row["question"] not in known:
            known.add(row["question"])
            more.append({"question": row["question"], "answer": row["answer"]})
    for name, rows in (
        ("more.jsonl", more),
        ("pairs.jsonl", pairs + more),
        ("questions.jsonl", [item.question for item in read_examples(options.questions)]),
        ("twins.jsonl", [asdict(item) for item in suite.suite()]),
    ):
        (work / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    if not (work / "memory.quipu").exists():
        shutil.copytree(options.memory, work / "memory.quipu")
        with quipu.open(work / "memory.quipu") as memory:
            memory.add_pairs_file(work / "more.jsonl")
    (work / "model").unlink(missing_ok=True)
    (work / "model").symlink_to(base_folder("minilm").resolve())


def false_hits(result: dict[str, Any]) -> float:
    """Per cent of twins above the bar that lets 90 % of the paraphrases pass."""
    same = np.sort(result["same"])[::-1]
    return 100 * float(np.mean(np.array(result["twins"]) >= same[int(np.ceil(0.9 * len(same))) - 1]))


def main() -> None:
    """Run every system and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("memory", type=Path)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="quipu-side-")) if options.work is None else options.work
    work.mkdir(parents=True, exist_ok=True)
    rivals = environment(work / "venv")
    prepare(options, work)
    golds = [item.answers for item in read_examples(options.questions)]
    encoder, reranker = Encoder.from_pretrained("quipu-mini/encoder"), load_reranker("quipu-mini/reranker")
    calibration = shipped(BUNDLED / "quipu-mini" / "calibration.json")
    assert calibration is not None
    reports = evaluate(
        suite.suite(),
        {"quipu": by_encoder(encoder), "quipu-reranked": by_probability(reranker, encoder, calibration)},
    )
    twins = {report.system: report.scores[0].value for report in reports}
    print("| system | EM | false hits on twins, % | p50 / p95 ms | questions/s, all at once | private MB |")
    print("|---|---|---|---|---|---|")
    for system in ("sentence-transformers", "txtai", "quipu", "quipu-reranked"):
        say(f"{system} ...")
        python = Path(sys.executable) if system.startswith("quipu") else rivals
        done = subprocess.run(
            [str(python), str(Path(__file__).with_name("matchers.py")), system, str(work)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        result = json.loads(done.stdout.splitlines()[-1])
        right = [exact_match(answer, some) for answer, some in zip(result["answers"], golds, strict=True)]
        p50, p95 = np.percentile(result["milliseconds"], [50, 95])
        hits = twins[system] if system in twins else false_hits(result)
        print(
            f"| {system} | {100 * np.mean(right):.1f} | {hits:.1f} | {p50:.1f} / {p95:.1f} "
            f"| {result['per_second']:,.0f} | {result['private_mb']:,.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
