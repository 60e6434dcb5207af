"""QuIP under wrong labels: a share of the micro-world's questions has the answer span of another question.

    python benchmarks/run.py quip-microworld --teacher runs/mini/reader/hf --work FOLDER [--tune 150] [--seeds 3]

The teacher reads the passages and never sees the spans, so it is untouched; ``no_teacher`` learns them as they are.
``tuned teacher`` was trained further on the questions of the world with as many wrong spans, then it labels them anew.
Trained on seven tenths of the documents, asked in other phrasings about the rest, which share no entity. All runs have
the same steps, batches and start. ``untrained`` is the base with heads of random weights.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from common import say
from figures import Figure, Result
from quipu.datasets.contexts import Asked, Context
from quipu.datasets.io import read_jsonl
from quipu.evaluation.microworld import make
from quipu.evaluation.tasks import spans
from quipu.records import Score
from quipu.training.jobs.self_labelling import write_context
from quipu.training.quip.data import LabelledFiles
from quipu.training.quip.states import TorchEncoder
from quipu.training.quip.teacher import LabelRecipe, label_all
from quipu.training.quip.train import QuipRecipe
from quipu.training.quip.train import run as train_quip
from quipu.training.reader.train import ReaderRecipe
from quipu.training.reader.train import run as train_reader


def prepare(work: Path, documents: int) -> None:
    """contexts.jsonl to train on, test.json to be asked."""
    if not (work / "world").exists():
        make(work / "world", documents, 0)
    train: dict[str, list[Asked]] = {}
    for row in read_jsonl(work / "world" / "questions-train.jsonl"):
        train.setdefault(row["document"], []).append(Asked(row["question"], *row["span"]))
    names = sorted(train)
    held = set(names[::10]) | set(names[1::10]) | set(names[2::10])
    with (work / "contexts.jsonl").open("w", encoding="utf-8") as file:
        for name in names:
            if name not in held:
                text = (work / "world" / name).read_text(encoding="utf-8")
                write_context(file, Context(name, text, tuple(train[name]), "microworld"))
    paragraphs: dict[str, list[dict[str, object]]] = {}
    for row in read_jsonl(work / "world" / "questions-test.jsonl"):
        if row["document"] in held:
            answers = [{"text": answer, "answer_start": row["span"][0]} for answer in row["answer"]]
            asked = {"id": row["id"], "question": row["question"], "answers": answers}
            paragraphs.setdefault(row["document"], []).append(asked)
    made = [
        {"context": (work / "world" / name).read_text(encoding="utf-8"), "qas": rows}
        for name, rows in paragraphs.items()
    ]
    (work / "test.json").write_text(json.dumps({"data": [{"paragraphs": made}]}), encoding="utf-8")


def tuned(work: Path, teacher: Path, labelled: Path, corrupt: float, steps: int) -> Path:
    """The teacher after ``steps`` on the questions with a share ``corrupt`` of wrong spans."""
    folder = work / f"teacher-tuned-{corrupt}-{steps}"
    if not (folder / "hf").exists():
        folder.mkdir(exist_ok=True)
        with (folder / "contexts.jsonl").open("w", encoding="utf-8") as file:
            for at, item in enumerate(LabelledFiles([labelled], corrupt=corrupt)):
                asked = tuple(Asked(soft.question, *soft.span) for soft in item.questions if soft.span)
                write_context(file, Context(str(at), item.passage, asked, "microworld"))
        train_reader(
            ReaderRecipe(folder, files=(folder / "contexts.jsonl",), base=str(teacher), words=(60, 200), negatives=0.0,
                         loop={"steps": steps, "learning_rate": 1.5e-4, "report_every": 25}),
            lambda line: say(str(line)),
        )  # fmt: skip
    return folder / "hf"


def label(teacher: Path, work: Path, out: Path) -> Path:
    """The questions with the labels of a teacher."""
    if not out.exists():
        say("labelling ...")
        label_all(LabelRecipe(teacher, out, (work / "contexts.jsonl",), foreign=0.0, words=(60, 200)))
    return out


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--base", default="minilm")
    parser.add_argument("--corrupt", type=float, default=0.3)
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--tune", type=int, metavar="STEPS", help="train the teacher on the wrong spans too")
    parser.add_argument("--seeds", type=int, default=3)


def run(options: argparse.Namespace) -> Result:
    """Train and ask."""
    work = options.work
    work.mkdir(parents=True, exist_ok=True)
    prepare(work, options.documents)
    labels = {"teacher": label(options.teacher, work, work / "labelled.jsonl")}
    labels["no_teacher"] = labels["teacher"]
    if options.tune:
        reader = tuned(work, options.teacher, labels["teacher"], options.corrupt, options.tune)
        labels["tuned teacher"] = label(reader, work, work / f"labelled-tuned-{options.corrupt}-{options.tune}.jsonl")
    figures: list[Figure] = []
    for name in (*labels, "untrained"):
        found = []
        for seed in range(options.seeds):
            if name == "untrained":
                system = TorchEncoder(f"untrained:{options.base}", seed=seed)
            else:
                folder = work / f"{name}-{options.corrupt}-{seed}".replace("tuned teacher", f"tuned-{options.tune}")
                recipe = QuipRecipe(
                    run=folder, labelled=(labels[name],), base=options.base, pooling="mean", passages=12,
                    loss="no_teacher" if name == "no_teacher" else "teacher", corrupt=options.corrupt, seed=seed,
                    loop={"steps": options.steps, "learning_rate": 1e-3, "encoder_rate": 0.2, "report_every": 50},
                )  # fmt: skip
                out = train_quip(recipe, lambda line: say(str(line))) if not (folder / "hf").exists() else folder / "hf"
                system = TorchEncoder(str(out))
            report = spans.squad(system, work / "test.json")
            found.append((report["exact_match"].value, report["f1"].value))
        values = np.array(found)
        mean, error = values.mean(axis=0), values.std(axis=0) / len(values) ** 0.5
        figures += [
            Figure(name, Score(metric, float(mean[at]), options.seeds, float(error[at])))
            for at, metric in enumerate(("EM", "F1"))
        ]
    title = f"QuIP with {options.corrupt:.0%} wrong spans, {options.steps} steps, {options.seeds} seeds"
    return Result.now("quip-microworld", title, figures)
