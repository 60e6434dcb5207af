"""Small deterministic objects that keep the promises of ``quipu.models.protocols``, for tests of what uses them."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from quipu.models.protocols import Keys, Reading, Written
from quipu.records import Candidate, Span
from quipu.text import normalize_answer

WIDTH = 64


class WordEncoder:
    """Each word a direction: texts with the same words have the same key."""

    def __init__(self, name: str = "words") -> None:
        self.name, self.width = name, WIDTH

    def encode(self, texts: Sequence[str], *, batch_size: int = 64) -> Keys:
        keys = np.full((len(texts), WIDTH), 1e-3, dtype=np.float32)
        for row, text in enumerate(texts):
            for word in normalize_answer(text).split():
                seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
                keys[row] += np.random.default_rng(seed).standard_normal(WIDTH).astype(np.float32)
        return keys / np.linalg.norm(keys, axis=1, keepdims=True)


class NumberWriter:
    """Every number is a candidate; it is asked for by the words in front of it. ``slow`` seconds a call."""

    name = "numbers"

    def __init__(self, slow: float = 0.0) -> None:
        self.slow = slow

    def extract(self, texts: Sequence[str], *, limit: int = 25) -> list[list[Candidate]]:
        return [
            [Candidate(Span(*m.span()), m.group(), 1.0, "learned") for m in re.finditer(r"\d+", text)][:limit]
            for text in texts
        ]

    def write(
        self,
        texts: Sequence[str],
        spans: Sequence[Sequence[Span]],
        *,
        per_span: int = 1,
        seed: int = 0,
        top_p: float | None = None,
    ) -> list[list[list[Written]]]:
        time.sleep(self.slow)
        made = []
        for text, row in zip(texts, spans, strict=True):
            questions = []
            for span in row:
                before = " ".join(re.findall(r"[A-Za-z]+", text[: span.start])[-3:])
                questions.append([Written(f"What number follows {before}?", -0.5)])
            made.append(questions)
        return made


class NumberReader:
    """Finds the number behind the words that the question names; no answer for even numbers ending in 0."""

    name = "number reader"

    def read(self, questions: Sequence[str], passages: Sequence[str]) -> list[Reading]:
        found = []
        for question, passage in zip(questions, passages, strict=True):
            words = question.removeprefix("What number follows ").rstrip("?").split()
            match = re.search(r"\W+".join(map(re.escape, words)) + r"\W+(\d+)", passage) if words else None
            if match is None or match.group(1).endswith("0"):
                found.append(Reading(0, 0, "", -1.0, 0.1))
            else:
                found.append(Reading(*match.span(1), match.group(1), 2.0, 0.9))
        return found


def models(slow: float = 0.0) -> dict[str, Any]:
    """The arguments of ``quipu.build``."""
    return {"encoder": WordEncoder(), "writer": NumberWriter(slow), "reader": NumberReader()}


def spoken(slow: float = 0.0) -> dict[str, Any]:
    """The arguments of ``quipu.build`` with one language model that writes and reads."""
    model = NumberModel(slow)
    return {"encoder": WordEncoder(), "writer": model, "reader": model, "pair_threshold": 0.0}


class NumberModel(NumberWriter):
    """A language model's promises: writes with titles and reads back, each passage once; keeps the titles it was told.

    It is sure of what it says, and reads a number with the word behind it: "77" is read back as "77 men".
    """

    name = "number model"

    def __init__(self, slow: float = 0.0) -> None:
        super().__init__(slow)
        self.titles: list[str | None] = []
        self.asked: list[list[str]] = []

    def write(
        self,
        texts: Sequence[str],
        spans: Sequence[Sequence[Span]],
        *,
        titles: Sequence[str | None] | None = None,
        per_span: int = 1,
        seed: int = 0,
        top_p: float | None = None,
    ) -> list[list[list[Written]]]:
        self.titles += titles or []
        made = super().write(texts, spans, per_span=per_span, seed=seed, top_p=top_p)
        return [[[Written(item.question, -0.05) for item in items] for items in row] for row in made]

    def read_many(
        self,
        texts: Sequence[str],
        questions: Sequence[Sequence[str]],
        *,
        titles: Sequence[str | None] | None = None,
        always: bool = False,
    ) -> list[list[Reading]]:
        self.asked += [list(row) for row in questions]
        found = []
        for text, row in zip(texts, questions, strict=True):
            readings = []
            for item in NumberReader().read(row, [text] * len(row)):
                if item.score <= 0:
                    readings.append(Reading(-1, -1, "", -1.0, 0.0, 0.9))
                    continue
                behind = re.match(r" [a-z]+", text[item.end :])
                end = item.end + (behind.end() if behind else 0)
                readings.append(Reading(item.start, end, text[item.start : end], 9.0, 0.99, 1e-4))
            found.append(readings)
        return found

    def read(self, questions: Sequence[str], passages: Sequence[str]) -> list[Reading]:
        return [row[0] for row in self.read_many(passages, [[question] for question in questions])]
