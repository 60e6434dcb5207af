"""What generate and answering ask of a model: small promises. Any object that keeps one can stand in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from quipu.models.claims import Claim
from quipu.records import Candidate, ModelCall, Passage, Span

Keys = NDArray[np.float32]
NO_REPLY = "no reply from the model"
"""Why there is nothing of a passage or a pair that an external model was asked about: it may be asked again."""


@dataclass(frozen=True, slots=True)
class Written:
    """A question and its mean log-probability per token."""

    question: str
    score: float


@dataclass(frozen=True, slots=True)
class Reading:
    """Where a reader finds the answer: characters of the passage; -1, -1 for words that do not stand there.

    ``text`` is "" where nothing answers; then ``probability`` is 0. ``score``: log-odds of the answer against "nothing
    answers". ``probability``: a span's share among all spans and "no answer", or the geometric mean of the
    probabilities of a said answer's tokens. ``nothing``: the probability that nothing answers, 0 from readers that do
    not give it.
    """

    start: int
    end: int
    text: str
    score: float
    probability: float
    nothing: float = 0.0
    failed: str = ""
    """Why nothing was read, where the model could not be asked or understood."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """A pair that a model made of a passage. ``span``: where the answer stands there; None where it does not.

    ``reason``: "" or why it is none.
    """

    question: str
    answer: str
    span: Span | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a judge says of a pair: ``reason`` is "" where it is good; ``said``: in the judge's words."""

    reason: str
    said: str


@dataclass(frozen=True, slots=True)
class Supported:
    """An answer with the words that prove it: characters of one of the passages that were shown."""

    text: str
    passage: int
    quote: Span


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """An answer and its log-probability; ``stored``: the first of the pairs read that has it, None where none has.

    ``nothing``: the probability that nothing answers, 0 from readers that do not give it; then ``text`` may be "".
    """

    text: str
    log_p: float
    stored: int | None
    nothing: float = 0.0


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


@runtime_checkable
class SupportsCount(Protocol):
    """An encoder that says how long texts are for it."""

    @property
    def max_length(self) -> int:
        """Tokens that it reads of a text."""

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each whole text, with those that the encoder sets around it."""


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


@runtime_checkable
class SupportsPropose(Protocol):
    """Passages to whole pairs: a model that finds the answers too."""

    @property
    def name(self) -> str:
        """Which model this is."""

    def propose(
        self,
        texts: Sequence[str],
        sentences: Sequence[Sequence[Span]],
        titles: Sequence[str],
        places: Sequence[tuple[str, str]],
        most: int,
    ) -> list[list[Proposed]]:
        """At most ``most`` pairs a text; ``places``: (document, passage) ids. What is no pair has its reason."""


@runtime_checkable
class SupportsPlaced(Protocol):
    """A reader that keeps what it is told, and must know whose text that is."""

    def placed(self, passages: Iterable[Passage]) -> SupportsRead:
        """The same for these passages."""


class SupportsJudge(Protocol):
    """Pairs to opinions."""

    def judge(
        self,
        pairs: Sequence[tuple[str, str]],
        texts: Sequence[str],
        sentences: Sequence[Sequence[Span]],
        titles: Sequence[str],
        places: Sequence[tuple[str, str]],
    ) -> list[Opinion]:
        """What is to be thought of each (question, answer), by its passage ``texts[i]``."""


class SupportsAnswer(Protocol):
    """A question and passages to an answer with its proof."""

    def answer(self, question: str, passages: Sequence[str]) -> Supported | str:
        """The answer, or why there is none."""


class SupportsLedger(Protocol):
    """Calls that were made, so that none is paid twice."""

    def reply(self, key: str) -> str | None:
        """The body of the reply to a call that succeeded."""

    def record(self, call: ModelCall) -> None:
        """Keep what became of a call; on the disk when this returns."""


@runtime_checkable
class SupportsReadMany(Protocol):
    """Passages with several questions each to answers."""

    @property
    def name(self) -> str:
        """Which model this is."""

    def read_many(
        self,
        texts: Sequence[str],
        questions: Sequence[Sequence[str]],
        *,
        titles: Sequence[str | None] | None = None,
        always: bool = False,
    ) -> list[list[Reading]]:
        """What ``texts[i]`` answers to each of ``questions[i]``; ``always``: even where nothing is likelier."""


@runtime_checkable
class SupportsWriteAndRead(SupportsReadMany, Protocol):
    """A language model: it writes and reads, and is told of each passage what stands above it."""

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
        """As ``SupportsWrite``, with the title and heading of each text."""


@runtime_checkable
class SupportsReadPairs(Protocol):
    """Question and pairs to an answer, or to none."""

    @property
    def name(self) -> str:
        """Which model this is."""

    @property
    def k(self) -> int:
        """How many pairs it was trained to read."""

    def read_pairs(
        self, questions: Sequence[str], pairs: Sequence[Sequence[tuple[str, str]]], *, always: bool = False
    ) -> list[MemoryReading]:
        """An answer for ``questions[i]`` from the first ``k`` of ``pairs[i]`` (question, answer), best first."""


class SupportsScore(Protocol):
    """Text, question and answer to a log-probability."""

    @property
    def name(self) -> str:
        """Which model this is."""

    def score(
        self,
        texts: Sequence[str],
        questions: Sequence[Sequence[str]],
        answers: Sequence[Sequence[str]],
        *,
        titles: Sequence[str | None] | None = None,
    ) -> list[list[float]]:
        """Mean log-probability per token of each answer; "" is "nothing answers"."""


@runtime_checkable
class SupportsQuestionLikelihood(Protocol):
    """Passages, spans of them and questions to what reading the passage adds to a question's log-probability."""

    @property
    def name(self) -> str:
        """Which model this is."""

    def question_likelihood(
        self,
        texts: Sequence[str],
        spans: Sequence[Sequence[Span]],
        questions: Sequence[Sequence[str]],
        *,
        titles: Sequence[str | None] | None = None,
    ) -> list[list[float]]:
        """log P(question | text, span) - log P(question | span) of each question and span."""


class SupportsVerify(Protocol):
    """Claims to log-odds."""

    @property
    def name(self) -> str:
        """Which model this is."""

    def verify(self, claims: Sequence[Claim]) -> NDArray[np.float32]:
        """Log-odds (n,) that the evidence of each claim answers its question with its answer."""


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
