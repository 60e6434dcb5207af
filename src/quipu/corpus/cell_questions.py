"""How people ask for a cell of a table: by what its column's name is, and what its value says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import dropwhile

_PRICE = re.compile(r"\b(?:prices?|costs?|fees?|charges?|fares?|admission)\b", re.IGNORECASE)
_PERSON = re.compile(
    r"(?:.* )?(?:author|leader|lead|head|chair|owner|director|manager|teacher|trainer|coach|contact|speaker|editor"
    r"|founder|maintainer|supervisor|conductor|secretary|treasurer|nurse|doctor|captain|host|winner|inventor|responsible)",
    re.IGNORECASE,
)
_NAMED = re.compile(r"(?:[A-Z][\w.’'-]*|de|van|von|der|la|el|al)(?: (?:[A-Z][\w.’'-]*|de|van|von|der|la|el|al))*")
_ENDS_OPEN = re.compile(r".* (?:on|until|till|by|since|from|to|in|at|for|with|of|per)", re.IGNORECASE)  # "Baked on"
_MEASURES = {
    "weight": "How heavy is", "length": "How long is", "height": "How high is", "width": "How wide is",
    "depth": "How deep is", "age": "How old is", "speed": "How fast is", "highest speed": "How fast is",
}  # fmt: skip
_MASSES = ("storage", "memory", "space", "power", "protein", "fat", "sugar", "salt", "data")
_TIMES = {
    "opens": "opening time", "open": "opening time", "closes": "closing time", "close": "closing time",
    "starts": "start", "begins": "beginning", "ends": "end", "finishes": "end", "departs": "departure",
    "leaves": "departure", "arrives": "arrival",
}  # fmt: skip
_ON, _IN = ("day", "weekday", "date"), ("month", "year", "season", "period", "quarter")
_YES, _NO = ("yes", "✓", "✔", "x", "true", "included"), ("no", "–", "-", "—", "✗", "false")
_NOTHING = ("n/a", "n.a.", "tbd", "tba", "none", "unknown", "various", "other")  # by which nobody asks for a row
_LIMITS = re.compile(r"(?:approx\.?|ca\.?|from|until|till|up|to|over|under|at|least|most|max\.?|min\.?|[A-Z]{3}|about)")
_NUMBER = re.compile(r"[^\w\s]*\d\S*")
_SAYS = re.compile(r"\w")
_UNIT = re.compile(r"[^\w\s]*(?:\d\S*|[^\W\d]{0,3}|[a-z]\w*)[^\w\s]*")  # "GB", "°C", "per", "month", "-", "17"
_PLURALS_OF_ONE = ("ss", "us", "is", "news")  # address, status, basis


def is_price(column: str) -> bool:
    """Whether a column says what something costs."""
    return bool(_PRICE.search(column))


def subject(first: str, cell: str) -> str:
    """What a row is about, after "of": "of the Silver plan", "of room 12", "on Monday".

    ``first``: the name of the first column, "" where it has none; ``cell``: what stands there.
    """
    name = lowered(first)
    if name in _ON:
        return f"on {cell}"
    if name in _IN:
        return f"in {cell}"
    if first.isalpha() and cell.isalpha():
        return f"of the {cell} {name}"
    return f"of {name} {cell}" if first.isalpha() and cell[:1].isdigit() else f"of {cell}"


def questions(column: str, value: str, about: str, *, only_price: bool) -> Iterator[str]:
    """The questions that a cell answers; none where the column's name makes none.

    ``about``: see ``subject``; ``only_price``: whether no other column of the table says what something costs.
    """
    name = _spoken(column)
    whose = about.removeprefix("of ")
    if _ENDS_OPEN.fullmatch(name):
        return
    if value.casefold() in _YES + _NO:
        if whose is not about:
            yield f"Does {whose} have {name}?"
        return
    plural = name.endswith("s") and not name.endswith(_PLURALS_OF_ONE)
    if plural and value.isdecimal() and whose != about:
        yield f"How many {name} does {whose} have?"
    elif _PERSON.fullmatch(name) and _NAMED.fullmatch(value):
        yield f"Who is the {name} {about}?"
    else:
        yield f"What {'are' if plural else 'is'} the {name} {about}?"
    if whose == about:
        return
    if only_price and is_price(column):
        yield f"How much does {whose} cost?"
    elif name in _MEASURES:
        yield f"{_MEASURES[name]} {whose}?"
    elif name in _MASSES and value[:1].isdigit():
        yield f"How much {name} does {whose} have?"


def which(first: str, column: str, value: str) -> str:
    """The question whose answer is the row; "" where the column's name makes none, or nobody would ask by the value."""
    name = _spoken(column)
    if _ENDS_OPEN.fullmatch(name) or value.casefold() in _YES + _NO + _NOTHING or _is_amount(value):
        return ""
    return f"Which {lowered(first)} has the {name} {value}?"


def lowered(name: str) -> str:
    """A column's name inside a question: without the capital of its first word, where that is an ordinary word."""
    return name[0].lower() + name[1:] if name[1:2].islower() or name[1:2] == " " else name


def _is_amount(value: str) -> bool:
    """Whether a value is a number with what belongs to one: "7:30", "12 euros per month", "€ 5-9", "up to 5 GB"."""
    words = list(dropwhile(lambda word: _LIMITS.fullmatch(word) or not _SAYS.search(word), value.split()))
    return bool(words and _NUMBER.fullmatch(words[0]) and all(map(_UNIT.fullmatch, words)))


def _spoken(column: str) -> str:
    """A column's name as the noun that a question asks for: "Opens" is "opening time"."""
    name = lowered(column)
    return _TIMES.get(name, name)
