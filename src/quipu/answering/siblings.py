"""Another amount of the same sentence that is told of just what is asked: "8 euros, 5 euros for students"."""

from __future__ import annotations

import re

from quipu.answering.lists import marks
from quipu.language.inflection import base_of

_AMOUNT = re.compile(
    r"(?:(?P<time>\d{1,2}:\d\d(?:\s?[ap]m)?)|(?P<mark>[$€£])?\d(?:[\d.,]*\d)?(?:\s\d{3})*"
    r"(?P<unit>\s?%|\s(?!(?:in|for|and|or|to|at|on|by|from|with|of)\b)[a-z]+)?)(?!\w)"
)
_BEHIND = re.compile(r"\s+(?:\w+\s+)?(?:for|in|on|at|per|to|from|by|with|during)\b", re.I)
_STOP = re.compile(r"[;:]|,\s|\band\b|\bbut\b|\bwhile\b|\.\s|\.$")


def sibling(question: str, text: str, start: int, end: int) -> tuple[int, int] | None:
    """Where a sentence names another amount of the same kind for just what ``question`` asks: "5 euros for students".

    None unless the words that stand behind that amount up to the next, and behind no other, are asked for, and none of
    those behind ``text[start:end]`` are.
    """
    own = _AMOUNT.match(text, start)
    kind = _kind(own) if own else ""
    if own is None or own.end() < end - 1 or not kind:
        return None
    amounts = [found for found in _AMOUNT.finditer(text) if _kind(found) == kind]
    if not any(found.start() == own.start() for found in amounts) or len(amounts) < 2:
        return None
    asked = marks(question)
    ends = [*(found.start() for found in amounts[1:]), len(text)]
    behind = []
    for found, last in zip(amounts, ends, strict=True):
        stretch = _STOP.split(text[found.end() : last], maxsplit=1)[0]
        behind.append(marks(stretch) if _BEHIND.match(stretch) else set())
    hits = [at for at, words in enumerate(behind) if words & asked]
    at = next(at for at, found in enumerate(amounts) if found.start() == own.start())
    if len(hits) != 1 or hits[0] == at:
        return None
    wanted = behind[hits[0]] & asked
    others = marks(text[: amounts[hits[0]].start()])
    return None if wanted <= others else amounts[hits[0]].span()


def _kind(amount: re.Match[str]) -> str:
    """What makes two amounts comparable: their unit, or that both are times."""
    return "time" if amount["time"] else base_of(amount["unit"].lower()) if amount["unit"] else amount["mark"] or ""
