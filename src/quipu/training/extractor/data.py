"""Passages with the spans that people asked about, as batches of equal size in tokens."""

from __future__ import annotations

import random
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from tokenizers import Encoding, Tokenizer

from quipu.corpus.passages import split
from quipu.datasets.contexts import Asked, Context
from quipu.errors import InputError
from quipu.models.extractor import allowed, shapes
from quipu.records import Document
from quipu.text import normalize_answer
from quipu.training.batching import padded
from quipu.training.extractor.model import STYLES

WHOLE = 190  # words; a longer text is only seen in parts
LONGEST = 320  # word pieces of a passage
_POOL = 64  # batches among which passages are sorted by length
_WORD = re.compile(r"\S+")
_STYLE = {
    "squadshifts_reddit": "forum", "squadshifts_amazon": "forum", "qamr": "qamr", "fairytaleqa": "story",
    "policyqa": "policy", "tatqa_text": "policy",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Marked:
    """A tokenised passage; ``groups``: for each answer its spans (first, width - 1), and how often it was asked for."""

    ids: tuple[int, ...]
    shapes: tuple[int, ...]
    allowed: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]  # (T, L / 8), a bit a span
    groups: tuple[tuple[tuple[tuple[int, int], ...], float], ...]
    style: int


def style_of(source: str) -> int:
    """Index of the style in which a source asks."""
    return STYLES.index(_STYLE.get(source, STYLES[0]))


def parts_of(context: Context, words: int = 100) -> list[Context]:
    """The context as passages of a memory: cut at sentence ends, each with the questions answered inside it."""
    document = Document("", "", "", context.text, "")
    found = []
    for passage in split(document, words=words):
        start, end = passage.span.start, passage.span.end
        inside = tuple(
            Asked(item.question, item.start - start, item.end - start)
            for item in context.asked
            if start <= item.start and item.end <= end
        )
        found.append(Context(context.group, context.text[start:end], inside, context.source))
    return found


def marked(context: Context, tokenizer: Tokenizer, widest: int) -> Marked | None:
    """The passage with its answers; None where it is too long, or none of them is a span that could be marked."""
    encoding = tokenizer.encode(context.text)
    if len(encoding.ids) > LONGEST:
        return None
    may_be = allowed(context.text, encoding, widest)
    words = Words(context.text, encoding)
    counts: Counter[str] = Counter()
    where: dict[str, tuple[int, int]] = {}
    for item in context.asked:
        answer = normalize_answer(context.text[item.start : item.end]) if item.start >= 0 else ""
        if answer:
            counts[answer] += 1
            where.setdefault(answer, (item.start, item.end))
    groups = []
    for answer, count in counts.items():
        spans = tuple(
            (first, last - first)
            for first, last in words.spans(*where[answer])
            if last - first < widest and may_be[first, last - first]
        )
        if spans:
            groups.append((spans, float(count)))
    if not groups:
        return None
    row = tuple(shapes(context.text, encoding))
    return Marked(tuple(encoding.ids), row, np.packbits(may_be, axis=1), tuple(groups), style_of(context.source))


class Words:
    """The words of a passage as normalisation leaves them, to find every place that says what an answer says."""

    def __init__(self, text: str, encoding: Encoding) -> None:
        self.text = text
        self._pieces = [
            (start, end, at)
            for at, ((start, end), word) in enumerate(zip(encoding.offsets, encoding.word_ids, strict=True))
            if word is not None
        ]
        self._starts = [start for start, _, _ in self._pieces]
        words = [(match.start(), match.end(), normalize_answer(match.group())) for match in _WORD.finditer(text)]
        self._words = [word for word in words if word[2]]  # without articles and lone punctuation

    def spans(self, start: int, end: int) -> list[tuple[int, int]]:
        """Spans of pieces (first, last) that are equal to ``text[start:end]`` after normalisation, itself first."""
        answer = normalize_answer(self.text[start:end])
        found = self._around(start, end, answer)
        said = answer.split()
        for at, word in enumerate(self._words):
            if word[2] == said[0] and [item[2] for item in self._words[at : at + len(said)]] == said:
                found += self._around(word[0], self._words[at + len(said) - 1][1], answer)
        return list(dict.fromkeys(found))

    def _around(self, start: int, end: int, answer: str) -> list[tuple[int, int]]:
        """Spans that begin and end a little before or after these characters, with the same normalised text."""
        first = max(0, bisect_right(self._starts, start) - 1)
        last = bisect_right(self._starts, end - 1) - 1
        return [
            (self._pieces[left][2], self._pieces[right][2])
            for left in range(max(0, first - 2), min(first + 2, len(self._pieces)))
            for right in range(max(left, last - 2), min(last + 2, len(self._pieces)))
            if normalize_answer(self.text[self._pieces[left][0] : self._pieces[right][1]]) == answer
        ]


class Batches:
    """Batches by number: each epoch draws its share of every source, sorts pools by length, shuffles the batches."""

    def __init__(
        self, sources: Sequence[tuple[Sequence[Marked], float]], *, tokens: int, widest: int, seed: int
    ) -> None:
        """``sources``: passages, and the share of them that an epoch takes. InputError where that is none."""
        self.sources, self.tokens, self.widest, self.seed = sources, tokens, widest, seed
        if not any(round(share * len(some)) for some, share in sources):
            raise InputError("nothing to learn from: the sources hold no answer that the extractor could mark")
        self._ends: list[int] = []  # the number of batches up to the end of each epoch
        self.epoch = lru_cache(maxsize=1)(self._epoch)

    def at(self, step: int) -> dict[str, torch.Tensor]:
        """The tensors of batch ``step``; see ``collate``."""
        while not self._ends or self._ends[-1] <= step:
            self._ends.append((self._ends[-1] if self._ends else 0) + len(self.epoch(len(self._ends))))
        number = bisect_right(self._ends, step)
        return collate(self.epoch(number)[step - (self._ends[number - 1] if number else 0)], self.widest)

    def _epoch(self, number: int) -> list[list[Marked]]:
        rng = random.Random(f"{self.seed}/{number}")
        drawn: list[Marked] = []
        for passages, share in self.sources:
            some = list(passages)
            rng.shuffle(some)
            count = round(share * len(some))
            drawn += (some * (count // max(1, len(some)) + 1))[:count]
        rng.shuffle(drawn)
        batches: list[list[Marked]] = []
        pool = max(1, _POOL * self.tokens // 150)
        for first in range(0, len(drawn), pool):
            last: list[Marked] = []
            for item in sorted(drawn[first : first + pool], key=lambda item: len(item.ids)):
                if last and (len(last) + 1) * len(item.ids) > self.tokens:
                    batches.append(last)
                    last = []
                last.append(item)
            if last:
                batches.append(last)
        rng.shuffle(batches)
        return batches


def collate(rows: Sequence[Marked], widest: int) -> dict[str, torch.Tensor]:
    """ids, shapes, mask (B, T); allowed (B, T, L); style (B); row, place, group (N) and weight (G) of the answers."""
    ids, mask = padded([item.ids for item in rows])
    kinds, _ = padded([item.shapes for item in rows])
    may_be = torch.zeros(*ids.shape, widest, dtype=torch.bool)
    spans: list[tuple[int, int, int]] = []
    weights: list[float] = []
    for at, item in enumerate(rows):
        may_be[at, : len(item.ids)] = torch.from_numpy(np.unpackbits(item.allowed, axis=1, count=widest).astype(bool))
        for places_of, weight in item.groups:
            spans += [(at, first * widest + wide, len(weights)) for first, wide in places_of]
            weights.append(weight)
    row, place, group = torch.tensor(spans, dtype=torch.long).T
    return {"ids": ids, "shapes": kinds, "mask": mask, "allowed": may_be, "row": row, "place": place, "group": group,
            "weight": torch.tensor(weights), "style": torch.tensor([item.style for item in rows])}  # fmt: skip
