"""Why a span of a document does not answer a question although it stands near: what is told there is something else.

Only what the span's own clause says counts, and only signs that are seldom wrong: its opposite, a span that is taken
out ("not on 15 June"), another dimension ("300 metres wide" of how deep), the other side of a deal, another's words.
"""

from __future__ import annotations

import re

from quipu.language import deals
from quipu.language.opposites import turned
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
    sides = deals.other_side(question, clause_of(text, start, end), answer)
    return f"the document names the {sides[1]} there, not the {sides[0]}" if sides else ""


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


def _short(text: str) -> str:
    words = normalize_answer(text).split()
    return repr(" ".join(words[:6]))
