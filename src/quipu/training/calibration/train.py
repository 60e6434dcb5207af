"""Fit the calibration that ships: ``quipu train recipes/mini/8-calibration.toml``.

Three kinds of memory, because a probability fitted on one kind is wrong on the others: passages with people's
questions about them and about passages that are not there; real trivia asked by real questions, most of which nothing
there answers; and stored questions reworded or asked as their twins. Only questions that were held out of every
training set of the reranker are asked.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quipu.answering.lookup import Found, arranged
from quipu.api import Memory
from quipu.evaluation.calibration import ask, fit, fit_blend, judged
from quipu.evaluation.metrics import expected_calibration_error
from quipu.evaluation.twins.rules import any_twin, names_of, paraphrase
from quipu.records import Example
from quipu.training import corpora
from quipu.training.memories import built
from quipu.training.reranker.data import asked_openly, held_out, trivia


@dataclass(frozen=True, slots=True)
class CalibrationRecipe:
    """Every number of the fit."""

    data: Path
    run: Path
    out: Path
    passages: int = 500  # in the memory; as many more are asked about and not there
    words: int = 90
    questions: int = 1500  # of each kind, at most
    threshold: float = 0.5  # an answer is given when it is more likely right than wrong
    seed: int = 21


def run(recipe: CalibrationRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Build the memories (kept in ``recipe.run``), ask, fit, and write the calibration to ``recipe.out``."""
    recipe.run.mkdir(parents=True, exist_ok=True)
    asked: list[Example] = []
    found: list[Found | None] = []
    stores: list[Memory] = []
    owner: list[int] = []
    with ExitStack() as stack:
        for name, make in (("passages", _passages), ("open", _open)):
            memory, kinds = make(recipe, report)
            stores.append(stack.enter_context(memory))
            for kind, examples in kinds.items():
                some = examples[: recipe.questions]
                found += ask(memory, some)
                asked += some
                owner += [len(stores) - 1] * len(some)
                part = judged(found[-len(some) :], some)
                report({"kind": f"{name}, {kind}", "questions": len(part), "right": float(part.right.mean())})
        models = stores[0].model_hashes()
        blend = fit_blend(found, asked)
        report({"read": str(blend.read), "reranked": str(blend.reranked), "alone": str(blend.alone)})
        # the blend decides which candidate is best, and the probability is that of the best
        found = [
            None if item is None
            else arranged(item.question, item.hits, item.reranked, item.judged, stores[at].store, blend)
            for item, at in zip(found, owner, strict=True)
        ]  # fmt: skip
    data = judged(found, asked)
    made = fit(
        data, models=models, fitted_on=f"{len(data)} held-out questions over passages, trivia and twins",
        target_precision=None, blend=blend, seed=recipe.seed,
    )  # fmt: skip
    probabilities = made.probability(data.features)
    report(
        {
            "questions": len(data),
            "ece": expected_calibration_error(probabilities.tolist(), data.right.tolist()),
            "answered": float((probabilities >= recipe.threshold).mean()),
            "precision": float(data.right[probabilities >= recipe.threshold].mean()),
        }
    )
    recipe.out.write_text(json.dumps({**made.to_json(), "threshold": recipe.threshold}, indent=1) + "\n")
    return recipe.out


def _passages(
    recipe: CalibrationRecipe, report: Callable[[dict[str, Any]], None]
) -> tuple[Memory, dict[str, list[Example]]]:
    """A memory of composed passages; held-out questions about them, and about passages that it does not hold."""
    rng = random.Random(recipe.seed)
    sets = [corpora.qamr(recipe.data), corpora.fairytaleqa(recipe.data), corpora.policyqa(recipe.data)]
    composed = []
    for contexts in sets:
        for index in rng.sample(range(len(contexts)), min(len(contexts), recipe.passages)):
            composed.append(corpora.cut(corpora.compose(contexts, index, recipe.words, rng), 2 * recipe.words, rng))
    rng.shuffle(composed)
    inside, outside = composed[: recipe.passages], composed[recipe.passages : 2 * recipe.passages]
    documents = recipe.run / "passages.jsonl"
    documents.write_text("".join(json.dumps({"text": item.text}) + "\n" for item in inside), encoding="utf-8")
    path = recipe.run / "passages.quipu"
    memory = built(path, [documents], report)
    texts = " ".join(item.text for item in inside)
    kinds: dict[str, list[Example]] = {"answerable": [], "elsewhere": []}
    for kind, items in (("answerable", inside), ("elsewhere", outside)):
        for context in items:
            for asked in context.asked:
                if asked.start < 0 or not held_out(asked.question):
                    continue
                answer = context.text[asked.start : asked.end]
                if kind == "elsewhere" and context.text[max(0, asked.start - 40) : asked.end] in texts:
                    continue  # the passage overlaps one that is there
                answers = (answer,) if kind == "answerable" else ()
                kinds[kind].append(Example(str(len(kinds[kind])), asked.question, answers))
    return memory, {kind: _sample(rows, rng) for kind, rows in kinds.items()}


def _open(
    recipe: CalibrationRecipe, report: Callable[[dict[str, Any]], None]
) -> tuple[Memory, dict[str, list[Example]]]:
    """A memory of trivia; held-out real questions, and its own held-out questions reworded and as twins."""
    rng = random.Random(recipe.seed + 1)
    pairs = trivia(recipe.data)
    path, rows = recipe.run / "open.quipu", recipe.run / "open.jsonl"
    rows.write_text(
        "".join(json.dumps({"question": question, "answer": [answer]}) + "\n" for question, answer in pairs),
        encoding="utf-8",
    )
    memory = built(path, [], report, pairs=rows)
    kinds: dict[str, list[Example]] = {"real": [], "reworded": [], "twins": []}
    for question, answers in asked_openly(recipe.data):
        if held_out(question):
            kinds["real"].append(Example(question, question, tuple(answers)))
    own = [pair for pair in pairs if held_out(pair[0])]
    names = [name for question, _ in own for name in names_of(question)]
    for question, answer in rng.sample(own, min(len(own), 2 * recipe.questions)):
        twin = any_twin(question, rng, names)
        if twin is not None and rng.random() < 0.5:
            kinds["twins"].append(Example(question, paraphrase(twin[1], rng, 1), ()))
        else:
            kinds["reworded"].append(Example(question, paraphrase(question, rng), (answer,)))
    # by hand and by rule a paraphrase is easier than a person's: fewer of them
    kinds["reworded"] = kinds["reworded"][: recipe.questions // 3]
    kinds["twins"] = kinds["twins"][: recipe.questions // 3]
    return memory, {kind: _sample(found, rng) for kind, found in kinds.items()}


def _sample(rows: list[Example], rng: random.Random) -> list[Example]:
    return rng.sample(rows, len(rows))
