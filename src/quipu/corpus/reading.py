"""One file to its documents, whatever stands in it: every error of a reader is a reason of one line."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence

from quipu.corpus.files import FileRead, FoundFile, Skipped, shown
from quipu.corpus.limits import current, shown_bytes
from quipu.corpus.normalise import normalise
from quipu.corpus.readers import Bad, Block, reader_for
from quipu.errors import ReadError
from quipu.language.detection import ENOUGH, other_language
from quipu.records import Document, Mark, Span
from quipu.text import is_unicode

BETWEEN = "\n\n"  # two blocks of a document
_NAMED = 1000  # bad rows of a file that are named; the others are counted
_CHUNK = 1 << 20  # bytes


def read_file(found: FoundFile) -> Iterator[Document | Skipped | FileRead]:
    """The documents of a file and what of it gave none, and at last its ``FileRead``.

    No exception of a reader passes: it ends the file with a reason, and the file is not complete.
    """
    read = _Read(found)
    try:
        yield from read.items()
    except ReadError as error:
        yield Skipped(found.name, _unicode(str(error)))
    except OSError as error:
        yield Skipped(found.name, error.strerror or type(error).__name__)
    except MemoryError:
        limit = shown_bytes(current().memory)
        yield Skipped(found.name, f"takes more than {limit} of memory; --limit memory=N allows more")
    except Exception as error:  # readers stand on libraries that raise what they like
        yield Skipped(found.name, f"cannot be read ({describe(error)})")
    yield read.end()


def describe(error: BaseException) -> str:
    """An exception's kind and the first line of what it says, short."""
    said = next(iter(str(error).splitlines()), "").strip()
    if len(said) > 120:
        said = said[:119] + "…"
    said = said.encode(errors="backslashreplace").decode()
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


class _Read:
    """One file while it is read."""

    def __init__(self, found: FoundFile) -> None:
        self._found = found
        self._left_out: Counter[str] = Counter()
        self._status: os.stat_result | None = None
        self._sha256 = ""
        self._beginning = ""
        self._complete = False

    def items(self) -> Iterator[Document | Skipped]:
        file, name = self._found.file, self._found.name
        reader = reader_for(file)
        if reader is None:
            suffix = shown(file.suffix) if file.suffix else "no suffix"
            raise ReadError(f"unknown kind of file ({suffix})")
        self._status = file.stat()
        blank = self._hash()
        if blank:
            yield Skipped(name, "empty")
        else:
            bad = 0
            for item in reader(file):
                source = f"{name}#{item.part}" if item.part else name
                if isinstance(item, Bad):
                    bad += 1
                    if bad <= _NAMED:
                        yield Skipped(_unicode(source), _unicode(item.reason))
                    continue
                self._left_out.update(item.left_out)
                text, marks = _joined(item.blocks)
                current().check_expanded(len(text))
                if not text:
                    yield Skipped(_unicode(source), "no text")
                elif not is_unicode(source):
                    yield Skipped(_unicode(source), "a name that is not Unicode text (a lone surrogate)")
                else:
                    title = " ".join(normalise(item.title).split())
                    if len(self._beginning) < ENOUGH:
                        self._beginning += text[:ENOUGH] + BETWEEN
                    yield Document.make(source, title, text, {**item.metadata, "file": name}, marks)
            if bad > _NAMED:
                yield Skipped(name, f"and {bad - _NAMED:,} further rows that cannot be read")
        after = file.stat()
        if (after.st_size, after.st_mtime_ns) != (self._status.st_size, self._status.st_mtime_ns):
            raise ReadError("changed while it was read")
        self._complete = True

    def end(self) -> FileRead:
        size, modified = (self._status.st_size, self._status.st_mtime_ns) if self._status else (0, 0)
        path, name = self._found.path, self._found.name
        language = other_language(self._beginning)
        return FileRead(path, name, self._complete, size, modified, self._sha256, dict(self._left_out), language)

    def _hash(self) -> bool:
        """Keep the hash of the file's bytes; whether they are all white space."""
        digest, blank = hashlib.sha256(), True
        with self._found.file.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                blank = blank and not chunk.strip()
        self._sha256 = digest.hexdigest()
        return blank


def _unicode(text: str) -> str:
    return text.encode(errors="replace").decode()


def _joined(blocks: Sequence[Block]) -> tuple[str, list[Mark]]:
    """Blocks as one text, an empty line between two, and where each stands in it."""
    texts: list[str] = []
    marks: list[Mark] = []
    start = 0
    for block in blocks:
        text = normalise(block.text).strip()
        if not text:
            continue
        marks.append(Mark(Span(start, start + len(text)), block.kind, block.level, block.page, block.line))
        texts.append(text)
        start += len(text) + len(BETWEEN)
    return BETWEEN.join(texts), marks
