"""SQuAD 1.1 and 2.0 JSON, in which PolicyQA and others are published too; and the halves of SQuAD's development set.

The halves are those of the Stanford course CS224N, which parted the 35 articles of SQuAD 2.0's development set: 16
whole articles, named in ``squad_half.txt``, are asked about in benchmarks; of the other 19 only the passages are used,
and their questions are left for a final measurement. The course's other half also holds 12 passages of its own under
the title "Miscellaneous", which are not expected in the official file: a memory made of that one has 1,204 paragraphs
instead of 1,216.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from quipu.datasets.contexts import Asked, Context
from quipu.datasets.io import find, read_json, read_jsonl
from quipu.errors import InputError
from quipu.records import Example

HALF = "squad/dev-half-v2.0.json"
OTHER_PASSAGES = "squad/other-half-passages.jsonl"
OTHER_HALF = "squad/other-half-v2.0.json"
WHOLE = "squad/dev-v2.0.json"  # the official file, not parted


@dataclass(frozen=True, slots=True)
class Question:
    """A question; ``answers`` without repetition, none where the passage does not answer it.

    ``marked``: the span of the first answer as it is listed, (-1, -1) where there is none or the text is another there.
    """

    id: str
    text: str
    answers: tuple[str, ...]
    marked: tuple[int, int]
    impossible: bool


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph with its questions; ``title``: of its article as the file writes it ("Steam_engine"), "" for none."""

    title: str
    text: str
    questions: tuple[Question, ...]


def paragraphs(path: Path) -> list[Paragraph]:
    """Every paragraph of a file, in order; InputError where it is no SQuAD file."""
    return from_json(read_json(path), path)


def from_json(content: Any, path: Path) -> list[Paragraph]:
    """Like ``paragraphs``, of a file that was read already."""
    try:
        return [
            Paragraph(
                article.get("title", ""),
                part["context"],
                tuple(_question(row, part["context"]) for row in part["qas"]),
            )
            for article in content["data"]
            for part in article["paragraphs"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no SQuAD file ({type(error).__name__}: {error})") from error


def _question(row: dict[str, Any], context: str) -> Question:
    impossible = bool(row.get("is_impossible", False))
    answers = row.get("answers", []) if impossible else row["answers"]
    marked = (-1, -1)
    for answer in answers[:1]:
        start = answer.get("answer_start", -1)
        end = start + len(answer["text"])
        if start >= 0 and context[start:end] == answer["text"]:
            marked = (start, end)
    texts = () if impossible else tuple(dict.fromkeys(answer["text"] for answer in answers))
    return Question(str(row.get("id", "")), row["question"], texts, marked, impossible)


def examples(found: Iterable[Paragraph]) -> Iterator[Example]:
    """Every question with its paragraph, those without an answer with none."""
    for part in found:
        for item in part.questions:
            yield Example(item.id, item.text, item.answers, (part.text,))


def contexts(found: Iterable[Paragraph], source: str) -> list[Context]:
    """The paragraphs with the questions whose first answer is marked; none that has no such question."""
    made = []
    for part in found:
        asked = tuple(dict.fromkeys(Asked(item.text, *item.marked) for item in part.questions if item.marked[0] >= 0))
        if asked:
            made.append(Context(part.title, part.text, asked, source))
    return made


def half(data: Path) -> list[Paragraph]:
    """The half that is asked about, of the folder of all sets: from its own file, or from the official whole."""
    if find(data, [HALF]) is None and find(data, [WHOLE]) is not None:
        return [part for part in paragraphs(data / WHOLE) if part.title in half_titles()]
    return paragraphs(data / HALF)


def other_half(data: Path) -> list[tuple[str, str]]:
    """Title and text of the passages of the other half, never its questions; from a file of its own or the whole."""
    for name in (OTHER_HALF, WHOLE):
        if find(data, [OTHER_PASSAGES]) is None and find(data, [name]) is not None:
            return [(part.title, part.text) for part in paragraphs(data / name) if part.title not in half_titles()]
    return [(row["title"], row["text"]) for row in read_jsonl(data / OTHER_PASSAGES)]


def half_titles() -> frozenset[str]:
    """The titles of the articles of the half that is asked about."""
    text = resources.files("quipu.datasets").joinpath("squad_half.txt").read_text(encoding="utf-8")
    return frozenset(text.splitlines())
