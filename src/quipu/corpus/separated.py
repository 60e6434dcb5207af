"""Rows of CSV and its relatives, as spreadsheets and people write them.

Python's own reader takes a quote that opens a cell for a delimiter whatever follows: it drops the quotes of
``"Next to the lockers" says the sign`` and swallows the rows below ``"Splash``.
"""

from __future__ import annotations

from collections.abc import Iterator

from quipu.corpus.lines import LONGEST_LINE, Lines

SEPARATORS = ",;\t|"


def rows(lines: Lines, separator: str, columns: int) -> Iterator[tuple[int, list[str] | None]]:
    """The rows of a table of so many columns, with the line on which each begins; empty lines are no rows.

    None in place of a row whose line is too long. Where a row that goes over several lines has another number of
    cells, and its first line alone has the right one, the quotes of that line are characters like others.
    """
    for number, line in lines:
        if line is None:
            yield number, None
        elif line.strip():
            row, used = cells(line, separator, lines)
            if used and len(row) != columns:
                alone, _ = cells(line, separator)
                if len(alone) == columns:
                    row, used = alone, 0
            lines.skip(used)
            yield number, row


def cells(line: str, separator: str, following: Lines | None = None) -> tuple[list[str], int]:
    """The cells of the row that begins with ``line``, and how many of the ``following`` lines belong to it.

    A cell is quoted where its closing quote stands before a separator or the end of a line; else its quotes are text.
    """
    found: list[str] = []
    start = used = 0
    while True:
        opening = start
        while line[opening : opening + 1] == " ":
            opening += 1
        quoted = _quoted(line, opening + 1, separator, following, used) if line.startswith('"', opening) else None
        if quoted is not None:
            cell, line, end, used = quoted
        else:
            end = line.find(separator, start)
            cell = line[start:] if end < 0 else line[start:end]
        found.append(cell)
        if not 0 <= end < len(line):
            return found, used
        start = end + 1


def _quoted(
    line: str, start: int, separator: str, following: Lines | None, used: int
) -> tuple[str, str, int, int] | None:
    """The cell whose text begins at ``start``, the line in which it ends, where, and how many lines are used by then.

    None where no closing quote comes.
    """
    parts: list[str] = []
    length = 0
    while True:
        close = line.find('"', start)
        if close < 0:
            parts += (line[start:], "\n")
            length += len(line)
            more = following.ahead(used) if following is not None else None
            if more is None or length + len(more) > LONGEST_LINE:
                return None
            line, start, used = more, 0, used + 1
        elif line.startswith('""', close):
            parts.append(line[start : close + 1])
            start = close + 2
        else:
            end = close + 1
            while line[end : end + 1] == " ":
                end += 1
            if end < len(line) and line[end] != separator:
                return None
            parts.append(line[start:close])
            return "".join(parts), line, end, used
