"""Answers that somebody marked as wrong never return: to the same question, nor to one that asks the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quipu.answering.features import NAME, content_words, numbers
from quipu.answering.sameness import same_form
from quipu.models.protocols import Keys, SupportsEncode
from quipu.records import Hit
from quipu.storage.feedback import Feedback, wrong_feedback
from quipu.storage.store import Store
from quipu.text import normalize_answer

NEAR = 0.92  # cosine of two questions' keys from which on they ask the same, where form, names and numbers agree


@dataclass(frozen=True, slots=True)
class Wrong:
    """What does not answer a question: pairs by id, and answers, normalised."""

    pairs: frozenset[str]
    answers: frozenset[str]

    def text(self, text: str) -> bool:
        """Whether this answer is wrong."""
        return (normalize_answer(text) or text) in self.answers

    def hit(self, hit: Hit) -> bool:
        """Whether this pair gives a wrong answer."""
        return hit.pair.id in self.pairs or self.text(hit.pair.answer)


class Marked:
    """The marks of a memory, read when they are first needed and when the record has changed."""

    def __init__(self, store: Store, encoder: Callable[[], SupportsEncode]) -> None:
        """``encoder``: the memory's; it is only asked for where a question has words of a marked one."""
        self._store, self._encoder = store, encoder
        self._known: tuple[int, list[tuple[Feedback, set[str]]], Keys] | None = None

    def wrong(self, questions: Sequence[str]) -> dict[str, Wrong]:
        """By question what was marked as wrong; questions of which nothing was are missing."""
        marks, keys = self._read()
        if not marks:
            return {}
        found: dict[str, list[Feedback]] = {}
        near: list[tuple[str, list[int]]] = []
        for question in dict.fromkeys(questions):
            plain, words = normalize_answer(question), content_words(question)
            some = [at for at, (_, known) in enumerate(marks) if 2 * len(words & known) > max(len(words), len(known))]
            found[question] = [mark for mark, _ in marks if normalize_answer(mark.question) == plain]
            near += [(question, some)] if some else []
        if near:
            asked = self._encoder().encode([question for question, _ in near])
            for (question, some), key in zip(near, asked, strict=True):
                close = (keys[some] @ key) >= NEAR
                found[question] += [
                    marks[at][0] for at, is_near in zip(some, close.tolist(), strict=True)
                    if is_near and _alike(question, marks[at][0].question)
                ]  # fmt: skip
        return {question: _of(row) for question, row in found.items() if row}

    def _read(self) -> tuple[list[tuple[Feedback, set[str]]], Keys]:
        version = self._store.version()
        if self._known is None or self._known[0] != version:
            marks, keys = wrong_feedback(self._store)
            self._known = version, [(mark, content_words(mark.question)) for mark in marks], keys
        return self._known[1:]


def _alike(one: str, other: str) -> bool:
    """Whether two questions differ in no number, no name, and not in their form."""
    for text, counterpart in ((one, other), (other, one)):
        if not content_words(" ".join(NAME.findall(text))) <= content_words(counterpart):
            return False
    return numbers(one) == numbers(other) and same_form(one, other)


def _of(marks: Sequence[Feedback]) -> Wrong:
    pairs = frozenset(mark.pair for mark in marks if mark.pair is not None)
    return Wrong(pairs, frozenset(text for mark in marks for text in mark.answers))
