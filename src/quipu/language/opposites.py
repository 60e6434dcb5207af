"""Words whose exchange changes what is asked for or told: largest and smallest, enable and disable, miles and feet.

Two questions are ``opposed`` where one has a word in the place of which the other has its opposite. A question is
``turned`` by what a document tells where that says the opposite of what is asked about, negation counted: what is not
open is closed. The two deals of one trade are opposite as questions only: who buys is told by what somebody sold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Literal

from quipu.language.deals import DEALING, asked_side
from quipu.language.english import FUNCTION_WORDS, word_set
from quipu.language.inflection import forms_of

Pairs = tuple[tuple[str, str], ...]
_Forms = frozenset[str]
_Table = tuple[dict[str, list[tuple[_Forms, _Forms]]], Pairs]

# verbs and their inflections: what one does the other undoes or keeps from being done
_VERBS = """
    enable disable, activate deactivate, add remove, add delete, insert delete, install uninstall, open close,
    open shut, start stop, start end, start finish, begin end, begin finish, increase decrease, increase reduce,
    raise lower, rise fall, grow shrink, expand shrink, expand contract, upload download, lock unlock, show hide,
    accept reject, accept refuse, accept decline, accept deny, approve reject, approve deny, allow forbid,
    allow prohibit, allow ban, permit forbid, permit prohibit, create destroy, create delete, encrypt decrypt,
    encode decode, compress decompress, hire fire, hire dismiss, appoint dismiss, employ dismiss, upgrade downgrade,
    promote demote, include exclude, include omit, connect disconnect, attach detach, mount unmount, load unload,
    pack unpack, wrap unwrap, tie untie, plug unplug, subscribe unsubscribe, subscribe cancel, renew cancel,
    book cancel, confirm cancel, join leave, enter leave, enter exit, arrive leave, arrive depart, save delete,
    keep discard, keep delete, remember forget, freeze thaw, melt freeze, heat cool, fill empty, inhale exhale,
    strengthen weaken, widen narrow, lengthen shorten, tighten loosen, accelerate brake, pull push, ascend descend,
    succeed fail, pass fail, admit exclude, admit deny, agree disagree, appear disappear, like dislike, love hate,
    trust distrust, obey disobey, praise blame, reward punish, encourage discourage, build demolish,
    construct demolish, found dissolve, invade retreat, advance retreat, ratify reject, support oppose, arm disarm,
    embark disembark, inflate deflate, mute unmute, block unblock, block allow, follow unfollow, archive restore,
    delete restore, merge split, merge separate, unite divide, collect distribute, hoard share, spend save,
    earn spend, deposit withdraw, lengthen cut, extend shorten, extend reduce, ease aggravate
"""
# verbs with two parts of one deal: the same event is told by either, from the other side
_DEALS = """
    buy sell, purchase sell, borrow lend, win lose, import export, send receive, give take, give receive, teach learn,
    rent let, pay charge, attack defend, live die, precede succeed, precede follow
"""
# other words, each with its plural where it takes one
_PLAIN = """
    legal illegal, public private, hot cold, wet dry, old new, inside outside, upper lower, left right, front back,
    male female, summer winter, day night, morning evening, ally enemy, arrival departure, input output, hero villain,
    born buried, born died, entrance exit, entry exit, beginning end, opening closing, opening closure,
    active inactive, valid invalid, visible invisible, visible hidden, possible impossible, regular irregular,
    direct indirect, correct incorrect, correct wrong, right wrong, true false, complete incomplete, full empty,
    present absent, available unavailable, mandatory optional, compulsory optional, required optional,
    required voluntary, permitted forbidden, open closed, online offline, internal external, interior exterior,
    indoor outdoor, indoors outdoors, domestic foreign, local remote, temporary permanent, fixed variable,
    manual automatic, solid liquid, single multiple, single married, married divorced, guilty innocent, dead alive,
    rich poor, safe dangerous, clean dirty, heavy light, thick thin, wide narrow, deep shallow, tall short,
    long short, hard soft, hard easy, difficult easy, fast slow, strong weak, loud quiet, cheap expensive,
    sweet bitter, ripe unripe, fresh stale, positive negative, credit debit, profit loss, income expense,
    asset liability, supply demand, success failure, strength weakness, advantage disadvantage, benefit drawback,
    friend enemy, north south, east west, northern southern, eastern western, ancient modern, early late,
    majority minority, ceiling floor, roof cellar, attic cellar, top bottom, head tail, weekday weekend,
    weekdays weekends, incoming outgoing, inbound outbound, upstream downstream, uphill downhill, upward downward,
    upwards downwards, forward backward, forwards backwards, ascending descending, clockwise anticlockwise,
    vertical horizontal, rural urban, rough smooth, sharp blunt, opaque transparent, natural artificial, raw cooked,
    voluntary forced, adult child, ancestor descendant, plaintiff defendant, ripe green, permission prohibition,
    acceptance rejection, approval rejection, admission exclusion, increase decrease, expansion contraction,
    installation removal, upgrade downgrade, promotion demotion, creation destruction
"""
# roles in one deal or relation, told by either
_ROLES = """
    student teacher, buyer seller, employer employee, lender borrower, landlord tenant, sender recipient,
    sender receiver, importer exporter, import export, victory defeat, gain loss, winner loser, predator prey,
    victim attacker, offence defence, parent child, doctor patient, lawyer client, host guest, before after,
    above below, over under
"""
_ENDS = """
    largest smallest, biggest smallest, highest lowest, longest shortest, oldest youngest, oldest newest, first last,
    most least, best worst, fastest slowest, deepest shallowest, heaviest lightest, richest poorest, earliest latest,
    hottest coldest, tallest shortest, maximum minimum, maximal minimal, widest narrowest, nearest farthest,
    nearest furthest, strongest weakest, closest farthest, hardest softest, hardest easiest, cheapest dearest,
    thickest thinnest, brightest darkest, uppermost lowermost, innermost outermost, initial final, first final
"""
_COMPARED = """
    more fewer, more less, larger smaller, bigger smaller, longer shorter, higher lower, older younger, older newer,
    faster slower, earlier later, wider narrower, deeper shallower, heavier lighter, stronger weaker, better worse,
    cheaper dearer, thicker thinner, taller shorter, richer poorer, warmer colder, hotter colder, harder softer
"""


def _pairs(table: str) -> Pairs:
    return tuple((one, other) for one, other in (entry.split() for entry in table.split(",")))


def _inflected(pairs: Pairs, kind: Literal["verb", "noun"]) -> Pairs:
    """Both words of each pair in the same forms."""
    found = (both for one, other in pairs for both in zip(forms_of(one, kind), forms_of(other, kind), strict=True))
    return tuple(dict.fromkeys(both for both in found if both[0] != both[1]))


_CONTRARY = (*_inflected(_pairs(_VERBS), "verb"), *_inflected(_pairs(_PLAIN), "noun"))
_CONVERSE = (*_inflected(_pairs(_DEALS), "verb"), *_inflected(_pairs(_ROLES), "noun"))
_SUPERLATIVE = _pairs(_ENDS)

OPPOSITES: dict[str, Pairs] = {
    "antonym": (*_CONTRARY, *_CONVERSE, ("joined", "left")),
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
    "comparative": (*_SUPERLATIVE, *_pairs(_COMPARED), ("majority", "minority"), ("second", "third"),
                    ("top", "bottom")),
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
"""Kind -> pairs; either word may stand for the other in a question, and the answer changes with it."""

# adjectives of a thing that its name may bear by the way, and words of many senses: no sign that a document contradicts
_BY_THE_WAY = _pairs(
    """legal illegal, public private, hot cold, wet dry, old new, left right, front back, male female, summer winter,
    day night, morning evening, north south, east west, northern southern, eastern western, ancient modern, rich poor,
    heavy light, thick thin, tall short, long short, hard soft, hard easy, fast slow, strong weak, right wrong,
    early late, head tail, adult child, single married, local remote, domestic foreign, top bottom"""
)
_WORD = re.compile(r"\w+")
_NEGATION = re.compile(r"\b(?:not|never|cannot|no)\b|n['’]t\b", re.I)
_BOUNDARY = re.compile(r"\bthe\s+(?:end|start|beginning|close|opening)\s+of\b")  # a part of something, no act
_ADVERB = re.compile(r"\w+ly|been|being|yet|well|ever|even|very|so")
# "no more than", "not until", "not only": these bound or add, they deny nothing
_NO_DENIAL = re.compile(
    r"\b(?:no|not|never)\s+(?:(?:\w+\s+){0,3}?(?:more|less|fewer|\w{2,}er\s+than|before|until|till|exceed\w*)\b|only\b|later\b|"
    r"one\b|doubt\b|matter\b|\.?\s*\d)|\bno\.|\bexceed",
    re.I,
)
_UNPREFIXED = re.compile(r"(?:un|non|dis|de)(?=\w{4})")
_NO_PREFIX = word_set(
    """
    less der ited iform iversal iverse ique ited ion dergo derstand cover play count order patch pose tribute cuss
    trict pute ease tinct solve course part sign grade rail fend tail port crease mand cline bate light scribe stroy
    cade termine velop liver partment posit sire tect nominate pend pict clare cide feat gree test lay bris tract
    """
)
_PHRASAL = re.compile(
    r"\b(turn|switch|power|log|sign|clock|put|lift|speed|scale|shut|set|take|move|check|scroll|count|move|go|come|walk)"
    r"(?:s|es|ed|t?ing|ned|ning)?\b((?:\W+\w+){0,3}?)\W+(on|off|up|down|in|out)\b",
    re.I,
)
_PARTICLES = {"on": "off", "off": "on", "up": "down", "down": "up", "in": "out", "out": "in"}


def opposed(asked: str, stored: str) -> bool:
    """Whether one question has a word in the place of which the other has its opposite, and so asks something else.

    "Who bought it?" and "To whom was it sold?" ask for the same side of one deal.
    """
    left, right = _joined(asked), _joined(stored)
    side = asked_side(left)
    same_side = side != "" and side == asked_side(right)
    return any(not (same_side and {one, other} <= DEALING.keys()) for one, other in _exchanged(left, right, _EVERY))


def opposites_of(word: str) -> frozenset[str]:
    """All forms of the opposites of a lower-case word."""
    return frozenset().union(*(there for _, there in _EVERY[0].get(word, ())))


def turned(asked: str, told: str) -> tuple[str, str] | None:
    """The word of a question and that of what is told, where one says the opposite of the other; else None.

    A negation turns a word into its opposite: "closed" and "not open" are the same. Where either text has both words
    ("opens at 6 and closes at 9") nothing is turned.
    """
    left, right = _plain(asked), _plain(told)
    denied_left, denied_right = _denied(left), _denied(right)
    for one, other in _exchanged(left, right, _TELLING):
        if (_stem(one) in denied_left) == (_stem(other) in denied_right):
            return one, other
        return None
    if bool(denied_left) != bool(denied_right):
        plain = {_stem(word): word for word in _WORD.findall(right if denied_left else left)}
        for stem, word in (denied_left or denied_right).items():
            if stem in plain:
                return (f"not {word}", plain[stem]) if denied_left else (plain[stem], f"not {word}")
    return None


def _exchanged(left: str, right: str, table: _Table) -> Iterator[tuple[str, str]]:
    """Words of the left text with their opposites in the right one, neither text having both."""
    words, phrases = table
    here, there = _WORD.findall(left), _WORD.findall(right)
    own, others = set(here), set(there)
    for word in dict.fromkeys(here):
        bare = _unprefixed(word)
        prefixed = frozenset(other for other in others if _unprefixed(other) == word)
        for same, opposite in (*words.get(word, ()), (frozenset([word]), prefixed | ({bare} if bare else set()))):
            if others & opposite and not (others & same or own & opposite):
                yield word, min(others & opposite)
    for both in phrases:
        for one, other in (both, both[::-1]):
            if _has(one, left) and _has(other, right) and not _has(other, left) and not _has(one, right):
                yield one, other
    for (verb, particle), (other_verb, other_particle) in _crossed(_phrasal(left), _phrasal(right)):
        if verb == other_verb or {verb, other_verb} <= {"turn", "switch", "power"}:
            yield f"{verb} {particle}", f"{other_verb} {other_particle}"


def _table(pairs: Pairs, verbs: Pairs = (), nouns: Pairs = ()) -> _Table:
    """Single words to all forms of their own with all forms of the opposite, and the pairs of which one is a phrase."""
    single = [(frozenset([one]), frozenset([other])) for one, other in pairs if " " not in one + other]
    for row, kind in ((verbs, "verb"), (nouns, "noun")):
        single += [(frozenset(forms_of(one, kind)), frozenset(forms_of(other, kind))) for one, other in row]
    words: dict[str, list[tuple[_Forms, _Forms]]] = {}
    for here, there in single:
        both = here - there, there - here
        for word in here:
            words.setdefault(word, []).append(both)
        for word in there:
            words.setdefault(word, []).append(both[::-1])
    return words, tuple(pair for pair in pairs if " " in "".join(pair))


@cache
def _unprefixed(word: str) -> str:
    """What a prefix of negation turns round; "" where the word has none."""
    prefix = _UNPREFIXED.match(word)
    rest = word[prefix.end() :] if prefix else ""
    if any(rest.startswith(stem) for stem in _NO_PREFIX) or (prefix and prefix[0] == "de" and not _is_process(rest)):
        return ""
    return rest


def _is_process(word: str) -> bool:
    """Whether "de" before the word undoes it: activate, compressed, but not scribe."""
    return (
        re.fullmatch(r"\w{3,}(?:at|[iy][sz]|ify|ifi|press|coupl|cod|frost|regist)(?:e|ed|es|ing|ion|er)?", word)
        is not None
    )


def _phrasal(text: str) -> list[tuple[str, str]]:
    return [(found[1], found[3]) for found in _PHRASAL.finditer(text)]


def _crossed(
    left: list[tuple[str, str]], right: list[tuple[str, str]]
) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Verbs with opposite particles, neither side having both."""
    here, there = {particle for _, particle in left}, {particle for _, particle in right}
    for one in left:
        for other in right:
            if _PARTICLES[one[1]] == other[1] and other[1] not in here and one[1] not in there:
                yield one, other


def _plain(text: str) -> str:
    """As ``_joined``, with bounds and ends of something taken out."""
    return _BOUNDARY.sub(" ", _NO_DENIAL.sub(" ", _joined(text)))


def _joined(text: str) -> str:
    """Lower case, with "non" joined to its word."""
    return re.sub(r"\bnon[- ](?=\w)", "non", text.lower())


def _denied(text: str) -> dict[str, str]:
    """The words that negations in a text deny, by their stems: the first word of content behind each."""
    found: dict[str, str] = {}
    for negation in _NEGATION.finditer(text):
        behind = re.split(r"[,;:.!?]", text[negation.end() :], maxsplit=1)[0]
        words = (word for word in _WORD.findall(behind) if word not in FUNCTION_WORDS and not _ADVERB.fullmatch(word))
        found.update((_stem(word), word) for word in list(words)[:1])
    return found


def _stem(word: str) -> str:
    """A word without the ending of its inflection, roughly: allowed and allow, closes and close."""
    for ending in ("ing", "ied", "ies", "ed", "es", "s", "d", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _has(words: str, text: str) -> bool:
    return words in text and _pattern(words).search(text) is not None


@cache
def _pattern(words: str) -> re.Pattern[str]:
    return re.compile(rf"\b{re.escape(words)}\b")


_EVERY = _table(
    tuple(both for kind, pairs in OPPOSITES.items() for both in pairs if kind != "antonym"),
    (*_pairs(_VERBS), *_pairs(_DEALS), ("join", "leave")),
    (*_pairs(_PLAIN), *_pairs(_ROLES)),
)
_TELLING = _table(
    tuple(both for both in _SUPERLATIVE if both != ("most", "least")),  # "at least" is no opposite of "most of"
    _pairs(_VERBS), tuple(both for both in _pairs(_PLAIN) if both not in _BY_THE_WAY)
)  # fmt: skip
