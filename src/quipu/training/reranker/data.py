"""Groups for the reranker: a question as somebody asks it, and stored pairs that a retriever finds, right and wrong.

RePAQ (3.2): candidates come from the retriever; one is right when its answer is a gold answer. Near-twins are mixed in,
because nothing that a retriever finds by chance is as like a question as its twin.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from quipu.datasets import published
from quipu.datasets import trivia as opentriviaqa
from quipu.datasets.contexts import Asked, Context
from quipu.datasets.questions import DPR, dpr, webquestions
from quipu.evaluation.twins.rules import any_twin, names_of, paraphrase
from quipu.evaluation.twins.suite import suite
from quipu.models.encoder import Encoder
from quipu.models.keys import key_text
from quipu.text import normalize_answer, token_f1
from quipu.training.batching import padded
from quipu.training.retriever.data import Keyed

HELD_OUT = 8  # one question in so many is kept for fitting the probability; see ``held_out``
NEAR = 0.5  # token F1 of two answers above which it is not clear that they differ


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored pair by its key text, the retriever's score for it, and whether it answers the question.

    The key text is the stored question and, for a generated pair, the sentence with a question word for the answer.
    """

    question: str
    answer: str
    score: float
    right: bool


@dataclass(frozen=True, slots=True)
class Group:
    """What was asked and what was found, best first."""

    asked: str
    candidates: tuple[Candidate, ...]


def held_out(question: str) -> bool:
    """Whether a question is kept from training, so that the probability can be fitted on what the models never saw."""
    return zlib.crc32(question.encode()) % HELD_OUT == 0


def nearest(
    asked: Sequence[str], keys: NDArray[np.float32], encoder: Encoder, k: int
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float32]]]:
    """For each question: its place, the rows of the best ``k`` keys, best first, and all scores of those rows."""
    for first in range(0, len(asked), 256):
        scores = encoder.encode(asked[first : first + 256]) @ keys.T
        best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        found = np.take_along_axis(scores, best, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        rows, values = np.take_along_axis(best, order, axis=1), np.take_along_axis(found, order, axis=1)
        for at in range(len(scores)):
            yield first + at, rows[at], values[at]


def passage_groups(passages: Sequence[Sequence[Keyed]], encoder: Encoder, k: int = 24) -> Iterator[Group]:
    """People's questions over the pairs that the writer made about the same passages."""
    flat = [item for pairs in passages for item in pairs]
    texts = [key_text(item.generated, item.answer, item.sentence) for item in flat]
    keys = encoder.encode(texts)
    own = np.einsum("nd,nd->n", encoder.encode([item.question for item in flat]), keys)
    for at, rows, scores in nearest([item.question for item in flat], keys, encoder, k):
        item = flat[at]
        if held_out(item.question):
            continue
        found = [(texts[row], flat[row].answer, float(score)) for row, score in zip(rows, scores, strict=True)]
        if at not in rows:
            found.append((texts[at], item.answer, float(own[at])))
        yield _group(item.question, found, [item.answer])


def sentence_groups(contexts: Sequence[Context], encoder: Encoder, seed: int = 11) -> Iterator[Group]:
    """People's questions over other people's questions about the same sentence: one asks for the same span, or none.

    The other questions of the sentence share its words and ask for something else: twins that nobody made up.
    """
    rng = random.Random(seed)
    plans: list[tuple[Asked, list[tuple[Asked, str, bool]]]] = []
    for context in contexts:
        marked = [asked for asked in context.asked if asked.start >= 0 and not held_out(asked.question)]
        if len(marked) < 4:
            continue
        for asked in rng.sample(marked, min(3, len(marked))):
            others = [other for other in marked if other.question != asked.question]
            apart = [other for other in others if other.end <= asked.start or asked.end <= other.start]
            there = [other for other in others if (other.start, other.end) == (asked.start, asked.end)]
            same = [other for other in there if token_f1(other.question, asked.question) > 0.3]
            if apart and (same or rng.random() < 0.3):
                chosen = [*rng.sample(same, min(2, len(same))), *rng.sample(apart, min(8, len(apart)))]
                texts = [context.text[other.start : other.end] for other in chosen]
                plans.append((asked, [(other, text, other in same) for other, text in zip(chosen, texts, strict=True)]))
    asked_keys = encoder.encode([asked.question for asked, _ in plans])
    keys = iter(encoder.encode([other.question for _, around in plans for other, _, _ in around]))
    for key, (asked, around) in zip(asked_keys, plans, strict=True):
        found = [Candidate(other.question, answer, float(key @ next(keys)), right) for other, answer, right in around]
        yield Group(asked.question, tuple(sorted(found, key=lambda item: -item.score)))


def open_groups(
    asked: Sequence[tuple[str, Sequence[str]]],
    memory: Sequence[tuple[str, str]],
    encoder: Encoder,
    k: int = 24,
    keep_unanswered: float = 0.25,
    seed: int = 5,
) -> Iterator[Group]:
    """Real questions over a memory of other real questions; mostly nothing there answers them."""
    rng = random.Random(seed)
    keys = encoder.encode([question for question, _ in memory])
    for at, rows, scores in nearest([question for question, _ in asked], keys, encoder, k + 1):
        question, answers = asked[at]
        if held_out(question):
            continue
        found = [
            (memory[row][0], memory[row][1], float(score))
            for row, score in zip(rows, scores, strict=True)
            if memory[row][0] != question
        ]
        group = _group(question, found[:k], answers)
        if any(item.right for item in group.candidates) or rng.random() < keep_unanswered:
            yield group


def twin_groups(memory: Sequence[tuple[str, str]], encoder: Encoder, seed: int = 7) -> Iterator[Group]:
    """Stored questions reworded by rule, or asked as their twins, over the pair, its twins and its neighbours."""
    rng = random.Random(seed)
    memory = [pair for pair in memory if not held_out(pair[0])]
    names = [name for question, _ in memory for name in names_of(question)]
    plans = []
    for question, answer in memory:
        others = rng.sample(names, min(20, len(names)))
        twins = list({made[1]: None for _ in range(4) if (made := any_twin(question, rng, others)) is not None})
        plans.append((question, answer, twins))
    keys = encoder.encode([question for question, _ in memory])
    asked = []
    for question, _, twins in plans:
        as_twin = bool(twins) and rng.random() < 0.4
        asked.append((paraphrase(twins[0], rng, 1) if as_twin else paraphrase(question, rng), as_twin))
    asked_keys = encoder.encode([text for text, _ in asked])
    twin_keys = iter(encoder.encode([twin for *_, twins in plans for twin in twins]))
    for at, rows, scores in nearest([text for text, _ in asked], keys, encoder, 8):
        question, answer, twins = plans[at]
        text, as_twin = asked[at]
        found = [Candidate(question, answer, float(asked_keys[at] @ keys[at]), not as_twin)]
        for number, twin in enumerate(twins):
            score = float(asked_keys[at] @ next(twin_keys))
            other = memory[rng.choice(rows)][1] if rng.random() < 0.5 else answer  # of a like kind: no give-away
            if number or rng.random() < 0.5 or not as_twin:  # half of the twins that are asked are stored too
                found.append(Candidate(twin, other, score, as_twin and number == 0))
        for row, score in zip(rows, scores, strict=True):
            if row != at and normalize_answer(memory[row][1]) != normalize_answer(answer):
                found.append(Candidate(memory[row][0], memory[row][1], float(score), False))
        yield Group(text, tuple(sorted(found, key=lambda item: -item.score)))


def suite_groups(encoder: Encoder, fills: int = 14, seed: int = 9) -> Iterator[Group]:
    """The training templates of the twins suite: paraphrases and twins over the stored pair and its neighbours."""
    rng = random.Random(seed)
    items = suite("train", fills=fills)
    keys = encoder.encode([item.question for item in items])
    asked = [(text, at, text in item.same) for at, item in enumerate(items) for text in (*item.same, *item.twins)]
    for place, rows, scores in nearest([text for text, _, _ in asked], keys, encoder, 8):
        text, at, same = asked[place]
        item = items[at]
        found = [
            Candidate(items[row].question, items[row].answer, float(score), bool(row == at) and same)
            for row, score in zip(rows, scores, strict=True)
            if row == at or items[row].question not in (item.question, text)
        ]
        if same and rng.random() < 0.5:
            twin = rng.choice(item.twins)
            found.append(Candidate(twin, rng.choice(items).answer, found[0].score if found else 0.9, False))
        yield Group(text, tuple(found))


def _group(asked: str, found: Sequence[tuple[str, str, float]], answers: Sequence[str]) -> Group:
    """Right where the answer is a gold one; what is only near a gold answer is left out: nobody can say which it is."""
    gold = {normalize_answer(answer) for answer in answers}
    made = []
    for question, answer, score in found:
        right = normalize_answer(answer) in gold
        if right or max((token_f1(answer, other) for other in answers), default=0.0) < NEAR:
            made.append(Candidate(question, answer, score, right))
    return Group(asked, tuple(made))


def trivia(data: Path) -> list[tuple[str, str]]:
    """OpenTriviaQA and WebQuestions train as (question, answer), without what cannot stand as a question of its own.

    Questions of OpenTriviaQA that are held out are left out: probabilities are fitted on them.
    """
    found = [pair for pair in opentriviaqa.alone(data) if not held_out(pair[0])]
    found += [(item.question, item.answers[0]) for item in webquestions(data / "webquestions" / "trainmodel.json")]
    return list(dict(found).items())


def asked_openly(data: Path) -> list[tuple[str, list[str]]]:
    """NQ-open and TriviaQA questions (DPR's development splits of the training sets) with all their answers."""
    return [row for path in DPR for row in dpr(data / path)]


def collate(
    groups: Sequence[Group], tokenizer: Tokenizer, count: int, length: int, rng: random.Random
) -> dict[str, torch.Tensor]:
    """Padded tensors of at most ``count`` candidates a group: a right one first of all, then the hardest wrong ones."""
    chosen = []
    for group in groups:
        right = [item for item in group.candidates if item.right]
        wrong = [item for item in group.candidates if not item.right]
        kept = rng.sample(right, min(2, len(right)))
        room = count - len(kept)
        # most of the hardest, and some from further down
        head = wrong[: room * 3 // 4]
        rest = wrong[room * 3 // 4 :]
        kept += head + rng.sample(rest, min(len(rest), room - len(head)))
        chosen.append(kept)
    size = max(len(kept) for kept in chosen)
    asked = tokenizer.encode_batch([group.asked for group in groups])
    # a candidate is [CLS] key text [SEP] answer [SEP]
    stored = tokenizer.encode_batch([(item.question, item.answer) for kept in chosen for item in kept])
    longest = min(length, max(len(item.ids) for item in stored))
    question, _ = padded([item.ids[:length] for item in asked])
    pairs = torch.zeros(len(groups), size, longest, dtype=torch.long)
    pair_mask = torch.zeros_like(pairs)
    pair_mask[:, :, 0] = 1  # an empty place still needs something to attend to
    scores, right_ones = torch.zeros(len(groups), size), torch.zeros(len(groups), size)
    real = torch.zeros(len(groups), size, dtype=torch.bool)
    encodings = iter(stored)
    for row, kept in enumerate(chosen):
        for place, item in enumerate(kept):
            ids = next(encodings).ids[:longest]
            pairs[row, place, : len(ids)] = torch.tensor(ids)
            pair_mask[row, place, : len(ids)] = 1
            scores[row, place], right_ones[row, place], real[row, place] = item.score, float(item.right), True
    return {
        "question": question, "question_mask": (question > 0).long(), "pairs": pairs, "pair_mask": pair_mask,
        "scores": scores, "right": right_ones, "real": real,
    }  # fmt: skip


def all_groups(
    data: Path, keyed: Sequence[Sequence[Keyed]], encoder: Encoder, say: Callable[[str], None]
) -> list[Group]:
    """Every source, in one list; the same for the same data and encoder."""
    memory = trivia(data)
    rng = random.Random(3)
    made: list[Group] = []
    sources: tuple[tuple[str, Iterator[Group]], ...] = (
        ("passages", passage_groups(keyed, encoder)),
        ("sentences", sentence_groups(published.qamr(data), encoder)),
        ("real questions", open_groups(asked_openly(data), memory, encoder)),
        ("trivia among themselves", open_groups([(q, [a]) for q, a in rng.sample(memory, 8000)], memory, encoder,
                                                keep_unanswered=0.1)),
        ("twins by rule", twin_groups(rng.sample(memory, 8000), encoder)),
        ("twins by hand", suite_groups(encoder)),
    )  # fmt: skip
    for name, groups in sources:
        before = len(made)
        made += [group for group in groups if len(group.candidates) > 1]
        say(f"{name}: {len(made) - before} groups")
    return made
