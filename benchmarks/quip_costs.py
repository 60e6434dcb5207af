"""What QuIP costs: sparse labels, one passage for all its questions, and encoders made smaller.

    python benchmarks/quip_costs.py --labelled labelled.jsonl --teacher runs/mini/reader/hf \\
        --model quipu-mini/encoder runs/mini/quip/encoder/hf ... --squad squad/dev-half-v2.0.json.gz

Sparse: a student's loss with the teacher's eight largest probabilities against all of them. Once: questions/s when a
passage is encoded once for its ten questions, against once for each. Models: size on disk, speed and SQuAD F1 of each.
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForQuestionAnswering

from common import folder_bytes, say
from quipu.cli.encoders import _load
from quipu.evaluation.tasks import spans
from quipu.models.hub import BUNDLED
from quipu.training.base import base_folder, load_tokenizer
from quipu.training.quip import data, teacher
from quipu.training.quip.model import QuipModel
from quipu.training.quip.train import span_loss


def sparse(labelled: Path, teacher_folder: Path, student: str, count: int = 64) -> None:
    """The student's loss under labels of eight places and of all."""
    items = list(itertools.islice(data.read_labelled(labelled), 0, 100 * count, 100))  # of all kinds
    reader = AutoModelForQuestionAnswering.from_pretrained(teacher_folder).eval()
    tokenizer = load_tokenizer(teacher_folder)
    model = QuipModel.from_pretrained(base_folder(student)).eval()
    losses = {}
    for kept, spread in ((8, False), (8, True), (1000, False)):
        data.KEPT = kept
        recipe = teacher.LabelRecipe(teacher_folder, Path(), kept=kept)
        made = teacher.label(reader, tokenizer, items, recipe)
        total = 0.0
        for first in range(0, len(made), 8):
            some = made[first : first + 8]
            batch = data.batch_of(tokenizer, [i.passage for i in some], [i.questions for i in some], 320, 50)
            with torch.inference_mode():
                tokens = model.tokens(batch["ids"], batch["mask"])
                start, end = model.questions(batch["question_ids"], batch["question_mask"])
                loss, _ = span_loss(tokens, batch, {"start": start, "end": end}, concat=False, spread=spread)
            total += float(loss) * len(batch["passage"])
        losses[kept, spread] = total / sum(len(item.questions) for item in made)
    data.KEPT = 8
    everything = losses[1000, False]
    for name, spread in (("8 labels", False), ("8 labels and `spread`", True)):
        few = losses[8, spread]
        off = 100 * abs(few / everything - 1)
        print(f"| loss with {name}; with all | {few:.4f}; {everything:.4f} | {off:.2f} % |")


def once(system: Any, labelled: Path, count: int = 100) -> None:
    """Ten questions a passage: passages encoded once, or again for each question."""
    items = [item for item in itertools.islice(data.read_labelled(labelled), 3000) if len(item.questions) >= 10][:count]
    passages = [item.passage for item in items]
    questions = [soft.question for item in items for soft in item.questions[:10]]
    seconds = []
    for texts in (passages, [passage for passage in passages for _ in range(10)]):
        system.passages(texts[:20])
        start = time.perf_counter()
        encoded = system.passages(texts)
        starts, ends = system.questions(questions)
        for row, (left, right) in enumerate(zip(starts, ends, strict=True)):
            item = encoded[row // 10 if len(encoded) < len(questions) else row]
            spans.best_span(item.vectors @ left, item.vectors @ right)
        seconds.append(time.perf_counter() - start)
    rates = [len(questions) / value for value in seconds]
    print(f"| questions/s, passage once; each time | {rates[0]:,.0f}; {rates[1]:,.0f} | {rates[0] / rates[1]:.1f} x |")


def models(names: list[str], squad: Path) -> None:
    """Size, speed and score."""
    print("| model | megabytes | passages/s | one question, ms | answerable EM | F1 |\n|---|---|---|---|---|---|")
    examples = spans.read_squad(squad)
    passages = list(dict.fromkeys(example.passages[0] for example in examples))[:200]
    for name in names:
        system = _load(name)
        folder = BUNDLED / name if (BUNDLED / name).is_dir() else base_folder(name.rpartition(":")[2])
        if (folder / "model.safetensors").exists():
            size = sum((folder / file).stat().st_size for file in ("model.safetensors", "heads.safetensors")
                       if (folder / file).exists())  # fmt: skip
        else:
            size = folder_bytes(folder)
        system.passages(passages[:8])
        start = time.perf_counter()
        system.passages(passages)
        rate = len(passages) / (time.perf_counter() - start)
        times = []
        for example in examples[:200]:
            start = time.perf_counter()
            system.questions([example.question])
            times.append(1000 * (time.perf_counter() - start))
        report = spans.squad(system, squad)
        em, f1 = report["answerable_exact_match"].value, report["answerable_f1"].value
        print(f"| {name} | {size / 1e6:.1f} | {rate:.0f} | {np.median(times):.1f} | {em:.1f} | {f1:.1f} |", flush=True)


def main() -> None:
    """All three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labelled", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--student", required=True)
    parser.add_argument("--model", nargs="+", default=["quipu-mini/encoder"])
    parser.add_argument("--squad", type=Path, required=True)
    options = parser.parse_args()
    print("| cost | value | |\n|---|---|---|")
    sparse(options.labelled, options.teacher, options.student)
    once(_load(options.model[0]), options.labelled)
    say("models ...")
    models(options.model, options.squad)


if __name__ == "__main__":
    main()
