"""Texts with the questions that people asked about them: what models of answering and asking are trained on.

A ``Context`` is a sentence or a paragraph. Sentences are joined to pseudo-passages (``compose``), since quipu works on
passages of about 100 words. As a file: JSONL of {group, text, asked, source}, where ``asked`` is a list of
[question, start, end] or [question, -1, -1, answer].
"""

from __future__ import annotations

import random
import re
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from quipu.datasets.io import numbered
from quipu.errors import InputError

_SENTENCE_END = re.compile(r"[.!?][\"')\]]*\s+")
# Sources whose groups are titles of articles or stories, worth showing to a model together with the passage.
_TITLED = {
    "squad_train_parts", "squadshifts_new_wiki", "timeqa_human", "onestopqa", "quoref_contrast", "fairytaleqa",
    "selqa_sentence",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A human question; ``start`` and ``end`` are characters of the context, or -1 where the answer is unmarked.

    ``answer``: the answer in free words, of a question whose answer is no span.
    """

    question: str
    start: int = -1
    end: int = -1
    answer: str = ""

    def shifted(self, by: int) -> Asked:
        """The same question about a text with ``by`` characters put in front."""
        return self if self.start < 0 else replace(self, start=self.start + by, end=self.end + by)


@dataclass(frozen=True, slots=True)
class Context:
    """A text with its questions; contexts of one ``group`` come from one article, in order."""

    group: str
    text: str
    asked: tuple[Asked, ...]
    source: str


def read(path: Path) -> list[Context]:
    """The contexts of a file, a line each; InputError names the line that is none."""
    found = []
    for number, row in numbered(path):
        try:
            asked = tuple(Asked(*item) for item in row["asked"])
            found.append(Context(row["group"], row["text"], asked, row["source"]))
        except (KeyError, TypeError) as error:
            raise InputError(f"{path}, line {number}: no context with its questions ({error!r})") from error
    return found


def title_of(context: Context) -> str:
    """The title of a context's article; "" where its group is none."""
    if context.source not in _TITLED or context.group.startswith("p:"):
        return ""
    separators = r"[-_\s]+" if context.source == "fairytaleqa" else r"[_\s]+"
    return re.sub(separators, " ", urllib.parse.unquote(context.group)).strip()


def compose(contexts: Sequence[Context], index: int, words: int, rng: random.Random) -> Context:
    """A pseudo-passage of about ``words`` words around ``contexts[index]``: neighbours of its group, in order."""
    first = last = index
    length = len(contexts[index].text.split())
    while length < words:
        before = first > 0 and contexts[first - 1].group == contexts[index].group
        after = last + 1 < len(contexts) and contexts[last + 1].group == contexts[index].group
        if not before and not after:
            break
        if before and (not after or rng.random() < 0.5):
            first -= 1
            length += len(contexts[first].text.split())
        else:
            last += 1
            length += len(contexts[last].text.split())
    text = ""
    asked: list[Asked] = []
    for context in contexts[first : last + 1]:
        offset = len(text) + 1 if text else 0
        text = f"{text} {context.text}" if text else context.text
        asked.extend(item.shifted(offset) for item in context.asked)
    return Context(contexts[index].group, text, tuple(asked), contexts[index].source)


def cut(context: Context, words: int, rng: random.Random) -> Context:
    """A window of about ``words`` words of a long context, with the questions whose answers lie inside it."""
    marks = [match.start() for match in re.finditer(r"\S+", context.text)]
    if len(marks) <= words * 1.4:
        return context
    first = rng.randrange(len(marks) - words)
    begin = marks[first]
    end = marks[first + words] if first + words < len(marks) else len(context.text)
    inside = tuple(
        replace(asked, start=asked.start - begin, end=asked.end - begin)
        for asked in context.asked
        if begin <= asked.start and asked.end <= end
    )
    return Context(context.group, context.text[begin:end], inside, context.source)


def sentence_around(text: str, start: int, end: int) -> str:
    """The sentence that holds the span: from the last sentence end before it to the first after it."""
    left = max((match.end() for match in _SENTENCE_END.finditer(text, 0, start)), default=0)
    right = _SENTENCE_END.search(text, end)
    return text[left : right.end() if right else None].strip()
