"""Files of data sets as their projects publish them: plain or .gz, UTF-8 or Latin-1, one file or a folder of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from quipu.corpus.lines import unpacked
from quipu.errors import InputError


def read_text(path: Path) -> str:
    """The whole text of a file, ``.gz`` or plain; what is not UTF-8 is Latin-1, as in the older sets."""
    with unpacked(Path(path)) as file:
        data = file.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def lines_of(path: Path) -> list[str]:
    """Lines without their ends; only "\\n" ends a line, for answers may hold other separators."""
    return [line.rstrip("\r") for line in read_text(path).split("\n") if line.strip()]


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
