"""Which words of a question what was found accounts for, and which it does not speak of."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from quipu.language.english import FUNCTION_WORDS, MONTHS, NUMBER_WORDS, word_set
from quipu.language.inflection import base_of
from quipu.language.opposites import opposites_of

Similar = Callable[[str, Sequence[str]], bool]  # a word, words: whether one of them means the same

_WORD = re.compile(r"\d[\d.,]*\d|[^\W_]+(?:['’](?!s\b)[^\W_]+)*")
_NUMBERS = {word: str(value) for value, word in enumerate(NUMBER_WORDS)} | {
    "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90",
    "hundred": "100", "thousand": "1000", "dozen": "12", "first": "1", "second": "2", "third": "3",
}  # fmt: skip
_MONTHS = tuple(map(str.lower, MONTHS))
# what asks, and what an answer of the right kind accounts for by itself
_ASKING = word_set(
    """
    what which who whom whose when where why how many much often long far kind sort type name names named call called
    year date day time place person people number amount please tell give say know happen happened mean means get got
    percent percentage exactly according regarding am i'm can't don't
    """
)
_SAME = (
    "deep depth", "wide width", "long length", "high height tall", "strong strength", "born birth", "die dead death",
    "marry marriage", "speak speech", "choose choice", "sell sale", "lose loss", "fly flight", "arrive arrival",
    "prove proof", "believe belief", "live life", "give gift", "heavy weight weigh", "pay payment",
    "analysis analyse analyze", "maximum max", "minimum min", "telephone phone tel", "kilometre kilometer km",
    "metre meter m",
    "kilogram kilo kg", "gram g", "litre liter l", "centimetre centimeter cm", "millimetre millimeter mm",
    "hour hr", "minute min", "second sec", "percent %", "department dept", "information info", "application app",
    "document doc", "identification id", "television tv", "street st", "road rd", "avenue ave", "mister mr",
    "doctor dr", "professor prof", "saint st", "approximately approx", "reference ref", "appointment appt",
    "colour color", "centre center", "labour labor", "theatre theater", "cheque check", "tyre tire", "grey gray",
    "euro eur €", "dollar usd $", "pound gbp £", "and &", "versus vs", "email mail", "okay ok",
)  # fmt: skip
_GROUPS: dict[str, set[str]] = {}
for _group in _SAME:
    for _word in _group.split():
        _GROUPS.setdefault(base_of(_word), set()).add(_group.split()[0])
_SHORTEST_PART = 3  # letters of a word that a full stop cuts off: "Dept."


def unaccounted(question: str, texts: Sequence[str], similar: Similar | None = None) -> list[str]:
    """Words of content of ``question`` that none of ``texts`` has in any form, as they stand in it, in order.

    Forms are inflections and regular derivations, numbers in words, months and other words cut short, and initials.
    ``similar`` may account for what is left.
    """
    text = "\n".join(texts)
    known = {key for word in _WORD.findall(text) for key in _keys(word)}
    cut = [word.lower() for word in re.findall(rf"\b([^\W\d_]{{{_SHORTEST_PART},}})\.", text)]
    told = [word.lower() for word in dict.fromkeys(_WORD.findall(text)) if word.lower() not in FUNCTION_WORDS]
    words = [word for word in _WORD.findall(question) if _is_content(word)]
    initials = _initials(words, text)
    return [
        word
        for word in dict.fromkeys(words)
        if not _keys(word) & known
        and word not in initials
        and not any(word.lower().startswith(part) for part in cut)
        and not (similar is not None and similar(word.lower(), _but_opposites(word.lower(), told)))
    ]


def phrases(question: str, words: Sequence[str]) -> list[str]:
    """Words that stand next to each other in ``question`` joined: "snow chains", but not "wrote Faust"."""
    found: list[str] = []
    for word in words:
        alike = found and found[-1][0].isupper() == word[0].isupper()
        if alike and re.search(rf"\b{re.escape(found[-1])}[\s-]+{re.escape(word)}\b", question):
            found[-1] = f"{found[-1]} {word}"
        else:
            found.append(word)
    return found


def _but_opposites(word: str, told: Sequence[str]) -> list[str]:
    """Opposites stand in the same places, which is all that many a measure of similarity knows."""
    opposites = opposites_of(word)
    return [other for other in told if other not in opposites]


def _is_content(word: str) -> bool:
    lower = word.lower()
    if lower in _NUMBERS and lower != "one":
        return True
    single = len(word) == 1 and word.isupper() and word not in "AI"
    return lower not in _ASKING and (single or (lower not in FUNCTION_WORDS and (len(word) > 1 or word.isdigit())))


def _keys(word: str) -> set[str]:
    """What all forms of a word have in common; several where it may be one of several words."""
    lower = word.lower().replace(",", "")
    keys = {_NUMBERS.get(lower, lower), base_of(lower)}
    keys |= _GROUPS.get(base_of(lower), set())
    month = next((name for name in _MONTHS if len(lower) > 2 and name.startswith(lower)), None)
    ordinal = re.fullmatch(r"(\d+)(?:st|nd|rd|th)", lower)
    return keys | ({month} if month else set()) | ({ordinal[1]} if ordinal else set())


def _initials(words: Sequence[str], text: str) -> set[str]:
    """Of ``words`` those that ``text`` has by their initials, and the initials of which it has the words."""
    found = set()
    told = [word for word in _WORD.findall(text) if word.lower() not in FUNCTION_WORDS]
    letters = "".join(word[0].lower() for word in told)
    for word in words:
        if 2 <= len(word) <= 6 and word.isupper() and word.lower() in letters:
            found.add(word)
    for short in {word for word in told if 2 <= len(word) <= 6 and word.isupper() and word.isalpha()}:
        size = len(short)
        for at in range(len(words) - size + 1):
            if "".join(word[0].lower() for word in words[at : at + size]) == short.lower():
                found.update(words[at : at + size])
    return found
