"""Batches for the key encoder: human questions and the key texts of stored pairs, many of one passage together.

The pairs of one passage are each other's hard negatives: they share its words and differ in what they ask.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

from quipu.models.keys import KeyKind, key_text
from quipu.text import normalize_answer
from quipu.training.corpora import read_jsonl


@dataclass(frozen=True, slots=True)
class Keyed:
    """A human question with its answer, the sentence that holds it, and what the writer asks about the same span."""

    question: str
    answer: str
    sentence: str
    generated: str


def read_keyed(path: Path) -> list[list[Keyed]]:
    """Passages as written by ``quipu.training.rounds.ask_spans``: one list of pairs each."""
    return [[Keyed(**item) for item in row["pairs"]] for row in read_jsonl(path) if row["pairs"]]


class Batches:
    """Batches as a function of the step."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        passages: Sequence[Sequence[Keyed]],
        plain: Sequence[str],
        *,
        size: int,
        per_passage: int,
        anchors: int,
        question_only: float,
        seed: int,
    ) -> None:
        self.tokenizer, self.passages, self.plain = tokenizer, passages, plain
        self.size, self.per_passage, self.anchors = size, per_passage, anchors
        self.question_only, self.seed = question_only, seed

    def at(self, step: int) -> dict[str, torch.Tensor]:
        """Token ids and masks of questions, keys and anchors, and which keys are no negatives of which questions."""
        rng = random.Random(self.seed * 1_000_003 + step)
        chosen: list[Keyed] = []
        start = rng.randrange(len(self.passages))
        while len(chosen) < self.size:
            # Neighbouring passages of one article are harder than random ones; runs of a few, from random places.
            if rng.random() < 0.3:
                start = rng.randrange(len(self.passages))
            pairs = self.passages[start % len(self.passages)]
            chosen += rng.sample(list(pairs), min(self.per_passage, len(pairs)))
            start += 1
        chosen = chosen[: self.size]
        kinds: list[KeyKind] = rng.choices(("both", "cloze", "question"), (0.6, 0.2, self.question_only), k=len(chosen))
        stored = [
            key_text(item.generated, item.answer, item.sentence, "", kind)
            for item, kind in zip(chosen, kinds, strict=True)
        ]
        answers = [normalize_answer(item.answer) for item in chosen]
        same = torch.tensor(
            [
                [
                    i != j and (chosen[i].question == chosen[j].question or
                                (answers[i] == answers[j] and chosen[i].sentence == chosen[j].sentence))
                    for j in range(len(chosen))
                ]
                for i in range(len(chosen))
            ]
        )  # fmt: skip
        batch = {"same": same}
        texts = {
            "question": [item.question for item in chosen],
            "key": stored,
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
