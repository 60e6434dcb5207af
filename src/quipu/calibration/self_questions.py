"""Questions that a memory can be asked without labels: its own pairs in other words, twins of them, and what it lost.

Two fifths are stored questions reworded: the pair's answer is right. A fifth are near-twins of stored questions:
nothing is right. Two fifths are stored questions asked as if their document had never been read: right only if another
pair gives the same answer.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from quipu.api import Memory
from quipu.calibration.fitting import Candidates
from quipu.calibration.steps import BATCH
from quipu.errors import InputError
from quipu.evaluation.twins.rules import any_twin, names_of, paraphrase
from quipu.records import QAPair
from quipu.text import exact_match

Kind = Literal["reworded", "twin", "left out"]
_KINDS: tuple[Kind, ...] = ("reworded", "left out", "reworded", "left out", "twin")


@dataclass(frozen=True, slots=True)
class SelfQuestion:
    """A question about a stored pair. ``without``: the pair is left out, with everything of its document."""

    question: str
    pair: QAPair
    kind: Kind

    @property
    def without(self) -> QAPair | None:
        """The pair that is left out of the search."""
        return self.pair if self.kind == "left out" else None

    def right(self, answer: str) -> bool:
        """Whether an answer is right."""
        return self.kind != "twin" and bool(exact_match(answer, [self.pair.answer]))


def self_questions(memory: Memory, count: int, seed: int = 0) -> list[SelfQuestion]:
    """About ``count`` questions of the memory's own pairs; InputError where it holds none."""
    rng = random.Random(seed)
    rows = memory.store.rows()
    if not len(rows):
        raise InputError(f"{memory.path} holds no pairs; there is nothing to calibrate on")
    chosen = rng.sample(rows.tolist(), min(count, len(rows)))
    pairs = [pair for pair in memory.store.pairs_by_rows(chosen) if pair is not None]
    names = [name for pair in pairs for name in names_of(pair.question)]
    made = []
    for number, pair in enumerate(pairs):
        kind = _KINDS[number % len(_KINDS)]
        twin = any_twin(pair.question, rng, names) if kind == "twin" else None
        if kind == "twin" and twin is None:
            kind = "reworded"
        text = twin[1] if twin is not None else pair.question
        made.append(SelfQuestion(paraphrase(text, rng, 2 if kind == "reworded" else 1), pair, kind))
    return made


def ask_lookup(memory: Memory, asked: list[SelfQuestion], *, rerank: bool) -> Candidates:
    """What look-up would say to each, labelled."""
    rows: list[tuple[tuple[float, ...], bool, int]] = []
    for first in range(0, len(asked), BATCH):
        some = asked[first : first + BATCH]
        found = memory.answerer.find(
            [item.question for item in some], rerank=rerank, without=[item.without for item in some]
        )
        for at, (item, known) in enumerate(zip(some, found, strict=True), start=first):
            if known is not None:
                rows.append((known.features, item.right(known.hits[known.best].pair.answer), at))
    return Candidates.of(rows, len(memory.answerer.features("lookup")))
