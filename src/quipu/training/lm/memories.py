"""People's questions over pairs that were written about the same passage and about others, read together."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quipu.datasets.contexts import Context
from quipu.datasets.written import WrittenPassage
from quipu.models.lm.prompts import Prompts, pair_line
from quipu.training.lm.data import READ, Branch, Tree

_CONTAINED = 4  # characters of a person's answer that counts as given when it stands inside a pair's answer


@dataclass(frozen=True, slots=True)
class Memories:
    """Trees whose passage is a few lines "QUESTION ANSWER".

    ``passages``: ``pruned``, with one pair at least. ``asked``: row of a passage that people asked about -> their
    questions with answers.
    """

    passages: Sequence[WrittenPassage]
    asked: Mapping[int, Sequence[tuple[str, str]]]
    prompts: Prompts
    pairs: int = 10  # lines of a memory
    own: tuple[int, int] = (3, 8)  # of them about the passage that the questions are about: least, most
    questions: int = 6
    longest: int = 560  # tokens of the lines

    def draw(self, rng: random.Random) -> Tree | None:
        """A memory with questions that its pairs answer, and half as many (one at least) that they do not.

        None where the lines are too long.
        """
        row = rng.choice(list(self.asked))
        kept = [(pair.question, self.passages[row].span(pair)) for pair in self.passages[row].pairs]
        lines = rng.sample(kept, min(rng.randint(*self.own), len(kept)))
        while len(lines) < self.pairs:
            other = rng.choice(self.passages)
            pair = rng.choice(other.pairs)
            lines.append((pair.question, other.span(pair)))
        rng.shuffle(lines)
        prefix = self.prompts.prefix("\n".join(pair_line(asked, answer) for asked, answer in lines))
        if len(prefix) > self.longest:
            return None
        answers = [answer.lower() for _, answer in lines]
        asked = rng.sample(self.asked[row], len(self.asked[row]))
        known = [item for item in asked if given(item[1].lower(), answers)][: self.questions]
        unknown = [(question, "") for question, answer in asked if not given(answer.lower(), answers)]
        branches = [
            Branch(self.prompts.reading(question), self.prompts.said(answer), READ)
            for question, answer in known + unknown[: max(1, len(known) // 2)]
        ]
        return Tree(prefix, branches)


def given(answer: str, answers: Sequence[str]) -> bool:
    """Whether an answer is one of ``answers``, or stands in one and is not very short; all in lower case."""
    return any(answer == other or (len(answer) >= _CONTAINED and answer in other) for other in answers)


def asked_of(passages: Sequence[WrittenPassage], contexts: Sequence[Context]) -> dict[int, list[tuple[str, str]]]:
    """Row of a passage -> people's marked questions about the same text with their answers.

    Only passages of which some pair answers some question: the others would teach to say that nothing answers.
    """
    by_text: dict[str, list[tuple[str, str]]] = {}
    for context in contexts:
        marked = [(item.question, context.text[item.start : item.end]) for item in context.asked if item.start >= 0]
        by_text.setdefault(context.text, []).extend(marked)
    found: dict[int, list[tuple[str, str]]] = {}
    for row, passage in enumerate(passages):
        asked = by_text.get(passage.text, [])
        answers = [passage.span(pair).lower() for pair in passage.pairs]
        if any(given(answer.lower(), answers) for _, answer in asked):
            found[row] = asked
    return found
