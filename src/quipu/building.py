"""The work behind ``build`` and ``add``: documents in, pairs out, each batch in one transaction with its mark."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from quipu.corpus import FileRead, FolderRead, FoundFile, Skipped, find_files, read_files
from quipu.corpus.pairs import read_pairs
from quipu.corpus.passages import split, structured
from quipu.corpus.readers.plain import title_of
from quipu.corpus.ready import ready_pairs
from quipu.errors import InputError
from quipu.generate.globally import PASSAGES, global_filter
from quipu.generate.pipeline import Generated, GenerateSettings, generate, key_texts, targeted
from quipu.memory import tokens
from quipu.memory.files import (
    KnownFile,
    Renewal,
    alike,
    begin_pairs,
    documents_of,
    file_at,
    forget_file,
    keep_file,
    move_file,
    restate,
    with_free_id,
)
from quipu.memory.index import Rebuilding, bound
from quipu.memory.provenance import (
    add_support,
    count_unchecked,
    drop,
    mark_ambiguous,
    supported_elsewhere,
    unchecked,
)
from quipu.memory.store import Store
from quipu.models.loaded import Models
from quipu.models.protocols import Reading
from quipu.records import Document, Passage, QAPair, Span, Verdict
from quipu.syncing import Changes, Moved, sha256_of_file, survey
from quipu.text import normalize_answer

Progress = Callable[[dict[str, int | float | str]], None]
_DOCUMENTS = 64  # documents a transaction
_PAIRS = 512  # ready pairs a transaction
_NAMED = 20  # rows of a file of ready pairs that are named one by one when they cannot be used
_CODED = 256  # passages whose tokens are coded in a transaction
_CHECKED = 64  # pairs that the global filter checks in a transaction
_AT_LEAST, _PARTS = 8, 16  # passages a transaction where pairs are made: a memory comes in so many parts at least
ADDING = "adding"
"""The mark of a memory to which something is being added."""


@dataclass(slots=True)
class BuildReport:
    """What a build or an addition did. asked = kept + all of ``dropped``, for generated pairs."""

    documents: int = 0
    passages: int = 0
    pairs: int = 0
    asked: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    skipped: list[Skipped] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """What readers passed over, by kind ("picture", "hidden file")."""
    languages: Counter[str] = field(default_factory=Counter)
    """Files that are mostly not English, by language."""
    files: int = 0
    """Files that were read to their end, new and changed ones."""
    unchanged: int = 0
    """Files that were known as they are."""
    moved: list[tuple[str, str]] = field(default_factory=list)
    """Files that were renamed or moved: the former name and the name now."""
    removed: list[str] = field(default_factory=list)
    """Files that were forgotten, because they are gone."""
    gone: list[str] = field(default_factory=list)
    """Known files that are gone and still answered from."""
    remarks: list[str] = field(default_factory=list)
    seconds: float = 0.0
    changed: bool = False

    def note(self, changes: Changes) -> None:
        """Take over what a look at the files found."""
        self.unchanged += changes.unchanged
        self.skipped += changes.skipped
        self.left_out.update(changes.left_out)
        self.gone += [file.name for file in changes.gone]
        self.remarks += changes.remarks

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary; ``pairs`` and ``passages`` are those of this run."""
        return {
            "documents": self.documents, "passages": self.passages, "pairs": self.pairs, "asked": self.asked,
            "kept": self.kept, "dropped": dict(self.dropped),
            "skipped": [{"name": item.name, "reason": item.reason} for item in self.skipped],
            "left_out": dict(self.left_out), "languages": dict(self.languages),
            "files": self.files, "unchanged": self.unchanged,
            "moved": [list(names) for names in self.moved], "removed": self.removed, "gone": self.gone,
            "remarks": self.remarks,
            "seconds": round(self.seconds, 3),
            "passages_per_second": round(self.passages / self.seconds, 2) if self.seconds else 0.0,
        }  # fmt: skip


class Builder:
    """Adds to an open store. Every step can be interrupted and called again."""

    def __init__(
        self,
        store: Store,
        models: Models,
        settings: GenerateSettings,
        progress: Progress | None,
        rebuilding: Rebuilding | None = None,
    ) -> None:
        """``progress`` is told at most a few times a second; ``rebuilding`` works while pairs are added."""
        self._store, self._models, self._settings, self._progress = store, models, settings, progress
        self._rebuilding = rebuilding
        self._total, self._uncovered = store.count(), 0
        self._told = 0.0
        self.report = BuildReport()

    def add_documents(self, paths: Sequence[str | Path], *, strict: bool = False) -> None:
        """Read, split and store what is new or changed; what a file no longer holds is removed with its pairs.

        Known files that are gone are named in the report. What else happens: see ``take_in``.
        """
        self.take_in(survey(self._store, paths, strict=strict), strict=strict)

    def take_in(self, changes: Changes, *, delete: bool = False, strict: bool = False) -> None:
        """Make the memory hold the files as they are: moved ones first, without any model; what is gone, with
        ``delete``, else it is named; then what is new or changed. A file is one transaction, or ends with one where it
        is long.
        """
        began = time.perf_counter()
        self.report.note(changes)
        if changes.new or changes.changed:
            self._store.journal_mark(ADDING)
        for moved in changes.moved:
            self._move(moved)
        if delete:
            for file in changes.gone:
                self.forget_file(file.name)
                self.report.gone.remove(file.name)
                self.report.removed.append(file.name)
        for file in changes.same:
            keep_file(self._store, file)
        reading = [*changes.new, *changes.changed]
        for item in reading:
            if item.known is not None and item.known.kind == "pairs":
                self.add_pairs_file(item.found.file)
        documents = [item.found for item in reading if item.known is None or item.known.kind == "documents"]
        if documents:
            self._read(read_files(documents, strict=strict), {found.name: found.path for found in documents})
        self.code_passages()
        self.report.seconds += time.perf_counter() - began

    def _keep_ready(self, document: Document) -> None:
        """Store the questions that a document answers itself; one that is known gets one place more."""
        fresh: dict[tuple[str, str], tuple[QAPair, Passage]] = {}
        support: list[tuple[str, str, Span]] = []
        for pair in ready_pairs(document):
            words = normalize_answer(pair.question), normalize_answer(pair.answer)
            known = self._store.question_answer_exists(pair.question, pair.answer)
            known = fresh[words][0].id if words in fresh else known
            passage = self._store.passage_at(document.id, cast(Span, pair.span))
            if known is not None:
                support.append((known, document.id, cast(Span, pair.span)))
            elif passage is not None:
                fresh[words] = pair, passage
        pairs = [pair for pair, _ in fresh.values()]
        if pairs:
            texts = key_texts(list(fresh.values()), self._settings.key_kind)
            self._store.add(pairs, self._models.encoder().encode(texts), texts)
            self.report.pairs += len(pairs)
            self._grew(len(pairs))
        add_support(self._store, support)

    def _read(self, items: Iterable[Document | Skipped | FileRead | FolderRead], paths: Mapping[str, str]) -> None:
        """Store documents as they come, each file's followed by its ``FileRead``; ``paths``: of files by name."""
        waiting: list[Document] = []
        added: list[str] = []
        seen: set[str] = set()
        for item in items:
            if isinstance(item, Skipped):
                self.report.skipped.append(item)
            elif isinstance(item, Document):
                waiting.append(item)
                if len(waiting) == _DOCUMENTS:
                    name = str(item.metadata["file"])
                    with self._store.transaction():
                        keep_file(self._store, KnownFile(paths[name], name))  # not as read: the rest may not come
                        self._store_documents(waiting, added, seen)
                    waiting.clear()
            elif isinstance(item, FileRead):
                with self._store.transaction():
                    self._store_documents(waiting, added, seen)
                    self._end_file(item, added, seen)
                self._count_file(item, len(added))
                waiting, added, seen = [], [], set()

    def _store_documents(self, documents: Sequence[Document], added: list[str], seen: set[str]) -> None:
        """Store those that are not there yet; ``seen`` and ``added`` take the ids of all and of the new ones."""
        with self._store.transaction():
            for document in map(structured, documents):
                stored = alike(self._store, document)
                if stored is None:
                    document = with_free_id(self._store, document)
                    self._store.add_documents([document], split(document))
                    self._keep_ready(document)
                    added.append(document.id)
                elif (same := replace(document, id=stored.id)) != stored and stored.id not in seen:
                    restate(self._store, same)
                seen.add(document.id if stored is None else stored.id)

    def _end_file(self, file: FileRead, added: Sequence[str], seen: set[str]) -> None:
        """Of a file that was read to its end, remove what it no longer holds; of any other, what of it is new, where
        an earlier reading is there.
        """
        known = documents_of(self._store, file.name)
        if file.complete:
            stale = [document_id for document_id in known if document_id not in seen]
            if seen:
                note: dict[str, Any] = {"left_out": dict(file.left_out)} if file.left_out else {}
                note |= {"language": file.language} if file.language else {}
                keep_file(
                    self._store,
                    KnownFile(file.path, file.name, "documents", file.size, file.modified, file.sha256, note=note),
                )
            else:
                forget_file(self._store, file.name)
        else:
            stale = list(added) if len(added) < len(known) else []
        if stale:
            self.remove_documents(stale)

    def _count_file(self, file: FileRead, added: int) -> None:
        self.report.files += file.complete
        self.report.documents += added
        self.report.changed |= bool(added)
        self.report.left_out.update(file.left_out)
        if file.language:
            self.report.languages[file.language] += 1
        self.tell(stage="read", done=self.report.documents, total=0)

    def _move(self, moved: Moved) -> None:
        known, found = moved.known, moved.found
        with self._store.transaction():
            if documents_of(self._store, found.name):
                self.forget_file(found.name)
            titles = title_of(Path(known.name)), title_of(Path(found.name))
            move_file(self._store, known, found.path, found.name, titles)
        self.report.moved.append((known.name, found.name))
        self.report.changed = True

    def forget_file(self, name: str) -> None:
        """Remove a file with its documents and their pairs."""
        with self._store.transaction():
            if found := documents_of(self._store, name):
                self.remove_documents(found)
            forget_file(self._store, name)

    def code_passages(self) -> None:
        """Keep vectors and token codes of every passage that has none, where the encoder can make them."""
        encoder = self._models.span_encoder()
        if encoder is None:
            return
        if not tokens.made_by(self._store, encoder):
            tokens.forget(self._store, encoder)
        done = 0
        while batch := tokens.waiting(self._store, _CODED):
            found = encoder.passages([passage.text for passage in batch])
            vectors = np.array([_unit(item.vectors.mean(axis=0)) for item in found])
            made = [tokens.PassageTokens(encoder.codebook.encode(item.vectors), item.offsets) for item in found]
            tokens.put(self._store, batch, vectors, made)
            done += len(batch)
            self.tell(stage="code", done=done, total=0)

    def ask(self) -> None:
        """Make the pairs of every passage that has none yet, a batch a transaction."""
        began = time.perf_counter()
        total = self._store.counts()["passages"]
        waiting = self._store.count_to_ask()
        done = total - waiting
        size = min(self._settings.batch, max(_AT_LEAST, total // _PARTS))
        while batch := self._store.passages_to_ask(size):
            made = generate(
                batch, extractor=self._models.extractor(), writer=self._models.writer(), reader=self._models.reader(),
                encoder=self._models.encoder(), settings=self._settings,
                is_known=self._store.question_answer_exists, is_answered=self._store.answered_in_document,
                seed=int(batch[0].id[:8], 16),
            )  # fmt: skip
            added = self._keep(made, batch)
            done += len(batch)
            self._count(made, added, len(batch))
            self.tell(
                stage="pairs", done=done, total=total, kept=self.report.kept, **dict(self.report.dropped.most_common(3))
            )
        self.report.seconds += time.perf_counter() - began
        self.tell(stage="pairs", done=total, total=total, kept=self.report.kept, last=1)
        if self._settings.filter == "global":
            self.check_globally()
        self._store.journal_forget(ADDING)

    def _keep(self, made: Generated, batch: Sequence[Passage] = ()) -> int:
        """Store what was made, with the marks of its passages, in one transaction; how many pairs were new."""
        keys = self._models.encoder().encode(made.key_texts)
        with self._store.transaction():
            added = self._store.add(
                made.pairs, keys, made.key_texts, made.verdicts, made.verdict_documents, made.verdict_passages
            )
            add_support(self._store, ((item.pair_id, item.document_id, item.span) for item in made.support))
            for passage in batch:
                self._store.journal_mark(f"passage:{passage.id}", document=passage.document_id)
        self._grew(len(added))
        return len(added)

    def read(self, questions: Sequence[str], passages: Sequence[str]) -> list[Reading]:
        """What the local filter's reader finds."""
        return self._models.reader().read(questions, passages)

    def add_targeted(self, passage: Passage, span: Span, question: str) -> int:
        """Pairs about a span of a passage that somebody asked for (see ``targeted``); how many were new."""
        made = targeted(
            passage, span, question, writer=self._models.writer(), reader=self._models.reader(),
            encoder=self._models.encoder(), settings=self._settings, is_known=self._store.question_answer_exists,
        )  # fmt: skip
        added = self._keep(made)
        self._count(made, added, 0)
        return added

    def check_globally(self) -> None:
        """Ask every passage about the pairs on which the global filter has not spoken yet, a batch a transaction."""
        began = time.perf_counter()
        total, done = count_unchecked(self._store), 0
        if not total:
            return
        drops = self._settings.ambiguous == "drop"
        while pairs := unchecked(self._store, _CHECKED):
            own = [self._store.passage_at(str(pair.document_id), cast(Span, pair.span)) for pair in pairs]
            placed = [(pair, passage) for pair, passage in zip(pairs, own, strict=True) if passage is not None]
            checked = global_filter(
                [pair for pair, _ in placed], [passage for _, passage in placed],
                [self._near(pair.question) for pair, _ in placed], self._models.reader(),
                threshold=self._settings.filter_threshold,
            )  # fmt: skip
            lost = [Verdict(pair.id, "global", True, None, "its passage is not there") for pair in pairs]
            said = {verdict.pair_id: verdict for verdict in lost} | {item.pair.id: item.verdict for item in checked}
            with self._store.transaction():
                self._store.add_verdicts(
                    list(said.values()), [pair.document_id for pair in pairs],
                    [passage.id if passage else None for passage in own],
                )  # fmt: skip
                bad = [verdict for verdict in said.values() if not verdict.kept]
                if drops:
                    drop(self._store, [verdict.pair_id for verdict in bad])
                else:
                    mark_ambiguous(self._store, ((item.pair_id, str(item.because_of)) for item in bad))
                add_support(self._store, ((c.pair.id, *place) for c in checked for place in c.support))
            done += len(pairs)
            if drops:
                self.report.kept -= len(bad)
                self.report.pairs -= len(bad)
                self.report.dropped.update(verdict.reason for verdict in bad)
            self.report.changed = True
            self.tell(stage="check", done=done, total=total, ambiguous=len(bad))
        self.report.seconds += time.perf_counter() - began
        self.tell(stage="check", done=total, total=total, last=1)

    def _near(self, question: str) -> list[Passage]:
        return [passage for passage, _ in tokens.search_passages(self._store, question, PASSAGES)]

    def remove_documents(self, document_ids: Sequence[str]) -> None:
        """Remove documents; a pair that others support too moves to the first of them, with a key of its sentence."""
        moving = supported_elsewhere(self._store, document_ids)
        moved: list[QAPair] = []
        texts: list[str] = []
        support: list[tuple[str, str, Span]] = []
        for pair, ((document_id, span), *rest) in moving:
            passage = self._store.passage_at(document_id, span)
            if passage is None:
                continue
            new = QAPair.make(
                pair.question, pair.answer, document_id=document_id, span=span, origin=pair.origin,
                generator=pair.generator, generator_score=pair.generator_score, filter_score=pair.filter_score,
            )  # fmt: skip
            moved.append(new)
            texts += key_texts([(new, passage)], self._settings.key_kind)
            support += [(new.id, *place) for place in rest]
        keys = self._models.encoder().encode(texts) if texts else np.zeros((0, self._store.width), dtype=np.float32)
        with self._store.transaction():
            said = [Verdict(pair.id, "dedup", True, None, "kept when its first document was removed") for pair in moved]
            self._store.add(moved, keys, texts, said, [pair.document_id for pair in moved])
            add_support(self._store, support)
            for document_id in document_ids:
                self._store.remove(document=document_id)
        self.report.changed = True

    def add_pairs(self, pairs: Iterable[QAPair]) -> int:
        """Store ready pairs with keys made of their questions; exact doubles are left out. How many were new."""
        began = time.perf_counter()
        new = seen = 0
        for some in _batched(pairs, _PAIRS):
            seen += len(some)
            fresh = [pair for pair in some if self._store.question_answer_exists(pair.question, pair.answer) is None]
            new += self._store_pairs(fresh)
            self.tell(stage="import", done=seen, total=0, kept=new)
        self.report.seconds += time.perf_counter() - began
        return new

    def add_pairs_file(self, path: Path, *, strict: bool = False) -> int:
        """Store the pairs of a file, each with its line; how many were new.

        What an earlier reading of the file gave and it no longer holds is removed when it was read to its end. A pair
        that the same file gives twice is one; what other files and documents say stays as it is. Rows without a pair
        are reported, the first ones by line. InputError where the file cannot be used, and with ``strict`` at the first
        such row.
        """
        began = time.perf_counter()
        found = next((item for item in find_files([path]) if isinstance(item, FoundFile)), None)
        if found is None:
            raise InputError(f"{path}: a folder; ready pairs stand in a file")
        known = file_at(self._store, found.path)
        if known is not None and known.kind == "documents":  # now it is said to hold pairs
            self.forget_file(known.name)
        name, document_id = begin_pairs(self._store, found.path, found.name)
        status, digest = found.file.stat(), sha256_of_file(found.file)
        new = seen = 0
        with Renewal(self._store, document_id) as renewal:
            for some in _batched(self._pairs_of(found, document_id, strict), _PAIRS):
                seen += len(some)
                with self._store.transaction():
                    new += self._store_pairs(renewal.missing(some))
                self.tell(stage="import", done=seen, total=0, kept=new)
            with self._store.transaction():
                self.report.changed |= bool(renewal.remove_others())
                size, modified = status.st_size, status.st_mtime_ns
                keep_file(self._store, KnownFile(found.path, name, "pairs", size, modified, digest))
        self.report.files += 1
        self.report.seconds += time.perf_counter() - began
        return new

    def _pairs_of(self, file: FoundFile, document_id: str, strict: bool) -> Iterator[QAPair]:
        bad = 0
        for line, made in read_pairs(file.file):
            if isinstance(made, QAPair):
                yield QAPair.make(made.question, made.answer, document_id=document_id, origin="imported", line=line)
                continue
            if strict:
                raise InputError(f"{file.name}, line {line}: {made}")
            bad += 1
            if bad <= _NAMED:
                self.report.skipped.append(Skipped(f"{file.name}, line {line}", made))
        if bad > _NAMED:
            self.report.skipped.append(Skipped(file.name, f"{bad - _NAMED:,} more rows without a pair"))

    def _store_pairs(self, pairs: Sequence[QAPair]) -> int:
        """Store ready pairs under their questions; how many were new."""
        if not pairs:
            return 0
        questions = [pair.question for pair in pairs]
        keys = self._models.encoder().encode(questions)
        added = len(self._store.add(pairs, keys, questions))
        self._grew(added)
        self.report.pairs += added
        self.report.changed |= bool(added)
        return added

    def _grew(self, added: int) -> None:
        """Have the index brought up to date in the background when many pairs have come."""
        self._uncovered += added
        self._total += added
        most = bound(self._total, self._store.width)  # 0 in the exact range, where the end of the build is soon enough
        if self._rebuilding is not None and 0 < most < self._uncovered:
            self._rebuilding.start()
            self._uncovered = 0

    def _count(self, made: Generated, added: int, passages: int) -> None:
        report = self.report
        report.passages += passages
        report.asked += made.asked
        report.kept += len(made.pairs)
        report.pairs += added
        report.changed = True
        report.dropped.update(verdict.reason for verdict in made.verdicts if not verdict.kept)

    def tell(self, **line: int | float | str) -> None:
        """Progress, at most a few times a second."""
        now = time.monotonic()
        if self._progress is not None and (now - self._told > 0.2 or "last" in line):
            self._told = now
            line.pop("last", None)
            self._progress(line)


def unfinished(store: Store) -> int:
    """How many passages have no pairs yet because a build or an addition was interrupted."""
    if store.journal_has("finished") and not store.journal_has(ADDING):
        return 0
    return store.count_to_ask()


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return vector / (np.linalg.norm(vector) or 1.0)


def _batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    stream = iter(items)
    while some := list(itertools.islice(stream, size)):
        yield some
