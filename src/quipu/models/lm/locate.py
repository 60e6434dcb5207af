"""Where the words of a generated answer stand in their passage."""

from __future__ import annotations

import re
from collections.abc import Iterator

from quipu.records import Span

AROUND = 120  # characters to each side that are compared with the question
_WORD = re.compile(r"\w+")


def locate(passage: str, answer: str, question: str = "") -> Span | None:
    """The occurrence of ``answer`` as whole words whose surroundings share most words with ``question``; the first of
    several that are equal. First as it is, then without regard to case and white space, then to punctuation within,
    then as the end of words whose first letters were not said."""
    for pattern in _patterns(answer):
        found = [Span(*match.span()) for match in pattern.finditer(passage)]
        if found:
            return found[0] if len(found) == 1 else max(found, key=_nearness(passage, question))
    return None


def _patterns(answer: str) -> Iterator[re.Pattern[str]]:
    parts = answer.split()
    if not parts:
        return
    yield re.compile(_whole(re.escape(answer), answer))
    yield re.compile(_whole(r"\s+".join(map(re.escape, parts)), answer), re.IGNORECASE)
    words = _WORD.findall(answer)
    if words:
        inner = r"[^\w\n]{1,3}".join(map(re.escape, words))
        yield re.compile(_whole(inner, "".join(words)), re.IGNORECASE)
    if len(words) > 1 and answer[0].islower():
        yield re.compile(r"(?<!\w)\w{1,2}" + r"\s+".join(map(re.escape, parts)) + r"(?!\w)")


def _whole(pattern: str, answer: str) -> str:
    """Not within a word where the answer begins or ends with a letter or digit."""
    left = r"(?<!\w)" if answer[0].isalnum() else ""
    right = r"(?!\w)" if answer[-1].isalnum() else ""
    return left + pattern + right


class _nearness:
    """Question words within reach of a span, each counted once and the nearer the more."""

    def __init__(self, passage: str, question: str) -> None:
        self.passage = passage.lower()
        self.words = {word for word in _WORD.findall(question.lower()) if len(word) > 3 or word.isdigit()}

    def __call__(self, span: Span) -> float:
        near: dict[str, float] = {}
        first = max(0, span.start - AROUND)
        for match in _WORD.finditer(self.passage, first, span.end + AROUND):
            if match[0] in self.words:
                apart = max(span.start - match.end(), match.start() - span.end, 0)
                near[match[0]] = max(near.get(match[0], 0.0), 1.0 - apart / (2 * AROUND))
        return sum(near.values())
