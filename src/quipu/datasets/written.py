"""Pairs that a model wrote about passages, with what it thinks of them: one passage a line, nothing filtered.

A line: {"title", "t", "s", "q"}: title ("" where there is none), passage, source, and for each question
[question, start, end, p(question), answer read back, p(answer), p(nothing)]. The span asked about is ``t[start:end]``;
p(question) and p(answer) are geometric means of token probabilities; the answer is "" where the model says that nothing
answers, and p(nothing) is the probability of that at the first token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

from quipu.datasets.contexts import Asked, Context
from quipu.datasets.io import numbered
from quipu.errors import FormatError
from quipu.text import normalize_answer, token_f1

AGREES = 0.8  # least token F1 of the answer read back and the span asked about
LIKELY = 0.3  # least p(question)


@dataclass(frozen=True, slots=True)
class WrittenPair:
    """A question about a span, and how the model answers it itself."""

    question: str
    start: int
    end: int
    p_question: float
    answer: str
    p_answer: float
    p_nothing: float


@dataclass(frozen=True, slots=True)
class WrittenPassage:
    """A passage with the questions written about it."""

    title: str
    text: str
    source: str
    pairs: tuple[WrittenPair, ...]

    def span(self, pair: WrittenPair) -> str:
        """The words that ``pair`` was written about."""
        return self.text[pair.start : pair.end]

    def kept(self) -> list[WrittenPair]:
        """The pairs worth learning from: read back as the same span, likely, and not giving the answer away."""
        return [pair for pair in self.pairs if _good(pair, self.span(pair))]

    def pruned(self) -> WrittenPassage:
        """The passage with only the pairs that are ``kept``."""
        return replace(self, pairs=tuple(self.kept()))

    def to_json(self) -> dict[str, Any]:
        """A line of the file; probabilities with three digits."""
        rows = [[round(item, 3) if isinstance(item, float) else item for item in astuple(pair)] for pair in self.pairs]
        return {"title": self.title, "t": self.text, "s": self.source, "q": rows}


def _good(pair: WrittenPair, span: str) -> bool:
    return (
        pair.question.endswith("?")
        and pair.p_question > LIKELY
        and token_f1(pair.answer, span) >= AGREES
        and normalize_answer(span) not in normalize_answer(pair.question)
    )


def read(path: Path) -> Iterator[WrittenPassage]:
    """The passages of a file, line by line; FormatError where a line is none."""
    for number, row in numbered(path):
        yield parse(row, f"{path}, line {number}")


def context_of(passage: WrittenPassage) -> Context:
    """A passage with those of its written questions that are ``kept``; its title, or else its beginning, as group."""
    asked = tuple(Asked(pair.question, pair.start, pair.end) for pair in passage.kept())
    group = passage.title or f"{passage.source}:{passage.text[:60]}"
    return Context(group, passage.text, asked, f"written_{passage.source}")


def parse(row: dict[str, Any], place: str) -> WrittenPassage:
    """One line; FormatError, which names ``place``, where it is none of these."""
    try:
        return WrittenPassage(str(row["title"]), str(row["t"]), str(row["s"]), tuple(_pair(item) for item in row["q"]))
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{place}: not a passage with written pairs ({error!r})") from error


def _pair(item: Sequence[Any]) -> WrittenPair:
    question, start, end, p_question, answer, p_answer, p_nothing = item
    return WrittenPair(
        str(question), int(start), int(end), float(p_question), str(answer), float(p_answer), float(p_nothing)
    )
