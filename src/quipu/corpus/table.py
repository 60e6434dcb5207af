"""The rows of a table in words, so that a row says what its cells are without the table around it."""

from __future__ import annotations

from collections.abc import Sequence

BETWEEN_CELLS = "; "
BEHIND_NAME = ": "  # a column's name, and what leads a row


def rows(header: Sequence[str], cells: Sequence[Sequence[str]], caption: str = "") -> list[str]:
    """Each row as one line: "Plans, Plan Silver: Price per month: 12 euros; Storage: 100 GB".

    ``header``: names of the columns, empty (or all of them "") where the table has none. ``cells``: the rows below it;
    they may be shorter or longer than the header. ``caption`` leads each row, then the first cell after its column's
    name; every further cell follows its own. Empty cells, and rows of nothing else, are left out. A table that is only
    a header gives that.
    """
    names = [_line(name) for name in header]
    front = _line(caption).rstrip(".:")
    if not cells:
        cells, names = [header], []
    written = (_row(names, [_line(cell) for cell in row]) for row in cells)
    return [f"{front}, {row}" if front else row for row in written if row]


def _row(names: Sequence[str], cells: Sequence[str]) -> str:
    if sum(map(bool, cells)) == 1 and cells[0]:
        return cells[0]  # a heading inside the table
    named = [_named(names[at] if at < len(names) else "", cell) for at, cell in enumerate(cells) if cell]
    if len(named) > 1 and cells[0]:
        lead = f"{names[0].rstrip(':')} {cells[0]}" if names and names[0] and names[0] != cells[0] else cells[0]
        return f"{lead.rstrip(':')}{BEHIND_NAME}{BETWEEN_CELLS.join(named[1:])}"
    return BETWEEN_CELLS.join(named)


def _named(name: str, cell: str) -> str:
    """A cell after its column's name."""
    return cell if not name or name == cell else f"{name.rstrip(':')}{BEHIND_NAME}{cell}"


def _line(text: str) -> str:
    return " ".join(text.split())
