"""CSV and TSV, streamed: documents (as DPR's passages), questions with their answers, or a table of data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from quipu.corpus.encoding import decoded
from quipu.corpus.limits import current
from quipu.corpus.lines import Lines
from quipu.corpus.readers import Bad, Block, Extract
from quipu.corpus.readers.fields import ANSWER, ID, QUESTION, TEXT, TITLE, Names, blocks_in, plain
from quipu.corpus.readers.plain import PART, title_of
from quipu.corpus.separated import SEPARATORS, cells
from quipu.corpus.separated import rows as rows_of
from quipu.corpus.table import rows as in_words

_TOP = 20  # lines in which a table begins
LONGEST_NAME = 60  # characters of a column's name, at most
_NUMBER = re.compile(r"[\d\s.,:/%€$£+-]*\d[\d\s.,:/%€$£+-]*")


def read(path: Path) -> Iterator[Extract | Bad]:
    """What the first row says: with a column of texts a document a row, else one (or more, numbered) of all rows.

    Those hold questions with their answers where there are such columns, else the rows in words, each cell with its
    column's name. A row that cannot be read is reported with its line and the file goes on.
    """
    lines = Lines(decoded(path, newlines=False), current().line)
    while (head := lines.ahead()) is not None and not head.strip():
        lines.skip(1)
    separator = _separator(path, lines)
    above = _above(lines, separator)
    header, used = cells(lines.ahead() or "", separator)
    names = [plain(name) for name in header]
    columns = {kind: _column(names, known) for kind, known in _KINDS.items()}
    has_names = columns["text"] is not None or (columns["question"] is not None and columns["answer"] is not None)
    if not has_names and _names_columns(header):
        has_names = True
    elif not has_names and path.suffix.lower() == ".tsv" and 1 < len(header) < 4:
        columns = {"id": 0, "text": 1, "title": 2, "question": None, "answer": None}  # DPR's, without names
    if has_names:
        lines.skip(1 + used)
    width = len(header) if has_names else max(len(cells(lines.ahead(at) or "", separator)[0]) for at in range(5))
    rows = _checked(rows_of(lines, separator, width))
    text, question, answer = columns["text"], columns["question"], columns["answer"]
    if text is not None and has_names and _is_data(lines, separator, text, len(set(columns.values()) - {None}), width):
        text = None
    if text is not None:
        yield from _documents(path, rows, text, columns["title"], columns["id"])
    elif question is not None and answer is not None:
        yield from _parts(path, chain(above, _pairs(rows, question, answer)))
    else:
        yield from _parts(path, chain(above, _table(rows, header if has_names else [])))


_KINDS = {"text": TEXT, "title": TITLE, "id": ID, "question": QUESTION, "answer": ANSWER}
_Rows = Iterator[tuple[int, list[str]] | Bad]


def _separator(path: Path, lines: Lines) -> str:
    """The sign between cells: in a TSV the tab where there is one, else what parts both first rows most often."""
    head = lines.ahead() or ""
    told = re.fullmatch(r"sep=(.)\s*", head)  # a line of Excel's own
    if told:
        lines.skip(1)
        return told[1]
    if path.suffix.lower() == ".tsv" and "\t" in head:
        return "\t"
    second = lines.ahead(1) or head
    if not any(sign in head and sign in second for sign in SEPARATORS):  # a title above the table
        return max(SEPARATORS, key=lambda sign: _width(_counts(lines, sign)))
    return max(SEPARATORS, key=lambda sign: min(len(cells(line, sign)[0]) for line in (head, second)))


def _counts(lines: Lines, separator: str) -> list[int]:
    """How many cells the lines at the top have, 0 for empty ones."""
    found: list[int] = []
    while len(found) < _TOP and (line := lines.ahead(len(found))) is not None:
        found.append(len(cells(line, separator)[0]) if line.strip() else 0)
    return found


def _width(counts: Sequence[int]) -> tuple[int, int]:
    """How many lines have as many cells as most of those with more than one, and how many that are."""
    return max(((count, width) for width, count in Counter(counts).items() if width > 1), default=(0, 0))


def _above(lines: Lines, separator: str) -> list[Block]:
    """What a bank or a program writes above a table: a title, fields, an empty line. The table is what comes next."""
    counts = _counts(lines, separator)
    width = _width(counts)[1]
    first = next((at for at, count in enumerate(counts) if width and count >= width), 0)
    if not first or (max(counts[:first]) > 1 and 0 not in counts[:first]):
        return []
    told = [lines.ahead(at) or "" for at in range(first)]
    if any('"' in line for line in told):  # may be a cell of several lines
        return []
    found = []
    for _ in told:
        number, line = next(lines)
        words = in_words((), [cells(line or "", separator)[0]])
        found += [Block(text, "row", line=number) for text in words]
    return found


def _is_data(lines: Lines, separator: str, text: int, known: int, width: int) -> bool:
    """Whether a column that is called "Text" holds words among other data, as in a bank's export."""
    if known >= width:
        return False
    top = [cells(line, separator)[0] for at in range(_TOP) if (line := lines.ahead(at))]
    return bool(top) and all(len(_cell(row, text)) <= LONGEST_NAME and len(row) == width for row in top)


def _column(names: Sequence[str], known: Sequence[str]) -> int | None:
    return next((names.index(name) for name in known if name in names), None)


def _names_columns(header: Sequence[str]) -> bool:
    """Whether the first row of a table says what its columns hold: short and different names, no numbers."""
    told = [name.strip() for name in header]
    return (
        len(told) > 1
        and len(set(told)) == len(told)
        and sum(map(bool, told)) >= len(told) - 1
        and not any(len(name) > LONGEST_NAME or _NUMBER.fullmatch(name) for name in told)
    )


def _checked(rows: Iterator[tuple[int, list[str] | None]]) -> _Rows:
    """The rows, carriage returns inside cells as spaces; what cannot be read with its reason."""
    for number, row in rows:
        if row is None:
            yield Bad(f"line {number}", f"longer than {current().line:,} characters")
        else:
            yield number, [cell.replace("\r\n", "\n").replace("\r", " ").strip() for cell in row]


def _documents(path: Path, rows: _Rows, text: int, title: int | None, identity: int | None) -> Iterator[Extract | Bad]:
    names = Names()
    for item in rows:
        if isinstance(item, Bad):
            yield item
            continue
        number, row = item
        if not _cell(row, text):
            yield Bad(f"line {number}", f"{len(row)} columns, no text in column {text + 1}")
            continue
        blocks = tuple(replace(block, line=number) for block in blocks_in(row[text]))
        yield Extract(_cell(row, title) or title_of(path), blocks, names.of(_cell(row, identity), number))


def _pairs(rows: _Rows, question: int, answer: int) -> Iterator[Block | Bad]:
    for item in rows:
        if isinstance(item, Bad):
            yield item
            continue
        number, row = item
        if _cell(row, question) and _cell(row, answer):
            yield Block(_cell(row, question), "question", line=number)
            told = _cell(row, answer)
            blocks = blocks_in(told) if told[0] == "<" else [Block(told)]
            yield from (replace(block, line=number) for block in blocks)
        else:
            yield Bad(f"line {number}", "no question" if not _cell(row, question) else "no answer")


def _table(rows: _Rows, header: Sequence[str]) -> Iterator[Block | Bad]:
    for item in rows:
        if isinstance(item, Bad):
            yield item
        else:
            number, row = item
            yield from (Block(line, "row", line=number) for line in in_words(header, [row]))


def _parts(path: Path, blocks: Iterable[Block | Bad]) -> Iterator[Extract | Bad]:
    """Blocks as one extract, or as numbered ones of about a million characters."""
    held: list[Block] = []
    size, number = 0, 0
    for block in blocks:
        if isinstance(block, Bad):
            yield block
            continue
        if size > PART and block.kind != "paragraph":
            number += 1
            yield Extract(title_of(path), tuple(held), f"part-{number}", {"part": number})
            held, size = [], 0
        held.append(block)
        size += len(block.text)
    if number == 0:
        yield Extract(title_of(path), tuple(held))
    else:
        yield Extract(title_of(path), tuple(held), f"part-{number + 1}", {"part": number + 1})


def _cell(row: Sequence[str], at: int | None) -> str:
    return row[at] if at is not None and at < len(row) else ""
