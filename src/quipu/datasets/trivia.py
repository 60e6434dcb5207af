"""OpenTriviaQA: ready pairs of question and answer, as one JSONL or as its publisher's files by category."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from quipu.datasets.io import find, numbered, read_lines
from quipu.errors import InputError

FILE = "opentriviaqa/questions.jsonl"
CATEGORIES = "opentriviaqa/categories"
_WORDS = range(4, 31)  # of a question that can stand as one of its own


def read(data: Path) -> list[tuple[str, str]]:
    """Every (question, answer) in the folder of all sets, from ``FILE`` or else from ``CATEGORIES``."""
    folder = data / CATEGORIES
    if find(data, [FILE]) is None and folder.is_dir():
        return [pair for path in sorted(folder.iterdir()) if path.is_file() for pair in _category(path)]
    return list(_rows(data / FILE))


def alone(data: Path) -> list[tuple[str, str]]:
    """Those of 4 to 30 words, each question once: what can stand as a question of its own."""
    return list({question: answer for question, answer in read(data) if len(question.split()) in _WORDS}.items())


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    for number, row in numbered(path):
        try:
            yield row["question"], row["answer"]
        except KeyError as error:
            raise InputError(f"{path}, line {number}: no question with an answer ({error!r})") from error


def _category(path: Path) -> Iterator[tuple[str, str]]:
    """Blocks of a line "#Q question" (it may go on in the next lines), "^ answer", and the options, "A one"."""
    question: list[str] = []
    for line in read_lines(path, older=True):
        if line.startswith("#Q "):
            question = [line.removeprefix("#Q ").strip()]
        elif line.startswith("^ ") and question:
            yield " ".join(question), line.removeprefix("^ ").strip()
            question = []
        elif question:
            question.append(line.strip())
