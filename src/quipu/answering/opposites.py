"""Words whose exchange changes what a question asks for: largest and smallest, enable and disable, miles and feet."""

from __future__ import annotations

import re
from functools import cache

# kind -> pairs; either word may stand for the other, and the answer changes with it
OPPOSITES: dict[str, tuple[tuple[str, str], ...]] = {
    "antonym": (
        ("enable", "disable"), ("enabled", "disabled"), ("add", "remove"), ("added", "removed"),
        ("install", "uninstall"), ("open", "close"), ("opened", "closed"), ("start", "stop"), ("started", "ended"),
        ("begin", "end"), ("began", "ended"), ("increase", "decrease"), ("increased", "decreased"), ("buy", "sell"),
        ("bought", "sold"), ("import", "export"), ("imports", "exports"), ("won", "lost"), ("win", "lose"),
        ("born", "buried"), ("arrive", "leave"), ("arrived", "left"), ("upload", "download"), ("lock", "unlock"),
        ("show", "hide"), ("accept", "reject"), ("accepted", "rejected"), ("allow", "forbid"), ("allowed", "forbidden"),
        ("joined", "left"), ("created", "destroyed"), ("rise", "fall"), ("rose", "fell"), ("entered", "left"),
        ("appointed", "dismissed"), ("encrypt", "decrypt"), ("encode", "decode"), ("hired", "fired"),
        ("legal", "illegal"), ("public", "private"), ("hot", "cold"), ("wet", "dry"), ("old", "new"),
        ("before", "after"), ("inside", "outside"), ("above", "below"), ("upper", "lower"), ("left", "right"),
        ("front", "back"), ("male", "female"), ("summer", "winter"), ("day", "night"), ("morning", "evening"),
        ("attack", "defend"), ("attacked", "defended"), ("ally", "enemy"), ("arrival", "departure"),
        ("input", "output"),
        ("student", "teacher"), ("buyer", "seller"), ("employer", "employee"), ("hero", "villain"),
    ),
    "relation": (
        ("mother", "father"), ("son", "daughter"), ("brother", "sister"), ("husband", "wife"), ("king", "queen"),
        ("uncle", "aunt"), ("nephew", "niece"), ("actor", "actress"), ("author", "illustrator"),
        ("writer", "director"), ("wrote", "directed"), ("founded", "bought"), ("director", "producer"),
        ("composer", "singer"), ("composed", "sang"), ("birthplace", "deathplace"), ("capital", "largest city"),
        ("president", "vice president"), ("predecessor", "successor"), ("preceded", "succeeded"),
        ("designed", "built"), ("invented", "sold"), ("area", "population"), ("height", "width"), ("length", "depth"),
        ("colour", "size"), ("color", "size"), ("cause", "effect"), ("owner", "tenant"), ("price", "weight"),
        ("captain", "coach"), ("currency", "language"), ("flag", "anthem"), ("symptom", "treatment"),
    ),
    "comparative": (
        ("largest", "smallest"), ("biggest", "smallest"), ("highest", "lowest"), ("longest", "shortest"),
        ("oldest", "youngest"), ("oldest", "newest"), ("first", "last"), ("most", "least"), ("more", "fewer"),
        ("best", "worst"), ("fastest", "slowest"), ("deepest", "shallowest"), ("heaviest", "lightest"),
        ("richest", "poorest"), ("earliest", "latest"), ("hottest", "coldest"), ("tallest", "shortest"),
        ("larger", "smaller"), ("longer", "shorter"), ("higher", "lower"), ("older", "younger"), ("maximum", "minimum"),
        ("majority", "minority"), ("widest", "narrowest"), ("nearest", "farthest"), ("strongest", "weakest"),
        ("second", "third"), ("faster", "slower"), ("earlier", "later"), ("closest", "farthest"), ("top", "bottom"),
    ),
    "unit": (
        ("miles", "kilometres"), ("miles", "kilometers"), ("feet", "metres"), ("feet", "meters"),
        ("inches", "centimetres"), ("pounds", "kilograms"), ("celsius", "fahrenheit"), ("hours", "minutes"),
        ("minutes", "seconds"), ("days", "weeks"), ("months", "years"), ("dollars", "euros"), ("litres", "gallons"),
        ("grams", "ounces"), ("acres", "hectares"), ("percent", "degrees"), ("weeks", "months"), ("pounds", "dollars"),
        ("megabytes", "gigabytes"), ("volts", "watts"),
    ),
    "asked": (
        ("when did", "where did"), ("when was", "where was"), ("when is", "where is"), ("when were", "where were"),
        ("who was", "when was"), ("why did", "when did"), ("why was", "where was"), ("how did", "when did"),
        ("what year", "what place"), ("which country", "which year"), ("what city", "what year"),
        ("how long", "how often"), ("how far", "how fast"), ("how old", "how tall"), ("how many", "which"),
    ),
    "tense": (
        ("will", "did"), ("does", "did"), ("is now", "used to be"), ("current", "former"), ("currently", "previously"),
        ("next", "previous"), ("today", "originally"), ("now", "formerly"), ("nowadays", "in the past"),
        ("who is the current", "who was the previous"), ("will be", "was"), ("upcoming", "past"), ("future", "past"),
    ),
}  # fmt: skip


def opposed(asked: str, stored: str) -> bool:
    """Whether one question has a word in the place of which the other has its opposite."""
    left, right = asked.lower(), stored.lower()
    for pairs in OPPOSITES.values():
        for one, other in pairs:
            here, there = _has(one, left), _has(one, right)
            if here != there and _has(other, right) == here and _has(other, left) == there:
                return True
    return False


def _has(words: str, text: str) -> bool:
    return words in text and _pattern(words).search(text) is not None


@cache
def _pattern(words: str) -> re.Pattern[str]:
    return re.compile(rf"\b{re.escape(words)}\b")
