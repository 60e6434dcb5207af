"""Sentences with a label: paraphrases, opinions, classes of sentences and questions, well-formed queries."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from quipu.datasets.io import find, need, read_lines, read_text
from quipu.errors import InputError

PARAPHRASE_TESTS = ("msr_paraphrase_test.txt", "test.tsv", "dev_and_test.tsv", "dev.tsv", "*.tsv")
PARAPHRASE_TRAINS = ("msr_paraphrase_train.txt", "train.tsv")


@dataclass(frozen=True, slots=True)
class SentencePair:
    """Two sentences, and whether they say the same."""

    left: str
    right: str
    same: bool


def read_pairs(path: Path) -> list[SentencePair]:
    """Tab-separated with a header: QQP (6 columns), MRPC (5, label first), PAWS (4); quotes are characters."""
    rows = [line.split("\t") for line in read_lines(path, older=True)]
    pairs = []
    for number, row in enumerate(rows[1:], start=2):
        try:
            left, right, label = {6: (3, 4, 5), 5: (3, 4, 0), 4: (1, 2, 3)}[len(row)]
            pairs.append(SentencePair(row[left], row[right], {"0": False, "1": True}[row[label].strip()]))
        except KeyError as error:
            raise InputError(
                f"{path}, line {number}: neither QQP, MRPC nor PAWS ({len(row)} columns, {error} is no label or width)"
            ) from error
    if not pairs:
        raise InputError(f"{path} holds no sentence pairs")
    return pairs


@dataclass(frozen=True, slots=True)
class Opinion:
    """A text, and whether it is positive."""

    text: str
    positive: bool


def read_opinions(data: Path) -> list[Opinion]:
    """SST-2 TSV (text, label; with or without a header), MR's two files in a folder, or ``label,text`` CSV (MR, CR)."""
    if data.is_dir():
        sides = [find(data, [f"*.{side}", f"*{side}*"]) for side in ("pos", "neg")]
        if sides[0] is not None and sides[1] is not None:
            return [
                Opinion(line.strip(), positive)
                for path, positive in ((sides[0], True), (sides[1], False))
                for line in read_lines(path, older=True)
            ]
        found = find(data, ("test.csv", "test.tsv", "dev.tsv"))
        if found is None:
            raise InputError(f"{data} holds no sentiment files (test.csv, test.tsv, dev.tsv, *.pos and *.neg)")
        data = found
    if data.name.removesuffix(".gz").endswith(".csv"):
        rows = [(row[1], row[0]) for row in csv.reader(io.StringIO(read_text(data, older=True))) if len(row) == 2]
    else:
        rows = [
            (row[0], row[1]) for row in (line.split("\t") for line in read_lines(data, older=True)) if len(row) == 2
        ]
    if rows and rows[0][1].strip() not in ("0", "1"):
        rows = rows[1:]  # the header
    if not rows or any(label.strip() not in ("0", "1") for _, label in rows):
        raise InputError(f"{data}: not two columns of text and label 0 or 1")
    return [Opinion(text.strip(), label.strip() == "1") for text, label in rows]


def read_sides(data: Path, sides: tuple[str, str]) -> list[tuple[str, int]]:
    """Two files of a sentence a line, named by their endings; the label is the place in ``sides``."""
    paths = [need(data, [f"*.{side}"], f"file *.{side}") for side in sides]
    return [(line, label) for label, path in enumerate(paths) for line in read_lines(path, older=True)]


def read_trec(path: Path) -> list[tuple[str, str]]:
    """Lines of "LABEL:sublabel question" as (question, label)."""
    return [(line.split(" ", 1)[1], line.split(":", 1)[0]) for line in read_lines(path, older=True)]


@dataclass(frozen=True, slots=True)
class Rated:
    """A query, and the share of five annotators who call it a well-formed question, 0.0-1.0."""

    query: str
    share: float


def read_rated(path: Path) -> list[Rated]:
    """Google's query-wellformedness, ``query<tab>share``. The set is lower-case, and queries are made so."""
    rows = []
    for number, line in enumerate(read_lines(path), start=1):
        parts = line.split("\t")
        try:
            query, share = parts
            rows.append(Rated(query.lower(), float(share)))
        except ValueError as error:
            raise InputError(
                f"{path}, line {number}: expected query<tab>share, found {len(parts)} columns ({error})"
            ) from error
    return rows
