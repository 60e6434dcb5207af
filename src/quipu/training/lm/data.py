"""What the language model learns from: trees, drawn from a mixture of sources and packed into rows.

A *tree* is a passage with its branches: a question to be written for a span, or to be read and answered. Every draw
takes its randomness from the caller, so a batch is a function of its number.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from tokenizers import Tokenizer

from quipu.datasets.contexts import Context, compose, cut, title_of
from quipu.datasets.multihop import MultiHop
from quipu.datasets.written import WrittenPassage
from quipu.errors import FormatError, SettingsError
from quipu.models.lm.prompts import MARKERS, Prompts
from quipu.training.lm.negatives import neighbour_question, twin_question

WRITTEN, READ = 1.0, 2.0  # weight of a token of a question and of an answer: answers are short
_ROOM = 60  # tokens left in a row for the branches of a passage
_MISSES = 3  # trees in turn that do not fit into what is left of a row


@dataclass(frozen=True, slots=True)
class Branch:
    """Token ids of a prompt and of what is said to it; ``weight`` of each said token in the loss."""

    prompt: list[int]
    said: list[int]
    weight: float


@dataclass(frozen=True, slots=True)
class Tree:
    """Token ids of a passage, and its branches."""

    prefix: list[int]
    branches: list[Branch]


class Source(Protocol):
    """Something to draw trees from; None where the draw came to nothing."""

    def draw(self, rng: random.Random) -> Tree | None:
        """One tree."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """How trees are drawn from people's questions; shares are probabilities."""

    words: tuple[int, ...] = (25, 50, 80, 110, 140)  # least words of a passage, one of these
    longest: int = 190  # words of a passage; a longer one is cut to a window
    answer_words: int = 25  # longer answers are left out
    branches: int = 14  # questions of a tree
    titled: float = 0.7  # passages that come with their title, where it is known
    written: float = 0.8  # marked questions that are written
    read: float = 0.7  # questions that are read
    plain: float = 0.15  # read questions as people type them: lower case, without the mark
    neighbours: float = 0.35  # trees with a question that another passage answers
    twins: float = 0.1  # trees with a question changed in a name, number or date


def prompts_of(folder: Path) -> Prompts:
    """The prompts of a model folder; FormatError where its tokenizer lacks a marker."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    markers = {role: tokenizer.token_to_id(token) for role, token in MARKERS.items()}
    for role, number in markers.items():
        if number is None:
            raise FormatError(f"{folder}: the tokenizer has no {MARKERS[role]}; make the folder with train = 'lm.base'")
    return Prompts(tokenizer, markers)


@dataclass(frozen=True, slots=True)
class People:
    """Contexts that people asked about; neighbours of one article are joined to passages.

    ``only_read``: the questions are no examples of how to ask.
    """

    contexts: Sequence[Context]
    prompts: Prompts
    drawing: Drawing
    only_read: bool = False

    def draw(self, rng: random.Random) -> Tree | None:
        """A passage around a random context."""
        drawing, prompts = self.drawing, self.prompts
        at = rng.randrange(len(self.contexts))
        joined = compose(self.contexts, at, rng.choice(drawing.words), rng)
        context = cut(joined, drawing.longest, rng)
        asked = [item for item in context.asked if item.start >= 0 or item.answer]
        branches: list[Branch] = []
        for item in rng.sample(asked, min(drawing.branches, len(asked))):
            answer = context.text[item.start : item.end] if item.start >= 0 else item.answer
            if len(answer.split()) > drawing.answer_words:
                continue
            fit_to_write = item.start >= 0 and not self.only_read and item.question.rstrip().endswith("?")
            if fit_to_write and rng.random() < drawing.written:
                asking = prompts.writing(context.text, item.start, item.end)
                branches.append(Branch(asking, prompts.said(item.question), WRITTEN))
            if rng.random() < drawing.read:
                branches.append(self._read(typed(item.question, drawing.plain, rng), answer))
        if rng.random() < drawing.neighbours:
            branches += [self._read(question) for question in neighbour_question(self.contexts, at, joined.text, rng)]
        if rng.random() < drawing.twins:
            branches += [self._read(question) for question in twin_question(context, rng)]
        if not branches:
            return None
        title = title_of(context) if rng.random() < drawing.titled else ""
        return Tree(prompts.prefix(context.text, title), branches)

    def _read(self, question: str, answer: str = "") -> Branch:
        return Branch(self.prompts.reading(question), self.prompts.said(answer), READ)


@dataclass(frozen=True, slots=True)
class Written:
    """Passages with pairs that a model wrote and read back: ``pruned``, with one pair at least."""

    passages: Sequence[WrittenPassage]
    prompts: Prompts
    drawing: Drawing

    def draw(self, rng: random.Random) -> Tree | None:
        """A random passage."""
        prompts, passage = self.prompts, rng.choice(self.passages)
        pairs = passage.pairs
        branches: list[Branch] = []
        for pair in rng.sample(pairs, min(self.drawing.branches, len(pairs))):
            if rng.random() < self.drawing.written:
                asking = prompts.writing(passage.text, pair.start, pair.end)
                branches.append(Branch(asking, prompts.said(pair.question), WRITTEN))
            if rng.random() < self.drawing.read:
                branches.append(Branch(prompts.reading(pair.question), prompts.said(passage.span(pair)), READ))
        other = rng.choice(self.passages)
        if rng.random() < self.drawing.neighbours and other.text != passage.text:
            question = rng.choice(other.pairs).question
            branches.append(Branch(prompts.reading(question), prompts.said(""), READ))
        return Tree(prompts.prefix(passage.text, passage.title), branches) if branches else None


@dataclass(frozen=True, slots=True)
class SeveralPassages:
    """Questions that need two or more passages, which stand one after another among others."""

    questions: Sequence[MultiHop]
    prompts: Prompts
    others: int = 2  # passages that are not needed, at most
    longest: int = 520  # tokens of all passages

    def draw(self, rng: random.Random) -> Tree | None:
        """The passages of a random question in random order; None where they are too long."""
        item = rng.choice(self.questions)
        needed = [part for part in item.paragraphs if part[0] in item.needed]
        others = [part for part in item.paragraphs if part[0] not in item.needed]
        parts = needed + rng.sample(others, min(rng.randint(0, self.others), len(others)))
        rng.shuffle(parts)
        prefix = self.prompts.encode("\n\n".join(f"{title}\n{text}" for title, text in parts))
        if len(prefix) > self.longest:
            return None
        return Tree(prefix, [Branch(self.prompts.reading(item.question), self.prompts.said(item.answers[0]), READ)])


def typed(question: str, share: float, rng: random.Random) -> str:
    """A share of the questions as people type them: in lower case, half of them without the question mark."""
    draw = rng.random()
    if draw >= share:
        return question
    return question.lower() if draw < share / 2 else question.lower().rstrip("? ")


class Mixture:
    """Trees of several sources, each drawn as often as its weight says."""

    def __init__(self, sources: Mapping[str, Source], weights: Mapping[str, float]) -> None:
        unknown = sorted(set(weights) ^ set(sources))
        if unknown:
            raise SettingsError(f"mixture: {unknown[0]!r} has no weight or is no source")
        if not sources or min(weights.values()) < 0 or sum(weights.values()) <= 0:
            raise SettingsError("mixture: weights are zero or more, and one at least is more")
        self.names = list(sources)
        self._sources = [sources[name] for name in self.names]
        self._weights = [weights[name] for name in self.names]

    def draw(self, rng: random.Random) -> tuple[str, Tree]:
        """The name of a source and a tree of it; SettingsError where nothing comes of a thousand draws."""
        for _ in range(1000):
            at = rng.choices(range(len(self.names)), self._weights)[0]
            tree = self._sources[at].draw(rng)
            if tree is not None:
                return self.names[at], tree
        raise SettingsError("mixture: its sources hold no questions that can be learned from")


Batch = dict[str, torch.Tensor]
_KEYS = ("ids", "positions", "tree", "branch", "labels")


def batch_of(mixture: Mixture, rows: int, length: int, rng: random.Random) -> Batch:
    """Rows of ``length`` tokens: ids, positions, tree, branch, labels (rows, length) long, and weights, float.

    ``tree`` and ``branch`` as in ``quipu.training.lm.model.tree_mask``. A token with weight > 0 predicts its label.
    A tree that does not fit waits for a later row; branches that do not fit into an empty row are left out.
    """
    batch = {key: torch.zeros(rows, length, dtype=torch.long) for key in _KEYS}
    batch["weights"] = torch.zeros(rows, length)
    waiting: list[Tree] = []
    for row in range(rows):
        used, number, misses = 0, 0, 0
        while used <= length - _ROOM and misses < _MISSES:
            at = next((at for at, tree in enumerate(waiting) if not used or used + size_of(tree) <= length), None)
            tree = waiting.pop(at) if at is not None else _fitting(mixture, length - _ROOM, rng)
            if used and used + size_of(tree) > length:
                waiting.append(tree)
                misses += 1
                continue
            number += 1
            used = _put(batch, row, used, number, tree)
    return batch


def _fitting(mixture: Mixture, longest: int, rng: random.Random) -> Tree:
    """A tree whose passage has at most so many tokens; SettingsError where a hundred have more."""
    for _ in range(100):
        tree = mixture.draw(rng)[1]
        if len(tree.prefix) <= longest:
            return tree
    raise SettingsError(f"nearly all passages have more than {longest} tokens; make rows longer or passages shorter")


def size_of(tree: Tree) -> int:
    """Tokens of a tree; the last token of a branch is only predicted."""
    return len(tree.prefix) + sum(len(branch.prompt) + len(branch.said) - 1 for branch in tree.branches)


def _put(batch: Batch, row: int, used: int, number: int, tree: Tree) -> int:
    """Write a tree at ``used`` as far as there is room, and return the place after it."""
    length, depth = batch["ids"].shape[1], len(tree.prefix)
    used = _write(batch, row, used, tree.prefix, 0, number, 0)
    for at, branch in enumerate(tree.branches, start=1):
        ids = branch.prompt + branch.said[:-1]
        if used + len(ids) > length:
            break
        first = used + len(branch.prompt) - 1
        used = _write(batch, row, used, ids, depth, number, at)
        batch["labels"][row, first:used] = torch.tensor(branch.said)
        batch["weights"][row, first:used] = branch.weight
    return used


def _write(batch: Batch, row: int, used: int, ids: Sequence[int], position: int, tree: int, branch: int) -> int:
    place = slice(used, used + len(ids))
    batch["ids"][row, place] = torch.tensor(ids)
    batch["positions"][row, place] = torch.arange(position, position + len(ids))
    batch["tree"][row, place] = tree
    batch["branch"][row, place] = branch
    return used + len(ids)
