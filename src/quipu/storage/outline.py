"""What stands over the places of a document: its headings, and the paragraphs that lead into its lists."""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from quipu.records import Heading, Mark, Span

KEPT = 1000  # documents whose outlines are kept
LEAD = 200  # characters of a paragraph that lead into a list, at most

_MARKED = """
SELECT document, start, "end", kind, level FROM (
    SELECT *, lag(kind) OVER blocks AS before, lead(kind) OVER blocks AS after FROM marks
    WHERE document IN ({}) WINDOW blocks AS (PARTITION BY document ORDER BY start)
)
WHERE kind IN ('heading', 'question') OR (kind <> 'item' AND (before = 'item' OR after = 'item'))
ORDER BY document, start
"""
"""The blocks that an outline is made of: headings, and what stands before and behind a list."""


@dataclass(frozen=True, slots=True)
class Above:
    """What stands over a place: headings, highest first, and what leads into the list there."""

    headings: tuple[Heading, ...] = ()
    lead: str = ""


class Outline:
    """The headings and leads of one document, by place."""

    def __init__(self, text: str, marks: Iterable[Mark]) -> None:
        """Of its blocks, in order: all of them, or those that can stand over others; ``text``: the document's."""
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._within: list[Above] = []
        self._behind: list[Above] = []
        headings: tuple[Heading, ...] = ()
        for mark in marks:
            if mark.kind == "item":
                continue
            words = " ".join(text[mark.span.start : mark.span.end].split())
            over = tuple(heading for heading in headings if not mark.over or heading.level < mark.over)
            headings = (*over, Heading(mark.over, words)) if mark.over else over
            lead = words.rsplit(". ", 1)[-1][-LEAD:] if words.endswith(":") and not mark.over else ""
            self._starts.append(mark.span.start)
            self._ends.append(mark.span.end)
            self._within.append(Above(over))
            self._behind.append(Above(headings, lead))

    def above(self, start: int) -> Above:
        """What stands over a passage that begins at ``start``; a heading with which it begins stands in it."""
        last = bisect_right(self._starts, start) - 1
        if last < 0:
            return Above()
        return (self._within if start < self._ends[last] else self._behind)[last]


class Outlines:
    """Outlines of a record's documents, the last ones kept until the record changes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Outline] = OrderedDict()
        self._version: tuple[int, int] | None = None

    def of(self, connection: sqlite3.Connection, documents: Sequence[str]) -> dict[str, Outline]:
        """The outlines of documents, read together."""
        version = connection.execute("PRAGMA data_version").fetchone()[0], connection.total_changes
        if version != self._version:
            self._kept.clear()
            self._version = version
        wanted = list(dict.fromkeys(documents))
        found = {name: self._kept[name] for name in wanted if name in self._kept}
        new = [name for name in wanted if name not in found]
        for first in range(0, len(new), 500):
            some = new[first : first + 500]
            marks: dict[str, list[Mark]] = {}
            for name, start, end, kind, level in connection.execute(_MARKED.format(_places(some)), some):
                marks.setdefault(name, []).append(Mark(Span(start, end), kind, level))
            query = f"SELECT id, text FROM documents WHERE id IN ({_places(list(marks))})"
            texts = dict(connection.execute(query, list(marks)).fetchall())
            found |= {name: Outline(texts.get(name, ""), marks.get(name, ())) for name in some}
        self._kept.update(found)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found


def _places(values: Sequence[str]) -> str:
    return ",".join("?" * len(values))
