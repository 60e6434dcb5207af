"""Batches for the key encoder: questions as people ask them, the key texts of stored pairs, and hard negatives.

A batch mixes three kinds: a person's question and the pair that the writer made about the same span (many of one
passage together: they share its words and differ in what they ask), two people's questions about one span, and a real
question reworded by rule beside a near-twin of it. Mined negatives are stored pairs that an encoder finds although
their answer is another (RePAQ: hard negatives of the retriever; DPR: in-batch and mined negatives).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from quipu.datasets.contexts import Context
from quipu.datasets.io import read_jsonl
from quipu.evaluation.twins.rules import any_twin, names_of, paraphrase
from quipu.models.encoder import Encoder
from quipu.models.keys import KeyKind, key_text
from quipu.text import normalize_answer, token_f1


@dataclass(frozen=True, slots=True)
class Keyed:
    """A human question with its answer, the sentence that holds it, and what the writer asks about the same span."""

    question: str
    answer: str
    sentence: str
    generated: str


def read_keyed(path: Path) -> list[list[Keyed]]:
    """Passages as written by ``quipu.training.jobs.self_labelling.ask_spans``: one list of pairs each."""
    return [[Keyed(**item) for item in row["pairs"]] for row in read_jsonl(path) if row["pairs"]]


def asked_twice(contexts: Sequence[Context]) -> list[tuple[str, str]]:
    """Two people's questions about the same span of a sentence, in different words: (one, other)."""
    found = []
    for context in contexts:
        by_span: dict[tuple[int, int], list[str]] = {}
        for asked in context.asked:
            if asked.start >= 0:
                by_span.setdefault((asked.start, asked.end), []).append(asked.question)
        for questions in by_span.values():
            for one, other in itertools.pairwise(questions):
                if 0.35 <= token_f1(one, other) < 1.0:
                    found.append((one, other))
    return found


def mine(passages: Sequence[Sequence[Keyed]], encoder: Encoder, k: int = 24) -> NDArray[np.int64]:
    """Rows (n, k) of the pairs, flat over ``passages``, whose keys are best for each question.

    A pair with the same answer may answer the question too and is no negative: the batch leaves those out.
    """
    flat = [item for pairs in passages for item in pairs]
    keys = encoder.encode([key_text(item.generated, item.answer, item.sentence) for item in flat])
    found = np.empty((len(flat), min(k, len(flat))), dtype=np.int64)
    for first in range(0, len(flat), 512):
        asked = encoder.encode([item.question for item in flat[first : first + 512]])
        scores = asked @ keys.T
        best = np.argpartition(-scores, found.shape[1] - 1, axis=1)[:, : found.shape[1]]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
        found[first : first + 512] = np.take_along_axis(best, order, axis=1)
    return found


@dataclass(slots=True)
class Batches:
    """Batches as a function of the step."""

    tokenizer: Tokenizer
    passages: Sequence[Sequence[Keyed]]
    plain: Sequence[str]
    twice: Sequence[tuple[str, str]]
    mined: NDArray[np.int64]
    size: int
    per_passage: int
    reworded: int
    pairs: int
    anchors: int
    question_only: float
    seed: int

    def at(self, step: int) -> dict[str, torch.Tensor]:
        """Token ids and masks of N questions, N + M keys (own ones first) and anchors; ``same`` (N, N + M)."""
        rng = random.Random(self.seed * 1_000_003 + step)
        chosen, places = self._passage_pairs(rng)
        kinds: list[KeyKind] = rng.choices(("both", "cloze", "question"), (0.6, 0.2, self.question_only), k=len(chosen))
        questions = [item.question for item in chosen]
        own = [
            key_text(item.generated, item.answer, item.sentence, "", kind)
            for item, kind in zip(chosen, kinds, strict=True)
        ]
        groups = [(normalize_answer(item.answer), item.sentence) for item in chosen]
        flat = [item for pairs in self.passages for item in pairs]
        others: list[tuple[str, tuple[str, str]]] = []
        for item, place, kind in zip(chosen, places, kinds, strict=True):
            answer = normalize_answer(item.answer)
            wrong = [flat[row] for row in self.mined[place] if normalize_answer(flat[row].answer) != answer]
            if wrong:
                other = rng.choice(wrong[:8])
                text = key_text(other.generated, other.answer, other.sentence, "", kind)
                others.append((text, (normalize_answer(other.answer), other.sentence)))
        for one, other_question in rng.sample(list(self.twice), self.pairs):
            questions.append(one)
            own.append(other_question)
            groups.append(("", one))
        stored = rng.sample(list(self.plain), self.reworded)
        names = [name for question in stored for name in names_of(question)]
        for question in stored:
            questions.append(paraphrase(question, rng))
            own.append(question)
            groups.append(("", question))
            twin = any_twin(question, rng, names)
            if twin is not None:
                others.append((twin[1], ("", "")))
        columns = groups + [group for _, group in others]
        batch = {"same": _same(groups, columns, questions)}
        texts = {
            "question": questions,
            "key": own + [text for text, _ in others],
            "anchor": rng.sample(list(self.plain), self.anchors),
        }
        for name, items in texts.items():
            encodings = self.tokenizer.encode_batch(items)
            length = max(len(item.ids) for item in encodings)
            batch[f"{name}_ids"] = torch.tensor([item.ids + [0] * (length - len(item.ids)) for item in encodings])
            batch[f"{name}_mask"] = torch.tensor(
                [[1] * len(item.ids) + [0] * (length - len(item.ids)) for item in encodings]
            )
        return batch

    def _passage_pairs(self, rng: random.Random) -> tuple[list[Keyed], list[int]]:
        """``size`` pairs, many of a passage, and their places in the flat order of ``mined``."""
        begins = np.cumsum([0, *(len(pairs) for pairs in self.passages)])
        chosen: list[Keyed] = []
        places: list[int] = []
        start = rng.randrange(len(self.passages))
        while len(chosen) < self.size:
            # Neighbouring passages of one article are harder than random ones; runs of a few, from random places.
            if rng.random() < 0.3:
                start = rng.randrange(len(self.passages))
            at = start % len(self.passages)
            for index in rng.sample(range(len(self.passages[at])), min(self.per_passage, len(self.passages[at]))):
                chosen.append(self.passages[at][index])
                places.append(int(begins[at]) + index)
            start += 1
        return chosen[: self.size], places[: self.size]


def _same(
    groups: Sequence[tuple[str, str]], columns: Sequence[tuple[str, str]], questions: Sequence[str]
) -> torch.Tensor:
    """(N, M) bool: column j answers question i too, or belongs to the same question; False on the diagonal."""
    rows = [
        [
            i != j and ((group[0] != "" and group == column) or (j < len(questions) and questions[i] == questions[j]))
            for j, column in enumerate(columns)
        ]
        for i, group in enumerate(groups)
    ]
    return torch.tensor(rows)
