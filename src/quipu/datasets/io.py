"""Files of data sets: plain or ``.gz``, UTF-8 or (older sets) Latin-1, one file or a folder of them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from quipu.corpus.lines import unpacked
from quipu.errors import InputError


def existing(path: Path) -> Path:
    """``path`` as it lies there, compressed (with ``.gz`` behind its name) or not; InputError where neither does."""
    other = path.with_suffix("") if path.suffix == ".gz" else path.with_name(path.name + ".gz")
    for candidate in (path, other):
        if candidate.is_file():
            return candidate
    raise InputError(
        f"{path}: no such file, compressed or not; name the folder of the data sets (`data` in a recipe, --data), "
        "and see: quipu datasets list"
    )


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """A file in UTF-8, read as a stream; only a line feed ends a line. InputError names a file that is none."""
    path = existing(path)
    with unpacked(path) as file:
        try:
            yield io.TextIOWrapper(file, encoding="utf-8-sig", newline="\n")
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not UTF-8 ({error})") from error


def read_text(path: Path, *, older: bool = False) -> str:
    """The whole text of a file. ``older``: what is not UTF-8 is Latin-1, as in the older sets."""
    path = existing(path)
    with unpacked(path) as file:
        data = file.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if older:
            return data.decode("latin-1")
        raise InputError(f"{path}: not UTF-8 ({error})") from error


def read_lines(path: Path, *, older: bool = False) -> list[str]:
    """Lines without their ends, empty ones left out; only a line feed ends one: texts may hold other separators."""
    return [line.rstrip("\r") for line in read_text(path, older=older).split("\n") if line.strip()]


def read_json(path: Path) -> Any:
    """The value of a JSON file; InputError where it is none."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not JSON ({error})") from error


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file, one a line, as a stream; InputError names the line that is none."""
    for _, row in numbered(path):
        yield row


def numbered(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Like ``read_jsonl``, with the number of each line, from 1, for messages."""
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(f"{path}, line {number}: not JSON ({error})") from error
            if not isinstance(row, dict):
                raise InputError(f"{path}, line {number}: not a JSON object")
            yield number, row


def find(folder: Path, names: Sequence[str]) -> Path | None:
    """The first of ``names`` in ``folder``, plain or with ``.gz``; a name may be a pattern such as ``*/dev.tsv``."""
    for name in names:
        for pattern in (name, name + ".gz"):
            found = sorted(folder.glob(pattern))
            if found:
                return found[0]
    return None


def need(folder: Path, names: Sequence[str], what: str) -> Path:
    """Like ``find``; a path to a file stands for itself. Raises InputError that says what was looked for."""
    if folder.is_file():
        return folder
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such file or folder; name {what} with --data")
    found = find(folder, names)
    if found is None:
        raise InputError(f"{folder} holds no {what} (looked for {', '.join(names)}, plain or .gz)")
    return found
