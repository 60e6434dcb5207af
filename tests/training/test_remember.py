"""From labelled passages to a memory, questions about it, composed questions, and odds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from quipu.memory.store import Store
from quipu.training.compose.train import ComposeRecipe
from quipu.training.compose.train import run as compose
from quipu.training.odds.train import fit, fit_best
from quipu.training.qamat.data import ExampleFiles
from quipu.training.quip.data import NO_ANSWER, Labelled, Soft, write_labelled
from quipu.training.remember.train import RememberRecipe, run

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
TEXTS = [
    "Robert Fortune took tea plants to India in 1848.",
    "The great capital of India is Delhi, where Lutyens built a palace.",
    "Ferdinand de Lesseps opened the canal in 1869.",
    "Venice made glass on Murano for many centuries.",
]
ASKED = {
    "India": ("Where did Robert Fortune take tea plants?", "To which land did Fortune bring tea plants?"),
    "Delhi": ("What is the great capital of India?", "Which city is the capital of India?"),
    "1869": ("When did Lesseps open the canal?", "In what year was the canal opened by Lesseps?"),
    "Murano": ("Where did Venice make glass?", "On which island was the glass of Venice made?"),
}


def labelled(path: Path) -> Path:
    """Each answer asked for in two ways by a sure teacher, and once by one that finds nothing."""
    items = []
    for text in TEXTS:
        for answer, questions in ASKED.items():
            if answer in text and not (answer == "India" and "Delhi" in text):
                start, end = text.index(answer), text.index(answer) + len(answer)
                soft = [Soft(q, (start, end), ((start, 0.9),), ((end, 0.8), (NO_ANSWER, 0.2))) for q in questions]
                unsure = Soft("Who?", None, ((NO_ANSWER, 0.9),), ((NO_ANSWER, 0.9),))
                items.append(Labelled(text, (*soft, unsure)))
    write_labelled(path, items)
    return path


def test_a_memory_of_what_the_teacher_answered(tmp_path: Path) -> None:
    recipe = RememberRecipe(tmp_path, (labelled(tmp_path / "l.jsonl"),), held=0.0, remembered=1.0, k=3, hopeless=0.0)
    with Store.open(run(recipe), read_only=True) as store:
        pairs = {pair.question: pair for _, pair in store.pairs()}
        assert {pair.answer for pair in pairs.values()} == set(ASKED) and len(pairs) == 8  # "Who?" is not among them
        for pair in pairs.values():
            assert store.quote(pair.document_id, pair.span) == pair.answer
        rows = {pair.question: row for row, pair in store.pairs()}
        for example in ExampleFiles([tmp_path / "questions.jsonl"]):
            question = example.x.removeprefix("[MASK] ")
            assert example.without == (rows[question],) and rows[question] not in example.positives
            assert example.positives  # the other question of the same answer
    folder = compose(ComposeRecipe(tmp_path / "memory.quipu", tmp_path / "c", checked=False, test=0.5))
    rows_of = [json.loads(line) for name in ("train", "test") for line in (folder / f"{name}.jsonl").open()]
    assert all(row["answers"] == ["Delhi"] and row["kind"] == "bridge" for row in rows_of)
    assert len(ExampleFiles([folder / "examples.jsonl"])) == len((folder / "train.jsonl").read_text().splitlines())


def test_held_out_passages_are_in_the_memory_and_in_no_question(tmp_path: Path) -> None:
    recipe = RememberRecipe(tmp_path, (labelled(tmp_path / "l.jsonl"),), held=1.0, remembered=0.5, hopeless=1.0)
    run(recipe)
    assert len(ExampleFiles([tmp_path / "questions.jsonl"])) == 0 < len(ExampleFiles([tmp_path / "held.jsonl"]))


def test_odds_find_the_feature_that_tells() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2000, 3))
    right = rng.random(2000) < 1 / (1 + np.exp(-(2 * features[:, 1] - 1)))
    weights, bias, figures = fit(features, right, 0.5)
    assert weights[1] == pytest.approx(2, abs=0.4) and bias == pytest.approx(-1, abs=0.3)
    assert abs(weights[0]) < 0.2 and figures["ece"] < 0.06 and figures["right of the answered"] > 0.7


def test_chains_are_ordered_by_what_is_right() -> None:
    rng = np.random.default_rng(1)
    owner = np.repeat(np.arange(300), 4)
    features = rng.normal(size=(1200, 2))
    right = np.zeros(1200, dtype=bool)
    for at in range(300):
        right[4 * at + features[4 * at : 4 * at + 4, 0].argmax()] = rng.random() < 0.9
    weights, slope, _, figures = fit_best(features, right, owner, 0.5)
    assert weights[0] > 5 * abs(weights[1]) and slope > 0 and figures["right"] > 0.85 and figures["questions"] == 300
