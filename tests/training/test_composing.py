"""Composed questions: how two are said as one, what is no bridge, and a split without common entities."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
from tests.handmade import NumberReader, models

import quipu
from quipu.records import QAPair
from quipu.training.jobs.composing import Composed, bridges, clause_of, comparisons, compose, phrased, split


@pytest.mark.parametrize(
    ("question", "clause"),
    [
        ("Who dug the canal", "the person who dug the canal"),
        ("Where did Fortune take tea", "the place where Fortune did take tea"),
        ("Which city rules the lagoon", "the city that rules the lagoon"),
        ("When was it opened", None),
        ("What kind of glass", None),
        ("Who did the queen see", "the person whom the queen did see"),
    ],
)
def test_questions_as_clauses(question: str, clause: str | None) -> None:
    assert clause_of(question) == clause


def test_three_ways_to_say_two_questions_as_one() -> None:
    inside = re.compile("India")
    first, last = "Where did Fortune take tea?", "What is the capital of India?"
    assert phrased(first, last, inside, "clause") == (
        "What is the capital of the place where Fortune did take tea?", "clause"
    )  # fmt: skip
    assert phrased(first, last, inside, "asked") == (
        'What is the capital of the answer to "Where did Fortune take tea"?', "asked"
    )  # fmt: skip
    assert phrased(first, last, inside, "and") == (
        "Where did Fortune take tea, and what is the capital of that?", "and"
    )  # fmt: skip
    assert phrased("When was it?", last, inside, "clause") == (
        'What is the capital of the answer to "When was it"?', "asked"
    )  # fmt: skip


NAMES = {"India": True, "Ferdinand de Lesseps": True, "1869": False, "glass": False, "October": False, "In the": False}


@pytest.mark.parametrize(("answer", "good"), NAMES.items())
def test_only_names_are_bridges(answer: str, good: bool) -> None:
    assert bridges(answer) == good


def memory(path: Path) -> Path:
    pairs = [
        ("Where did Fortune take tea plants?", "India"),
        ("What is the large capital of India?", "Delhi"),
        ("Who played against West India Company?", "Holland"),
        ("Who?", "India"),
        ("When was the Suez Canal opened?", "1869"),
        ("When was the Eiffel Tower opened?", "1889"),
    ]
    path.with_suffix(".jsonl").write_text(
        "\n".join(json.dumps({"question": q, "answer": [a]}) for q, a in pairs), encoding="utf-8"
    )
    quipu.build([], path, pairs=path.with_suffix(".jsonl"), **models()).close()
    return path


def test_bridges_and_comparisons_of_a_memory(tmp_path: Path) -> None:
    with quipu.open(memory(tmp_path / "m.quipu"), read_only=True, encoder=models()["encoder"]) as opened:
        made = list(compose(opened.store, seed=1))
        chains = [(item.kind, [opened.store.pair(pair).answer for pair in item.chain], item.answers) for item in made]
        assert chains == [
            ("bridge", ["India", "Delhi"], ("Delhi",)),  # not by "Who?", and not into "West India Company"
            ("comparison", chains[1][1], ("the Suez Canal",)),
        ]
        assert sorted(chains[1][1]) == ["1869", "1889"] and "India" not in made[0].question
        assert next(compose(opened.store, reader=NumberReader())).kind == "comparison"  # the reader knows no Delhi


def test_parts_share_no_entity() -> None:
    rng = random.Random(0)
    items = [
        Composed("?", ("x",), (), "bridge", "and", tuple({f"name {rng.randrange(60)}" for _ in range(2)}))
        for _ in range(400)
    ]
    train, test = split(items)
    assert train and test and len(train) + len(test) < 400
    names = [{entity for item in part for entity in item.entities} for part in (train, test)]
    assert not names[0] & names[1]


def test_no_comparison_of_equals() -> None:
    known = [("a", QAPair.make("When was a built?", "1900")), ("b", QAPair.make("When was b built?", "1900"))]
    assert list(comparisons("built", known, random.Random(0))) == []
