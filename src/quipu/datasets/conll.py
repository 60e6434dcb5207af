"""Named entities: CoNLL files (a word and its tag a line), and the few-shot layout of words and tags in two files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quipu.datasets.io import find, read_lines, read_text
from quipu.errors import InputError

TRAINS = ("train.conll", "*train*.conll", "train.txt")
TESTS = ("test.conll", "*test*.conll", "test.txt")


@dataclass(frozen=True, slots=True)
class Tagged:
    """Words and their IOB2 tags."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


def read_conll(path: Path) -> list[Tagged]:
    """Word in the first column, tag in the last, an empty line between sentences.

    A blank where the word should be is left out, if it is no part of a name (the Broad Twitter Corpus has such lines).
    """
    sentences: list[Tagged] = []
    words: list[str] = []
    tags: list[str] = []
    for number, line in enumerate([*read_text(path, older=True).split("\n"), ""], start=1):
        row = line.split()
        if not row or row[0] == "-DOCSTART-":
            if words:
                sentences.append(Tagged(tuple(words), tuple(tags)))
            words, tags = [], []
            continue
        if line.strip(" ") == "\tO":
            continue
        tag = row[-1].replace("_", "-")
        if len(row) < 2 or not (tag == "O" or tag[:2] in ("B-", "I-")):
            raise InputError(f"{path}, line {number}: not a word and an IOB tag: {line.strip()[:40]!r}")
        words.append(row[0])
        tags.append(tag)
    return sentences


def read_published(words: Path, tags: Path) -> list[Tagged]:
    """The published few-shot layout: a sentence a line, words in one file and tags in the other."""
    return [
        Tagged(tuple(line.split()), tuple(tag.replace("_", "-") for tag in row.split()))
        for line, row in zip(read_lines(words, older=True), read_lines(tags, older=True), strict=True)
    ]


def read_sets(data: Path) -> tuple[list[Tagged], list[Tagged]]:
    """Training pool and test of a folder; of sections without such names (BTC) the last is the test."""
    train, test = find(data, TRAINS), find(data, TESTS)
    if train is not None and test is not None:
        return read_conll(train), read_conll(test)
    sections = sorted([*data.glob("*.conll"), *data.glob("*.conll.gz")])
    if len(sections) < 2:
        raise InputError(f"{data} holds no CoNLL files (train.conll and test.conll, or several sections)")
    return [item for path in sections[:-1] for item in read_conll(path)], read_conll(sections[-1])
