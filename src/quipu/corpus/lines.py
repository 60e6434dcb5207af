"""A file as characters and numbered lines, streamed: in any encoding, plain or compressed by gzip."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from quipu.corpus.encoding import encoding_of
from quipu.errors import InputError, ReadError

LONGEST_LINE = 1_000_000  # characters; what is longer is named, not held
_BLOCK = 1 << 18  # bytes


@contextmanager
def unpacked(path: Path) -> Iterator[IO[bytes]]:
    """A file's bytes as they were before gzip, if it is a ``.gz`` or begins as one; InputError names a bad file."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with path.open("rb") as file:
            packed = file.peek(2)[:2] == b"\x1f\x8b" or path.suffix.lower() == ".gz"
            with cast(IO[bytes], gzip.GzipFile(fileobj=file)) if packed else file as plain:
                yield plain
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: broken gzip file ({error})") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def characters(path: Path) -> Iterator[str]:
    """The text of a file, a block at a time; a byte that is not text becomes U+FFFD. InputError names the file."""
    try:
        with unpacked(path) as file:
            data = file.read(_BLOCK)
            packed = isinstance(file, gzip.GzipFile)
            decoder = codecs.getincrementaldecoder(encoding_of(data if packed else path))(errors="replace")
            while data:
                yield decoder.decode(data)
                data = file.read(_BLOCK)
        yield decoder.decode(b"", final=True)
    except ReadError as error:
        raise InputError(f"{path}: {error}") from error


class Lines(Iterator[tuple[int, str | None]]):
    """Numbered lines without their ends; None in place of one that is longer than ``longest`` characters.

    A line ends at a line feed, and in a file that has none in its first block at a carriage return.
    """

    def __init__(self, source: Path | Iterable[str], longest: int = LONGEST_LINE) -> None:
        """Of a file, or of its text in blocks. Nothing is read before the first line is asked for."""
        self._numbered = _numbered(characters(source) if isinstance(source, Path) else source, longest)
        self._ahead: deque[tuple[int, str | None]] = deque()

    def __next__(self) -> tuple[int, str | None]:
        return self._ahead.popleft() if self._ahead else next(self._numbered)

    def ahead(self, at: int = 0) -> str | None:
        """The line that comes ``at`` lines after the next; None where there is none or it is too long."""
        while len(self._ahead) <= at:
            found = next(self._numbered, None)
            if found is None:
                return None
            self._ahead.append(found)
        return self._ahead[at][1]

    def skip(self, count: int) -> None:
        """Pass over so many lines."""
        for _ in range(count):
            next(self, None)


def _numbered(blocks: Iterable[str], longest: int) -> Iterator[tuple[int, str | None]]:
    held: list[str] = []  # of the line that has not ended
    length, number, end = 0, 0, ""
    for block in blocks:
        end = end or ("\r" if "\r" in block and "\n" not in block else "\n")
        first, *more = block.split(end)
        if length <= longest:
            held.append(first)
        length += len(first)
        for part in more:
            number += 1
            yield number, None if length > longest else "".join(held).removesuffix("\r")
            held, length = [part], len(part)
    if length:
        yield number + 1, None if length > longest else "".join(held)
