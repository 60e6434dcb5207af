"""Twins and paraphrases of any English question, by rule.

A *twin* differs from its question in a word or two and asks for something else, so the stored answer is wrong for it;
a *paraphrase* differs in words and asks for the same. Every function takes its randomness from the caller.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from functools import cache

from quipu.evaluation.twins.lexicon import MAKERS, PLACES, ROLES, SYNONYMS
from quipu.language.english import FUNCTION_WORDS, MONTHS
from quipu.language.opposites import OPPOSITES

KINDS = (
    "negation", "antonym", "relation", "roles", "entity", "number", "date", "unit", "comparative", "tense", "place",
    "asked",
)  # fmt: skip

_DENIED = {
    "is": "isn't", "are": "aren't", "was": "wasn't", "were": "weren't", "did": "didn't", "does": "doesn't",
    "do": "don't", "can": "can't", "could": "couldn't", "will": "won't", "would": "wouldn't", "should": "shouldn't",
    "must": "mustn't", "has": "hasn't", "have": "haven't", "had": "hadn't",
}  # fmt: skip
# what turns no question for sure: of two senses, or the same thing told in other words
_NOT_BY_RULE = frozenset({
    "show", "shows", "showed", "shown", "hide", "front", "back", "head", "right", "left", "like", "light", "fall",
    "falls", "match", "rose", "actor", "actress",
})  # fmt: skip
_NAME = re.compile(r"(?<![.?!] )(?<!^)\b[A-Z][\w'’-]+(?: (?:of |the |de |van )?[A-Z][\w'’-]+)*")
_NUMBER = re.compile(r"(?<![\w.,-])\d[\d,]*(?:\.\d+)?(?![\w-])")
_YEAR = re.compile(r"\b(1[0-9]{3}|20[0-4][0-9])\b")
_TITLES = ("Do you know", "Can you tell me", "I would like to know", "Please tell me", "Tell me", "Any idea")

_BY_RULE = {
    kind: tuple(
        pair for pair in pairs
        if not _NOT_BY_RULE & set(pair) and pair not in (("does", "did"), ("will be", "was"))
    )
    for kind, pairs in OPPOSITES.items()
}  # fmt: skip


def twin(question: str, kind: str, rng: random.Random, names: Sequence[str] = ()) -> str | None:
    """A question like ``question`` that asks for something else, by one ``kind`` of ``KINDS``; None where none fits.

    ``names``: other names, from which an entity's stand-in is taken.
    """
    made = _swapped(question, _BY_RULE[kind], rng) if kind in _BY_RULE else _RULES[kind](question, rng, names)
    return made if made is not None and made.lower() != question.lower() else None


def any_twin(question: str, rng: random.Random, names: Sequence[str] = ()) -> tuple[str, str] | None:
    """A twin by a random kind that fits: (kind, question)."""
    for kind in rng.sample(KINDS, len(KINDS)):
        made = twin(question, kind, rng, names)
        if made is not None:
            return kind, made
    return None


def paraphrase(question: str, rng: random.Random, changes: int = 2) -> str:
    """The same question in other words: up to ``changes`` rules that fit, in random order; may come back unchanged."""
    made, done = question, 0
    for rule in rng.sample(_REWORDINGS, len(_REWORDINGS)):
        if done >= changes:
            break
        new = rule(made, rng)
        if new is not None and new != made:
            made, done = new, done + 1
    return made


def names_of(question: str) -> list[str]:
    """Capitalised names inside a question, its first word left out."""
    return [match.group() for match in _NAME.finditer(question) if match.group().lower() not in FUNCTION_WORDS]


def _swapped(text: str, pairs: Sequence[tuple[str, str]], rng: random.Random) -> str | None:
    """One word or phrase exchanged for its partner, at a random fitting place; its capital is kept."""
    pattern, partners = _partners(tuple(pairs))
    found = [
        (match, other)
        for match in pattern.finditer(text)
        if match.start() == 0 or not match.group()[:1].isupper()  # the New of New York has no opposite
        for other in partners[match.group().lower()]
    ]
    if not found:
        return None
    match, other = rng.choice(found)
    if match.group()[:1].isupper():
        other = other[:1].upper() + other[1:]
    return text[: match.start()] + other + text[match.end() :]


@cache
def _partners(pairs: tuple[tuple[str, str], ...]) -> tuple[re.Pattern[str], dict[str, list[str]]]:
    """What finds any word or phrase of the pairs, the longest first, and what each may be exchanged for."""
    partners: dict[str, list[str]] = {}
    for left, right in pairs:
        partners.setdefault(left.lower(), []).append(right)
        partners.setdefault(right.lower(), []).append(left)
    words = "|".join(re.escape(word) for word in sorted(partners, key=lambda word: (-len(word), word)))
    return re.compile(rf"\b(?:{words})\b", re.I), partners


def _negation(question: str, rng: random.Random, names: Sequence[str]) -> str | None:
    denied = re.search(rf"\b(?:({'|'.join(_DENIED.values())})|(?<!do )(?:not|never))\b ?", question, re.I)
    if denied:
        back = {short: full for full, short in _DENIED.items()}
        instead = f"{back[denied.group(1).lower()]} " if denied.group(1) else ""
        return question[: denied.start()] + instead + question[denied.end() :]
    after = re.match(rf"((?:what|which|who|whose|where|when|how|why)\b[^,]*?)\b({'|'.join(_DENIED)})\b", question, re.I)
    if after is None:
        return None
    asked_of_it = re.fullmatch(r"(?:who|(?:what|which)(?: [\w'’-]+){1,3}) ", after.group(1), re.I)
    verb = after.group(2).lower()
    if asked_of_it and verb in ("is", "are", "was", "were", "has", "have", "had", "can", "will") and rng.random() < 0.6:
        return question[: after.end()] + " not" + question[after.end() :]  # the subject stands before the verb
    return question[: after.start(2)] + _DENIED[verb] + question[after.end() :]


def _roles(question: str, rng: random.Random, names: Sequence[str]) -> str | None:
    made = re.match(
        r"(Who|Which [\w ]+?|What [\w ]+?) (\w+) ((?:the )?[A-Z][\w'’. -]+?)( (?:in|at|on|for|during) .*)?\?", question
    )
    if made and made.group(2) in ROLES:
        return f"{made.group(1)} did {made.group(3)} {ROLES[made.group(2)]}{made.group(4) or ''}?"
    done = re.match(r"(Who|Which [\w ]+?|What [\w ]+?) did (.+?) (\w+)( (?:in|at|on|for|during) .*)?\?", question)
    back = {base: past for past, base in ROLES.items()}
    if done and done.group(3) in back:
        return f"{done.group(1)} {back[done.group(3)]} {done.group(2)}{done.group(4) or ''}?"
    way = re.search(r"\bfrom (\S+(?: [A-Z]\S+)?) to (\S+(?: [A-Z]\S+)?)(?=[ ?.,]|$)", question)
    if way:
        right = way.group(2).rstrip("?.,")
        tail = way.group(2)[len(right) :]
        return question[: way.start()] + f"from {right} to {way.group(1)}{tail}" + question[way.end() :]
    return None


def _entity(question: str, rng: random.Random, names: Sequence[str]) -> str | None:
    own = names_of(question)
    others = [name for name in names if name not in question]
    if not own or not others:
        return None
    chosen = rng.choice(own)
    return question.replace(chosen, rng.choice(others), 1)


def _number(question: str, rng: random.Random, names: Sequence[str]) -> str | None:
    found = [match for match in _NUMBER.finditer(question) if not _YEAR.fullmatch(match.group())]
    if not found:
        return None
    match = rng.choice(found)
    digits = match.group().replace(",", "")
    if "." in digits:
        other = f"{float(digits) + rng.choice((-1, 1, 2, 10)) * 1.1:.{len(digits.split('.')[1])}f}"
    else:
        other = str(abs(int(digits) + rng.choice((-3, -2, -1, 1, 2, 3, 5, 10))))
    return question[: match.start()] + other + question[match.end() :]


def _date(question: str, rng: random.Random, names: Sequence[str]) -> str | None:
    found = list(_YEAR.finditer(question)) + list(re.finditer(rf"\b(?:{'|'.join(MONTHS)})\b", question))
    if not found:
        return None
    match = rng.choice(found)
    if match.group() in MONTHS:
        other = rng.choice([month for month in MONTHS if month != match.group()])
    else:
        other = str(int(match.group()) + rng.choice((-100, -20, -10, -4, -2, -1, 1, 2, 4, 10, 20, 100)))
    return question[: match.start()] + other + question[match.end() :]


def _place(question: str, rng: random.Random, names: Sequence[str]) -> str | None:
    found = [place for place in PLACES if re.search(rf"\b{place}\b", question)]
    if not found:
        return None
    chosen = rng.choice(found)
    return re.sub(rf"\b{chosen}\b", rng.choice([place for place in PLACES if place not in question]), question)


_RULES: dict[str, Callable[[str, random.Random, Sequence[str]], str | None]] = {
    "negation": _negation, "roles": _roles, "entity": _entity, "number": _number, "date": _date, "place": _place,
}  # fmt: skip


def _plain(question: str, rng: random.Random) -> str | None:
    """As people type: lower case, no question mark."""
    return rng.choice((question.lower(), question.rstrip("? "), question.lower().rstrip("? ")))


def _polite(question: str, rng: random.Random) -> str | None:
    if not re.match(r"(?:who|what|when|where|which|how|why)\b", question, re.I):
        return None
    return f"{rng.choice(_TITLES)}: {question[:1].lower()}{question[1:]}"


def _synonym(question: str, rng: random.Random) -> str | None:
    return _swapped(question, SYNONYMS, rng)


def _maker(question: str, rng: random.Random) -> str | None:
    """Who wrote X = X was written by whom = who is the author of X."""
    for participle, (past, noun) in MAKERS.items():
        found = re.match(rf"who {past} (.+?)\?*$", question, re.I) or re.match(
            rf"(?:by whom|who) was (.+?) {participle}(?: by)?\?*$", question, re.I
        )
        if found:
            thing = found.group(1)
            return rng.choice(
                (f"{thing} was {participle} by whom?", f"By whom was {thing} {participle}?", f"Who {past} {thing}?",
                 f"Who is the {noun} of {thing}?", f"{thing[:1].upper()}{thing[1:]}: who was its {noun}?")
            )  # fmt: skip
    return None


def _when(question: str, rng: random.Random) -> str | None:
    found = re.match(r"(?:when|in (?:what|which) year|what year) (was|were|did|is) (.+?)\?*$", question, re.I)
    if not found:
        return None
    rest = f"{found.group(1).lower()} {found.group(2)}"
    return rng.choice(
        (
            f"When {rest}?",
            f"In what year {rest}?",
            f"In which year {rest}?",
            f"What year {rest}?",
            f"What was the date when {rest}?",
        )
    )


def _where(question: str, rng: random.Random) -> str | None:
    found = re.match(r"(?:where|in (?:what|which) place) (was|were|did|is|are) (.+?)\?*$", question, re.I)
    if not found:
        return None
    rest = f"{found.group(1).lower()} {found.group(2)}"
    return rng.choice(
        (f"Where {rest}?", f"In what place {rest}?", f"In which place {rest}?", f"What is the place where {rest}?")
    )


def _what_of(question: str, rng: random.Random) -> str | None:
    found = re.match(r"what(?: is|'s| was) the ([\w -]+?) of (.+?)\?*$", question, re.I)
    if not found:
        return None
    role, thing = found.groups()
    verb = "was" if re.match(r"what was", question, re.I) else "is"
    return rng.choice(
        (f"What {verb} {thing}'s {role}?", f"Which {role} {'did' if verb == 'was' else 'does'} {thing} have?",
         f"Name the {role} of {thing}.", f"The {role} of {thing} {verb} what?", f"{role} of {thing}")
    )  # fmt: skip


def _how_many(question: str, rng: random.Random) -> str | None:
    found = re.match(r"how many (.+?)\?*$", question, re.I)
    return f"What number of {found.group(1)}?" if found else None


def _fronted(question: str, rng: random.Random) -> str | None:
    """Who won the cup in 1998? = In 1998, who won the cup?"""
    found = re.match(r"(.+\w) ((?:in|on|at|during|after|before) (?:the )?[A-Z0-9][\w' -]*)\?*$", question)
    if not found or len(found.group(1).split()) < 3:
        return None
    front, head = found.group(2), found.group(1)
    return f"{front[:1].upper()}{front[1:]}, {head[:1].lower()}{head[1:]}?"


def _last(question: str, rng: random.Random) -> str | None:
    """When was X opened? = X was opened when?"""
    found = re.match(r"(when|where|why) (was|were|is|are) ((?:the )?[\w' -]+?) (\w+(?:ed|en|n|t))\?*$", question, re.I)
    if not found:
        return None
    word, verb, thing, done = found.groups()
    return f"{thing[:1].upper()}{thing[1:]} {verb} {done} {word.lower()}?"


def _slip(question: str, rng: random.Random) -> str | None:
    """Two letters of one longer small word exchanged: a typing error."""
    words = [match for match in re.finditer(r"\b[a-z]{5,}\b", question)]
    if not words or rng.random() < 0.6:
        return None
    match = rng.choice(words)
    at = match.start() + rng.randrange(1, len(match.group()) - 2)
    return question[:at] + question[at + 1] + question[at] + question[at + 2 :]


_REWORDINGS: tuple[Callable[[str, random.Random], str | None], ...] = (
    _plain, _polite, _synonym, _synonym, _maker, _when, _where, _what_of, _how_many, _fronted, _last, _slip,
)  # fmt: skip
