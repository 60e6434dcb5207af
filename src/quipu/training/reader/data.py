"""Examples for the reader: questions with pseudo-passages around their sentences, and unanswerable ones."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from quipu.datasets.contexts import Asked, Context, compose
from quipu.training.batching import padded


@dataclass(frozen=True, slots=True)
class ReaderExample:
    """Question, passage, and the answer's characters in it (-1, -1: the passage does not answer)."""

    question: str
    passage: str
    start: int
    end: int


def examples(
    contexts: Sequence[Context], *, seed: int, words: tuple[int, int], per_context: int, negatives: float
) -> list[ReaderExample]:
    """One pass over ``contexts``: at most ``per_context`` questions each, in passages of ``words`` (least, most).

    A share of ``negatives`` more is the same questions over passages of the same article that lack the sentence.
    """
    rng = random.Random(seed)
    made = []
    for index, context in enumerate(contexts):
        marked = [asked for asked in context.asked if asked.start >= 0]
        for asked in rng.sample(marked, min(per_context, len(marked))):
            made.append(_around(contexts, index, asked, rng.randint(*words), rng))
            if rng.random() < negatives:
                other = _elsewhere(contexts, index, rng)
                if other is not None:
                    text = compose(contexts, other, rng.randint(*words), rng).text
                    answer = context.text[asked.start : asked.end].lower()
                    if answer not in text.lower():
                        made.append(ReaderExample(asked.question, text, -1, -1))
    rng.shuffle(made)
    return made


def _around(contexts: Sequence[Context], index: int, asked: Asked, words: int, rng: random.Random) -> ReaderExample:
    """The question with a passage of about ``words`` words: neighbours added, or a long section cut."""
    context = contexts[index]
    if len(context.text.split()) <= 1.5 * words:
        composed = compose(contexts, index, words, rng)
        shift = composed.text.find(context.text)
        return ReaderExample(asked.question, composed.text, asked.start + shift, asked.end + shift)
    room = max(0, words * 6 - (asked.end - asked.start))
    first = max(0, asked.start - rng.randint(0, room))
    first = context.text.find(" ", first) + 1 if 0 < first < asked.start else first
    first = min(first, asked.start)
    last = context.text.find(" ", max(first + words * 6, asked.end))
    text = context.text[first : last if last > 0 else None]
    return ReaderExample(asked.question, text, asked.start - first, asked.end - first)


def _elsewhere(contexts: Sequence[Context], index: int, rng: random.Random) -> int | None:
    """Another context, of the same article where there is one more than a few sentences away."""
    near = [
        other
        for other in range(max(0, index - 12), min(len(contexts), index + 13))
        if abs(other - index) > 4 and contexts[other].group == contexts[index].group
    ]
    return rng.choice(near) if near else rng.randrange(len(contexts))


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of [CLS] question [SEP] passage [SEP], where the passage begins, and the gold tokens (0: none)."""

    ids: list[int]
    passage_from: int
    start: int
    end: int


def encode(tokenizer: Tokenizer, made: Sequence[ReaderExample], max_length: int) -> list[Encoded]:
    """Tokens of each example; those whose answer is cut off by ``max_length`` are left out."""
    kept = []
    encodings = tokenizer.encode_batch([(item.question, item.passage) for item in made])
    for item, encoding in zip(made, encodings, strict=True):
        types, offsets = encoding.type_ids, encoding.offsets
        passage_from = types.index(1)
        ids = encoding.ids[: max_length - 1] + encoding.ids[-1:] if len(encoding.ids) > max_length else encoding.ids
        if item.start < 0:
            kept.append(Encoded(ids, passage_from, 0, 0))
            continue
        inside = [
            place
            for place in range(passage_from, len(ids) - 1)
            if offsets[place][0] < item.end and offsets[place][1] > item.start
        ]
        if inside:
            kept.append(Encoded(ids, passage_from, inside[0], inside[-1]))
    return kept


def batches(encoded: Sequence[Encoded], tokens: int, seed: int) -> list[list[int]]:
    """Index lists of similar length, at most ``tokens`` padded tokens each, in random order."""
    rng = random.Random(seed)
    order = sorted(range(len(encoded)), key=lambda index: (len(encoded[index].ids) + rng.random() * 8, index))
    made: list[list[int]] = [[]]
    for index in order:
        if made[-1] and (len(made[-1]) + 1) * len(encoded[index].ids) > tokens:
            made.append([])
        made[-1].append(index)
    rng.shuffle(made)
    return made


def collate(items: Sequence[Encoded]) -> dict[str, torch.Tensor]:
    """Padded tensors: ids, mask, types (B, T) int64; allowed (B, T) bool; start, end (B)."""
    ids, mask = padded([item.ids for item in items])
    types, allowed = torch.zeros_like(ids), torch.zeros_like(ids, dtype=torch.bool)
    for row, item in enumerate(items):
        count = len(item.ids)
        types[row, item.passage_from : count] = 1
        allowed[row, item.passage_from : count - 1] = True
        allowed[row, 0] = True
    start = torch.tensor([item.start for item in items])
    end = torch.tensor([item.end for item in items])
    return {"ids": ids, "mask": mask, "types": types, "allowed": allowed, "start": start, "end": end}
