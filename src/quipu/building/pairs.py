"""Ready pairs in, from a file or from a program; the key of each is made of its question."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from quipu.building.builder import Builder
from quipu.building.removal import forget_file
from quipu.corpus import FoundFile, Skipped, find_files
from quipu.corpus.pairs import read_pairs
from quipu.errors import FormatError, InputError
from quipu.records import QAPair
from quipu.storage.files import KnownFile, Renewal, begin_pairs, file_at, keep_file
from quipu.syncing import sha256_of_file

T = TypeVar("T")
_PAIRS = 512  # ready pairs per transaction
_NAMED = 20  # rows of a file of ready pairs that are named one by one when they cannot be used


def add_pairs(builder: Builder, pairs: Iterable[QAPair]) -> int:
    """Store ready pairs with keys made of their questions; exact duplicates are left out. How many were new.

    A pair that was added before with the same question and another answer gives way, unless it is of a document; what
    one call gives stays together.
    """
    began = time.perf_counter()
    new = seen = 0
    before = builder.store.last_row()
    for some in batched(pairs):
        seen += len(some)
        fresh = [pair for pair in some if builder.store.question_answer_exists(pair.question, pair.answer) is None]
        with builder.store.transaction():
            builder.report.replaced += _give_way(builder, fresh, before)
            new += _store_pairs(builder, fresh)
        builder.tell(stage="import", done=seen, total=0, kept=new)
    builder.report.seconds += time.perf_counter() - began
    return new


def add_pairs_file(builder: Builder, path: Path, *, strict: bool = False) -> int:
    """Store the pairs of a file, each with its line; how many were new.

    What an earlier reading of the file gave and it no longer holds is removed when it was read to its end. A pair
    that the same file gives twice is one; what other files and documents say stays as it is. Rows without a pair
    are reported, the first ones by line. InputError where the file cannot be used, and with ``strict`` at the first
    such row.
    """
    began = time.perf_counter()
    found = next((item for item in find_files([path]) if isinstance(item, FoundFile)), None)
    if found is None or path.is_dir():
        raise InputError(f"{path}: a folder; ready pairs stand in a file")
    known = file_at(builder.store, found.path)
    if known is not None and known.kind == "documents":  # now it is said to hold pairs
        forget_file(builder, known.name)
    name, document_id = begin_pairs(builder.store, found.path, found.name)
    status, digest = found.file.stat(), sha256_of_file(found.file)
    new = seen = 0
    with Renewal(builder.store, document_id) as renewal:
        for some in batched(_pairs_of(builder, found, document_id, strict)):
            seen += len(some)
            with builder.store.transaction():
                new += _store_pairs(builder, renewal.missing(some))
            builder.tell(stage="import", done=seen, total=0, kept=new)
        with builder.store.transaction():
            builder.report.replaced += renewal.answered_anew()
            builder.report.changed |= bool(renewal.remove_others())
            size, modified = status.st_size, status.st_mtime_ns
            keep_file(builder.store, KnownFile(found.path, name, "pairs", size, modified, digest))
    builder.report.files += 1
    builder.report.seconds += time.perf_counter() - began
    return new


def read_again(builder: Builder, file: FoundFile, *, strict: bool) -> None:
    """A known file of ready pairs; one that cannot be used any more is skipped, its pairs stay."""
    try:
        add_pairs_file(builder, file.file, strict=strict)
    except FormatError:  # of the memory
        raise
    except (InputError, OSError) as error:
        if strict:
            raise
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        builder.report.skipped.append(Skipped(file.name, reason.removeprefix(f"{file.file}: ")))


def _pairs_of(builder: Builder, file: FoundFile, document_id: str, strict: bool) -> Iterator[QAPair]:
    bad = 0
    for line, made in read_pairs(file.file):
        if isinstance(made, QAPair):
            yield QAPair.make(made.question, made.answer, document_id=document_id, origin="imported", line=line)
            continue
        if strict:
            raise InputError(f"{file.name}, line {line}: {made}")
        bad += 1
        if bad <= _NAMED:
            builder.report.skipped.append(Skipped(f"{file.name}, line {line}", made))
    if bad > _NAMED:
        builder.report.skipped.append(Skipped(file.name, f"{bad - _NAMED:,} more rows without a pair"))


def _give_way(builder: Builder, pairs: Sequence[QAPair], before: int) -> int:
    """Remove the pairs up to a row whose questions these pairs answer otherwise; how many."""
    store = builder.store
    ready = (pair for pair in pairs if pair.span is None)
    former = dict.fromkeys(pair_id for pair in ready for pair_id in store.asked_alike(pair, before))
    for pair_id in former:
        store.remove(pair=pair_id)
    return len(former)


def _store_pairs(builder: Builder, pairs: Sequence[QAPair]) -> int:
    """Store ready pairs under their questions; how many were new."""
    if not pairs:
        return 0
    questions = [pair.question for pair in pairs]
    keys = builder.models.encoder().encode(questions)
    added = len(builder.store.add(pairs, keys, questions))
    builder.grew(added)
    builder.report.pairs += added
    builder.report.changed |= bool(added)
    return added


def batched(pairs: Iterable[T]) -> Iterator[list[T]]:
    """As many at a time as are stored in a transaction."""
    stream = iter(pairs)
    while some := list(itertools.islice(stream, _PAIRS)):
        yield some
