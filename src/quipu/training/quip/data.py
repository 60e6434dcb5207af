"""Passages with soft-labelled questions: their file format, and batches in which a passage stands with its questions.

The file is JSONL, one passage a line: {"passage", "questions": [{"question", "span", "start", "end"}]}. ``start`` and
``end`` are the teacher's largest probabilities as [character, probability], -1 for "no answer"; mass beyond
them counts for nothing in the loss. ``span`` is where the question was made from or marked, or null. Offsets
are characters, so a student may have another tokenizer than its teacher.
"""

from __future__ import annotations

import bisect
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import torch
from tokenizers import Encoding, Tokenizer

from quipu.datasets.contexts import Context, compose, cut
from quipu.datasets.io import read_jsonl
from quipu.errors import FormatError
from quipu.training.batching import padded
from quipu.training.lines import Lines, Order

NO_ANSWER = -1  # the character that stands for it; the passage's first token
KEPT = 8  # probabilities of a distribution that are kept (QuIP section 3.3)
Places = tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Soft:
    """A question with its marked span (None: there is none) and the teacher's distributions over characters."""

    question: str
    span: tuple[int, int] | None
    start: Places
    end: Places


@dataclass(frozen=True, slots=True)
class Labelled:
    """A passage with its questions."""

    passage: str
    questions: tuple[Soft, ...]


def write_labelled(path: Path, items: Iterable[Labelled]) -> int:
    """Write the file and return its number of questions."""
    count = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for item in items:
            questions = [
                {"question": q.question, "span": q.span, "start": _rounded(q.start), "end": _rounded(q.end)}
                for q in item.questions
            ]
            file.write(json.dumps({"passage": item.passage, "questions": questions}, ensure_ascii=False) + "\n")
            count += len(questions)
    return count


def read_labelled(path: Path) -> Iterator[Labelled]:
    """Line by line; FormatError where a line is none of these."""
    for number, row in enumerate(read_jsonl(path), start=1):
        yield _labelled(row, f"{path}, line {number}")


def _labelled(row: dict[str, Any], place: str) -> Labelled:
    try:
        return Labelled(
            row["passage"],
            tuple(
                Soft(
                    item["question"],
                    tuple(item["span"]) if item["span"] else None,
                    tuple((int(at), float(p)) for at, p in item["start"]),
                    tuple((int(at), float(p)) for at, p in item["end"]),
                )
                for item in row["questions"]
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{place}: not a labelled passage ({error!r}); label it again") from error


class LabelledFiles(Sequence[Labelled]):
    """Files of labelled passages by number, read when asked for.

    ``limit``: a sample of so many, drawn by ``seed``. ``corrupt``: see ``corrupted``.
    """

    def __init__(
        self, paths: Sequence[Path], *, limit: int | None = None, corrupt: float = 0.0, seed: int = 13
    ) -> None:
        self._lines = Lines(paths, limit=limit, seed=seed, before='"questions"')
        self._corrupt, self._seed = corrupt, seed
        self.lengths = self._lines.lengths  # bytes of the passages

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, row: int) -> Labelled: ...
    @overload
    def __getitem__(self, row: slice) -> list[Labelled]: ...
    def __getitem__(self, row: int | slice) -> Labelled | list[Labelled]:
        if isinstance(row, slice):
            return [self[at] for at in range(*row.indices(len(self)))]
        if not 0 <= row < len(self):
            raise IndexError(row)
        item = _labelled(self._lines[row], self._lines.place(row))
        return corrupted(item, self._corrupt, self._seed * 1_000_003 + row) if self._corrupt else item


def corrupted(item: Labelled, share: float, seed: int) -> Labelled:
    """A share of the questions with the marked span of another of their passage; the teacher's labels stay."""
    rng, questions = random.Random(seed), list(item.questions)
    for at, soft in enumerate(questions):
        if rng.random() < share and len(questions) > 1:
            other = rng.choice([q for place, q in enumerate(item.questions) if place != at])
            questions[at] = Soft(soft.question, other.span, soft.start, soft.end)
    return Labelled(item.passage, tuple(questions))


def passages_of(
    contexts: Sequence[Context], *, words: tuple[int, int], per_passage: int, foreign: float, seed: int
) -> Iterator[Labelled]:
    """Contexts as passages of ``words`` (least, most), each context once, with at most ``per_passage`` questions.

    Sentences are joined with their neighbours, long sections cut. ``foreign``: questions of other passages a question,
    which this one most likely does not answer. The labels are empty.
    """
    rng = random.Random(seed)
    place = 0
    while place < len(contexts):
        wanted = rng.randint(*words)
        length, last = 0, place
        while last < len(contexts) and contexts[last].group == contexts[place].group and length < wanted:
            length += len(contexts[last].text.split())
            last += 1
        made = cut(compose(contexts[place:last], 0, wanted, rng), int(1.3 * wanted), rng)
        asked = list(made.asked)
        chosen = [
            Soft(item.question, (item.start, item.end) if item.start >= 0 else None, (), ())
            for item in rng.sample(asked, min(per_passage, len(asked)))
        ]
        others = contexts[(place + rng.randrange(5, 40)) % len(contexts)].asked
        for _ in range(sum(rng.random() < foreign for _ in chosen) if others else 0):
            chosen.append(Soft(rng.choice(others).question, None, (), ()))
        if chosen:
            yield Labelled(made.text, tuple(chosen))
        place = last


@dataclass(slots=True)
class Batches:
    """Batches as a function of the step; passages of like length together, each with all its questions."""

    tokenizer: Tokenizer
    items: LabelledFiles
    passages: int  # a batch
    per_passage: int
    max_length: int
    question_length: int
    hard: bool  # the marked span instead of the teacher's labels; a question without one points at the first token
    seed: int
    _order: Order = field(init=False)

    def __post_init__(self) -> None:
        self._order = Order(self.items.lengths, self.passages, self.seed)

    def at(self, step: int) -> dict[str, torch.Tensor]:
        """ids, mask (P, T); question_ids, question_mask (Q, S); passage (Q); *_places, *_weights (Q, 8)."""
        rng = random.Random(self.seed * 7_000_003 + step)
        chosen = [self.items[row] for row in self._order.at(step)]
        questions = [rng.sample(item.questions, min(self.per_passage, len(item.questions))) for item in chosen]
        return batch_of(
            self.tokenizer, [item.passage for item in chosen], questions,
            self.max_length, self.question_length, self.hard,
        )  # fmt: skip


def batch_of(
    tokenizer: Tokenizer,
    passages: Sequence[str],
    questions: Sequence[Sequence[Soft]],
    max_length: int,
    question_length: int,
    hard: bool = False,
) -> dict[str, torch.Tensor]:
    """Tensors of passages with their questions; see ``Batches.at``."""
    encodings = tokenizer.encode_batch(list(passages))
    flat = [soft for some in questions for soft in some]
    asked = tokenizer.encode_batch([soft.question for soft in flat])
    ids, mask = padded([_cut_ids(item, max_length) for item in encodings])
    question_ids, question_mask = padded([_cut_ids(item, question_length) for item in asked])
    rows = [row for row, some in enumerate(questions) for _ in some]
    batch = {
        "ids": ids, "mask": mask, "question_ids": question_ids, "question_mask": question_mask,
        "passage": torch.tensor(rows),
    }  # fmt: skip
    tables = [_Table(item, min(len(item.ids), max_length)) for item in encodings]
    for side in ("start", "end"):
        places = torch.zeros(len(flat), KEPT, dtype=torch.long)
        weights = torch.zeros(len(flat), KEPT)
        for at, (soft, row) in enumerate(zip(flat, rows, strict=True)):
            labels: Places = getattr(soft, side)
            if hard:
                labels = ((NO_ANSWER if soft.span is None else soft.span[0 if side == "start" else 1], 1.0),)
            summed: dict[int, float] = {}
            for character, p in labels[:KEPT]:
                token = tables[row].token(character, side == "end")
                if token is not None:
                    summed[token] = summed.get(token, 0.0) + p
            for column, (token, p) in enumerate(summed.items()):
                places[at, column], weights[at, column] = token, p
        batch[f"{side}_places"], batch[f"{side}_weights"] = places, weights
    return batch


class _Table:
    """Characters of one passage to its tokens."""

    def __init__(self, encoding: Encoding, length: int) -> None:
        inside = [
            (offsets, token)
            for token, (offsets, special) in enumerate(zip(encoding.offsets, encoding.special_tokens_mask, strict=True))
            if not special and token < length - 1
        ]
        self._starts = [offsets[0] for offsets, _ in inside]
        self._tokens = [token for _, token in inside]
        self._last = inside[-1][0][1] if inside else 0

    def token(self, character: int, is_end: bool) -> int | None:
        """The token that holds the character (that ends before it, for ``is_end``); 0 for "no answer", None if cut."""
        if character == NO_ANSWER:
            return 0
        character -= is_end
        if not self._tokens or character >= self._last:
            return None
        return self._tokens[max(0, bisect.bisect_right(self._starts, character) - 1)]


def _cut_ids(encoding: Encoding, length: int) -> list[int]:
    ids: list[int] = encoding.ids
    return ids if len(ids) <= length else [*ids[: length - 1], ids[-1]]


def _rounded(places: Places) -> list[tuple[int, float]]:
    return [(at, round(p, 5)) for at, p in places]
