"""Questions from a file or from standard input, one a line; a line that is none is named, and the others are read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from quipu.errors import InputError
from quipu.text import LONGEST_QUESTION, check_question, from_json, is_json

STANDARD_INPUT = Path("-")


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no question: where it stands, and why."""

    where: str
    reason: str


def questions_of(source: Path, longest: int = LONGEST_QUESTION) -> Iterator[str | BadLine]:
    """The questions of a file, or as they come from standard input ("-"); blank lines do not count.

    ``longest``: characters that a question may have.
    A line is a question, or a JSON object with "question". Where the file's name ends in .jsonl or its first line is
    JSON, every line must be. InputError where the file cannot be read.
    """
    name = "standard input" if source == STANDARD_INPUT else str(source)
    as_json = True if source.suffix.lower() in (".jsonl", ".ndjson") else None
    for number, line in _lines(source):
        if line is not None and not line.strip():
            continue
        if as_json is None:
            as_json = line is not None and line.lstrip().startswith("{") and is_json(line)
        try:
            yield _question(line, as_json, longest)
        except ValueError as error:
            yield BadLine(f"{name}, line {number}", str(error))


def _lines(source: Path) -> Iterator[tuple[int, str | None]]:
    """Numbered lines, None for one that is too long; of anything but a file each line as soon as it is there."""
    if source == STANDARD_INPUT:
        return _streamed(sys.stdin.buffer)
    if source.exists() and not source.is_file() and not source.is_dir():  # a pipe
        return _opened(source)
    from quipu.corpus.lines import Lines

    return Lines(source)


def _opened(source: Path) -> Iterator[tuple[int, str | None]]:
    try:
        with source.open("rb") as file:
            yield from _streamed(file)
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error.strerror or error})") from error


def _streamed(file: IO[bytes]) -> Iterator[tuple[int, str | None]]:
    number, longest = 0, 4 * LONGEST_QUESTION
    while line := file.readline(longest):
        number += 1
        rest = line
        while len(rest) == longest and not rest.endswith(b"\n"):
            rest = file.readline(longest)
        text = line.decode("utf-8-sig" if number == 1 else "utf-8", "replace")
        yield number, text if rest is line else None


def _question(line: str | None, as_json: bool, longest: int) -> str:
    """The question that a line asks; ValueError with the reason where it asks none."""
    too_long = f"longer than a question may be ({longest:,} characters)"
    if line is None or len(line) > 2 * LONGEST_QUESTION:  # JSON may write more than it says
        raise ValueError(too_long)
    question = line.strip()
    if as_json or (question.startswith("{") and is_json(question)):
        row = from_json(question)
        value = row.get("question") if isinstance(row, dict) else row
        if not isinstance(value, str) or not value.strip():
            raise ValueError('a JSON object with "question" is needed')
        question = value.strip()
    if longest < len(question) <= LONGEST_QUESTION:
        raise ValueError(too_long)
    check_question(question)
    return question
