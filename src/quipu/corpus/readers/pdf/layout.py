"""The order in which a page is read: columns one after the other, tables whole, form fields with their labels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from quipu.corpus.readers.pdf.grids import Table, aligned, ruled
from quipu.corpus.readers.pdf.page import Box, Field, Page, Run
from quipu.corpus.readers.pdf.rows import Row, Segment, joined, rows_of

_DEPTH = 4  # columns within columns
_BAND = 300  # rows: a band that long and without columns is not looked at again
_PROSE = 4  # words a line, in the middle: columns of text, not of a table
_LOOKS = 1_000_000  # pairs of fields and texts: with more, fields go by their names
_NARROW = 25.0  # font sizes
_NEAR = 12.0  # font sizes between a label and its field
LED = re.compile(r"\s*\u2026 ?(?=\S{1,12}$)")  # dots that lead to a number: a price, a page
_VALUE = re.compile(r"[\d$\u20ac\u00a3+<>~-]")
_NAME = re.compile(r"(?<=[a-z])(?=[A-Z])|[_\W]+")


@dataclass(slots=True)
class Line(Segment):
    """A row of a column.

    ``room`` is where the column's text starts and ends, ``column`` counts those of the page; ``listed``: its lines are
    short and start with capitals or figures, as those of an address, so that each stands by itself.
    """

    room: tuple[float, float] = (0.0, 0.0)
    column: int = 0
    listed: bool = False


@dataclass(slots=True)
class Entry(Box):
    """A form field in words: its label and its value."""

    text: str


Item = Line | Table | Entry


def arranged(page: Page) -> list[Item]:
    """What stands on the page, in the order of reading; text of other directions comes last."""
    entries, runs = _entries(page.fields, page.runs)
    tables, runs = ruled(page.rules, runs)
    items: list[Item] = []
    columns = _Columns()
    pending: list[Item] = sorted([*tables, *entries], key=lambda item: (item.top, item.left))
    rows = rows_of(runs)
    start = 0
    for item in [*pending, None]:
        end = start
        while end < len(rows) and (
            item is None or rows[end][0].base <= item.top + 0.5 * rows[end][0].size or _beside(rows[end], item)
        ):
            end += 1
        items += columns.read(rows[start:end])
        start = end
        if item is not None:
            items.append(item)
    for turned in page.turned:
        items += columns.read(rows_of(turned))
    return items


def _beside(row: Row, item: Item) -> bool:
    """Whether a table or field ends left of a row's text or starts right of it, and not above it."""
    return not isinstance(item, Table) and row[0].base < item.bottom


class _Columns:
    """Rows to lines; counts the columns of a page."""

    def __init__(self) -> None:
        self._count = 0

    def read(self, rows: Sequence[Row], depth: int = 0) -> list[Item]:
        """The lines of a region, columns and tables found by the gaps that its rows share."""
        items: list[Item] = []
        single: list[Row] = []
        at = 0
        left = min((row[0].left for row in rows), default=0.0)
        right = max((segment.right for row in rows for segment in row), default=0.0)
        while at < len(rows):
            end, gutters = _band(rows, at, left, right) if depth < _DEPTH else (at + 1, [])
            if not gutters:
                step = end if end - at > _BAND else at + 1
                single += rows[at:step]
                at = step
                continue
            first, last = _trim(rows, at, end, gutters)
            if first > at:  # without these rows there may be other gaps
                single += rows[at:first]
                at = first
                continue
            band = rows[first:last]
            kind = _kind(band, gutters)
            if kind == "table" and (cut := _together(band)) < len(band):
                last = first + cut
                band = rows[first:last]
                gutters = _band(band, 0, left, right)[1] or gutters
                kind = _kind(band, gutters)
            if kind == "rows":
                single += band
            else:
                items += self._lines(single)
                single = []
                if kind == "table":
                    items.append(aligned(band, gutters))
                else:
                    for column in _split(band, gutters):
                        items += self.read(column, depth + 1)
            at = last
        items += self._lines(single)
        return items

    def _lines(self, rows: Sequence[Row]) -> Iterator[Line]:
        if not rows:
            return
        self._count += 1
        room = (min(row[0].left for row in rows), max(row[-1].right for row in rows))
        lines = [joined(row) for row in rows]
        narrow = room[1] - room[0] < _NARROW * max(line.size for line in lines)
        listed = narrow and sum(line.text[0].islower() for line in lines) < 0.15 * len(lines)
        for line in lines:
            yield Line(
                line.left, line.top, line.right, line.bottom, line.text, line.base, line.size, line.bold, line.even,
                line.runs, room, self._count, listed,
            )  # fmt: skip


def _band(rows: Sequence[Row], at: int, left: float, right: float) -> tuple[int, list[tuple[float, float]]]:
    """Where the rows from ``at`` on cease to share a gap, and the shared gaps that have text on both sides.

    Once two rows have filled all columns, a row that closes one of the gaps is no part of the band.
    """
    gaps = [(left, right)]
    first, last = right, left  # of the text so far
    end, full, found = at, 0, list[tuple[float, float]]()
    while end < len(rows):
        row = rows[end]
        low, high = min(first, row[0].left), max(last, row[-1].right)
        shared = _shared(gaps, _free(row, left, right), max(0.8 * row[0].size, 5.0))
        shared = [gap for gap in shared if gap[1] > low + 1]  # right of some text
        inner = [gap for gap in shared if gap[0] >= low and gap[1] <= high]
        if not shared or (found and (not inner or (full > 1 and len(inner) < len(found)))):
            break
        full = full * (len(inner) == len(found)) + (len(row) == len(inner) + 1 > 1)
        gaps, first, last, found = shared, low, high, inner
        end += 1
    if not any(len(row) > 1 for row in rows[at:end]) and not _both_sides(rows[at:end], found):
        found = []
    return max(end, at + 1), found


def _both_sides(rows: Sequence[Row], gaps: Sequence[tuple[float, float]]) -> bool:
    return any(
        sum(row[-1].right <= gap[0] + 1 for row in rows) > 2 and sum(row[0].left >= gap[1] - 1 for row in rows) > 2
        for gap in gaps
    )


def _free(row: Row, left: float, right: float) -> list[tuple[float, float]]:
    edges = [left, *(edge for segment in row for edge in (segment.left, segment.right)), right]
    return [(edges[at], edges[at + 1]) for at in range(0, len(edges), 2)]


def _shared(
    one: Sequence[tuple[float, float]], other: Sequence[tuple[float, float]], least: float
) -> list[tuple[float, float]]:
    """The common parts of two sorted lists of intervals, as far as they are wide enough."""
    found, first, second = [], 0, 0
    while first < len(one) and second < len(other):
        start, end = max(one[first][0], other[second][0]), min(one[first][1], other[second][1])
        if end - start >= least:
            found.append((start, end))
        if one[first][1] < other[second][1]:
            first += 1
        else:
            second += 1
    return found


def _trim(rows: Sequence[Row], at: int, end: int, gutters: Sequence[tuple[float, float]]) -> tuple[int, int]:
    """Leaves rows at both ends out that stand in the first column only.

    Those above, if the next row fills several columns or they stand apart from it; those below, if they stand apart.
    """
    edge = gutters[0][1]
    other = next(row for row in range(at, end) if len(rows[row]) > 1 or rows[row][0].right >= edge)
    if len(rows[other]) > 1:
        at = other
    while at < other and _apart(rows, at):
        at += 1
    while end - 1 > at and len(rows[end - 1]) == 1 and rows[end - 1][0].right < edge and _apart(rows, end - 2):
        end -= 1
    return at, end


def _together(rows: Sequence[Row]) -> int:
    """How many rows of a table follow each other before a gap that is wider than usual, at least two."""
    gaps = [two[0].base - one[0].base for one, two in pairwise(rows)]
    usual = median(gaps[: max(len(gaps) // 2, 2)])
    return next((at for at, gap in enumerate(gaps, start=1) if at > 1 and gap > 1.7 * usual), len(rows))


def _apart(rows: Sequence[Row], at: int) -> bool:
    one, two = rows[at][0], rows[at + 1][0]
    return two.base - one.base > 1.8 * max(one.size, two.size)


def _kind(rows: Sequence[Row], gutters: Sequence[tuple[float, float]]) -> str:
    """Whether a band holds a "table", "columns" of text, or "rows" to be read across."""
    if 2 * sum(row[0].even or LED.search(row[-1].text) is not None for row in rows) > len(rows):
        return "rows"
    columns = _split(rows, gutters)
    several = [row for row in rows if len(row) > 1]
    wordy = [median(len(segment.text.split()) for row in column for segment in row) >= _PROSE for column in columns]
    if sum(wordy) > 1 and len(rows) > 2:
        return "columns"
    if len(several) < 2:
        return "columns" if _both_sides(rows, gutters) else "rows"
    if len(several) < 0.4 * len(rows):
        return "columns"
    if len(gutters) > 1 or all(row[0].text.endswith(":") for row in several):
        return "table"
    starts = [row[1].left for row in several]
    values = sum(_VALUE.match(row[1].text) is not None for row in several)
    if max(starts) - min(starts) < 3 or 2 * values >= len(several):
        return "table"
    return "columns" if len(several) > 2 else "rows"


def _split(rows: Sequence[Row], gutters: Sequence[tuple[float, float]]) -> list[list[Row]]:
    """The rows of each column."""
    edges = [*((start + end) / 2 for start, end in gutters), float("inf")]
    found: list[list[Row]] = [[] for _ in edges]
    for row in rows:
        parts: dict[int, Row] = {}
        for segment in row:
            middle = (segment.left + segment.right) / 2
            parts.setdefault(next(at for at, edge in enumerate(edges) if middle <= edge), []).append(segment)
        for at, part in parts.items():
            found[at].append(part)
    return [column for column in found if column]


def _entries(fields: Sequence[Field], runs: list[Run]) -> tuple[list[Entry], list[Run]]:
    """Fields in words, and the runs that are no label of one.

    A label stands left of its field or above it, that of a box to tick right of it; else the field's name is given.
    """
    if not fields:
        return [], runs
    segments = [segment for row in rows_of(runs) for segment in row]
    if len(segments) * len(fields) > _LOOKS:
        segments = []
    used: set[int] = set()
    found: list[Entry] = []
    for field in fields:
        box = field.kind in ("check", "radio")
        label = _label(field, segments, fields, right=box) or (_label(field, segments, fields) if box else None)
        text = label.text.strip() if label else ""
        name = text.rstrip(": ._") or _readable(field.name)
        top = min(field.top, label.top) if label else field.top
        if label is not None and (field.on or field.kind != "radio"):
            used.update(id(run) for run in label.runs)
        if field.kind == "radio":
            if not field.on:
                continue
            name, value = _readable(field.name), text or field.option or "yes"
        elif field.kind == "check":
            value = "yes" if field.on else "no"
        else:
            value = " ".join(field.value.split())
        found.append(Entry(field.left, top, field.right, field.bottom, f"{name}: {value}" if name else value))
    return found, [run for run in runs if id(run) not in used]


def _label(field: Field, segments: Sequence[Segment], fields: Sequence[Field], right: bool = False) -> Segment | None:
    middle = (field.top + field.bottom) / 2
    best: tuple[float, Segment] | None = None
    for segment in segments:
        high = (
            segment.top - 2 <= middle <= segment.bottom + 2
            or field.top <= segment.base - 0.3 * segment.size <= field.bottom
        )
        if high:
            distance = segment.left - field.right if right else field.left - segment.right
            if not -3 <= distance <= _NEAR * segment.size or _between(field, segment, fields):
                continue
        elif not right and 0 <= field.top - segment.bottom + 3 <= 1.5 * segment.size and _over(field, segment):
            distance = 1_000 + field.top - segment.bottom
        else:
            continue
        if best is None or distance < best[0]:
            best = (distance, segment)
    return best[1] if best else None


def _over(field: Field, segment: Segment) -> bool:
    return abs(segment.left - field.left) < 2 * segment.size or field.left <= segment.left <= field.right


def _between(field: Field, segment: Segment, fields: Sequence[Field]) -> bool:
    low, high = sorted((field.left, segment.left))
    middle = (field.top + field.bottom) / 2
    return any(
        low < other.left < high and other.top <= middle <= other.bottom for other in fields if other is not field
    )


def _readable(name: str) -> str:
    """A field's name in words: ``tenantName`` is Tenant name."""
    words = " ".join(_NAME.sub(" ", name).split())
    return words[:1].upper() + words[1:].lower() if words and not words.isupper() else words
