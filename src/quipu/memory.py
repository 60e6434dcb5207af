"""``Memory``, the facade over store, index, building and answering."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from quipu.answering.answerer import Answerer
from quipu.answering.answerer import Method as AskMethod
from quipu.answering.conflict_list import Conflict, conflicts_in
from quipu.answering.conflicts import Prefer
from quipu.answering.precision import Promise
from quipu.answering.retrieve import SEARCH, Method, retrieve
from quipu.answering.scoring import Calibration, bundled
from quipu.answering.settings import AnswerSettings
from quipu.building.builder import Builder, Progress, check_encoder, is_finished, stored_settings, unfinished
from quipu.building.documents import add_documents, code_passages, take_in
from quipu.building.generated import make_pairs
from quipu.building.growing import grow, refused_in
from quipu.building.outcome import BuildReport
from quipu.building.pairs import add_pairs, add_pairs_file
from quipu.building.reencoding import reencode
from quipu.building.removal import remove_documents
from quipu.corpus.files import named
from quipu.errors import InputError, QuipuError
from quipu.models.bundle import Models
from quipu.models.folders import bundled_file
from quipu.models.protocols import (
    SupportsAsk,
    SupportsEncode,
)
from quipu.records import Answer, Hit, QAPair
from quipu.storage import passage_vectors
from quipu.storage.feedback import Feedback, count_feedback, feedback_in, forget_feedback, keep_feedback
from quipu.storage.files import file_at, file_of, forget_file, keep_file, listed
from quipu.storage.index import Index, Rebuilding
from quipu.storage.interchange import export_memory
from quipu.storage.provenance import coverage, why
from quipu.storage.store import Store
from quipu.storage.transactions import naming_damage
from quipu.storage.verify import VerifyReport
from quipu.storage.verify import verify as verify_memory
from quipu.syncing import MAX_DELETE, Changes, state_of, survey
from quipu.text import check_question, check_questions

BUNDLED_CALIBRATION = bundled_file("steps.json")


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
            self._answerer = Answerer(self._store, self._models, self._search, calibrations, self._settings)
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
        precision: float | None = None,
        budget_ms: float | None = None,
        prefer: Prefer | None = None,
    ) -> Answer:
        """The answer with its source and probability, or none, with the reason.

        method: "lookup" gives the answer of the best stored pair; "passage" reads the best passages; "read" reads the
        best pairs together; "hops" reads two passages that lead on from one another, or compares two things; "chain"
        does so with pairs alone; "span" finds where the stored tokens of the best passages answer; "cascade" does
        these in this order until one is sure enough (chains only where no passages can be read, spans never).

        ``k`` pairs are looked at (None: as many as the settings say). With ``rerank`` a second model chooses among
        them. An answer is held back below ``min_probability``; None: below the threshold of the memory's
        calibration, 0: never. ``precision`` instead: below the probability from which so many of the answers that are
        given are right, see ``promised``. ``budget_ms``: a cascade takes no step that will probably end after so many
        milliseconds.

        Where other sources answer otherwise, ``elsewhere`` has what they say, with their dates. ``prefer``: "newest" or
        "first" gives the answer of the newest or the oldest source, "both" gives all answers, the newest first.
        """
        options: dict[str, Any] = {"min_probability": min_probability, "precision": precision, "budget_ms": budget_ms}
        return self.ask_many([question], k=k, method=method, rerank=rerank, prefer=prefer, **options)[0]

    def ask_many(
        self,
        questions: Sequence[str],
        *,
        k: int | None = None,
        method: AskMethod = "cascade",
        rerank: bool = False,
        min_probability: float | None = None,
        precision: float | None = None,
        budget_ms: float | None = None,
        prefer: Prefer | None = None,
    ) -> list[Answer]:
        """An answer for each question, in order."""
        check_questions(questions)
        if k is not None and k < 1:
            raise InputError(f"k must be 1 or more, not {k}")
        if precision is not None and min_probability is not None:
            raise InputError("give a precision or a least probability, not both")
        with naming_damage(self.path):
            self._wake()
            if precision is not None:
                min_probability = self.promised(precision, method, rerank=rerank).probability
            answers = self.answerer.ask_many(
                questions, k=k, method=method, rerank=rerank, min_probability=min_probability, budget_ms=budget_ms,
                prefer=prefer,
            )  # fmt: skip
            if all(answer.text is not None for answer in answers) or not (waiting := unfinished(self._store)):
                return answers
        said = f"{waiting:,} passages have no pairs yet: give the command that was interrupted again"
        return [
            answer if answer.text is not None else replace(answer, reason=f"{answer.reason}; {said}")
            for answer in answers
        ]

    def promised(self, precision: float, method: AskMethod = "cascade", *, rerank: bool = False) -> Promise:
        """The threshold for a wanted precision, by this memory's calibration or the one that ships.

        It is the least probability from which a share ``precision`` of the answers given is expected to be right, with
        the share of the calibration's questions that this leaves. InputError where it is out of reach.
        """
        with naming_damage(self.path):
            return self.answerer.promised(precision, method, rerank=rerank)

    def mark(self, answer: Answer, right: bool) -> None:
        """Say that an answer of this memory is right, or wrong; a wrong one never returns to its question.

        It is kept in the memory. What is wrong does not return to a question that asks the same in nearly the same
        words either. Marked answers calibrate the memory: ``quipu calibrate MEMORY --from-feedback``.
        """
        self.keep_mark(Feedback.of(answer, right))

    def mark_text(self, question: str, answer: str, right: bool) -> None:
        """``mark`` for the words of an answer, which need not be what the memory answers now."""
        check_question(question)
        if not answer.strip():
            raise InputError("an answer that is marked must not be empty")
        pair = self._store.question_answer_exists(question, answer)
        document = None if pair is None else self._store.pair(pair).document_id
        source = self._store.source(document) if document else ""
        self.keep_mark(Feedback(question, answer.strip(), right, pair, source))

    def keep_mark(self, feedback: Feedback) -> None:
        """``mark`` for what ``Feedback.of`` made of an answer, now or long ago."""
        self._store.begin_writing()
        encoder = self._models.encoder()
        check_encoder(self._store, encoder)
        keep_feedback(self._store, feedback, encoder.encode([feedback.question])[0])

    def feedback(self) -> Iterator[Feedback]:
        """Every answer that was marked, streamed."""
        with naming_damage(self.path):
            yield from feedback_in(self._store)

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
        with naming_damage(self.path):
            index, encoder = self._wake()
            index.refresh()
            k = min(k, max(1, index.size))
            vectors = None
            if method != "words":
                vectors = encoder.ask(questions) if isinstance(encoder, SupportsAsk) else encoder.encode(questions)
            return retrieve(questions, vectors, self._store, index, k, method)

    def conflicts(self, *, progress: Progress | None = None) -> Iterator[Conflict]:
        """Every question that two sources answer differently, with both answers, the newer first. Streamed."""
        with naming_damage(self.path):
            yield from conflicts_in(self._store, Index.load(self._store), progress)

    def add(self, pairs: Iterable[QAPair]) -> int:
        """Remember ready pairs; how many were new. Their keys are made of their questions."""
        return add_pairs(self._builder(None), pairs)

    def add_pairs_file(self, path: str | Path, *, strict: bool = False, progress: Progress | None = None) -> int:
        """Remember the pairs of a file (see ``quipu.corpus.pairs.read_pairs``), with their lines; how many were new.

        A file that was added before is read again: its pairs become those that it holds now. Rows without a pair are
        listed in ``report.skipped``; with ``strict`` the first raises InputError.
        """
        return add_pairs_file(self._builder(progress), Path(path), strict=strict)

    def add_document(
        self, path: str | Path, *, name: str | None = None, strict: bool = False, progress: Progress | None = None
    ) -> BuildReport:
        """Add one document, or replace exactly the pairs of an earlier version of it.

        ``name``: how a file is shown that is new, in place of its path.
        """
        changes = survey(self._store, [path], strict=strict, name=name)
        builder = self._builder(progress)
        take_in(builder, changes, strict=strict)
        make_pairs(builder)
        return self.report

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
            add_pairs_file(builder, Path(pairs), strict=strict)
        add_documents(builder, paths, strict=strict)
        make_pairs(builder)
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
            take_in(builder, changes, delete=delete, strict=strict)
            make_pairs(builder)
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
        with naming_damage(self.path):
            for row in listed(self._store):
                yield {**row, "state": state_of(row["path"], row["size"], row["modified"])}

    def remove(self, *, document: str | None = None, pair: str | None = None) -> int:
        """Forget a document (by path, file or id) with its pairs, or one pair; how many pairs went."""
        if document is None:
            removed = self._store.remove(pair=pair)
            self.report.changed = True
            return removed
        path, document = os.path.realpath(document), named(document)
        found = self._store.find_documents(document)
        if not found and (known := file_at(self._store, named(path))) is not None:
            found = self._store.find_documents(known.name)
        if not found or pair is not None:
            return self._store.remove(document=document, pair=pair)  # says what is wrong
        before = self._store.count()
        with self._store.transaction():
            forget_feedback(self._store, [self._store.source(document_id) for document_id in found])
            for name in {file_of(self._store, document_id) for document_id in found}:
                forget_file(self._store, name)
            remove_documents(self._builder(None), found)
        return before - self._store.count()

    def why(self, pair: str) -> dict[str, Any]:
        """Where a pair comes from: document, passage, span, generator, filter, all evidence, every verdict, when added.

        ``pair``: its id, or a beginning that only it has. A pair that was dropped has its verdicts.
        """
        with naming_damage(self.path):
            return why(self._store, pair)

    def coverage(self) -> Iterator[dict[str, Any]]:
        """For every passage the pairs made, kept and dropped by reason; made = kept + all dropped. Streamed."""
        with naming_damage(self.path):
            yield from coverage(self._store)

    def grow(self, log: str | Path, *, progress: Progress | None = None) -> dict[str, int]:
        """Make pairs for the refused questions of a log (JSONL of ``quipu ask --json``) that the passages answer.

        A pair is kept only if the reader gives it back from its passage and lookup answers with it.
        """
        return grow(self._builder(progress), self.ask, self.answerer, refused_in(Path(log)))

    def info(self) -> dict[str, Any]:
        """Counts, models, settings, threshold, and bytes on disk."""
        files = {file.name: file.stat().st_size for file in sorted(self.path.iterdir()) if file.is_file()}
        return {
            "path": str(self.path),
            "counts": self._store.counts(),
            "coded": dict(zip(("passages", "tokens", "bytes"), self._coded(), strict=True)),
            "dropped": self._store.verdict_counts(),
            "marked": count_feedback(self._store),
            "models": self._store.models,
            "settings": dict(self._store.manifest.get("settings", {})),
            "calibration": self._calibration_facts(),
            "bytes": {**files, "total": sum(files.values())},
            "finished": is_finished(self._store),
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
        return passage_vectors.count(self._store) if passage_vectors.available(self._store) else (0, 0, 0)

    def reencode(self, *, progress: Progress | None = None) -> int:
        """Make every key anew with this memory's encoder, where it was built with another (version); how many.

        Token vectors of passages too, where they are missing or another encoder made them.

        Pairs stay as they are. A calibration of the memory is forgotten: it was for other scores.
        """
        done = reencode(self._store, self._models.encoder(), progress)
        code_passages(self._builder(progress))  # where the keys were its own, the tokens may not be
        self._index = self._encoder = self._answerer = None
        return done

    def rekey(self, *, progress: Progress | None = None) -> int:
        """The former name of ``reencode``, in this version still."""
        warnings.warn("Memory.rekey is called Memory.reencode now", DeprecationWarning, stacklevel=2)
        return self.reencode(progress=progress)

    def verify(self, *, repair: bool = False) -> VerifyReport:
        """Check everything (see ``quipu.storage.verify``); ``repair`` closes and reopens this memory."""
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
        settings = stored_settings(self._store)
        check_encoder(self._store, self._models.encoder())
        builder = Builder(self._store, self._models, settings, progress, self._rebuilding)
        self.report = builder.report
        return builder

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
            check_encoder(store, encoder)
            self._encoder = encoder
        if index is None:
            index = self._index = Index.load(store)
        return index, encoder
