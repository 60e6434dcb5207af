"""What the benchmarks share: models by name, progress on stderr, sizes, and the pairs of a memory with their text."""

from __future__ import annotations

import gzip
import json
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import quipu
from quipu.corpus.passages import sentences
from quipu.errors import InputError
from quipu.memory.store import Store
from quipu.models.encoder import Encoder
from quipu.models.keys import key_text
from quipu.models.reader import Reader
from quipu.models.writer import Writer
from quipu.records import Document, Passage, QAPair, Span

ENCODER, WRITER, READER = "quipu-mini/encoder", "quipu-mini/writer", "quipu-mini/reader"


@dataclass(frozen=True, slots=True)
class Models:
    """The three models of a run; each by a name that ships or by a folder."""

    encoder: Any
    writer: Any
    reader: Any

    @classmethod
    def load(cls, encoder: str | None, writer: str | None, reader: str | None) -> Models:
        """Load all three; None means the one that ships."""
        return cls(
            Encoder.from_pretrained(encoder or ENCODER),
            Writer.from_pretrained(writer or WRITER),
            Reader.from_pretrained(reader or READER),
        )


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def progress(every: float = 10.0) -> Callable[[dict[str, Any]], None]:
    """A callback that shows a build's progress on stderr, at most every ``every`` seconds."""
    last = 0.0

    def report(line: dict[str, Any]) -> None:
        nonlocal last
        if time.monotonic() - last >= every:
            last = time.monotonic()
            say("  " + " ".join(f"{name}={value}" for name, value in line.items()))

    return report


def timed(label: str, work: Callable[[], Any]) -> tuple[Any, float]:
    """The result of ``work`` and its seconds; says so."""
    say(f"{label} ...")
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    say(f"{label}: {seconds:.1f} s")
    return result, seconds


def built(
    documents: Path, path: Path, models: Models, seed: int = 0, **settings: Any
) -> tuple[Any, float | None]:
    """The memory of ``documents`` at ``path`` and the seconds of its build.

    A memory that is there is opened as it is; the seconds then come from the note beside it, None without one.
    """
    note = path.with_suffix(".seconds")
    if note.exists():
        return quipu.open(path, read_only=True), float(note.read_text())
    resumed = path.exists()
    parts = {"encoder": models.encoder, "writer": models.writer, "reader": models.reader}
    try:
        memory, seconds = timed(
            "build", lambda: quipu.build([documents], path, seed=seed, progress=progress(), **parts, **settings)
        )
    except InputError:
        if not resumed:
            raise
        return quipu.open(path, read_only=True), None  # it was finished
    if resumed:
        say(f"{path} was there before: the rest of its build was done, and its time is not reported")
        return memory, None
    note.write_text(f"{seconds:.3f}\n")
    return memory, seconds


def local_filter(path: Path) -> tuple[int, int]:
    """Pairs that the consistency filter kept and dropped, from the verdicts in the record of the memory at ``path``."""
    record = sqlite3.connect(f"file:{path / 'records.sqlite'}?mode=ro", uri=True)
    try:
        counts = dict(record.execute("SELECT kept, COUNT(*) FROM verdicts WHERE stage = 'local' GROUP BY kept"))
    finally:
        record.close()
    return counts.get(1, 0), counts.get(0, 0)


def folder_bytes(folder: Path) -> int:
    """All files under ``folder``."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """JSON objects, one a line, plain or .gz."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8")
    for line in text.split("\n"):
        if line.strip():
            yield json.loads(line)


def stored_pairs(store: Store) -> list[QAPair]:
    """All pairs of a memory, in row order."""
    return [pair for _, pair in store.pairs()]


def documents_of(store: Store) -> dict[str, Document]:
    """All documents by id."""
    return {document.id: document for document in store.documents()}


def passages_of(store: Store) -> list[Passage]:
    """All passages in row order."""
    return list(store.passages())


class KeyTexts:
    """Key texts of stored pairs under another rule than the one they were built with: nothing is generated again."""

    def __init__(self, store: Store) -> None:
        self._documents = documents_of(store)
        self._sentences: dict[str, list[Span]] = {}

    def of(self, pair: QAPair, kind: str) -> str:
        """The key text of ``pair`` by ``kind``: cloze, question or both; its question where it has no place."""
        if pair.document_id is None or pair.span is None:
            return pair.question
        document = self._documents[pair.document_id]
        if document.id not in self._sentences:
            self._sentences[document.id] = sentences(document.text)
        around = next((s for s in self._sentences[document.id] if s.start <= pair.span.start < s.end), pair.span)
        sentence = document.text[around.start : around.end]
        return key_text(pair.question, pair.answer, sentence, document.title, kind=kind)
