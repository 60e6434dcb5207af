"""What generate and answering ask of a model: seven small promises. Any object that keeps one can stand in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from quipu.records import Candidate, Span

Keys = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Written:
    """A question and its mean log-probability a word piece."""

    question: str
    score: float


@dataclass(frozen=True, slots=True)
class Reading:
    """Where a reader finds the answer: characters of the passage.

    ``score`` is the best span's logit minus that of "no answer"; ``probability`` is the span's share among all spans
    and "no answer".
    """

    start: int
    end: int
    text: str
    score: float
    probability: float


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """An answer and its log-probability; ``stored``: the first of the pairs read that has it, None where none has."""

    text: str
    log_p: float
    stored: int | None


class SupportsEncode(Protocol):
    """Texts to key vectors."""

    @property
    def name(self) -> str:
        """Which model this is."""

    @property
    def width(self) -> int:
        """Dimensions of a key."""

    def encode(self, texts: Sequence[str], *, batch_size: int = 64) -> Keys:
        """Keys (n, width) float32 of unit length, in the order of the texts."""


@runtime_checkable
class SupportsAsk(Protocol):
    """An encoder that asks otherwise than it stores."""

    def ask(self, questions: Sequence[str]) -> Keys:
        """Query vectors (n, width) float32 of unit length."""


class SupportsExtract(Protocol):
    """Passages to spans that may be somebody's answer."""

    def extract(self, texts: Sequence[str], *, limit: int = 25) -> list[list[Candidate]]:
        """At most ``limit`` candidates a text, best first, offsets into the text, no two with one normalised text."""


class SupportsWrite(Protocol):
    """Passages with answer spans to questions."""

    @property
    def name(self) -> str:
        """Which model this is."""

    def write(
        self,
        texts: Sequence[str],
        spans: Sequence[Sequence[Span]],
        *,
        per_span: int = 1,
        seed: int = 0,
        top_p: float | None = None,
    ) -> list[list[list[Written]]]:
        """Questions a span of each text; greedy for one a span without ``top_p``, else nucleus sampling."""


class SupportsRead(Protocol):
    """Question and passage to answer span."""

    @property
    def name(self) -> str:
        """Which model this is."""

    def read(self, questions: Sequence[str], passages: Sequence[str]) -> list[Reading]:
        """The best span of ``passages[i]`` for ``questions[i]``; ``score`` under 0 where "no answer" is likelier."""


class SupportsRerank(Protocol):
    """Question and stored pairs to log-odds."""

    @property
    def name(self) -> str:
        """Which model this is."""

    def rerank(
        self, questions: Sequence[str], pairs: Sequence[Sequence[tuple[str, str]]], scores: Sequence[Sequence[float]]
    ) -> list[NDArray[np.float32]]:
        """Log-odds that ``pairs[i][j]`` (key text, answer) answers ``questions[i]``.

        The key text is what the pair's key was made of: its question, and for a generated pair its sentence.

        ``scores``: the retriever's, best first. Where the first pair is beyond doubt the rest need not be read; those
        come out below every pair that was.
        """


class SupportsJudge(Protocol):
    """Question, text and spans of it to log-odds."""

    @property
    def name(self) -> str:
        """Which model this is."""

    def judge(
        self, questions: Sequence[str], texts: Sequence[str], spans: Sequence[Sequence[Span]]
    ) -> list[list[float]]:
        """Log-odds, against "no answer", that each of ``spans[i]`` of ``texts[i]`` answers ``questions[i]``."""


class SupportsReadMemory(Protocol):
    """Question and pairs to an answer."""

    @property
    def name(self) -> str:
        """Which model this is."""

    @property
    def k(self) -> int:
        """How many pairs it was trained to read."""

    @property
    def sentence(self) -> bool:
        """Whether it reads key texts, which hold the answer's sentence, instead of questions."""

    def read(self, questions: Sequence[str], pairs: Sequence[Sequence[tuple[str, str]]]) -> list[MemoryReading]:
        """An answer for ``questions[i]`` from ``pairs[i]`` (key text or question, answer), best first."""
