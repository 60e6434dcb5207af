"""CSV and TSV, streamed: documents (as DPR's passages), questions with their answers, or a table of data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from quipu.corpus.encoding import decoded
from quipu.corpus.limits import current
from quipu.corpus.lines import Lines
from quipu.corpus.readers import Bad, Block, Extract
from quipu.corpus.readers.fields import ANSWER, ID, QUESTION, TEXT, TITLE, Names, plain
from quipu.corpus.readers.layout import blocks_of
from quipu.corpus.readers.plain import PART, title_of
from quipu.corpus.separated import SEPARATORS, cells
from quipu.corpus.separated import rows as rows_of
from quipu.corpus.table import rows as in_words

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
    if text is not None:
        yield from _documents(path, rows, text, columns["title"], columns["id"])
    elif question is not None and answer is not None:
        yield from _parts(path, _pairs(rows, question, answer))
    else:
        yield from _parts(path, _table(rows, header if has_names else []))


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
    return max(SEPARATORS, key=lambda sign: min(len(cells(line, sign)[0]) for line in (head, second)))


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
        blocks = tuple(replace(block, line=number) for block in blocks_of(row[text]))
        yield Extract(_cell(row, title) or title_of(path), blocks, names.of(_cell(row, identity), number))


def _pairs(rows: _Rows, question: int, answer: int) -> Iterator[Block | Bad]:
    for item in rows:
        if isinstance(item, Bad):
            yield item
            continue
        number, row = item
        if _cell(row, question) and _cell(row, answer):
            yield Block(_cell(row, question), "question", line=number)
            yield Block(_cell(row, answer), line=number)
        else:
            yield Bad(f"line {number}", "no question" if not _cell(row, question) else "no answer")


def _table(rows: _Rows, header: Sequence[str]) -> Iterator[Block | Bad]:
    for item in rows:
        if isinstance(item, Bad):
            yield item
        else:
            number, row = item
            yield from (Block(line, "row", line=number) for line in in_words(header, [row]))


def _parts(path: Path, blocks: Iterator[Block | Bad]) -> Iterator[Extract | Bad]:
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
