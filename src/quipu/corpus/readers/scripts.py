"""Raised text in a line: a power, a unit, an ordinal, a sign or cents, written as a person would type it."""

from __future__ import annotations

import re

_UNIT = re.compile(r"(?:^|[^A-Za-z])(?:[kcmdµμn]?m|ft|in|yd|mi|s|sec|h|min|sq)$")
_NUMBER = re.compile(r"[-+\u2212]?\d+(?:[.,/]\d+)?")
_MONEY = re.compile(r"[$£€¥]\s?\d+$")
_IN_MONEY = re.compile(r"\s?(?:[€£$]|(?:EUR|USD|GBP|CHF)\b)")
_SIGNS = {"tm": "\u2122", "sm": "\u2120", "r": "\u00ae", "c": "\u00a9"}


def raised(before: str, text: str, after: str = "") -> str:
    """What to write for ``text`` raised after ``before``: "10" and "6" give "^6", "12 m" and "2" give "2".

    Units, ordinals (1st), footnote marks in brackets and what is raised before its base stay as they are; powers of
    numbers and of other letters get a "^", a raised o or 0 after a number is a degree, cents follow a point.
    """
    text = text.strip()
    last = before[-1:]
    if not text or not last or last.isspace():
        return text
    if last.isdigit() and text in ("o", "\u00ba", "0"):
        return "\u00b0"
    if text.lower() in _SIGNS and (last.isalpha() or len(text) == 2):
        return _SIGNS[text.lower()]
    if (
        text.isdigit()
        and len(text) == 2
        and (_MONEY.search(before[-12:]) or (last.isdigit() and _IN_MONEY.match(after)))
    ):
        return f".{text}"
    if _NUMBER.fullmatch(text) and not _UNIT.search(before[-6:]) and (last.isalnum() or last in ")]"):
        return f"^{text}"
    if last in ")]" and text.isalnum():
        return f"^{text}"
    if last.isdigit() and len(text) == 1 and text.isalpha() and text not in "aoe":
        return f"^{text}"
    return text
