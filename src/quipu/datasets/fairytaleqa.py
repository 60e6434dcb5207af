"""FairytaleQA JSONL: questions by teachers on the sections of stories, {story, context, question, answers}."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from quipu.datasets.contexts import Asked, Context
from quipu.datasets.io import numbered
from quipu.errors import InputError

TRAIN = "fairytaleqa/train.jsonl"
VAL = "fairytaleqa/val.jsonl"
_LONGEST = 12  # words of an answer that is marked


@dataclass(frozen=True, slots=True)
class StoryQuestion:
    """A question on a section of a story; many of the answers are in free words."""

    story: str
    section: str
    question: str
    answers: tuple[str, ...]


def read(path: Path) -> list[StoryQuestion]:
    """Every question, in the order of the file; an answer that is given twice stands once."""
    found = []
    for number, row in numbered(path):
        try:
            answers = tuple(dict.fromkeys(row["answers"]))
            found.append(StoryQuestion(row["story"], row["context"], row["question"], answers))
        except (KeyError, TypeError) as error:
            raise InputError(f"{path}, line {number}: no FairytaleQA record ({error!r})") from error
    return found


def stories(questions: Iterable[StoryQuestion]) -> dict[str, str]:
    """The text of each story by its name: its sections that are asked about, each once, in their order."""
    sections: dict[str, dict[str, None]] = {}
    for item in questions:
        sections.setdefault(item.story, {})[item.section] = None
    return {name: "\n\n".join(parts) for name, parts in sections.items()}


def title_of(story: str) -> str:
    """A story's title made of its name: "the-snow-man" -> "The snow man"."""
    return story.replace("-", " ").capitalize()


def contexts(path: Path) -> list[Context]:
    """Sections with the questions whose answer stands in the section word for word, capital letters aside."""
    by_section: dict[tuple[str, str], dict[Asked, None]] = {}
    for item in read(path):
        asked = by_section.setdefault((item.story, item.section), {})
        for answer in item.answers:
            start = item.section.lower().find(answer.lower().strip(" ."))
            if start >= 0 and len(answer.split()) <= _LONGEST:
                asked[Asked(item.question, start, start + len(answer.strip(" .")))] = None
                break
    return [Context(story, text, tuple(asked), "fairytaleqa") for (story, text), asked in by_section.items() if asked]
