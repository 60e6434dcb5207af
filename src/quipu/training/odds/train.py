"""Fit the odds of the steps of a cascade for a memory reader: ``quipu train recipes/mini/qamat/5-odds.toml``.

Pairs and passages that are read: questions that no model was trained on are asked of two memories; questions of the one
that are asked of the other have no answer there; a cascade has odds of its own, from those that look-up leaves open.
Chains and what is weighed together: all of these, people's multi-hop questions, and the training part of the composed
ones; weighed are the questions that no step is sure of.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import quipu
from quipu.answering import cascade, chain, comparison, passage, read
from quipu.answering.comparison import parse
from quipu.errors import SettingsError
from quipu.evaluation.metrics import expected_calibration_error
from quipu.memory.store import Store
from quipu.models.hub import BUNDLED
from quipu.records import Example
from quipu.text import exact_match
from quipu.training import corpora
from quipu.training.export import change_listing
from quipu.training.qamat.data import ExampleFiles
from quipu.training.spans.train import best_of

_TOGETHER = 64
Right = Callable[[int, chain.ChainFound], bool]  # of a question, by number, and a chain
Candidate = tuple[tuple[float, ...], str]  # features, and what would be answered
Asked = Sequence[tuple[Path, Sequence[Example]]]  # runs with a memory, and what is asked of each


@dataclass(frozen=True, slots=True)
class OddsRecipe:
    """``remembered``: the run of ``remember``; ``stories``: that of ``spans``, with FairytaleQA's val stories."""

    data: Path
    remembered: Path
    stories: Path
    out: Path = BUNDLED / "quipu-mini/qamat"
    hops: Path | None = None  # the run of ``hops``, with people's multi-hop questions
    composed: Path | None = None  # JSONL of questions composed of the pairs of that memory
    elsewhere: int = 200  # questions asked of the memory that does not hold them, each way
    threshold: float = 0.5
    chain_threshold: float = 0.8  # people's questions are less like the pairs than composed ones
    seed: int = 21


def run(recipe: OddsRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Fit all and write them into the listing of the reader in ``recipe.out``."""
    if (recipe.hops is None) != (recipe.composed is None):
        raise SettingsError("chains are fitted on both, hops and composed: set both, or neither")
    rng = random.Random(recipe.seed)
    held = ExampleFiles([recipe.remembered / "held.jsonl"])
    known = [Example(str(at), item.question, item.answers) for at, item in enumerate(held)]
    contexts = corpora.fairytaleqa(recipe.data, "val")
    stories = [
        Example(f"{at}", item.question, (context.text[item.start : item.end],))
        for at, context in enumerate(contexts) for item in context.asked
    ]  # fmt: skip
    asked = [
        (folder, [*own, *_foreign(rng.sample(foreign, recipe.elsewhere))])
        for folder, own, foreign in ((recipe.remembered, known, stories), (recipe.stories, stories, known))
    ]
    left = [_open(recipe, folder, examples) for folder, examples in asked]
    report({"asked": sum(len(examples) for _, examples in asked), "open": sum(map(len, left))})
    change_listing(recipe.out, read=_read(recipe, asked, left, report))
    change_listing(recipe.out, passage=_passages(recipe, asked, left, report))
    if recipe.hops is not None and recipe.composed is not None:
        change_listing(recipe.out, chain=_chains(recipe, asked, report))
        change_listing(recipe.out, compare=_compared(recipe, report))
        asked += [(recipe.hops, _multi_hop(recipe.hops, recipe.composed))]
    change_listing(recipe.out, cascade=None)  # so that every step says what it holds back
    change_listing(recipe.out, cascade=_cascade(recipe, asked, report))
    return recipe.out


def _open(recipe: OddsRecipe, folder: Path, examples: Sequence[Example]) -> set[str]:
    """The questions that look-up does not answer."""
    with quipu.open(folder / "memory.quipu", read_only=True, memory_reader=recipe.out) as memory:
        said = memory.ask_many([example.question for example in examples], method="lookup")
    return {answer.question for answer in said if answer.text is None}


def _read(
    recipe: OddsRecipe, asked: Asked, left: Sequence[set[str]], report: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Weights of what is read from pairs."""

    def find(memory: quipu.Memory, questions: Sequence[str]) -> list[list[Candidate]]:
        found = memory.find_read_many(questions)
        return [[] if item is None else [(item.features, item.reading.text)] for item in found]

    features, right, owner, open_ = map(np.array, _candidates(recipe, asked, left, find))
    weights, shift, figures = fit(features, right, recipe.threshold)
    report(figures)
    line = _line(read.FEATURES, weights, 1.0, shift, recipe.threshold)
    return _after_lookup(line, features, right, open_[owner], report)


def _passages(
    recipe: OddsRecipe, asked: Asked, left: Sequence[set[str]], report: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Weights of what the reader finds in passages."""

    def find(memory: quipu.Memory, questions: Sequence[str]) -> list[list[Candidate]]:
        found = memory.find_passages_many(questions)
        return [[(item.features, item.text(memory.store)) for item in row] for row in found]

    features, right, owner, open_ = _candidates(recipe, asked, left, find)
    line = _best_line(passage.FEATURES, (features, right, owner), recipe.threshold, report)
    rows, of = np.array(features), np.array(owner)
    best = best_of(rows @ np.array(list(line["weights"].values())), of)
    return _after_lookup(line, rows[best], np.array(right)[best], np.array(open_)[of[best]], report)


def _candidates(
    recipe: OddsRecipe,
    asked: Asked,
    left: Sequence[set[str]],
    find: Callable[[quipu.Memory, Sequence[str]], list[list[Candidate]]],
) -> tuple[list[tuple[float, ...]], list[bool], list[int], list[bool]]:
    """Of every candidate: features, whether right, its question's number; of every question: whether it is ``left``."""
    features: list[tuple[float, ...]] = []
    right: list[bool] = []
    owner: list[int] = []
    open_: list[bool] = []
    for (folder, examples), questions in zip(asked, left, strict=True):
        with quipu.open(folder / "memory.quipu", read_only=True, memory_reader=recipe.out) as memory:
            for first in range(0, len(examples), _TOGETHER):
                some = examples[first : first + _TOGETHER]
                for example, row in zip(some, find(memory, [e.question for e in some]), strict=True):
                    features += [item for item, _ in row]
                    right += [bool(exact_match(text, example.answers)) for _, text in row]
                    owner += [len(open_)] * len(row)
                    open_.append(example.question in questions)
    return features, right, owner, open_


def _after_lookup(
    line: dict[str, Any], features: Any, right: Any, open_: Any, report: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """``line`` with slope and shift for the questions that look-up leaves open: an answer is less probable there."""
    from sklearn.linear_model import LogisticRegression

    scores = features @ np.array(list(line["weights"].values()))
    model = LogisticRegression(C=1e6).fit(scores[open_, None], right[open_])
    p = model.predict_proba(scores[open_, None])[:, 1]
    report({
        "after look-up": int(open_.sum()), "right": float(right[open_].mean()),
        "answered": float((p >= line["threshold"]).mean()),
    })  # fmt: skip
    return {**line, "after_lookup": {"slope": float(model.coef_[0][0]), "shift": float(model.intercept_[0])}}


def _line(names: Sequence[str], weights: Any, slope: float, shift: float, threshold: float) -> dict[str, Any]:
    """A ``quipu.answering.linear.Line`` for a listing."""
    named = {name: round(float(value), 6) for name, value in zip(names, weights, strict=True)}
    return {"weights": named, "slope": slope, "shift": shift, "threshold": threshold}


def _best_line(
    names: Sequence[str],
    found: tuple[list[tuple[float, ...]], list[bool], list[int]],
    threshold: float,
    report: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """``fit_best`` on features, which are right, and the question of each, as a line for a listing."""
    features, right, owner = map(np.array, found)
    weights, slope, shift, figures = fit_best(features, right, owner, threshold)
    report(figures)
    return _line(names, weights, slope, shift, threshold)


def _cascade(recipe: OddsRecipe, asked: Asked, report: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Weights of what the steps hold back, from questions that none of them answers."""
    features: list[tuple[float, ...]] = []
    right: list[bool] = []
    owner: list[int] = []
    number = 0
    for folder, examples in asked:
        with quipu.open(folder / "memory.quipu", read_only=True, memory_reader=recipe.out) as memory:
            said = memory.ask_many([example.question for example in examples])
        for example, answer in zip(examples, said, strict=True):
            if answer.text is None:
                for text, item in cascade.held(answer.tried).items():
                    features.append(item)
                    owner.append(number)
                    right.append(bool(exact_match(text, example.answers)))
                number += 1
    return _best_line(cascade.FEATURES, (features, right, owner), recipe.threshold, report)


def _chains(recipe: OddsRecipe, alone: Asked, report: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Weights of chains: of a composed question its two pairs are right, of people's a single pair with the answer.

    Composed questions are asked of the memory that they were composed from; people's questions, a part of which nothing
    there answers, of both memories: composed ones alone are far too easy, and their odds would hold for no others. Of
    people's multi-hop questions a chain is right that has the answer, from the two paragraphs that are needed.
    """
    assert recipe.composed is not None and recipe.hops is not None
    bridges = [row for row in corpora.read_jsonl(recipe.composed) if row["kind"] == "bridge"]
    if not bridges:
        raise SettingsError(f"{recipe.composed}: no composed bridge questions to fit chains on")
    composed = [Example(str(at), row["question"], tuple(row["answers"])) for at, row in enumerate(bridges)]
    pairs = [tuple(row["chain"]) for row in bridges]

    def is_composed(at: int, item: chain.ChainFound) -> bool:
        return tuple(hit.pair.id for hit in item.hits) == pairs[at]

    def answers_alone(examples: Sequence[Example]) -> Right:
        return lambda at, item: (
            len(item.hits) == 1 and bool(exact_match(item.hits[0].pair.answer, examples[at].answers))
        )

    asked: list[tuple[Path, Sequence[Example], Right]] = [
        (recipe.hops, composed, is_composed),
        (recipe.hops, *_hops(recipe.hops)),
        *((folder, examples, answers_alone(examples)) for folder, examples in alone),
    ]
    features: list[tuple[float, ...]] = []
    right: list[bool] = []
    owner: list[int] = []
    number = 0
    for folder, examples, is_right in asked:
        with quipu.open(folder / "memory.quipu", read_only=True) as memory:
            for first in range(0, len(examples), _TOGETHER):
                some = examples[first : first + _TOGETHER]
                lines = memory.find_chains_many([example.question for example in some])
                for at, line in enumerate(lines, start=first):
                    features += [item.features for item in line]
                    right += [is_right(at, item) for item in line]
                    owner += [number] * len(line)
                    number += 1
    return _best_line(chain.FEATURES, (features, right, owner), recipe.chain_threshold, report)


def _multi_hop(hops: Path, composed: Path) -> list[Example]:
    """People's questions and composed ones, as many of either."""
    sets = [list(corpora.read_jsonl(path)) for path in (hops / "questions.jsonl", composed)]
    few = min(map(len, sets))
    rows = [row for some in sets for row in random.Random(0).sample(some, few)]
    return [Example(str(at), row["question"], tuple(row["answers"])) for at, row in enumerate(rows)]


def _hops(folder: Path) -> tuple[list[Example], Right]:
    """People's questions of two paragraphs that compare nothing, and which chains are right."""
    rows = [row for row in corpora.read_jsonl(folder / "questions.jsonl") if parse(row["question"]) is None]
    examples = [Example(str(at), row["question"], tuple(row["answers"])) for at, row in enumerate(rows)]
    with Store.open(folder / "memory.quipu", read_only=True) as store:
        titles = {document.id: document.title for document in store.documents()}

    def is_right(at: int, item: chain.ChainFound) -> bool:
        shown = {titles.get(hit.pair.document_id or "", "") for hit in item.hits}
        said = item.hits[-1].pair.answer
        return len(item.hits) == 2 and shown == set(rows[at]["needed"]) and bool(exact_match(said, rows[at]["answers"]))

    return examples, is_right


def _compared(recipe: OddsRecipe, report: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """The odds of what a comparison says, by the similarity of its pairs."""
    assert recipe.hops is not None
    rows = list(corpora.read_jsonl(recipe.hops / "questions.jsonl"))
    with quipu.open(recipe.hops / "memory.quipu", read_only=True) as memory:
        found = memory.find_compared_many([row["question"] for row in rows])
    known = [(item, row) for item, row in zip(found, rows, strict=True) if item is not None]
    right = np.array([bool(exact_match(item.answer, row["answers"])) for item, row in known])
    if not 0 < right.sum() < len(right):
        raise SettingsError(f"{recipe.hops}: too few questions that compare; raise `limit` of its recipe")
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1.0).fit(np.array([[item.score] for item, _ in known]), right)
    report({"comparisons": len(known), "right": float(right.mean())})
    shift = float(model.intercept_[0])
    return _line(comparison.FEATURES, model.coef_[0], 1.0, shift, recipe.threshold)


def _foreign(examples: Sequence[Example]) -> list[Example]:
    """Questions that the memory has no answer to."""
    return [Example(item.id, item.question, ()) for item in examples]


def fit(features: Any, right: Any, threshold: float) -> tuple[Any, float, dict[str, Any]]:
    """Weights and bias of a logistic regression; its figures on every fifth row, which a first fit does not see."""
    from sklearn.linear_model import LogisticRegression

    fifth = np.arange(len(right)) % 5 == 4
    trial = LogisticRegression(C=1.0, max_iter=2000).fit(features[~fifth], right[~fifth])
    p = trial.predict_proba(features[fifth])[:, 1]
    sure = p >= threshold
    figures = {
        "questions": len(right), "right": float(right.mean()), "answered": float(sure.mean()),
        "right of the answered": float(right[fifth][sure].mean()) if sure.any() else 0.0,
        "ece": expected_calibration_error(p.tolist(), right[fifth].tolist()),
    }  # fmt: skip
    model = LogisticRegression(C=1.0, max_iter=2000).fit(features, right)
    return model.coef_[0], float(model.intercept_[0]), figures


def fit_best(features: Any, right: Any, owner: Any, threshold: float) -> tuple[Any, float, float, dict[str, Any]]:
    """Weights that order the candidates of each question, and slope and shift of the best one's log-odds."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1.0, max_iter=2000).fit(features, right)
    weights = model.coef_[0]
    scores = features @ weights
    best = best_of(scores, owner)
    line = LogisticRegression(C=1e6).fit(scores[best, None], right[best])
    slope, shift = float(line.coef_[0][0]), float(line.intercept_[0])
    p = 1 / (1 + np.exp(-(slope * scores[best] + shift)))
    sure = p >= threshold
    figures = {
        "chains": len(right), "questions": len(best), "right": float(right[best].mean()),
        "answered": float(sure.mean()), "right of the answered": float(right[best][sure].mean()) if sure.any() else 0.0,
        "ece": expected_calibration_error(p.tolist(), right[best].tolist()),
    }  # fmt: skip
    return weights, slope, shift, figures
