"""The numbers that Word prints before headings and items: they stand nowhere in the text, and are counted here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from quipu.corpus.readers.docx.styles import child, name_of, number, switched, value
from quipu.corpus.readers.numbers import counted

_LEVELS = 9
_LONGEST = 60  # characters of what stands before an item
_PLACE = re.compile(r"%([1-9])")
_NOT_COUNTED = ("bullet", "none")


@dataclass(frozen=True, slots=True)
class _Level:
    """How a level is counted; ``text`` has %1 for the number of the first level, and so on."""

    kind: str
    text: str
    start: int
    decimal: bool  # all numbers in its text are
    style: str  # the id of the style that uses it


class Numbering:
    """Counts the items of a document's lists in the order in which ``mark`` is asked for them."""

    def __init__(self, root: Any = None) -> None:
        """``root``: of the part that defines lists."""
        self._abstract: dict[str, dict[int, _Level]] = {}
        self._lists: dict[str, tuple[str, dict[int, int]]] = {}  # the definition of each, and where it starts anew
        self._counts: dict[str, list[int | None]] = {}
        self._begun: set[str] = set()
        for item in root if root is not None else ():
            if name_of(item) == "abstractNum":
                levels = (inner for inner in item if name_of(inner) == "lvl")
                own = {number(value(level, "ilvl")) or 0: _level(level) for level in levels}
                self._abstract[value(item, "abstractNumId") or ""] = own
            elif name_of(item) == "num":
                starts = {
                    number(value(inner, "ilvl")) or 0: start
                    for inner in item
                    if name_of(inner) == "lvlOverride"
                    and (start := number(value(child(inner, "startOverride")))) is not None
                }
                self._lists[value(item, "numId") or ""] = (value(child(item, "abstractNumId")) or "", starts)

    def level_of(self, identity: str, style: str) -> int:
        """The level of a list, from 0, that is bound to a style; 0 where none is."""
        levels = self._abstract.get(self._lists.get(identity, ("", {}))[0], {})
        return next((at for at, level in levels.items() if level.style == style), 0)

    def mark(self, identity: str, at: int) -> str:
        """What is printed before the next item of a list on level ``at``, with a space; "" for bullets."""
        abstract, starts = self._lists.get(identity, ("", {}))
        levels = self._abstract.get(abstract, {})
        level = levels.get(at)
        if level is None or not 0 <= at < _LEVELS:
            return ""
        counts = self._counts.setdefault(abstract, [None] * _LEVELS)
        if identity not in self._begun:
            self._begun.add(identity)
            for over, start in starts.items():
                if 0 <= over < _LEVELS:
                    counts[over:] = [start - 1, *[None] * (_LEVELS - over - 1)]
        before = counts[at]
        counts[at:] = [level.start if before is None else before + 1, *[None] * (_LEVELS - at - 1)]
        for above in range(at):
            if counts[above] is None and above in levels:
                counts[above] = levels[above].start
        if level.kind in _NOT_COUNTED:
            return ""

        def shown(place: re.Match[str]) -> str:
            over = int(place[1]) - 1
            kind = "decimal" if level.decimal or over not in levels else levels[over].kind
            return counted(counts[over] or 0, kind)

        text = _PLACE.sub(shown, level.text).strip()
        return f"{text[:_LONGEST]} " if text else ""


def _level(element: Any) -> _Level:
    start = number(value(child(element, "start")))
    return _Level(
        value(child(element, "numFmt")) or "decimal",
        value(child(element, "lvlText")) or "",
        1 if start is None else start,
        bool(switched(element, "isLgl")),
        value(child(element, "pStyle")) or "",
    )
