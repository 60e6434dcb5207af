"""Why a span of a document does not answer a question although it stands near: what is told there is something else.

Only what the span's own clause says counts, and only signs that are seldom wrong: its opposite, a span that is taken
out ("not on 15 June"), another dimension ("300 metres wide" of how deep), the other side of a deal, another's words.
"""

from __future__ import annotations

import re

from quipu.answering.inflection import forms_of
from quipu.answering.opposites import turned
from quipu.text import normalize_answer

_EDGE = re.compile(
    r"[;:]\s|[,–—]\s|\s\(|\)\s|\b(?:and|but|while|whereas|although|though|which|who|whom|whose|that|because|when|where|if|"
    r"except|unless|before|after|until|than|then|or)\b",
    re.I,
)
_LEAD = r"\s+(?:(?:on|in|at|by|from|to|for|of|with|during|as)\s+)?(?:the\s+|an?\s+|this\s+|that\s+|those\s+)?\Z"
_TAKEN_OUT = re.compile(rf"\b(?:not|never|no\s+longer){_LEAD}", re.I)
_EXCEPTED = re.compile(rf"\b(?:except(?:ing)?(?:\s+for)?|excluding|apart\s+from|other\s+than|but\s+not){_LEAD}", re.I)
# words by which a text denies or leaves out, in whatever way: with one of them it may well mean what "not" means
_NEGATED = re.compile(
    r"\b(?:not|never|no|non|none|nor|neither|cannot|without|except\w*|exclu\w+|exempt\w*|instead|other|rather|apart|"
    r"unlike|unless|only|lone|save|besides|few|barely|hardly|absen\w+|avoid\w*|fail\w*|refus\w+|declin\w+|lack\w*|"
    r"miss\w*|wrong\w*|cancel\w*|stop\w*|prevent\w*|remov\w+|reject\w*|deni\w+|deny\w*|forb[aio]\w+|ban|banned|ban\w*|"
    r"prohibit\w*|keep\w*|free\s+of|replac\w+|oppos\w+|un\w{4,}|dis\w{4,}|non\w*|in(?:valid|complete|correct|eligible)\w*)\b"
    r"|n['’]t\b",
    re.I,
)
_NAMES_SOMETHING = re.compile(r"[A-Z\d$€£]|(?:the|an?|on|in|at)\s", re.ASCII)
_YES_OR_NO = re.compile(r"(?:is|are|was|were|do|does|did|can|could|may|must|should|will|would|has|have|had)\b", re.I)
_DIMENSIONS = (
    ("wide", "broad", "width", "breadth", "across"), ("long", "length"), ("deep", "depth"), ("old", "age"),
    ("high", "tall", "height"), ("thick", "thickness"), ("heavy", "weight"), ("fast", "speed"),
)  # fmt: skip
_DIMENSION = {word: row[0] for row in _DIMENSIONS for word in row}
_ASKED_DIMENSION = re.compile(
    rf"\bhow\s+({'|'.join(_DIMENSION)})\b|\bthe\s+({'|'.join(_DIMENSION)})\b(?:\s+of\b)", re.I
)
_TOLD_DIMENSION = re.compile(
    r"\s*(?:in\s+)?(wide|broad|long|deep|high|tall|thick|old|width|length|depth|height)\b(?!\s+(?:term|ago))", re.I
)
# verb -> who does it, and who is named behind which word
_DEALS: dict[str, tuple[str, dict[str, str]]] = {
    "buy": ("buyer", {"from": "seller", "by": "buyer"}), "sell": ("seller", {"to": "buyer", "by": "seller"}),
    "lend": ("lender", {"to": "borrower", "by": "lender"}),
    "borrow": ("borrower", {"from": "lender", "by": "borrower"}),
    "send": ("sender", {"to": "receiver", "by": "sender"}),
    "receive": ("receiver", {"from": "sender", "by": "receiver"}),
}  # fmt: skip
_VERBS = {form: verb for verb in _DEALS for form in forms_of(verb, "verb")} | {"purchased": "buy", "acquired": "buy"}
_SIDES = tuple({agent, *behind.values()} for agent, behind in _DEALS.values())
_DEAL = re.compile(rf"\b({'|'.join(_VERBS)})\b", re.I)


def contradiction(question: str, text: str, start: int, end: int) -> str:
    """Why the sentence ``text`` says something else of ``text[start:end]`` than is asked; "" where it does not."""
    before, answer = text[:start], text[start:end]
    negated = _NEGATED.search(question) is not None
    if not negated and (_EXCEPTED.search(before) or (_TAKEN_OUT.search(before) and _NAMES_SOMETHING.match(answer))):
        return f"the document takes {_short(answer)} out"
    if not (_EXCEPTED.search(before) or _YES_OR_NO.match(question) or _NEGATED.search(answer)):
        both = _opposite(question, clause_of(text, start, end), negated)
        if both is not None:
            return f"the document says {both[1]!r} there, not {both[0]!r}"
    asked, told = _ASKED_DIMENSION.search(question), _TOLD_DIMENSION.match(text, end)
    if asked and told:
        wanted, given = _DIMENSION[(asked[1] or asked[2]).lower()], _DIMENSION[told[1].lower()]
        if wanted != given:
            return f"the document says how {given}, not how {wanted}"
    return _other_side(question, clause_of(text, start, end), answer)


def clause_of(text: str, start: int, end: int) -> str:
    """What of a sentence is said in one breath with the span: between the marks and joining words next to it."""
    left = max((edge.end() for edge in _EDGE.finditer(text, 0, start)), default=0)
    right = _EDGE.search(text, end)
    return text[left : right.start() if right else len(text)]


def _opposite(question: str, clause: str, negated: bool) -> tuple[str, str] | None:
    """``turned``; None where it is a negation on one side only, and the other denies in other words."""
    both = turned(question, clause)
    if both is None or not any(word.startswith("not ") for word in both):
        return both
    denies = negated and _NEGATED.search(clause)
    told_otherwise = (denies and both[0].startswith("not ")) or (negated and both[1].startswith("not "))
    return None if told_otherwise else both


def _other_side(question: str, clause: str, answer: str) -> str:
    """Who sold is not who bought: the side of a deal that is asked for, against the side on which the answer stands."""
    asked, told = _asked_side(question), _told_side(clause, answer)
    if asked and told and asked != told and any({asked, told} <= sides for sides in _SIDES):
        return f"the document names the {told} there, not the {asked}"
    return ""


def _asked_side(question: str) -> str:
    verb = _DEAL.search(question)
    who = re.search(r"\b(from|to|by)?\s*\bwho(?:m)?\b", question, re.I)
    if verb is None or who is None:
        return ""
    agent, behind = _DEALS[_VERBS[verb[1].lower()]]
    trailing = re.search(r"\b(from|to|by)\s*\?*\s*\Z", question, re.I)
    word = who[1] or (trailing[1] if trailing else "")
    if word:
        return behind.get(word.lower(), "")
    between = question[who.end() : verb.start()]
    if re.fullmatch(r"\s*(?:has\s+|had\s+|will\s+)?", between):
        return agent
    return ""


def _told_side(clause: str, answer: str) -> str:
    at = clause.find(answer)
    verb = _DEAL.search(clause)
    if verb is None or at < 0:
        return ""
    agent, behind = _DEALS[_VERBS[verb[1].lower()]]
    if at > verb.end():
        word = re.search(r"\b(from|to|by)\s+(?:the\s+|an?\s+)?\Z", clause[:at], re.I)
        return behind.get(word[1].lower(), "") if word else ""
    passive = re.search(r"\b(?:is|are|was|were|been|being|be)\s+(?:\w+ly\s+)?\Z", clause[: verb.start()], re.I)
    return "" if passive else agent if verb.start() - at - len(answer) <= 1 else ""


def _short(text: str) -> str:
    words = normalize_answer(text).split()
    return repr(" ".join(words[:6]))
