"""The words without which a span says something else: "up to", "not ... more than", "except", a unit, "million".

A reader often says "4 tonnes" where the document says "must not lift more than 4 tonnes". The span is widened by what
qualifies it, unless the question itself says so ("What is the most that it may lift?"); where the question asks for the
other end ("the minimum load") it is no answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from quipu.language.english import SHORT_MONTHS

Kind = Literal["upper", "lower", "about"]


@dataclass(frozen=True, slots=True)
class Qualified:
    """Characters ``start`` to ``end`` of a text as they are said; ``against``: why they answer nothing, or ""."""

    start: int
    end: int
    against: str = ""


@dataclass(frozen=True, slots=True)
class _Bound:
    """A number or time from ``core`` on, with all that bounds it from ``start`` to ``end``."""

    kind: Kind
    start: int
    core: int
    end: int


_MAGNITUDE = r"hundred|thousand|million|billion|trillion|dozen|percent|per cent|lakh|crore"
_UNIT = (
    r"m[²³23]|[ckm]?m(?:[²³])?|mi|miles?|(?:kilo|centi|milli)?met(?:re|er)s?|inch(?:es)?|feet|foot|ft|yards?|acres?|"
    r"hectares?|ha|(?:square|cubic) \w+|[km]?g|(?:kilo)?grams?|tonnes?|tons?|lbs?|pounds?|ounces?|oz|[cm]?l|"
    r"lit(?:re|er)s?|gallons?|euros?|dollars?|cents?|pence|francs?|yen|EUR|USD|GBP|CHF|€|seconds?|minutes?|mins?|hours?|days?|weeks?|"
    r"months?|years?|decades?|centur(?:y|ies)|degrees?|°\s?[CF]?|volts?|V|watts?|[kM]?W|kWh|amps?|hertz|[kMG]?Hz|"
    r"bytes?|[kKMGT]B|(?:kilo|mega|giga|tera)bytes?|km/h|mph|knots|bar|psi|%|a\.m\.|p\.m\.|am|pm"
)
_SPELT = {
    "km": "kilomet", "m": "met", "cm": "centimet", "mm": "millimet", "kg": "kilogram", "g": "gram", "°C": "celsius",
    "°F": "fahrenheit", "ha": "hectare", "l": "lit", "ft": "feet", "W": "watt", "V": "volt", "€": "euro",
    "m2": "square", "m²": "square", "m3": "cubic", "m³": "cubic",
}  # fmt: skip
_NUMBER_WORD = (
    r"one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|"
    r"twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|half|"
    r"(?:a|an|every) (?:quarter|week|day|month|year|hour|minute)"
)
_MONTH = "|".join(SHORT_MONTHS)
_DAY = r"mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun"
_AMOUNT = re.compile(rf"[$€£¥]?\s?\d|(?:{_NUMBER_WORD}|{_MAGNITUDE})\b", re.I)
_TIME = re.compile(
    rf"\d|(?:{_MONTH})[a-z]*\b|(?:{_DAY})(?:day)?\b|noon|midnight|the (?:end|start|beginning|last|first|early|late|\d)",
    re.I,
)

_MORE = r"(?:more|longer|later|larger|greater|higher|heavier|older|faster|bigger|further|wider)\s+than"
_LESS = r"(?:less|fewer|earlier|sooner|lower|shorter|smaller|younger|lighter|slower)\s+than"
_DENIED = r"\b(?:cannot|can['’]t|\w+n['’]t|not|never|no)\b(?:\s+[\w'’-]+){0,5}?\s+"
_FILLER = r"\s*(?:the\s+|a\s+total\s+of\s+|an?\s+|age\s+(?:of\s+)?|US|[$€£¥])*\Z"
# what bounds the number behind it, the first that fits; of a bound that is denied everything from its "not" on
_DENIED_BOUNDS: tuple[tuple[Kind, str], ...] = (
    ("upper", rf"{_DENIED}(?:{_MORE}|over|above|beyond|exceed(?:s|ed|ing)?|after)"),
    ("lower", rf"{_DENIED}(?:{_LESS}|under|below|before)"),
)
_BOUNDS: tuple[tuple[Kind, str], ...] = (
    ("upper", r"\bat\s+most|\bup\s+to|\b(?:a\s+)?maximum\s+of|\bmax\.|\blimited\s+to|\bcapped\s+at"),
    ("upper", rf"\b{_LESS}|\bunder|\bbelow|\bno\s+later\s+than"),
    ("lower", r"\bat\s+least|\b(?:a\s+)?minimum\s+of|\bmin\.|\bupwards\s+of|\bexceed(?:s|ed|ing)?"),
    ("lower", rf"\b{_MORE}|\bover|\babove"),
    ("about", r"\babout|\baround|\bapproximately|\bapprox\.|\broughly|\bnearly|\balmost|\bcirca|\bca\.|\bclose\s+to"),
)
_BEFORE = tuple((kind, re.compile(rf"(?:{words}){_FILLER}", re.I)) for kind, words in (*_DENIED_BOUNDS, *_BOUNDS))
_OPENS = re.compile(rf"(?:{'|'.join(words for _, words in _BOUNDS)})\s+", re.I)
_BEFORE_TIME: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("upper", re.compile(rf"\bbefore{_FILLER}", re.I)),
    ("lower", re.compile(rf"\bafter{_FILLER}", re.I)),
)
_DUE = re.compile(rf"\bby{_FILLER}", re.I)
_FROM = re.compile(rf"\bfrom{_FILLER}", re.I)
_BEHIND: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("upper", re.compile(r"\s*(?:or|and)\s+(?:less|fewer|under|below|earlier|younger)\b"
                         r"|\s*at\s+(?:the\s+)?(?:most|latest)\b|\s+maximum\b(?!\s+\w+\s+is)", re.I)),
    ("lower", re.compile(r"\s*(?:or|and)\s+(?:more|over|above|later|older|longer|higher|up)\b|\s*(?:on|up)wards?\b"
                         r"|\s*at\s+(?:the\s+)?(?:least|earliest)\b|\s+minimum\b(?!\s+\w+\s+is)|\+", re.I)),
    ("about", re.compile(r"\s+or\s+so\b", re.I)),
)  # fmt: skip
_ON = re.compile(r"\s+on(?=\s*(?:[,.;)]|\Z))", re.I)
_EXCEPTION = re.compile(
    r",?\s+(?:except|excepting|excluding|apart\s+from(?!\s+each)|other\s+than|with\s+the\s+exception\s+of|but\s+not)\b[^,;.:()]*",
    re.I,
)

# how a question says an end itself: in so many words, or by its verb
_ENDS: dict[Kind, re.Pattern[str]] = {
    "upper": re.compile(
        r"\b(?:max(?:imum|imal)?|at\s+most|up\s+to|no\s+more\s+than|upper|limit|ceiling|deadline|the\s+most(?=\W|$)"
        r"(?!\s+\w+(?:ed|ive|ous|al|ar|ful|ant|ent)\b)|until\s+when|by\s+(?:when|what\s+(?:date|time|day|year))|how\s+late|at\s+the\s+latest)\b|"
        r"^what(?:['’]s|\s+is|\s+was)\s+the\s+(?:highest|largest|longest|latest|biggest|greatest|heaviest)\b", re.I),
    "lower": re.compile(
        r"\b(?:min(?:imum|imal)?|at\s+least|no\s+less\s+than|lower\s+limit|the\s+(?:least|fewest)|(?:from|since)\s+when|"
        r"how\s+early|at\s+the\s+earliest)\b|"
        r"^what(?:['’]s|\s+is|\s+was)\s+the\s+(?:lowest|smallest|shortest|earliest|lightest|youngest)\b", re.I),
    "about": re.compile(r"\b(?:about|around|approximately|roughly|nearly|almost|estimated?)\b", re.I),
}  # fmt: skip
_BY_VERB: dict[Kind, re.Pattern[str]] = {
    "upper": re.compile(r"\b(?:may|can|could|allowed|permitted|able\s+to|within|under|less|fewer|below|before|until|"
                        r"(?:larg|high|long|lat|bigg|great|heavi|old)est)\b", re.I),
    "lower": re.compile(r"\b(?:must|need(?:s|ed)?|ha(?:ve|s|d)\s+to|required?|necessary|shall|over|more|above|after|"
                        r"first|(?:small|low|short|earli|few|young)est|start(?:s|ing)?|begin)\b", re.I),
    "about": re.compile(r"(?!)"),
}  # fmt: skip
_OBLIGED = re.compile(r"\b(?:must|shall|should|ha(?:ve|s|d)\s+to|needs?\s+to|(?:is|are)\s+(?:to|required|due)|due)\b"
                      r"(?!\s+(?:not|never)\b)", re.I)  # fmt: skip
_WHEN = re.compile(
    r"\bwhen\b|\b(?:what|which)\s+(?:year|date|day|time|month|century)\b|\bhow\s+long\b|\bhow\s+(?:early|late)\b", re.I
)
_SAID: dict[Kind, str] = {"upper": "at most", "lower": "at least", "about": "about"}


def qualified(question: str, text: str, start: int, end: int) -> Qualified:
    """The answer ``text[start:end]`` to ``question`` with what qualifies it; ``text`` is its sentence."""
    end = _with_exception(text, *_with_unit(question, text, start, end))
    start = _with_currency(text, start)
    bound = _bound(question, text, start, end)
    if bound is None:
        return Qualified(start, end)
    other: Kind = "lower" if bound.kind == "upper" else "upper"
    if _ENDS[bound.kind].search(question):
        return Qualified(bound.core if bound.start < start < bound.core else start, end)
    if bound.kind != "about" and (_ENDS[other].search(question) or _obliges(question, text, bound)):
        return Qualified(start, end, f"the document says {_SAID[bound.kind]}, the question asks for the other end")
    if _BY_VERB[bound.kind].search(question):
        return Qualified(bound.core if bound.start < start < bound.core else start, end)
    return Qualified(min(start, bound.start), max(end, bound.end))


def _with_unit(question: str, text: str, start: int, end: int) -> tuple[int, int]:
    """A number with the unit behind it that the question does not name, or with its "million"."""
    if not re.search(rf"(?:\d|\b(?:{_NUMBER_WORD}))\Z", text[start:end], re.I):
        return start, end
    large = re.compile(rf"[\s-](?:{_MAGNITUDE})s?\b", re.I).match(text, end)
    if large and not text[end:].lower().startswith((" percent", " per cent")):
        end = large.end()
    unit = re.compile(rf"\s?-?(?:{_UNIT}|percent|per cent)(?![\w²³])").match(text, end)
    if unit is None:
        return start, end
    name = unit[0].strip(" -")
    if re.search(rf"\b(?:{re.escape(name.rstrip('s'))}|{_SPELT.get(name, '(?!)')})", question, re.I):
        return start, end
    return start, unit.end()


def _with_currency(text: str, start: int) -> int:
    mark = re.search(r"(?:US)?[$€£¥]\s?\Z", text[:start])
    return mark.start() if mark and text[start : start + 1].isdigit() else start


def _with_exception(text: str, start: int, end: int) -> int:
    """The end with an exception that follows: "everywhere except in the canteen"."""
    found = _EXCEPTION.match(text, end)
    if found is None or (found[0].startswith(",") and _AMOUNT.match(text, start)):
        return end
    return end + len(found[0].rstrip())


def _bound(question: str, text: str, start: int, end: int) -> _Bound | None:
    inside = _OPENS.match(text, start, end)
    core = inside.end() if inside else start
    head = text[:core]
    before: list[tuple[Kind, re.Pattern[str]]] = []
    behind: list[tuple[Kind, re.Pattern[str]]] = []
    if _AMOUNT.match(text, core):
        before += _BEFORE
        behind += _BEHIND
    if _WHEN.search(question) and _TIME.match(text, core):
        before += _BEFORE_TIME
        before += [("upper", _DUE)] if _OBLIGED.search(head) else []
        before += [("lower", _FROM)] if _ON.match(text, end) or re.match(r"\s*onwards?\b", text[end:]) else []
        behind += [("lower", _ON)] if _FROM.search(head) else []
    left = next(((kind, found.start()) for kind, words in before if (found := words.search(head))), None)
    right = next(((kind, found.end()) for kind, words in behind if (found := words.match(text, end))), None)
    if left is None and right is None:
        return None
    kind = left[0] if left else right[0] if right else "about"
    return _Bound(kind, left[1] if left else core, core, right[1] if right else end)


def _obliges(question: str, text: str, bound: _Bound) -> bool:
    """Whether a question asks what must be, of which the document only says what may be at most."""
    asks = re.search(r"\b(?:must|ha(?:ve|s|d)\s+to|needs?\s+to|required\s+to)\b(?!\s+not)", question, re.I)
    return bound.kind == "upper" and asks is not None and not _OBLIGED.search(text[: bound.core])
