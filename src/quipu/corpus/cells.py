"""Questions about the cells of tables: "What is the price of the Silver plan?", "Which plan has the support by mail?".

They are made of rows as ``quipu.corpus.table`` writes them, and only where several rows of a table agree on the names
of its columns, so that a colon inside a cell names nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile

from quipu.corpus.cell_questions import is_price, questions, subject, which
from quipu.corpus.table import BEHIND_NAME, BETWEEN_CELLS
from quipu.records import Document, Mark, QAPair, Span

MOST = 2000  # cells of a document about which questions are made
OF_TABLE = 300  # questions about a table, at most; those for a cell go before those for a row
NAME_WORDS = 8  # of a column's name, or of a row's, at most
VALUE_WORDS = 6  # of a cell by which its row is asked for
_SAYS = re.compile(r"\w")


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
    """Questions for each cell of the tables, and one for the row of each cell that a person would ask by."""
    made: list[QAPair] = []
    count = 0
    for is_row, run in groupby(document.marks, key=lambda mark: mark.kind == "row"):
        if not is_row:
            continue
        table = [_parsed(document.text, mark) for mark in run]
        count += sum(len(row.cells) for row in table)
        if count > MOST:
            break
        made += _of_table(document, table)[:OF_TABLE]
    return made


def _of_table(document: Document, table: Sequence[_Row]) -> list[QAPair]:
    """The pairs whose answers are cells, then those whose answers are rows: by a value that stands once."""
    counted = Counter(cell.name for row in table for cell in row.cells)
    names = {name for name, count in counted.items() if name and count > 1 and len(name.split()) <= NAME_WORDS}
    rows = [row for row in table if row.label and row.label not in names]
    subjects = _without_caption([row.label for row in rows])
    first = _first_column(subjects)
    prices = {name for name in names if is_price(name)}
    said = Counter(cell.value.casefold() for row in rows for cell in row.cells)
    of_cells: list[QAPair] = []
    of_rows: list[QAPair] = []
    if all(len(row.cells) == 1 and row.cells[0].name and not row.label for row in table):  # two columns without names
        for cell in (row.cells[0] for row in table):
            if counted[cell.name] == 1 and document.title and _SAYS.search(cell.value):
                for question in questions(cell.name, cell.value, f"of {document.title}", only_price=False):
                    of_cells.append(_pair(document, question, cell.value, cell.span))
        return of_cells
    for row, label in zip(rows, subjects, strict=True):
        if not label or len(label.split()) > NAME_WORDS:
            continue
        led = label.removeprefix(first).strip()
        about = subject(first, led) if led else ""
        for cell in row.cells if led else ():
            if cell.name not in names or not _SAYS.search(cell.value):
                continue
            for question in questions(cell.name, cell.value, about, only_price={cell.name} == prices):
                of_cells.append(_pair(document, question, cell.value, cell.span))
            if first and said[cell.value.casefold()] == 1 and len(cell.value.split()) <= VALUE_WORDS:
                asked = which(first, cell.name, cell.value)
                if asked:
                    of_rows.append(_pair(document, asked, led, Span(row.end - len(led), row.end)))
    return of_cells + of_rows


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
