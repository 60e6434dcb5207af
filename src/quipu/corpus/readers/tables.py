"""One document a line: JSONL ({"text", "title"?, "id"?}) and DPR's passages (TSV: id, text, title)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from quipu.corpus.encoding import decoded
from quipu.corpus.readers import Bad, Extract
from quipu.corpus.readers.plain import paragraphs, title_of

LONGEST_LINE = 20_000_000  # characters; a longer one is reported, not held in memory


def read(path: Path) -> Iterator[Extract | Bad]:
    """An extract a row; a bad row is reported with its line number and the file goes on."""
    return _jsonl(path) if path.suffix.lower() == ".jsonl" else _tsv(path)


def lines(path: Path) -> Iterator[tuple[int, str | None]]:
    """Numbered lines (split at \\n only), None in place of one that is too long."""
    held, number, dropping = "", 0, False
    for block in decoded(path, newlines=False):
        parts = (held + block).split("\n")
        held = parts.pop()
        for part in parts:
            number += 1
            yield number, None if dropping or len(part) > LONGEST_LINE else part
            dropping = False
        if len(held) > LONGEST_LINE:
            held, dropping = "", True
    if held.strip() or dropping:
        yield number + 1, None if dropping else held


def _jsonl(path: Path) -> Iterator[Extract | Bad]:
    for number, line in lines(path):
        if line is None:
            yield Bad(f"line {number}", f"longer than {LONGEST_LINE:,} characters")
            continue
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            yield Bad(f"line {number}", f"not JSON ({error})")
            continue
        text = row.get("text") if isinstance(row, dict) else None
        if not isinstance(text, str) or not text.strip():
            yield Bad(f"line {number}", 'no "text"')
            continue
        title = row.get("title")
        part = row.get("id", row.get("_id", number))
        yield Extract(str(title) if title else title_of(path), paragraphs(text), str(part))


def _tsv(path: Path) -> Iterator[Extract | Bad]:
    columns = {"id": 0, "text": 1, "title": 2}
    for number, line in lines(path):
        if line is None or not line.strip():
            if line is None:
                yield Bad(f"line {number}", f"longer than {LONGEST_LINE:,} characters")
            continue
        row = next(csv.reader([line.rstrip("\r")], delimiter="\t", quotechar='"'))
        if number == 1 and "text" in row:
            columns = {name: row.index(name) for name in ("id", "text", "title") if name in row}
            continue
        if len(row) <= columns["text"] or not row[columns["text"]].strip():
            yield Bad(f"line {number}", f"{len(row)} columns, no text in column {columns['text'] + 1}")
            continue
        cell = {name: row[at] for name, at in columns.items() if at < len(row)}
        yield Extract(cell.get("title") or title_of(path), paragraphs(cell["text"]), cell.get("id") or str(number))
