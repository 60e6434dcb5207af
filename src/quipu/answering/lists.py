"""Two lists of a sentence that go together, item by item: "The red and the blue line run every 5 and 10 minutes,
respectively." The item that the question names has its counterpart in the other list, which is the answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from quipu.language.english import FUNCTION_WORDS
from quipu.language.inflection import base_of

_PAIRED = re.compile(r"\brespectively\b|\bin\s+(?:that|this|the\s+same)\s+order\b", re.I)
_JOINT = re.compile(r",?\s+(?:and|or|&)\s+")
_COMMA = re.compile(r",\s+")
_EDGE = re.compile(r"[;:]\s")
_ITEM_WORDS = 6  # at most, of an item between two marks
_NAME = re.compile(r"(?:[A-Z][\w'’.-]*|[a-z]{1,3}(?=\s[A-Z]))(?:\s+(?:[A-Z][\w'’.-]*|(?:of|de|van|von|der)\b))*")
_NUMBER = re.compile(r"[$€£]?\d(?:[\d.,:]*\d)?(?:\s?%)?")
_WORD = re.compile(r"[^\W_]+")
_DIMENSION = re.compile(r"\b(?:long|wide|high|tall|deep|thick|old|each)\b")
_ARTICLE = re.compile(r"(?:the|an?)\s+", re.I)
_FILLER = re.compile(r"(?:for|to|at|in|from|by|with|on|of|per|and|are|is|was|were|respectively)\Z", re.I)


@dataclass(frozen=True, slots=True)
class Counterpart:
    """Characters ``start`` to ``end`` of a sentence, and what they say: with a unit that only the last item has."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class _Item:
    """An item; of the outer ones, between which other words stand, what is certainly its own."""

    start: int
    end: int


def is_paired(text: str) -> bool:
    """Whether a sentence says of two lists that they go together."""
    return _PAIRED.search(text) is not None


def counterpart(question: str, text: str, start: int, end: int) -> Counterpart | None:
    """What stands in the place of ``text[start:end]`` for the item of the other list that ``question`` names.

    None where the sentence has no two such lists, the span stands in neither, or the question names no single item.
    """
    for one, other in _lists(text):
        for named, said in ((one, other), (other, one)):
            within = said[0].start < end and start < said[-1].end
            if within and (at := _named(question, text, named)) is not None:
                return _said(question, text, said, at)
    return None


def _lists(text: str) -> list[tuple[list[_Item], list[_Item]]]:
    """Lists of the same length, one after the other, in a sentence that pairs them."""
    marker = _PAIRED.search(text)
    if marker is None:
        return []
    first = max((edge.end() for edge in _EDGE.finditer(text, 0, marker.start())), default=0)
    following = _EDGE.search(text, marker.end())
    last = following.start() if following else len(text.rstrip(" ."))
    if re.match(r"\s*[.,;:)]|\s*\Z", text[marker.end() :]):  # it closes what it speaks of
        last = marker.start()
    text = text[: marker.start()] + " " * len(marker[0]) + text[marker.end() :]
    joints = list(_JOINT.finditer(text, first, last))
    gaps = [_gaps(text, joint, joints[at - 1].end() if at else first) for at, joint in enumerate(joints)]
    found = []
    for at, (left, right) in enumerate(pairwise(gaps)):
        if len(left) == len(right):
            begin = joints[at - 1].end() if at else first
            finish = joints[at + 2].start() if at + 2 < len(joints) else last
            found.append(
                (_items(text, left, begin, right[0][0], True), _items(text, right, left[-1][1], finish, False))
            )
    return found


def _gaps(text: str, joint: re.Match[str], least: int) -> list[tuple[int, int]]:
    """What parts the items of the list that ends behind ``joint``: commas before it, and the joint."""
    found = [joint.span()]
    for comma in reversed(list(_COMMA.finditer(text, least, joint.start()))):
        if len(text[comma.end() : found[0][0]].split()) > _ITEM_WORDS:
            break
        found.insert(0, comma.span())
    return found


def _items(text: str, gaps: list[tuple[int, int]], begin: int, finish: int, is_first: bool) -> list[_Item]:
    """The items around the gaps; the first begins and the last ends somewhere between other words."""
    inner = [_Item(left[1], right[0]) for left, right in pairwise(gaps)]
    return [_before(text, begin, gaps[0][0]), *inner, _behind(text, gaps[-1][1], finish, closes=not is_first)]


def _before(text: str, begin: int, end: int) -> _Item:
    """The name, number or word with which a stretch ends."""
    part = text[begin:end]
    runs = [run.start() for pattern in (_NUMBER, _NAME) for run in pattern.finditer(part) if run.end() == len(part)]
    if runs:
        return _Item(begin + min(runs), end)
    start = begin + part.rfind(" ") + 1
    article = re.search(r"\b(?:the|an?)\s+\Z", text[begin:start], re.I)
    return _Item(begin + article.start() if article else start, end)


def _behind(text: str, begin: int, finish: int, *, closes: bool) -> _Item:
    """The name, number or word with which a stretch begins; up to a preposition where nothing else follows."""
    part = text[begin:finish].rstrip(" ,")
    if closes:
        words = re.split(r"\s+(?:for|to|at|in|from|by|with|on|per|each|when|while|which|that)\b", part, maxsplit=1)[0]
        return _Item(begin, begin + len(words.rstrip()))
    article = _ARTICLE.match(part)
    skip = article.end() if article else 0
    run = _NUMBER.match(part, skip) or _NAME.match(part, skip) or re.compile(r"\S+").match(part, skip)
    return _Item(begin, begin + len(part[: run.end() if run else None].rstrip(" .,")))


def _named(question: str, text: str, items: list[_Item]) -> int | None:
    """Which item a question names: by the word next to the joints, which is its own, else by all; None: not one."""
    asked = marks(question)
    words = [_WORD.findall(text[item.start : item.end]) for item in items]
    content = [[word for word in row if marks(word)] or row for row in words]
    nearest = [content[0][-1:], *content[1:-1], content[-1][:1]]
    for rows in (nearest, content):
        hits = [bool(marks(" ".join(row)) & asked) for row in rows]
        if sum(hits) == 1:
            return hits.index(True)
        if any(hits):
            return None
    return None


def marks(text: str) -> set[str]:
    """Words of content in their base form, and single capitals as they are: hall A is not "a"."""
    words = _WORD.findall(text)
    return {
        word if len(word) == 1 and word.isupper() else base_of(word.lower())
        for word in words
        if word.lower() not in FUNCTION_WORDS or (len(word) == 1 and word.isupper())
    }


def _said(question: str, text: str, items: list[_Item], at: int) -> Counterpart:
    """The item; a number with the unit that stands behind the last one only, unless the question names that."""
    item, last = items[at], items[-1]
    said = text[item.start : item.end]
    number, final = _NUMBER.fullmatch(said), _NUMBER.match(text, last.start, last.end)
    if final is None or _NUMBER.match(said) is None:
        return Counterpart(item.start, item.end, said)
    words = _DIMENSION.split(text[final.end() : last.end], maxsplit=1)[0].split()
    unit = " ".join(words)
    named = bool(words) and base_of(words[0].lower()) in marks(question)
    if at == len(items) - 1 and named:
        return Counterpart(item.start, final.end(), final[0])
    if at == len(items) - 1 and unit:
        end = text.index(words[-1], final.end()) + len(words[-1])
        return Counterpart(item.start, end, text[item.start : end])
    if number is None or named or not 0 < len(words) <= 3 or _FILLER.match(words[0]):
        return Counterpart(item.start, item.end, said)
    return Counterpart(item.start, item.end, f"{said} {unit}")
