"""Questions about the cells of tables: "What is the price per month of the Silver plan?", "Which plan has ...?".

They are made of rows as ``quipu.corpus.table`` writes them, and only where several rows of a table agree on the names
of its columns, so that a colon inside a cell names nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile

from quipu.corpus.table import BEHIND_NAME, BETWEEN_CELLS
from quipu.records import Document, Mark, QAPair, Span

MOST = 2000  # cells of a document about which questions are made
NAME_WORDS = 8  # of a column's name, or of a row's, at most
VALUE_WORDS = 12  # of a cell by which its row is asked for
_SAYS = re.compile(r"\w")
_PRICE = re.compile(r"\b(?:prices?|costs?|fees?|charges?|fares?)\b", re.IGNORECASE)
_AMOUNT = re.compile(r"[$£€]?\d")


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell with its column's name, "" where it has none; ``span``: of the value, in the document."""

    name: str
    value: str
    span: Span


@dataclass(frozen=True, slots=True)
class _Row:
    """What leads a row (with the table's caption), where it ends in the document, and the cells behind it."""

    label: str
    end: int
    cells: tuple[_Cell, ...]


def cell_pairs(document: Document) -> list[QAPair]:
    """A question for each cell of the tables, and one for the row of each cell that only one row has."""
    made: list[QAPair] = []
    count = 0
    for is_row, run in groupby(document.marks, key=lambda mark: mark.kind == "row"):
        if not is_row:
            continue
        table = [_parsed(document.text, mark) for mark in run]
        count += sum(len(row.cells) for row in table)
        if count > MOST:
            break
        made += _of_table(document, table)
    return made


def _of_table(document: Document, table: Sequence[_Row]) -> Iterator[QAPair]:
    counted = Counter(cell.name for row in table for cell in row.cells)
    names = {name for name, count in counted.items() if name and count > 1 and len(name.split()) <= NAME_WORDS}
    rows = [row for row in table if row.label and row.label not in names]
    subjects = _without_caption([row.label for row in rows])
    first = _first_column(subjects)
    prices = {name for name in names if _PRICE.search(name)}
    said = Counter((cell.name, cell.value.casefold()) for row in rows for cell in row.cells)
    if all(len(row.cells) == 1 and row.cells[0].name and not row.label for row in table):  # two columns without names
        for cell in (row.cells[0] for row in table):
            if counted[cell.name] == 1 and document.title and _SAYS.search(cell.value):
                yield _pair(document, f"What is the {_lowered(cell.name)} of {document.title}?", cell.value, cell.span)
        return
    for row, subject in zip(rows, subjects, strict=True):
        if not subject or len(subject.split()) > NAME_WORDS:
            continue
        led = subject.removeprefix(first).strip()
        asked_for = f"the {led} {_lowered(first)}" if first.isalpha() and led.isalpha() else led
        for cell in row.cells:
            if cell.name not in names or not _SAYS.search(cell.value):
                continue
            name = _lowered(cell.name)
            yield _pair(document, f"What is the {name} of {asked_for}?", cell.value, cell.span)
            if {cell.name} == prices:  # the only one
                yield _pair(document, f"How much does {asked_for} cost?", cell.value, cell.span)
            elif _AMOUNT.match(cell.value) and cell.name not in prices:
                many = "many" if cell.value.isdecimal() and name.endswith("s") else "much"
                yield _pair(document, f"How {many} {name} does {asked_for} have?", cell.value, cell.span)
            if first and said[cell.name, cell.value.casefold()] == 1 and len(cell.value.split()) <= VALUE_WORDS:
                asked = f"Which {_lowered(first)} has the {name} {cell.value}?"
                yield _pair(document, asked, led, Span(row.end - len(led), row.end))


def _pair(document: Document, question: str, answer: str, span: Span) -> QAPair:
    return QAPair.make(
        question, answer, document_id=document.id, span=span, origin="document", generator="table"
    )  # fmt: skip


def _parsed(text: str, mark: Mark) -> _Row:
    """A row in its parts; a first cell without a column's name leaves the row without a label."""
    cells: list[_Cell] = []
    label, label_end = "", mark.span.start
    start = mark.span.start
    for number, piece in enumerate(text[mark.span.start : mark.span.end].split(BETWEEN_CELLS)):
        front, _, value = piece.rpartition(BEHIND_NAME)
        end = start + len(piece)
        if number == 0 and BEHIND_NAME in front:
            label, _, front = front.rpartition(BEHIND_NAME)
            label_end = start + len(label)
        cells.append(_Cell(front, value, Span(end - len(value), end)))
        start = end + len(BETWEEN_CELLS)
    return _Row(label, label_end, tuple(cells))


def _without_caption(labels: Sequence[str]) -> list[str]:
    """What leads each row, without the caption that all begin with ("Prices, Plan Silver")."""
    cut = 0
    if len(labels) > 1:
        lowest, highest = min(labels), max(labels)  # what these two begin with, all begin with
        common = lowest[: next((at for at, (a, b) in enumerate(zip(lowest, highest, strict=False)) if a != b), None)]
        cut = common.rfind(", ") + 2 if ", " in common else 0
    return [label[cut:] for label in labels]


def _first_column(subjects: Sequence[str]) -> str:
    """The name of the first column: the words with which all rows begin that go on differently, "" where none do."""
    if len(set(subjects)) < 2:
        return ""
    columns = zip(*(subject.split()[:-1] for subject in subjects), strict=False)
    name = " ".join(words[0] for words in takewhile(lambda words: len(set(words)) == 1, columns))
    return name if name and all(subject.startswith(f"{name} ") for subject in subjects) else ""


def _lowered(name: str) -> str:
    """A column's name inside a question: without the capital of its first word, where that is an ordinary word."""
    return name[0].lower() + name[1:] if name[1:2].islower() or name[1:2] == " " else name
