"""The process that writes: ``python -m quipu.serving.writer MEMORY...`` does the jobs of the journals, in their order.

It ends some time after the last job, or when its standard input does; a line there says that there may be a new job.
It may be killed at any moment: a job that was begun is begun again, and what it had committed is kept.
"""

from __future__ import annotations

import os
import select
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import quipu
from quipu.building.builder import Progress
from quipu.building.review import PairChanged, Reviewer
from quipu.errors import FormatError, InputError, MemoryLocked, QuipuError
from quipu.memory import Memory
from quipu.records import QAPair, content_id
from quipu.serving.jobs import Job, Journal
from quipu.storage.feedback import Feedback
from quipu.storage.files import file_of, known_files
from quipu.storage.reviews import last_review

Opener = Callable[[Path], Memory]
LINGER = 30.0
"""Seconds without a job after which the process ends."""
LOCKED = 60.0
"""Seconds that a job waits for another process that writes to the memory."""
_LOOK = 0.5  # seconds between two tries to be the writer


class JobProblem(QuipuError):
    """Why a job cannot be done, with the code of its problem."""

    def __init__(self, code: str, detail: str) -> None:
        """``code``: of ``quipu.serving.problems.STATUS``."""
        super().__init__(detail)
        self.code = code


def work(paths: Sequence[Path], opener: Opener = quipu.open) -> None:
    """Do the jobs of these memories until standard input ends, or there is none for ``LINGER`` seconds."""
    journals = [Journal(path) for path in paths]
    while True:
        while any([drain(journal, opener) for journal in journals]):
            pass
        ready, _, _ = select.select([sys.stdin], [], [], LINGER)
        if not ready or not os.read(sys.stdin.fileno(), 4096):
            return


def drain(journal: Journal, opener: Opener = quipu.open, locked: float = LOCKED) -> int:
    """Do the jobs of one memory until there is none; how many. The memory is let go between two rounds."""
    count = 0
    if (job := journal.next()) is None:
        return 0
    try:
        with opener(journal.memory) as memory:
            _begin_writing(memory, locked)
            while (job := journal.next()) is not None:
                count += 1
                if journal.begin(job):
                    _do(journal, job, memory)
    except Exception as error:  # another writer, a memory that is damaged
        if job is None:
            raise
        journal.fail(job, *_said(error))
        return count + 1
    return count


def _begin_writing(memory: Memory, seconds: float) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            memory.store.begin_writing()
            return
        except MemoryLocked:
            if time.monotonic() >= until:
                raise
            time.sleep(min(_LOOK, seconds))


def _do(journal: Journal, job: Job, memory: Memory) -> None:
    def tell(line: dict[str, int | float | str]) -> None:
        numbers = [int(float(line.get(name, 0))) for name in ("done", "total", "kept")]
        journal.tell(job, str(line["stage"]), *numbers)

    try:
        journal.succeed(job, _DOING[job.kind](journal, job, memory, tell))
    except Exception as error:
        journal.fail(job, *_said(error))


def _said(error: Exception) -> tuple[str, str]:
    """Code and line of what went wrong with a job."""
    if isinstance(error, JobProblem):
        return error.code, str(error)
    if isinstance(error, MemoryLocked):
        return "locked", str(error)
    if isinstance(error, QuipuError):
        return "damaged" if isinstance(error, FormatError) else "unusable", str(error)
    traceback.print_exception(error)
    return "internal", "an error that was not foreseen; the server's log has it"


def _add_document(journal: Journal, job: Job, memory: Memory, tell: Progress) -> dict[str, Any]:
    name = str(job.given["name"])
    if name != os.path.basename(name) or name in ("", ".", ".."):  # the route lets none through; a second lock
        raise JobProblem("invalid", f"{name!r} is a path, not a name")
    file = journal.uploads / content_id(name)[:16] / name
    path = os.path.realpath(file)
    other = next((known for known in known_files(memory.store) if known.name == name and known.path != path), None)
    came = journal.incoming / str(job.given["incoming"])
    if other is not None:
        raise JobProblem(
            "exists", f"{name} is known from a file that did not come over the network; rename the new one"
        )
    if came.exists():  # else the job was begun before
        file.parent.mkdir(parents=True, exist_ok=True)
        os.replace(came, file)
    report = memory.add_document(file, name=name, progress=tell)
    if report.skipped and not report.documents and not report.unchanged:
        _forget_upload(journal, memory, name)
        raise JobProblem("unusable", "; ".join(f"{item.name}: {item.reason}" for item in report.skipped[:3]))
    return report.to_json()


def _remove_document(journal: Journal, job: Job, memory: Memory, _: Progress) -> dict[str, Any]:
    document = str(job.given["document"])
    name = file_of(memory.store, document)
    if not name:
        if job.attempts:
            return {"removed_pairs": 0}  # it was removed when the job was begun before
        raise JobProblem("not_found", f"no document has the id {document}")
    removed = memory.remove(document=document)
    _forget_upload(journal, memory, name)
    return {"removed_pairs": removed}


def _forget_upload(journal: Journal, memory: Memory, name: str) -> None:
    """Delete the bytes of a document that is not in the memory."""
    folder = journal.uploads / content_id(name)[:16]
    if folder.is_dir() and not memory.store.find_documents(name):
        (folder / name).unlink(missing_ok=True)
        folder.rmdir()


def _add_pairs(_: Journal, job: Job, memory: Memory, tell: Progress) -> dict[str, Any]:
    pairs = [QAPair.make(question, answer, origin="user") for question, answer in job.given["pairs"]]
    known = [memory.store.question_answer_exists(pair.question, pair.answer) for pair in pairs]
    if all(known) and not job.attempts:
        raise JobProblem("exists", f"{'the pair is' if len(pairs) == 1 else 'all pairs are'} stored already")
    added = memory.add(pairs)
    return {"ids": [there or pair.id for there, pair in zip(known, pairs, strict=True)], "added": added}


def _change_pair(_: Journal, job: Job, memory: Memory, __: Progress) -> dict[str, Any]:
    """Put a new pair into the place of one; where its answer changes, it stands in no document any more."""
    former, question, answer = (str(job.given[name]) for name in ("pair", "question", "answer"))
    try:
        old = memory.store.pair(former)
    except InputError:
        known = memory.store.question_answer_exists(question, answer)
        if job.attempts and known is not None:  # it was changed when the job was begun before
            return {"id": known, "replaces": former}
        raise JobProblem("not_found", f"no pair has the id {former}") from None
    if answer == old.answer:
        made = QAPair.make(question, answer, document_id=old.document_id, span=old.span, line=old.line, origin="user")
    else:
        made = QAPair.make(question, answer, origin="user")
    if made.id == old.id and (made.question, made.answer) == (old.question, old.answer):
        raise JobProblem("exists", "the pair says so already")
    with memory.store.transaction():
        memory.remove(pair=old.id)
        if not memory.add([made]):
            raise JobProblem("exists", "another pair says so already")
    return {"id": made.id, "replaces": old.id}


def _remove_pair(_: Journal, job: Job, memory: Memory, __: Progress) -> dict[str, Any]:
    pair = str(job.given["pair"])
    try:
        memory.remove(pair=pair)
    except InputError:
        if not job.attempts:
            raise JobProblem("not_found", f"no pair has the id {pair}") from None
    return {"removed": pair}


def _review(_: Journal, job: Job, memory: Memory, __: Progress) -> dict[str, Any]:
    """Decide about a pair, once: where the writer was killed, what it had committed is found."""
    given = {name: str(value) for name, value in job.given.items()}
    pair, decision = given["pair"], given["decision"]
    reviewer = Reviewer(memory.store, memory.models.encoder, given["by"])
    if job.attempts and decision != "undo":
        last = last_review(memory.store)
        if last is not None and (last.original, last.decision, last.by) == (pair, decision, given["by"]):
            return {"id": last.pair, "replaces": pair, "decision": decision}
    if decision == "undo":
        if last_review(memory.store, pair) is None:
            if job.attempts:
                return {"id": pair, "replaces": pair, "decision": decision}
            raise JobProblem("not_found", "there is no decision about this pair to take back")
        return _decided(pair, decision, lambda: reviewer.undo(pair).original)
    version, note = given["version"], given["note"]
    if decision == "edit":
        texts = given["question"], given["answer"]
        return _decided(pair, decision, lambda: reviewer.edit(pair, *texts, version, note).pair)
    decide = reviewer.accept if decision == "accept" else reviewer.reject
    return _decided(pair, decision, lambda: decide(pair, version, note).pair)


def _decided(pair: str, decision: str, decide: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"id": decide(), "replaces": pair, "decision": decision}
    except PairChanged as error:
        raise JobProblem("changed", str(error)) from None


def _mark(_: Journal, job: Job, memory: Memory, __: Progress) -> dict[str, Any]:
    """Keep what was said of an answer, unless its document or pair was removed since: nothing of it may stay then."""
    marks = 0
    if job.given["mark"] is not None:
        mark = Feedback(*job.given["mark"])
        if not (memory.store.find_documents(mark.source) if mark.source else _is_stored(memory, mark.pair)):
            raise JobProblem("not_found", "what this answer came from is no longer in the memory")
        memory.keep_mark(mark)
        marks += 1
    if job.given["expected"] is not None:
        memory.mark_text(str(job.given["question"]), str(job.given["expected"]), True)
        marks += 1
    return {"verdict": job.given["verdict"], "marks": marks}


def _is_stored(memory: Memory, pair: str | None) -> bool:
    try:
        return pair is None or bool(memory.store.pair(pair))
    except InputError:
        return False


def _grow(journal: Journal, job: Job, memory: Memory, tell: Progress) -> dict[str, Any]:
    return memory.grow(journal.incoming / str(job.given["incoming"]), progress=tell)


def _sync(_: Journal, job: Job, memory: Memory, tell: Progress) -> dict[str, Any]:
    return memory.sync(list(job.given["paths"]), delete=bool(job.given["delete"]), progress=tell).to_json()


_DOING: dict[str, Callable[[Journal, Job, Memory, Progress], dict[str, Any]]] = {
    "add_document": _add_document, "remove_document": _remove_document, "add_pairs": _add_pairs,
    "change_pair": _change_pair, "remove_pair": _remove_pair, "review": _review, "mark": _mark,
    "grow": _grow, "sync": _sync,
}  # fmt: skip


if __name__ == "__main__":
    work([Path(argument) for argument in sys.argv[1:]])
