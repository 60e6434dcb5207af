"""What users call: ``build``, ``open`` and ``Memory``, the facade over store, index, generate and answering."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from quipu.answering.answerer import Answerer
from quipu.answering.answerer import Method as AskMethod
from quipu.answering.retrieve import SEARCH, Method, retrieve
from quipu.answering.scoring import Calibration, bundled
from quipu.answering.settings import AnswerSettings
from quipu.building import ADDING, Builder, BuildReport, Progress, unfinished
from quipu.errors import FormatError, InputError, QuipuError
from quipu.generate.pipeline import GenerateSettings
from quipu.growing import grow, refused_in
from quipu.memory import tokens
from quipu.memory.files import file_at, file_of, forget_file, keep_file, listed
from quipu.memory.index import Index, Rebuilding
from quipu.memory.interchange import export_memory
from quipu.memory.provenance import coverage, why
from quipu.memory.store import Store
from quipu.memory.verify import VerifyReport
from quipu.memory.verify import verify as verify_memory
from quipu.models.hub import bundled_file
from quipu.models.loaded import Models, sha256_of
from quipu.models.protocols import (
    Keys,
    SupportsAsk,
    SupportsEncode,
    SupportsRead,
    SupportsReadMany,
    SupportsReadMemory,
    SupportsRerank,
    SupportsWrite,
)
from quipu.records import Answer, Hit, QAPair
from quipu.settings import from_mapping
from quipu.syncing import MAX_DELETE, Changes, state_of, survey
from quipu.text import check_questions

BUNDLED_CALIBRATION = bundled_file("steps.json")


def build(
    documents: Sequence[str | Path] | str | Path,
    path: str | Path,
    *,
    pairs: str | Path | None = None,
    questions_per_passage: int | None = None,
    seed: int = 0,
    strict: bool = False,
    encoder: SupportsEncode | str | Path | None = None,
    writer: SupportsWrite | str | Path | None = None,
    reader: SupportsRead | str | Path | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Memory:
    """Make a memory of documents, ready pairs, or both; ``settings`` are those of ``GenerateSettings``.

    A build that was interrupted goes on where it stopped when called again with the same settings. Files that cannot
    be read are listed in ``memory.report.skipped``; with ``strict`` the first one raises ReadError. Raises InputError
    where ``path`` holds a finished memory or something else, and where nothing can be read: no memory is left then.
    """
    path = Path(path)
    is_new = not path.exists()
    wanted = from_mapping(
        GenerateSettings, {"questions_per_passage": questions_per_passage, "seed": seed, **settings}, "settings"
    )
    models = Models(encoder, writer, reader)
    paths = [documents] if isinstance(documents, str | Path) else list(documents)
    store = _begun(path, models, wanted)
    try:
        builder = Builder(store, models, wanted, progress)
        if pairs is not None:
            builder.add_pairs_file(Path(pairs), strict=strict)
        builder.add_documents(paths, strict=strict)
        if is_new and _is_empty(store):
            raise InputError(_nothing(builder.report))
        builder.ask()
        store.journal_mark("finished")
    except BaseException:
        empty = is_new and _is_empty(store)
        store.close()
        if empty:
            shutil.rmtree(path, ignore_errors=True)
        raise
    return Memory(store, models, builder.report)


def open(
    path: str | Path,
    *,
    read_only: bool = False,
    encoder: SupportsEncode | str | Path | None = None,
    reranker: SupportsRerank | str | Path | None = None,
    memory_reader: SupportsReadMemory | str | Path | None = None,
    language_model: SupportsReadMany | str | Path | None = None,
    settings: AnswerSettings | Mapping[str, Any] | None = None,
) -> Memory:
    """An existing memory. The encoder is the one that it was built with, unless one is given.

    ``settings``: names and values of ``AnswerSettings`` in place of those that the memory keeps.
    """
    store = Store.open(Path(path), read_only=read_only)
    known = store.manifest.get("settings", {})
    models = Models(
        encoder or known.get("encoder"), known.get("writer"), known.get("reader"), reranker, memory_reader,
        language_model,
    )  # fmt: skip
    memory = Memory(store, models)
    if settings is not None:
        try:
            memory.settings = (
                settings if isinstance(settings, AnswerSettings) else memory.settings.changed(settings, "settings")
            )
        except BaseException:
            store.close()
            raise
    return memory


class Memory:
    """A folder of question-answer pairs that answers questions. A context manager."""

    def __init__(self, store: Store, models: Models, report: BuildReport | None = None) -> None:
        """Use ``quipu.build`` or ``quipu.open``."""
        self._record: Store | None = store
        self._path = store.path
        self._models = models
        self._index: Index | None = None
        self._rebuilding = Rebuilding(store.path)
        self._encoder: SupportsEncode | None = None
        self._answerer: Answerer | None = None
        self._settings = AnswerSettings.of(store.manifest.get("answering"), str(store.path / "manifest.json"))
        self.report = report or BuildReport()

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.close()
        except QuipuError:
            if kind is None:  # else what went wrong first is the news
                raise

    @property
    def path(self) -> Path:
        """The memory's folder."""
        return self._path

    @property
    def store(self) -> Store:
        """The record, for those who need more than this facade."""
        return self._store

    @property
    def _store(self) -> Store:
        """The record; InputError after ``close``."""
        if self._record is None:
            raise InputError(f"{self._path}: this memory was closed; open it again with quipu.open")
        return self._record

    @property
    def models(self) -> Models:
        """The models, each loaded when it is first needed."""
        return self._models

    def close(self) -> None:
        """Let the folder go; a writer leaves an index that covers the pairs, all of them or nearly all."""
        if self._record is None:
            return
        try:
            if self._store.writing and (self.report.changed or self._index is not None):
                self._rebuilding.wait()
                Index.bring_up_to_date(self._store)
        finally:
            self._store.close()
            self._record = None

    @property
    def settings(self) -> AnswerSettings:
        """How many pairs and passages each step of answering looks at; assigned, they hold until this is closed."""
        return self._settings

    @settings.setter
    def settings(self, settings: AnswerSettings) -> None:
        self._settings, self._answerer = settings, None

    def keep_settings(self, settings: AnswerSettings) -> None:
        """Store the settings in the memory."""
        self._store.note("answering", settings.to_json())
        self.settings = settings

    @property
    def answerer(self) -> Answerer:
        """What answers, for those who need more than ``ask``."""
        if self._answerer is None:
            known = (self.own_calibration(), bundled(BUNDLED_CALIBRATION))
            calibrations = [item for item in known if item is not None]
            self._answerer = Answerer(self._store, self._models, self._near, calibrations, self._settings)
        return self._answerer

    def own_calibration(self) -> Calibration | None:
        """How this memory's probabilities are made, where it was calibrated."""
        stored = self._store.manifest.get("calibration")
        return None if stored is None else Calibration.from_json(stored, str(self.path / "manifest.json"))

    def keep_calibration(self, calibration: Calibration) -> None:
        """Store scorers and thresholds in the memory; what it said before is forgotten."""
        self._store.note("calibration", calibration.to_json())
        self._answerer = None

    def ask(
        self,
        question: str,
        *,
        k: int | None = None,
        method: AskMethod = "cascade",
        rerank: bool = False,
        min_probability: float | None = None,
        budget_ms: float | None = None,
    ) -> Answer:
        """The answer with its source and probability, or none, with the reason.

        method: "lookup" gives the answer of the best stored pair; "passage" reads the best passages; "read" reads the
        best pairs together; "hops" reads two passages that lead on from one another, or compares two things; "chain"
        does so with pairs alone; "span" finds where the stored tokens of the best passages answer; "cascade" does
        these in this order until one is sure enough (chains only where no passages can be read, spans never).

        ``k`` pairs are looked at (None: as many as the settings say). With ``rerank`` a second model chooses among
        them. An answer is held back below ``min_probability``; None: below the threshold of the memory's
        calibration, 0: never. ``budget_ms``: a cascade takes no step that will probably end after so many milliseconds.
        """
        options: dict[str, Any] = {"method": method, "min_probability": min_probability, "budget_ms": budget_ms}
        return self.ask_many([question], k=k, rerank=rerank, **options)[0]

    def ask_many(
        self,
        questions: Sequence[str],
        *,
        k: int | None = None,
        method: AskMethod = "cascade",
        rerank: bool = False,
        min_probability: float | None = None,
        budget_ms: float | None = None,
    ) -> list[Answer]:
        """An answer for each question, in order."""
        check_questions(questions)
        if k is not None and k < 1:
            raise InputError(f"k must be 1 or more, not {k}")
        self._wake()
        answers = self.answerer.ask_many(
            questions, k=k, method=method, rerank=rerank, min_probability=min_probability, budget_ms=budget_ms
        )
        if all(answer.text is not None for answer in answers) or not (waiting := unfinished(self._store)):
            return answers
        said = f"{waiting:,} passages have no pairs yet: give the command that was interrupted again"
        return [
            answer if answer.text is not None else replace(answer, reason=f"{answer.reason}; {said}")
            for answer in answers
        ]

    def search(self, question: str, k: int = 10, *, method: Method = "both") -> list[Hit]:
        """The best ``k`` stored pairs by vector, words, or both (reciprocal-rank fusion)."""
        return self.search_many([question], k, method=method)[0]

    def search_many(self, questions: Sequence[str], k: int = 10, *, method: Method = "both") -> list[list[Hit]]:
        """``search`` for many questions, encoded together."""
        check_questions(questions)
        return self._search(questions, k, method)

    def _search(self, questions: Sequence[str], k: int, method: Method = SEARCH) -> list[list[Hit]]:
        if k < 1:
            raise InputError(f"k must be 1 or more, not {k}")
        index, encoder = self._wake()
        index.refresh()
        k = min(k, max(1, index.size))
        vectors = None
        if method != "words":
            vectors = encoder.ask(questions) if isinstance(encoder, SupportsAsk) else encoder.encode(questions)
        return retrieve(questions, vectors, self._store, index, k, method)

    def add(self, pairs: Iterable[QAPair]) -> int:
        """Remember ready pairs; how many were new. Their keys are made of their questions."""
        return self._builder(None).add_pairs(pairs)

    def add_pairs_file(self, path: str | Path, *, strict: bool = False, progress: Progress | None = None) -> int:
        """Remember the pairs of a file (see ``quipu.corpus.pairs.read_pairs``), with their lines; how many were new.

        A file that was added before is read again: its pairs become those that it holds now. Rows without a pair are
        listed in ``report.skipped``; with ``strict`` the first raises InputError.
        """
        return self._builder(progress).add_pairs_file(Path(path), strict=strict)

    def add_document(self, path: str | Path, *, strict: bool = False) -> BuildReport:
        """Add one document, or replace exactly the pairs of an earlier version of it."""
        return self.add_documents([path], strict=strict)

    def add_documents(
        self,
        paths: Sequence[str | Path],
        *,
        pairs: str | Path | None = None,
        strict: bool = False,
        progress: Progress | None = None,
    ) -> BuildReport:
        """Add files and folders, and a file of ready pairs; what is known and unchanged stays as it is.

        A file that was renamed or moved is followed. Known files of the folders that are gone are listed in
        ``report.gone`` and stay in the memory: see ``sync``.
        """
        builder = self._builder(progress)
        if pairs is not None:
            builder.add_pairs_file(Path(pairs), strict=strict)
        builder.add_documents(paths, strict=strict)
        builder.ask()
        return self.report

    def sync(
        self,
        paths: Sequence[str | Path],
        *,
        delete: bool = False,
        max_delete: str | int = MAX_DELETE,
        strict: bool = False,
        progress: Progress | None = None,
    ) -> BuildReport:
        """Make the memory hold files and folders as they are now.

        As ``add_documents``; with ``delete`` known files of the folders that are gone are forgotten too, unless they
        are more than ``max_delete``: a number of files, or a percentage of the known files of the folders, rounded up.
        InputError then, and nothing is done. A folder that cannot be read, or that is empty, removes nothing.
        """
        changes = survey(self._store, paths, strict=strict)
        if delete:
            changes.check_deletions(max_delete)
        if changes or (delete and changes.gone) or unfinished(self._store):
            builder = self._builder(progress)
            builder.take_in(changes, delete=delete, strict=strict)
            builder.ask()
        else:
            self.report = BuildReport()
            self.report.note(changes)
            for file in changes.same:
                keep_file(self._store, file)
        return self.report

    def changes(self, paths: Sequence[str | Path]) -> Changes:
        """What ``sync`` would do with these files and folders; nothing is done."""
        return survey(self._store, paths)

    def documents(self) -> Iterator[dict[str, Any]]:
        """For every file: path, name, kind, title, when read, what became of it since, and counts. Streamed.

        ``state``: "" where the file is as it was read, "changed" or "missing".
        """
        for row in listed(self._store):
            yield {**row, "state": state_of(row["path"], row["size"], row["modified"])}

    def remove(self, *, document: str | None = None, pair: str | None = None) -> int:
        """Forget a document (by path, file or id) with its pairs, or one pair; how many pairs went."""
        if document is None:
            removed = self._store.remove(pair=pair)
            self.report.changed = True
            return removed
        found = self._store.find_documents(document)
        if not found and (known := file_at(self._store, os.path.realpath(document))) is not None:
            found = self._store.find_documents(known.name)
        if not found or pair is not None:
            return self._store.remove(document=document, pair=pair)  # says what is wrong
        before = self._store.count()
        with self._store.transaction():
            for name in {file_of(self._store, document_id) for document_id in found}:
                forget_file(self._store, name)
            self._builder(None).remove_documents(found)
        return before - self._store.count()

    def why(self, pair: str) -> dict[str, Any]:
        """Where a pair comes from: document, passage, span, generator, filter, all evidence, every verdict, when added.

        ``pair``: its id, or a beginning that only it has. A pair that was dropped has its verdicts.
        """
        return why(self._store, pair)

    def coverage(self) -> Iterator[dict[str, Any]]:
        """For every passage the pairs made, kept and dropped by reason; made = kept + all dropped. Streamed."""
        return coverage(self._store)

    def grow(self, log: str | Path, *, progress: Progress | None = None) -> dict[str, int]:
        """Make pairs for the refused questions of a log (JSONL of ``quipu ask --json``) that the passages answer."""
        return grow(self._store, self.ask, self._builder(progress), refused_in(Path(log)))

    def info(self) -> dict[str, Any]:
        """Counts, models, settings, threshold, and bytes on disk."""
        files = {file.name: file.stat().st_size for file in sorted(self.path.iterdir()) if file.is_file()}
        return {
            "path": str(self.path),
            "counts": self._store.counts(),
            "coded": dict(zip(("passages", "tokens", "bytes"), self._coded(), strict=True)),
            "dropped": self._store.verdict_counts(),
            "models": self._store.models,
            "settings": dict(self._store.manifest.get("settings", {})),
            "calibration": self._calibration_facts(),
            "bytes": {**files, "total": sum(files.values())},
            "finished": self._store.journal_has("finished") and not self._store.journal_has(ADDING),
        }

    def _calibration_facts(self) -> dict[str, Any] | None:
        """The threshold of the memory's answers and what it was fitted on; None where none is for its encoder."""
        own = self.own_calibration()
        found = own or bundled(BUNDLED_CALIBRATION)
        lookup = None if found is None else found.scorers.get("lookup", found.scorers.get("lookup_reranked"))
        if found is None or lookup is None or not set(lookup.models.values()) & set(self._store.models.values()):
            return None
        return {
            "threshold": found.threshold, "target_precision": found.target_precision,
            "fitted_on": found.fitted_on, "own": own is not None,
        }  # fmt: skip

    def _coded(self) -> tuple[int, int, int]:
        return tokens.count(self._store) if tokens.available(self._store) else (0, 0, 0)

    def rekey(self, *, progress: Progress | None = None) -> int:
        """Make every key anew with this memory's encoder, where it was built with another (version); how many.

        Token vectors of passages too, where they are missing or another encoder made them.

        Pairs stay as they are. A calibration of the memory is forgotten: it was for other scores.
        """
        encoder, total = self._models.encoder(), self._store.count()
        if sha256_of(encoder) in self._store.models.values() and "rekeying" not in self._store.manifest:
            self._builder(progress).code_passages()  # the keys are its own; the tokens may not be
            self._answerer = None
            return 0
        done = 0

        def make(texts: Sequence[str]) -> Keys:
            nonlocal done
            keys = encoder.encode(texts)
            done += len(texts)
            if progress is not None:
                progress({"stage": "rekey", "done": done, "total": total})
            return keys

        self._store.replace_vectors(make, encoder.name, sha256_of(encoder))
        self._builder(progress).code_passages()
        self._index = self._encoder = self._answerer = None
        Index.rebuild(self._store)
        return done

    def verify(self, *, repair: bool = False) -> VerifyReport:
        """Check everything (see ``quipu.memory.verify``); ``repair`` closes and reopens this memory."""
        if not repair:
            return verify_memory(self.path)
        read_only = self._store.read_only
        self._store.close()
        self._index = None
        try:
            return verify_memory(self.path, repair=True)
        finally:
            self._record = Store.open(self.path, read_only=read_only)
            self._answerer = None

    def export(self, path: str | Path) -> int:
        """Write the whole memory to a .jsonl or .parquet file; how many pairs."""
        return export_memory(self._store, Path(path))

    def _builder(self, progress: Progress | None) -> Builder:
        self._store.begin_writing()
        settings = _stored_settings(self._store)
        _check_encoder(self._store, self._models.encoder())
        builder = Builder(self._store, self._models, settings, progress, self._rebuilding)
        self.report = builder.report
        return builder

    def _near(self, texts: Sequence[str], k: int) -> list[list[Hit]]:
        return self._search(texts, k)

    def _wake(self) -> tuple[Index, SupportsEncode]:
        """Index and encoder, loaded by the first question."""
        store = self._store
        kept = store.manifest.get("answering")
        if store.reread_manifest():  # another process calibrated, or made the keys anew
            self._index = self._encoder = self._answerer = None
            if self._settings == AnswerSettings.of(kept, str(self.path)):
                self._settings = AnswerSettings.of(store.manifest.get("answering"), str(self.path))
        index, encoder = self._index, self._encoder  # another thread may set them meanwhile
        if encoder is None:
            encoder = self._models.encoder()
            _check_encoder(store, encoder)
            self._encoder = encoder
        if index is None:
            index = self._index = Index.load(store)
        return index, encoder


def _is_empty(store: Store) -> bool:
    counts = store.counts()
    return not counts["passages"] and not counts["pairs"]


def _nothing(report: BuildReport) -> str:
    """Why a build came to nothing, in one line."""
    why = "; ".join(f"{item.name}: {item.reason}" for item in report.skipped[:3])
    more = f" and {len(report.skipped) - 3:,} more" if len(report.skipped) > 3 else ""
    return f"nothing to build from: {f'no file can be read ({why}{more})' if why else 'there are no files'}"


def _begun(path: Path, models: Models, settings: GenerateSettings) -> Store:
    """A new store, or the one of an interrupted build with the same settings and encoder."""
    if (path / "manifest.json").exists():
        store = Store.open(path)
        if store.journal_has("finished"):
            store.close()
            raise InputError(
                f"{path} is a finished memory; add to it with: quipu add {path} DOCS, or choose another name"
            )
        if _stored_settings(store) != settings:
            store.close()
            raise InputError(f"{path} was begun with other settings; give the same ones, or choose another name")
        try:
            store.begin_writing()
            _check_encoder(store, models.encoder())
        except BaseException:
            store.close()
            raise
        return store
    encoder = models.encoder()
    known = {**settings.to_json(), **models.names}
    return Store.create(path, width=encoder.width, models={encoder.name: sha256_of(encoder)}, settings=known)


def _stored_settings(store: Store) -> GenerateSettings:
    known = dict(store.manifest.get("settings", {}))
    for name in ("encoder", "writer", "reader"):
        known.pop(name, None)
    return from_mapping(GenerateSettings, known, str(store.path / "manifest.json"))


def _check_encoder(store: Store, encoder: SupportsEncode) -> None:
    if "rekeying" in store.manifest:
        raise InputError(f"{store.path}: making its keys anew was interrupted; run: quipu rekey {store.path}")
    if encoder.width != store.width:
        raise FormatError(
            f"{store.path} holds keys of width {store.width}, the encoder {encoder.name} makes {encoder.width}"
        )
    if sha256_of(encoder) not in store.models.values():
        names = ", ".join(store.models)
        raise InputError(
            f"{store.path} was built with the encoder {names}, this one is {encoder.name}: its keys do not compare. "
            f"Make them anew with: quipu rekey {store.path}, or open it with the encoder that made it"
        )
