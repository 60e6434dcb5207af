"""Labelled questions of a memory: what counts as a right answer, and what is left out of the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quipu.errors import InputError
from quipu.evaluation.metrics import passage_holds
from quipu.memory import Memory
from quipu.records import Example, QAPair
from quipu.storage.feedback import count_feedback
from quipu.text import exact_match, normalize_answer

MARKS = 20
"""Marked answers, right and wrong ones each, below which a memory is not calibrated on them."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A question with its accepted answers; none: the memory does not answer it.

    ``group``: the document or story that it is about; figures are measured on groups that nothing was fitted on.
    ``without``: a stored pair that is left out of all searches, with everything of its document. ``wrong``: answers
    that somebody refused; where only these are known, nothing is known of any other answer.
    """

    question: str
    answers: tuple[str, ...]
    group: str = ""
    without: QAPair | None = None
    wrong: tuple[str, ...] = ()

    def known(self, text: str) -> bool:
        """Whether anybody can say if an answer is right."""
        return bool(self.answers) or not self.wrong or bool(exact_match(text, self.wrong))

    def right(self, text: str) -> bool:
        """Whether an answer is accepted."""
        return bool(exact_match(text, self.answers))

    def stands_in(self, passage: str) -> bool:
        """Whether a passage holds an accepted answer."""
        return passage_holds(passage, self.answers)


@dataclass(frozen=True, slots=True)
class Asked:
    """Questions that one memory is asked. ``name``: of the set, for reports."""

    memory: Memory
    questions: Sequence[Labelled]
    name: str = ""


def marked(memory: Memory) -> Asked:
    """The questions whose answers somebody marked; InputError where fewer than ``MARKS`` are right, or wrong."""
    questions: dict[str, tuple[str, set[str], set[str]]] = {}
    count = count_feedback(memory.store)
    if min(count.values()) < MARKS:
        raise InputError(
            f"{memory.path}: {count['right']} answers are marked right and {count['wrong']} wrong; {MARKS} of each are "
            f"needed to calibrate on. Mark more: quipu feedback {memory.path} QUESTION right|wrong"
        )
    for item in memory.feedback():
        _, right, wrong = questions.setdefault(normalize_answer(item.question), (item.question, set(), set()))
        (right if item.right else wrong).update(item.answers)
    found = [
        Labelled(question, tuple(sorted(right)), question, wrong=tuple(sorted(wrong)))
        for question, right, wrong in questions.values()
    ]
    return Asked(memory, found, "marked answers")


def labelled(examples: Sequence[Example]) -> list[Labelled]:
    """Examples as labelled questions; InputError where there are none."""
    if not examples:
        raise InputError("there are no questions to calibrate on")
    return [Labelled(item.question, item.answers, item.id) for item in examples]
