"""The two sides of a deal: who sells is not who buys, but "Who bought it?" and "To whom was it sold?" ask the same."""

from __future__ import annotations

import re

from quipu.language.inflection import forms_of

# verb -> who does it, and who is named behind which word
_DEALS: dict[str, tuple[str, dict[str, str]]] = {
    "buy": ("buyer", {"from": "seller", "by": "buyer"}), "sell": ("seller", {"to": "buyer", "by": "seller"}),
    "lend": ("lender", {"to": "borrower", "by": "lender"}),
    "borrow": ("borrower", {"from": "lender", "by": "borrower"}),
    "send": ("sender", {"to": "receiver", "by": "sender"}),
    "receive": ("receiver", {"from": "sender", "by": "receiver"}),
}  # fmt: skip
DEALING = {form: verb for verb in _DEALS for form in forms_of(verb, "verb")} | {"purchased": "buy", "acquired": "buy"}
_SIDES = tuple({agent, *behind.values()} for agent, behind in _DEALS.values())
_DEAL = re.compile(rf"\b({'|'.join(DEALING)})\b", re.I)


def other_side(question: str, clause: str, answer: str) -> tuple[str, str] | None:
    """The side that is asked for and that on which the answer stands in a clause, where these are two of one deal."""
    asked, told = asked_side(question), _told_side(clause, answer)
    is_other = asked and told and asked != told and any({asked, told} <= sides for sides in _SIDES)
    return (asked, told) if is_other else None


def asked_side(question: str) -> str:
    """Which side of a deal a question asks for; "" where it asks for none."""
    verb = _DEAL.search(question)
    who = re.search(r"\b(from|to|by)?\s*\bwho(?:m)?\b", question, re.I)
    if verb is None or who is None:
        return ""
    agent, behind = _DEALS[DEALING[verb[1].lower()]]
    trailing = re.search(r"\b(from|to|by)\s*\?*\s*\Z", question, re.I)
    word = who[1] or (trailing[1] if trailing else "")
    if word:
        return behind.get(word.lower(), "")
    between = question[who.end() : verb.start()]
    if re.fullmatch(r"\s*(?:has\s+|had\s+|will\s+)?", between):
        return agent
    return ""


def _told_side(clause: str, answer: str) -> str:
    """On which side of a deal the answer stands."""
    at = clause.find(answer)
    verb = _DEAL.search(clause)
    if verb is None or at < 0:
        return ""
    agent, behind = _DEALS[DEALING[verb[1].lower()]]
    if at > verb.end():
        word = re.search(r"\b(from|to|by)\s+(?:the\s+|an?\s+)?\Z", clause[:at], re.I)
        return behind.get(word[1].lower(), "") if word else ""
    passive = re.search(r"\b(?:is|are|was|were|been|being|be)\s+(?:\w+ly\s+)?\Z", clause[: verb.start()], re.I)
    return "" if passive else agent if verb.start() - at - len(answer) <= 1 else ""
