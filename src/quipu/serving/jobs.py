"""The journal of a memory's jobs: what is to be written, how far it is, and how it ended; on the disk, in the memory.

The server puts jobs in, the writer's process does them in their order. Both may be killed at any moment: what is in
the journal is done once the writer runs again.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal[
    "add_document", "remove_document", "add_pairs", "change_pair", "remove_pair", "review", "mark", "grow", "sync"
]
State = Literal["queued", "running", "done", "failed", "cancelled"]
ENDED = frozenset({"done", "failed", "cancelled"})
ATTEMPTS = 3
"""How often a job is tried whose writer dies."""
_KEPT = 1_000  # jobs that have ended and are remembered
_COLUMNS = "id, kind, given, state, stage, done, total, kept, report, code, detail, attempts, created, ended"
_SCHEMA = """CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, given TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued', stage TEXT, done INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0, kept INTEGER NOT NULL DEFAULT 0, report TEXT, code TEXT, detail TEXT,
    attempts INTEGER NOT NULL DEFAULT 0, created TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
    ended TEXT
)"""


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the journal. ``given``: what the job is to do, ``report``: what it did, ``code``: of its problem."""

    id: str
    kind: Kind
    given: Mapping[str, Any]
    state: State
    stage: str | None
    done: int
    total: int
    kept: int
    report: Mapping[str, Any] | None
    code: str | None
    detail: str | None
    attempts: int
    created: str
    ended: str | None

    def to_json(self) -> dict[str, Any]:
        """What a client is shown."""
        return {
            "id": self.id, "kind": self.kind, "state": self.state, "stage": self.stage, "done": self.done,
            "total": self.total, "kept": self.kept, "report": self.report, "code": self.code, "detail": self.detail,
            "created": self.created, "ended": self.ended,
        }  # fmt: skip


def given_up(times: int) -> str:
    """Why a job is tried no more."""
    return f"the process that writes died {times} times at it; the server's log has what it said"


class Journal:
    """That of one memory. Usable from any thread and process."""

    def __init__(self, memory: Path) -> None:
        """In the folder ``serving`` of the memory, which is made by the first job."""
        self.folder = memory / "serving"
        self.memory = memory

    @property
    def incoming(self) -> Path:
        """Where the bytes of documents wait, each under a name that the server made."""
        return self.folder / "incoming"

    @property
    def uploads(self) -> Path:
        """Where documents stay that came over the network: a folder that the server named, for each."""
        return self.folder / "uploads"

    def add(self, kind: Kind, given: Mapping[str, Any]) -> Job:
        """A new job, on the disk when this returns."""
        job_id = secrets.token_hex(8)
        with self._open(new=True) as database:
            database.execute(
                "INSERT INTO jobs (id, kind, given) VALUES (?, ?, ?)", (job_id, kind, json.dumps(dict(given)))
            )
            database.execute(
                "DELETE FROM jobs WHERE ended IS NOT NULL AND number <= (SELECT max(number) FROM jobs) - ?", (_KEPT,)
            )
        found = self.find(job_id)
        assert found is not None
        return found

    def find(self, job_id: str) -> Job | None:
        """The job with this id."""
        return next(self._rows("WHERE id = ?", (job_id,)), None)

    def again(self, job: Job) -> Job:
        """The job as it is now."""
        return self.find(job.id) or job

    def next(self) -> Job | None:
        """The oldest job that has not ended."""
        return next(self._rows("WHERE ended IS NULL ORDER BY number LIMIT 1", ()), None)

    def begin(self, job: Job) -> bool:
        """Say that the job runs; False where it was cancelled or ended, or was begun too often, which ends it."""
        if job.attempts >= ATTEMPTS:
            self.fail(job, "internal", given_up(job.attempts))
            return False
        with self._open() as database:
            changed = database.execute(
                "UPDATE jobs SET state = 'running', attempts = attempts + 1 WHERE id = ? AND ended IS NULL", (job.id,)
            )
            return bool(changed.rowcount)

    def put_back(self) -> None:
        """The writer was ended for no fault of its job: this try does not count. That it was begun stays known."""
        if (job := self.next()) is not None and job.state == "running":
            with self._open() as database:
                database.execute("UPDATE jobs SET attempts = max(1, attempts - 1) WHERE id = ?", (job.id,))

    def tell(self, job: Job, stage: str, done: int, total: int, kept: int) -> None:
        """How far the job is."""
        with self._open() as database:
            database.execute(
                "UPDATE jobs SET stage = ?, done = ?, total = ?, kept = ? WHERE id = ?",
                (stage, done, total, kept, job.id),
            )

    def succeed(self, job: Job, report: Mapping[str, Any]) -> None:
        """The job is done."""
        self._end(job, "done", json.dumps(dict(report)))

    def fail(self, job: Job, code: str, detail: str) -> None:
        """The job could not be done."""
        self._end(job, "failed", None, code, detail)

    def cancel(self, job: Job) -> bool:
        """End a job that was not begun; whether it was one."""
        return self._end(job, "cancelled", among="queued")

    def _end(
        self, job: Job, state: State, report: str | None = None, code: str | None = None, detail: str | None = None,
        among: State | None = None,
    ) -> bool:  # fmt: skip
        """Note how a job ended, if its state is ``among`` (None: any), and then let go of what was sent for it.

        The bytes go last: as long as the job has not ended it may be begun again.
        """
        with self._open() as database:
            changed = database.execute(
                "UPDATE jobs SET state = ?, report = ?, code = ?, detail = ?,"
                " ended = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') WHERE id = ? AND ifnull(state = ?, 1)",
                (state, report, code, detail, job.id, among),
            )
        if changed.rowcount and "incoming" in job.given:
            (self.incoming / str(job.given["incoming"])).unlink(missing_ok=True)
        return bool(changed.rowcount)

    def _rows(self, condition: str, values: tuple[object, ...]) -> Iterator[Job]:
        if not (self.folder / "jobs.sqlite").exists():
            return
        with self._open() as database:
            rows: list[tuple[Any, ...]] = database.execute(
                f"SELECT {_COLUMNS} FROM jobs {condition}", values
            ).fetchall()
        for job_id, kind, given, state, stage, done, total, kept, report, *rest in rows:
            said = None if report is None else json.loads(report)
            yield Job(job_id, kind, json.loads(given), state, stage, done, total, kept, said, *rest)

    @contextmanager
    def _open(self, *, new: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection for one transaction; what is committed is on the disk."""
        if new:
            self.incoming.mkdir(parents=True, exist_ok=True)
            self.uploads.mkdir(exist_ok=True)
            os.chmod(self.folder, 0o700)
        database = sqlite3.connect(self.folder / "jobs.sqlite", timeout=30.0)
        try:
            database.execute("PRAGMA synchronous = FULL")
            database.execute(_SCHEMA)
            with database:
                yield database
        finally:
            database.close()
