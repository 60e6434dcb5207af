"""Questions that a memory can be asked without labels: its own pairs in other words, twins of them, and what it lost.

Two fifths are stored questions reworded: the pair's answer is right. A fifth are near-twins of stored questions:
nothing is right. Two fifths are stored questions asked as if their document had never been read: right only if the
same answer is found elsewhere.
"""

from __future__ import annotations

import random
from typing import Literal

from quipu.calibration.questions import Asked, Labelled
from quipu.errors import InputError
from quipu.evaluation.twins.rules import any_twin, names_of, paraphrase
from quipu.memory import Memory

Kind = Literal["reworded", "twin", "left out"]
_KINDS: tuple[Kind, ...] = ("reworded", "left out", "reworded", "left out", "twin")


def self_questions(memory: Memory, count: int, seed: int = 0) -> Asked:
    """About ``count`` questions of the memory's own pairs, grouped by their kind; InputError where it has none."""
    rng = random.Random(seed)
    rows = memory.store.rows()
    if not len(rows):
        raise InputError(f"{memory.path} holds no pairs; there is nothing to calibrate on")
    chosen = rng.sample(rows.tolist(), min(count, len(rows)))
    pairs = [pair for pair in memory.store.pairs_by_rows(chosen) if pair is not None]
    names = [name for pair in pairs for name in names_of(pair.question)]
    questions: list[Labelled] = []
    for number, pair in enumerate(pairs):
        kind = _KINDS[number % len(_KINDS)]
        twin = any_twin(pair.question, rng, names) if kind == "twin" else None
        if kind == "twin" and twin is None:
            kind = "reworded"
        text = paraphrase(twin[1] if twin else pair.question, rng, 2 if kind == "reworded" else 1)
        answers = () if kind == "twin" else (pair.answer,)
        questions.append(Labelled(text, answers, kind, without=pair if kind == "left out" else None))
    return Asked(memory, questions, "itself")
