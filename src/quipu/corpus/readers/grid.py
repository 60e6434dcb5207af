"""Tables with merged cells to rows in words: where each cell stands, which rows name the columns, which are titles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from quipu.corpus.readers import Block
from quipu.corpus.table import rows as in_words

_WIDEST = 100  # columns that one cell may cover
_NAME = 120  # characters; what is longer is no name of a column, nor a title
_LEADING = 3  # columns at most that name rows
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell as it is written in the file.

    ``columns`` and ``rows``: how many it covers. ``names``: it is marked, or set in bold, as the name of its column or
    row. ``continues``: it only continues the cell above it (the way of Word). ``line``: in the file, where known.
    """

    text: str
    columns: int = 1
    rows: int = 1
    names: bool = False
    continues: bool = False
    line: int | None = None


@dataclass(frozen=True, slots=True)
class _Slot:
    """A place of the grid; ``across`` and ``down`` say that its cell begins further left or further up."""

    cell: Cell
    across: bool = False
    down: bool = False


_NOTHING = _Slot(Cell(""))


def table_rows(table: Sequence[Sequence[Cell]], heads: int = 0, caption: str = "") -> list[Block]:
    """The rows of a table in words, each with the names of its columns, its title and the caption.

    ``heads``: how many rows at the top the file itself says are names of columns; where it says nothing, a first row of
    names is looked for. A merged cell is written once, but names all of its columns, and all of its rows where it
    leads them. A cell that covers a whole row is the title of the rows below it. Time is linear in the cells.
    """
    grid = [row for row in _placed(table) if any(slot.cell.text for slot in row)]
    heads = min(heads, len(grid))
    written: list[Block] = []

    def write(texts: Iterable[str], row: Sequence[_Slot]) -> None:
        written.extend(Block(text, "row", line=_line_of(row)) for text in texts)

    top = grid[0] if grid else []
    if len(caption) > _NAME:
        write([caption], top)
        caption = ""
    width = max(map(len, grid), default=0)
    titles: list[str] = []
    while grid and _is_title(grid[0], width) and len(grid) > 1:  # above the names of the columns
        titles.append(grid.pop(0)[0].cell.text)
        heads = max(heads - 1, 0)
    caption = ", ".join(filter(None, [caption, *titles]))
    heads = heads or _heads(grid)
    header = _header(grid[:heads], width)
    title: Sequence[_Slot] = []
    below = [(_is_title(row, width), row) for row in grid[heads:]]
    if not below:
        write(in_words(header, [], caption) if heads else filter(None, [caption]), top)
    for is_title, group in groupby(below, key=lambda item: item[0]):
        rows = [row for _, row in group]
        if is_title:
            for row in rows[:-1]:
                write(in_words((), [[row[0].cell.text]], caption), row)
            title = rows[-1]
        else:
            front = ", ".join(filter(None, [caption, title[0].cell.text if title else ""]))
            for row in rows:
                write(in_words(header, [_cells(row)], front), row)
            title = []
    if title:
        write(in_words((), [[title[0].cell.text]], caption), title)
    return written


def cell_text(content: Iterable[Block]) -> str:
    """A cell's paragraphs on one line, with commas where they end without a mark."""
    text = ""
    for block in content:
        if block.kind != "note":
            between = "" if not text else " " if text[-1] in ".,;:!?" else ", "
            text += between + " ".join(block.text.split())
    return text


def _placed(table: Sequence[Sequence[Cell]]) -> Iterator[list[_Slot]]:
    """The rows with merged cells in each of their places; merging stops where it would outgrow the table."""
    left = 10_000 + 20 * sum(map(len, table))  # places that merged cells may fill
    above: list[_Slot] = []
    hanging: dict[int, tuple[_Slot, int]] = {}  # column: what hangs into the next rows, and into how many
    for row in table:
        slots: list[_Slot] = []
        waiting = list(reversed(row))
        while waiting or (hanging and len(slots) in hanging):
            column = len(slots)
            if column in hanging:
                slot, more = hanging.pop(column)
                slots.append(slot)
                if more > 1:
                    hanging[column] = (slot, more - 1)
                left -= 1
                continue
            cell = waiting.pop()
            columns = max(1, min(cell.columns, _WIDEST, 1 + max(left, 0)))
            left -= columns - 1
            if cell.continues:
                over = above[column].cell if column < len(above) else Cell("")
                first = _Slot(over, down=True)
            else:
                first = _Slot(cell)
            slots += [first, *[replace(first, across=True)] * (columns - 1)]
            if cell.rows > 1 and left > 0:
                for at in range(column, column + columns):
                    hanging[at] = (replace(slots[at], down=True), cell.rows - 1)
        if left <= 0:
            hanging.clear()
        above = slots
        yield slots


def _line_of(row: Sequence[_Slot]) -> int | None:
    return next((slot.cell.line for slot in row if not slot.down), None)


def _is_title(row: Sequence[_Slot], width: int) -> bool:
    """Whether one cell covers the whole row, or stands there alone as a name, and is as short as a title."""
    first = row[0] if row else _NOTHING
    text = first.cell.text
    if width < 2 or not text or first.down or len(text) > _NAME or text.endswith("."):
        return False
    if any(slot.cell.text for slot in row if not slot.across and slot is not first):
        return False
    covers = sum(slot.across for slot in row) == width - 1
    return covers or first.cell.names


def _heads(grid: Sequence[Sequence[_Slot]]) -> int:
    """How many rows at the top name the columns, where the file does not say so."""
    count = 0
    for row in grid:
        texts = [slot.cell for slot in row if slot.cell.text and not slot.across]
        if not all(cell.names and len(cell.text) <= _NAME for cell in texts) or len(texts) < 2:
            break
        count += 1
    if count:
        return count if count < len(grid) else int(len(grid) > 1)
    if len(grid) < 3:
        return 0
    first = [slot.cell.text for slot in grid[0]]
    if any(not text or len(text) > _NAME or _DIGITS.search(text) for text in first[1:]) or len(set(first)) < len(first):
        return 0
    return int(any(_is_of_numbers(grid, column) for column in range(1, len(first))))


def _is_of_numbers(grid: Sequence[Sequence[_Slot]], column: int) -> bool:
    """Whether all below the first row of a column have digits; of two columns, which may be names and values, alike."""
    below = [row[column].cell.text if column < len(row) else "" for row in grid[1:]]
    alike = len({_DIGITS.sub("0", text) for text in below}) == 1 and len(below) > 2
    return all(map(_DIGITS.search, below)) and (alike or len(grid[0]) > 2)


def _header(heads: Sequence[Sequence[_Slot]], width: int) -> list[str]:
    """The name of each column: what stands above it, from the top, once."""
    names = []
    for column in range(width) if heads else ():
        texts = [row[column].cell.text for row in heads if column < len(row)]
        name = " ".join(dict.fromkeys(filter(None, texts)))
        names.append(name if len(name) <= _NAME else "")
    return names


def _cells(row: Sequence[_Slot]) -> list[str]:
    """The texts of a row; a short cell from above is named again where it leads a row that says something else."""
    says = any(slot.cell.text for slot in row if not slot.down and not slot.across)
    leads, texts = says, []
    for column, slot in enumerate(row):
        leads = leads and slot.down and column < _LEADING and len(slot.cell.text) <= _NAME
        texts.append("" if slot.across or (slot.down and not leads) else slot.cell.text)
    return texts
