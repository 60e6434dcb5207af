"""Tables of a page: cells between drawn lines, or words in columns under each other."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from quipu.corpus.readers.pdf.page import Box, Run
from quipu.corpus.readers.pdf.rows import Row, joined, rows_of

_RULES = 4_000  # drawn lines of a page: with more, cells are not looked for
_TOUCH = 3.0  # points
_VALUE = re.compile(r"\d|^(?:free|none|yes|no|n/?a|[-\u2013\u2014\u2713\u2717x\u2022])$", re.IGNORECASE)


@dataclass(slots=True)
class Table(Box):
    """A table: names of its columns, if it has any, and rows of cells."""

    header: tuple[str, ...]
    cells: list[list[str]]


def ruled(rules: Sequence[Box], runs: Sequence[Run]) -> tuple[list[Table], list[Run]]:
    """The tables whose cells are drawn, at least two by two, and the runs outside of them."""
    tables, rest = [], list(runs)
    for xs, ys, across in _grids(rules):
        inside = [run for run in rest if xs[0] <= _middle(run) <= xs[-1] and ys[0] <= run.base - 1 <= ys[-1]]
        cells = [[list[Run]() for _ in xs[1:]] for _ in ys[1:]]
        for run in inside:
            row = min(max(bisect_right(ys, run.base - 0.3 * run.size) - 1, 0), len(cells) - 1)
            column = min(max(bisect_right(xs, run.left + 1) - 1, 0), len(xs) - 2)
            cells[row][column].append(run)
        texts = [[_cell(cell) for cell in row] for row in cells]
        bold = [all(run.bold for cell in row for run in cell) for row in cells]
        for at in range(1, len(texts)):
            open_above = not any(abs(rule.top - ys[at]) < _TOUCH and rule.holds(xs[0] + 4, rule.top) for rule in across)
            if not texts[at][0] and open_above and any(texts[at]):
                texts[at][0] = texts[at - 1][0]  # a cell over several rows
        filled = [at for at, row in enumerate(texts) if any(row)]
        columns = [at for at in range(len(xs) - 1) if any(row[at] for row in texts)]
        if len(filled) < 2 or len(columns) < 2:
            continue
        kept = [[texts[row][column] for column in columns] for row in filled]
        tables.append(_table(Box(xs[0], ys[0], xs[-1], ys[-1]), kept, [bold[row] for row in filled], True))
        used = {id(run) for run in inside}
        rest = [run for run in rest if id(run) not in used]
    return tables, rest


def aligned(rows: Sequence[Row], gutters: Sequence[tuple[float, float]]) -> Table:
    """Rows whose segments stand in columns that the gutters (from x, to x) part.

    A row without its first cell goes on with the cells of the row above, unless it has values of its own; so does one
    of small letters that stands nearer to the row above than others do.
    """
    gaps = [two[0].base - one[0].base for one, two in pairwise(rows)]
    near = 0.85 * max(gaps)
    edges = [(start + end) / 2 for start, end in gutters]
    texts: list[list[str]] = []
    bold: list[bool] = []
    for number, row in enumerate(rows):
        cells = [""] * (len(edges) + 1)
        for segment in row:
            at = bisect_left(edges, (segment.left + segment.right) / 2)
            cells[at] = f"{cells[at]} {segment.text}".strip()
        small = number > 0 and gaps[number - 1] < near and all(cell[0].islower() for cell in cells if cell)
        if texts and (small or not (cells[0] or any(_VALUE.search(cell) for cell in cells))):
            texts[-1] = [f"{above} {cell}".strip() for above, cell in zip(texts[-1], cells, strict=True)]
            continue
        filled = [at for at, cell in enumerate(cells) if cell]
        if len(filled) == 2 and filled[0] > 0 and cells[filled[0]][0].isalpha():
            cells[0], cells[filled[0]] = cells[filled[0]], ""  # a sum, named beside it
        texts.append(cells)
        bold.append(all(segment.bold for segment in row))
    box = Box(
        min(row[0].left for row in rows),
        rows[0][0].top,
        max(row[-1].right for row in rows),
        max(segment.bottom for segment in rows[-1]),
    )
    return _table(box, texts, bold, len(edges) > 1)


def _table(box: Box, texts: list[list[str]], bold: Sequence[bool], wide: bool) -> Table:
    """Tells whether the first row names the columns: bold above plain, words above values, or a table of three."""
    first, rest = texts[0], texts[1:]
    words = not any(_VALUE.search(cell) for cell in first[1:])
    over_values = any(
        first[at] and all(_VALUE.search(row[at]) for row in rest if row[at]) and any(row[at] for row in rest)
        for at in range(1, len(first))
    )
    stands_out = bold[0] and not all(bold)
    named = sum(map(bool, first)) > 1 or (len(first) == 2 and bool(first[1]))
    if rest and named and (stands_out or (words and (over_values or (wide and len(first) > 2)))):
        return Table(box.left, box.top, box.right, box.bottom, tuple(first), rest)
    return Table(box.left, box.top, box.right, box.bottom, (), texts)


def _cell(runs: Sequence[Run]) -> str:
    return " ".join(joined(row).text for row in rows_of(runs))


def _middle(run: Run) -> float:
    return (run.left + run.right) / 2


def _grids(rules: Sequence[Box]) -> list[tuple[list[float], list[float], list[Box]]]:
    """The xs and ys of each drawn grid of at least two by two cells, and its lines across."""
    across, down = list[Box](), list[Box]()
    for rule in {
        (round(rule.left), round(rule.top), round(rule.right), round(rule.bottom)): rule for rule in rules
    }.values():
        (across if rule.right - rule.left >= rule.bottom - rule.top else down).append(rule)
    if not across or not down or len(across) + len(down) > _RULES:
        return []
    down.sort(key=lambda rule: rule.left)
    lefts = [rule.left for rule in down]
    group = list(range(len(across) + len(down)))

    def head(at: int) -> int:
        while group[at] != at:
            group[at] = group[group[at]]
            at = group[at]
        return at

    for at, rule in enumerate(across):
        for other in range(bisect_left(lefts, rule.left - _TOUCH), bisect_right(lefts, rule.right + _TOUCH)):
            if down[other].top - _TOUCH <= rule.top <= down[other].bottom + _TOUCH:
                group[head(at)] = head(len(across) + other)
    members: dict[int, tuple[list[Box], list[Box]]] = {}
    for at, rule in enumerate([*across, *down]):
        members.setdefault(head(at), ([], []))[at >= len(across)].append(rule)
    found = []
    for flat, steep in members.values():
        xs = _places([rule.left for rule in steep])
        ys = _places([rule.top for rule in flat])
        if len(xs) > 2 and len(ys) > 2:
            found.append((xs, ys, flat))
    return sorted(found, key=lambda grid: grid[1][0])


def _places(values: list[float]) -> list[float]:
    """Sorted values, near ones once."""
    values = sorted(values)
    return values[:1] + [two for one, two in pairwise(values) if two - one > _TOUCH]
