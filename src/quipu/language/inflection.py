"""Forms of English words by rule, irregular ones by a table: what a word may look like, and which are the same."""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

from quipu.language.english import word_set

# base, past, participle where it differs
_IRREGULAR = """
    be was been, become became become, begin began begun, bend bent, bind bound, bite bit bitten, blow blew blown,
    break broke broken, bring brought, build built, burn burnt, buy bought, catch caught, choose chose chosen,
    come came come, cost cost, cut cut, deal dealt, dig dug, do did done, draw drew drawn, drink drank drunk,
    drive drove driven, eat ate eaten, fall fell fallen, feed fed, feel felt, fight fought, find found, fly flew flown,
    forbid forbade forbidden, forget forgot forgotten, freeze froze frozen, get got got, give gave given, go went gone,
    grow grew grown, hang hung, have had, hear heard, hide hid hidden, hit hit, hold held, keep kept, know knew known,
    lay laid, lead led, leave left, lend lent, let let, lose lost, make made, mean meant, meet met, pay paid, put put,
    read read, ride rode ridden, ring rang rung, rise rose risen, run ran run, say said, see saw seen, sell sold,
    send sent, set set, shake shook shaken, shine shone, show showed shown, shrink shrank shrunk, shut shut,
    sing sang sung, sink sank sunk, sit sat, sleep slept, speak spoke spoken, spend spent, split split, spread spread,
    stand stood, steal stole stolen, stick stuck, strike struck, swim swam swum, take took taken, teach taught,
    tear tore torn, tell told, think thought, throw threw thrown, understand understood, wear wore worn, win won,
    withdraw withdrew withdrawn, write wrote written
"""
_PAST = {row[0]: (row[1], row[-1]) for row in (entry.split() for entry in _IRREGULAR.split(","))}
_BASE = {form: base for base, forms in _PAST.items() for form in forms} | {
    "is": "be", "are": "be", "were": "be", "has": "have", "does": "do", "goes": "go", "men": "man", "women": "woman",
    "children": "child", "people": "person", "feet": "foot", "teeth": "tooth", "mice": "mouse", "lying": "lie",
    "dying": "die", "died": "die", "lied": "lie", "tied": "tie",
    "better": "good", "best": "good", "worse": "bad", "worst": "bad", "knives": "knife",
    "lives": "live", "leaves": "leave", "halves": "half", "wives": "wife", "shelves": "shelf",
}  # fmt: skip
_DOUBLED = word_set(
    """
    admit ban begin clip commit compel control cut dig drop fit forbid forget get hit let log omit permit plan plug
    put refer run set ship shut sit slip split stop submit swim transfer win wrap zip rub scan skip step tap trap trim
    """
)
_VOWELS = "aeiou"


@cache
def forms_of(word: str, kind: Literal["verb", "noun"]) -> tuple[str, ...]:
    """Base, third person, past, participle and -ing of a verb; singular and plural of a noun."""
    if kind == "noun":
        return word, _with_s(word)
    past, participle = _PAST.get(word) or (_with(word, "ed"),) * 2
    return word, _with_s(word), past, participle, _with(word, "ing")


@cache
def every_form(word: str) -> tuple[str, ...]:
    """What an inflected word may look like: the forms of itself, and of what is left without an ending."""
    bases = [word, _BASE.get(word, word)]
    for ending, instead in (("ies", "y"), ("ied", "y"), ("es", ""), ("s", ""), ("ed", ""), ("ed", "e"), ("ing", ""),
                            ("ing", "e")):  # fmt: skip
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            stem = word[: -len(ending)]
            bases.append(stem + instead)
            bases += [stem[:-1]] if stem[-1] == stem[-2] else []
    return tuple(dict.fromkeys(form for base in dict.fromkeys(bases) for form in forms_of(base, "verb")))


@cache
def base_of(word: str) -> str:
    """What all forms of a lower-case word have in common: mostly its base without a last e or y.

    Regular derivations by -ly, -er, -or, -ion and -ment are forms too; the result need not be a word.
    """
    word = _BASE.get(word, word)
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= (3 if len(ending) < 3 else 4):
            word = word[: -len(ending)]
            if ending[0] in _VOWELS and len(word) > 3 and word[-1] == word[-2] and word[-1] not in _VOWELS + "sl":
                word = word[:-1]
            break
    word = _BASE.get(word, word)
    return re.sub(r"(?<=\w\w)[eyi]+$", "", re.sub(r"is$", "iz", word) if len(word) > 4 else word)


# the longest first; a plural -s or -es of what is left has gone before
_ENDINGS = ("ations", "ation", "ments", "ment", "ings", "ions", "ing", "ion", "ers", "ors", "ies", "ied", "er", "or",
            "ed", "es", "ly", "s")  # fmt: skip


def _with_s(word: str) -> str:
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + ("es" if re.search(r"(?:s|x|z|ch|sh|[^o]o)$", word) else "s")


def _with(word: str, ending: Literal["ed", "ing"]) -> str:
    if word.endswith("ie") and ending == "ing":
        return word[:-2] + "ying"
    if word.endswith("e") and not (ending == "ing" and word.endswith(("ee", "ye"))):
        return word[:-1] + ending
    if ending == "ed" and re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ied"
    return word + (word[-1] if word in _DOUBLED else "") + ending
