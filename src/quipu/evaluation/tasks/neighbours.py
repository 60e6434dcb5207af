"""Next-door questions: how often does a memory answer what its documents do not say, and what they do?

The goal is that of the questions next door at most 5 % are answered, and of the answerable ones at least 80 % rightly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from quipu.evaluation.metrics import mean_score
from quipu.evaluation.neighbours.suite import ANSWERABLE, KINDS, Neighbour
from quipu.evaluation.report import Report
from quipu.records import Answer, Score

GOALS = {"next door answered": 5.0, "answerable answered rightly": 80.0}
"""In per cent: at most the first, at least the second."""
Ask = Callable[[Sequence[str]], Sequence[Answer]]
BATCH = 32


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with what was said to it."""

    item: Neighbour
    answer: Answer

    @property
    def given(self) -> bool:
        """Whether there was an answer at all."""
        return self.answer.text is not None

    @property
    def right(self) -> bool:
        """Whether the answer is an accepted one, of a question that has one."""
        return self.answer.text is not None and self.item.right(self.answer.text)

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return {
            "question": self.item.question, "kind": self.item.kind, "document": self.item.document,
            "answers": list(self.item.answers), "answer": self.answer.text, "probability": self.answer.probability,
            "route": self.answer.route, "right": self.right,
        }  # fmt: skip


def ask_all(
    items: Sequence[Neighbour], ask: Ask, report: Callable[[int, int], None] = lambda done, of: None
) -> list[Asked]:
    """Every question asked, some at a time; ``report`` is told how many of how many are done."""
    found: list[Asked] = []
    for first in range(0, len(items), BATCH):
        some = items[first : first + BATCH]
        found += [Asked(*both) for both in zip(some, ask([item.question for item in some]), strict=True)]
        report(len(found), len(items))
    return found


def evaluate(asked: Sequence[Asked]) -> Report:
    """Shares in per cent: next door answered, of all and of each kind; answerable answered rightly, wrongly, not."""
    known = [row for row in asked if row.item.kind == ANSWERABLE]
    others = [row for row in asked if row.item.kind != ANSWERABLE]

    def share(name: str, values: Sequence[bool], *, higher: bool = False) -> Score:
        return mean_score(name, [float(value) for value in values], scale=100.0, higher_is_better=higher)

    scores = [
        share("next door answered", [row.given for row in others]),
        share("answerable answered rightly", [row.right for row in known], higher=True),
        share("answerable answered wrongly", [row.given and not row.right for row in known]),
        share("answerable held back", [not row.given for row in known]),
        *(
            share(f"next door: {kind}", [row.given for row in others if row.item.kind == kind])
            for kind in KINDS if any(row.item.kind == kind for row in others)
        ),
    ]  # fmt: skip
    return Report("neighbours", "quipu ask", tuple(scores), {"questions": len(asked), "goals": GOALS})


def wrong(asked: Sequence[Asked]) -> list[Asked]:
    """What should not have been said: answers to questions next door, and wrong ones; the surest first."""
    bad = [row for row in asked if row.given and not row.right]
    return sorted(bad, key=lambda row: -(row.answer.probability or 0.0))
