"""JSON lines, streamed: a document a line, as data sets and crawlers write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from quipu.corpus.encoding import decoded
from quipu.corpus.limits import current
from quipu.corpus.lines import Lines
from quipu.corpus.readers import Bad, Block, Extract
from quipu.corpus.readers.fields import ANSWER, ID, QUESTION, TEXT, TITLE, Names, blocks_in, first, plain
from quipu.corpus.readers.plain import title_of
from quipu.corpus.table import rows
from quipu.text import from_json


def read(path: Path) -> Iterator[Extract | Bad]:
    """An extract a row; a row that gives none is reported with its line number and the file goes on.

    The text stands under one of its usual names. A row without such a field is a question with its answer, or data.
    """
    names = Names()
    longest = current().line
    for number, line in Lines(decoded(path, newlines=False), longest):
        if line is None:
            yield Bad(f"line {number}", f"longer than {longest:,} characters")
        elif line.strip(" \t\ufeff"):
            try:
                row = from_json(line.lstrip("\ufeff"))
            except ValueError as error:
                yield Bad(f"line {number}", str(error))
                continue
            fields = {plain(name): value for name, value in row.items()} if isinstance(row, dict) else {}
            blocks = [replace(block, line=number) for block in _blocks(fields)]
            if blocks:
                about = fields.get("metadata")
                within = {plain(name): value for name, value in about.items()} if isinstance(about, dict) else {}
                title = first(fields, TITLE) or first(within, TITLE)
                part = names.of(first(fields, ID), number)
                yield Extract(title if isinstance(title, str) else title_of(path), tuple(blocks), part)
            else:
                yield Bad(f"line {number}", 'no "text"' if isinstance(row, dict) else "not an object")


def _blocks(fields: Mapping[str, Any]) -> list[Block]:
    text = _text(first(fields, TEXT))
    if text:
        return blocks_in(text.replace("\r\n", "\n").replace("\r", "\n"))
    question, answer = _text(first(fields, QUESTION)), _text(first(fields, ANSWER))
    if question and answer:
        return [Block(question, "question"), *(blocks_in(answer) if answer[0] == "<" else [Block(answer)])]
    if any(name in fields for name in TEXT):
        return []
    told = {name: _cell(value) for name, value in fields.items() if name not in ID}
    return [Block(line, "row") for line in rows(list(told), [list(told.values())])]


def _text(value: Any) -> str:
    """A text, or several of them, an empty line between two."""
    if isinstance(value, dict):
        value = first({plain(name): item for name, item in value.items()}, TEXT)
    if isinstance(value, list):
        return "\n\n".join(item for item in value if isinstance(item, str) and item.strip())
    return value.strip() if isinstance(value, str) else ""


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(filter(None, map(_cell, value))) if not any(isinstance(item, list) for item in value) else ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, str | int | float) else ""
