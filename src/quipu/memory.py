"""``Memory``, the facade over store, index, building and answering."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from quipu.answering.answerer import Answerer
from quipu.answering.answerer import Method as AskMethod
from quipu.answering.conflict_list import Conflict, conflicts_in
from quipu.answering.conflicts import Prefer
from quipu.answering.precision import Promise
from quipu.answering.retrieve import Method
from quipu.answering.scoring import Calibration
from quipu.answering.session import Session, check_encoder
from quipu.answering.settings import AnswerSettings
from quipu.building.builder import Builder, Progress, naming_unfinished, stored_settings, unfinished
from quipu.building.documents import add_documents, code_passages, take_in
from quipu.building.facts import facts
from quipu.building.generated import make_pairs
from quipu.building.growing import grow, refused_in
from quipu.building.outcome import BuildReport
from quipu.building.pairs import add_pairs, add_pairs_file
from quipu.building.reencoding import reencode
from quipu.building.removal import remove_named
from quipu.errors import InputError, QuipuError
from quipu.models.bundle import Models
from quipu.records import Answer, Hit, QAPair
from quipu.records.shown import Shown
from quipu.storage.feedback import Feedback, feedback_in, keep_feedback
from quipu.storage.files import keep_file, listed
from quipu.storage.index import Index, Rebuilding
from quipu.storage.interchange import export_memory
from quipu.storage.provenance import coverage, why
from quipu.storage.store import Store
from quipu.storage.transactions import naming_damage
from quipu.storage.verify import VerifyReport
from quipu.storage.verify import verify as verify_memory
from quipu.syncing import MAX_DELETE, Changes, state_of, survey
from quipu.text import check_question, check_questions

if TYPE_CHECKING:
    from quipu.building.external import External


class Memory(Shown):
    """A folder of question-answer pairs that answers questions. A context manager."""

    def __init__(
        self, store: Store, models: Models, report: BuildReport | None = None, llm: External | None = None
    ) -> None:
        """Use ``quipu.build`` or ``quipu.open``."""
        self._session = Session(store, models)
        self._closed = False
        self._path = store.path
        self._models = models
        self._llm = llm
        self._rebuilding = Rebuilding(store.path)
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
        return self._opened.store

    @property
    def _opened(self) -> Session:
        """What answers; InputError after ``close``."""
        if self._closed:
            raise InputError(f"{self._path}: this memory was closed; open it again with quipu.open")
        return self._session

    @property
    def models(self) -> Models:
        """The models, each loaded when it is first needed."""
        return self._models

    def close(self) -> None:
        """Let the folder go; a writer leaves an index that covers the pairs, all of them or nearly all."""
        if self._closed:
            return
        try:
            if self._llm is not None:
                self._llm.close()
            if self.store.writing and (self.report.changed or self._session.has_searched):
                self._rebuilding.wait()
                Index.bring_up_to_date(self.store)
        finally:
            self.store.close()
            self._closed = True

    @property
    def settings(self) -> AnswerSettings:
        """How many pairs and passages each step of answering looks at; assigned, they hold until this is closed."""
        return self._session.settings

    @settings.setter
    def settings(self, settings: AnswerSettings) -> None:
        self._session.settings = settings

    def keep_settings(self, settings: AnswerSettings) -> None:
        """Store the settings in the memory."""
        self.store.note("answering", settings.to_json())
        self.settings = settings

    @property
    def answerer(self) -> Answerer:
        """What answers, for those who need more than ``ask``."""
        return self._opened.answerer

    def own_calibration(self) -> Calibration | None:
        """How this memory's probabilities are made, where it was calibrated."""
        return self._opened.calibration()

    def keep_calibration(self, calibration: Calibration) -> None:
        """Store scorers and thresholds in the memory; what it said before is forgotten."""
        self._opened.keep_calibration(calibration)

    def ask(
        self,
        question: str,
        *,
        k: int | None = None,
        method: AskMethod | Literal["llm"] = "cascade",
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

        "llm" lets the external model answer with which the memory was opened, from passages alone; it is asked nowhere
        else, and its answers have no probability.

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
        method: AskMethod | Literal["llm"] = "cascade",
        rerank: bool = False,
        min_probability: float | None = None,
        precision: float | None = None,
        budget_ms: float | None = None,
        prefer: Prefer | None = None,
    ) -> list[Answer]:
        """An answer for each question, in order."""
        check_questions(questions)
        with naming_damage(self.path):
            self._opened.wake()
            if method == "llm":
                if self._llm is None:
                    raise InputError('the method "llm" needs an external model: --llm-url URL --llm-model ID')
                if min_probability is not None or precision is not None:
                    raise InputError(
                        "nothing says how probable an answer of an external model is: ask for no probability"
                    )
                return self.answerer.ask_externally(questions, self._llm.answering())
            answers = self.answerer.ask_many(
                questions, k=k, method=method, rerank=rerank, min_probability=min_probability, precision=precision,
                budget_ms=budget_ms, prefer=prefer,
            )  # fmt: skip
            return [self.store.named(item) for item in naming_unfinished(self.store, answers)]

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
        self.keep_mark(Feedback.of_words(self.store, question, answer, right))

    def keep_mark(self, feedback: Feedback) -> None:
        """``mark`` for what ``Feedback.of`` made of an answer, now or long ago."""
        self.store.begin_writing()
        encoder = self._models.encoder()
        check_encoder(self.store, encoder)
        keep_feedback(self.store, feedback, encoder.encode([feedback.question])[0])

    def feedback(self) -> Iterator[Feedback]:
        """Every answer that was marked, streamed."""
        with naming_damage(self.path):
            yield from feedback_in(self.store)

    def search(self, question: str, k: int = 10, *, method: Method = "both") -> list[Hit]:
        """The best ``k`` stored pairs by vector, words, or both (reciprocal-rank fusion)."""
        return self.search_many([question], k, method=method)[0]

    def search_many(self, questions: Sequence[str], k: int = 10, *, method: Method = "both") -> list[list[Hit]]:
        """``search`` for many questions, encoded together."""
        check_questions(questions)
        return self._opened.search(questions, k, method)

    def conflicts(self, *, progress: Progress | None = None) -> Iterator[Conflict]:
        """Every question that two sources answer differently, with both answers, the newer first. Streamed."""
        with naming_damage(self.path):
            yield from conflicts_in(self.store, Index.load(self.store), progress)

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
        changes = survey(self.store, [path], strict=strict, name=name)
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
        changes = survey(self.store, paths, strict=strict)
        if delete:
            changes.check_deletions(max_delete)
        if changes or (delete and changes.gone) or unfinished(self.store):
            builder = self._builder(progress)
            take_in(builder, changes, delete=delete, strict=strict)
            make_pairs(builder)
        else:
            self.report = BuildReport()
            self.report.note(changes)
            for file in changes.same:
                keep_file(self.store, file)
        return self.report

    def changes(self, paths: Sequence[str | Path]) -> Changes:
        """What ``sync`` would do with these files and folders; nothing is done."""
        return survey(self.store, paths)

    def documents(self) -> Iterator[dict[str, Any]]:
        """For every file: path, name, kind, title, when read, what became of it since, and counts. Streamed.

        ``state``: "" where the file is as it was read, "changed" or "missing".
        """
        with naming_damage(self.path):
            for row in listed(self.store):
                yield {**row, "state": state_of(row["path"], row["size"], row["modified"])}

    def remove(self, *, document: str | None = None, pair: str | None = None) -> int:
        """Forget a document (by path, file or id) with its pairs, or one pair; how many pairs went."""
        if document is None or pair is not None:
            removed = self.store.remove(document=document, pair=pair)  # which takes one of the two
            self.report.changed = True
            return removed
        return remove_named(self.store, document, lambda: self._builder(None))

    def why(self, pair: str) -> dict[str, Any]:
        """Where a pair comes from: document, passage, span, generator, filter, all evidence, every verdict, when added.

        ``pair``: its id, or a beginning that only it has. A pair that was dropped has its verdicts.
        """
        with naming_damage(self.path):
            return why(self.store, pair)

    def coverage(self) -> Iterator[dict[str, Any]]:
        """For every passage the pairs made, kept and dropped by reason; made = kept + all dropped. Streamed."""
        with naming_damage(self.path):
            yield from coverage(self.store)

    def grow(self, log: str | Path, *, progress: Progress | None = None) -> dict[str, int]:
        """Make pairs for the refused questions of a log (JSONL of ``quipu ask --json``) that the passages answer.

        A pair is kept only if the reader gives it back from its passage and lookup answers with it.
        """
        return grow(self._builder(progress), self.ask, self.answerer, refused_in(Path(log)))

    def info(self) -> dict[str, Any]:
        """Counts, models, settings, threshold, and bytes on disk."""
        return facts(self.store, self._opened.calibration_facts())

    def reencode(self, *, progress: Progress | None = None) -> int:
        """Make every key anew with this memory's encoder, where it was built with another (version); how many.

        Token vectors of passages too, where they are missing or another encoder made them.

        Pairs stay as they are. A calibration of the memory is forgotten: it was for other scores.
        """
        done = reencode(self.store, self._models.encoder(), progress)
        code_passages(self._builder(progress))  # where the keys were its own, the tokens may not be
        self._session.forget()
        return done

    def rekey(self, *, progress: Progress | None = None) -> int:
        """The former name of ``reencode``, in this version still."""
        warnings.warn("Memory.rekey is called Memory.reencode now", DeprecationWarning, stacklevel=2)
        return self.reencode(progress=progress)

    def verify(self, *, repair: bool = False) -> VerifyReport:
        """Check everything (see ``quipu.storage.verify``); ``repair`` closes and reopens this memory."""
        if not repair:
            return verify_memory(self.path)
        with self._opened.closed():
            return verify_memory(self.path, repair=True)

    def export(self, path: str | Path) -> int:
        """Write the whole memory to a .jsonl or .parquet file; how many pairs."""
        return export_memory(self.store, Path(path))

    def _builder(self, progress: Progress | None) -> Builder:
        self.store.begin_writing()
        settings = stored_settings(self.store)
        check_encoder(self.store, self._models.encoder())
        builder = Builder(self.store, self._models, settings, progress, self._rebuilding, self._llm)
        self.report = builder.report
        return builder
