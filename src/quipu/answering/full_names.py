"""A first or last name alone, made whole where the passage has the whole name: "Nora" is "Nora Quill"."""

from __future__ import annotations

import re

from quipu.language.english import FUNCTION_WORDS, word_set
from quipu.text import normalize_answer

_ASKS_PERSON = re.compile(r"\b(?:who|whom|whose)\b|\bname\s+of\b", re.I)
_ASKS_PART = re.compile(
    r"\b(?:first|last|given|family|middle|maiden|nick|sur|user|stage|pet)[\s-]?names?\b|\bcalled\b|\bcall\b|\bnamed\b",
    re.I,
)
_WORD = r"[A-Z][^\W\d_]+(?:[-'’][A-Z][^\W\d_]+)*"
_SINGLE = re.compile(rf"{_WORD}\Z")
_RUN = re.compile(rf"{_WORD}(?:\s(?:[A-Z]\.\s)*(?:(?:de|da|di|van|von|der|den|bin|al|el|la|le)\s)*{_WORD})*")
# before a name and no part of it; behind it, what makes it the name of something else
_TITLES = word_set(
    """
    Mr Mrs Ms Miss Dr Doctor Prof Professor Sir Dame Lord Lady King Queen Prince Princess President Chancellor
    Minister Captain Major Colonel General Sergeant Father Mother Brother Sister Saint Pope Bishop Judge Chef Director
    Chief Manager Engineer Coach Nurse Officer Uncle Aunt Yesterday Today Later Then Next Finally Meanwhile Dear Hi
    Hello Regards Thanks From To Cc Quoted Mayor Senator Governor Secretary Ambassador Inspector Detective Master
    Madam Once Democrat Republican Opposition
    """
)
_THINGS = word_set(
    """
    Street Road Avenue Lane Square Bridge River Lake Mount Mountain Island Sea Bay Park Garden Gardens Hall House
    Tower Castle Palace Church Cathedral Abbey School College University Institute Academy Museum Library Theatre
    Theater Hospital Station Airport Stadium Arena Hotel Inn Company Corporation Corp Inc Ltd Group Bank Union League
    Cup Prize Award Trophy Party Council Committee Ministry Department Office Court Army Navy Club Band Orchestra
    Records Studios Times Post News Magazine Press Foundation Trust Society Association Bay Valley County City Town
    Province State Empire Kingdom Republic Dynasty War Battle Treaty Act Law Plan Project Method Theorem Effect Motor
    Motors Brothers January February March April May June July August September October November December Monday
    Tuesday Wednesday Thursday Friday Saturday Sunday North South East West Northern Southern Eastern Western American
    British French German Italian Spanish Chinese Japanese Russian English Team Film Album Song Festival Day Week
    Series Show
    """
)


def full_name(question: str, text: str, start: int, end: int) -> tuple[int, int] | None:
    """Where ``text`` has the whole name of which ``text[start:end]`` is a part; None where no single one is certain.

    The span itself is widened where the rest stands next to it; else it is the nearest whole name before it, or the
    first behind. A question that asks for a part of a name, or names the rest itself, has its answer.
    """
    name = text[start:end]
    if name.isupper() or not (_SINGLE.match(name) and _ASKS_PERSON.search(question)) or _ASKS_PART.search(question):
        return None
    found: list[tuple[int, int]] = []
    for run in _RUN.finditer(text):
        left, right = _person(text, *run.span())
        words = text[left:right].split()
        if name in words and len(words) > 1 and (name in (words[0], words[-1])):
            if left <= start < right:
                found = [(left, right)]
                break
            found.append((left, right))
    if len({normalize_answer(text[left:right]) for left, right in found}) != 1:
        return None
    left, right = next((place for place in reversed(found) if place[0] <= start), found[0])
    rest = set(normalize_answer(text[left:right]).split()) - set(normalize_answer(name).split())
    return None if rest & set(normalize_answer(question).split()) else (left, right)


def _person(text: str, left: int, right: int) -> tuple[int, int]:
    """A run of capitals without titles and opening words; empty where it names a thing."""
    words = list(re.finditer(r"\S+", text[left:right]))
    while words and (words[0][0] in _TITLES or words[0][0].lower() in FUNCTION_WORDS or words[0][0].endswith("ly")):
        words.pop(0)
    if not words or len(words) > 4 or any(word[0] in _THINGS for word in words):
        return left, left
    return left + words[0].start(), left + words[-1].end()
