"""Keeps a process that writes while there are jobs, and starts another where it dies.

A job at which it dies is tried a few times, then it is failed and the next one goes on: the journal counts the tries
that were begun, this the processes that did not come so far.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from quipu.serving.jobs import ATTEMPTS, Job, Journal, given_up

_PAUSE = 30.0  # at most so many seconds before another try, where the process ends with an error
_State = tuple[str, int] | None  # of a memory's first job: its id, and how often it was begun


class Writers:
    """The journals by the names of their memories, and the one process that does their jobs."""

    def __init__(
        self,
        journals: Mapping[str, Journal],
        command: Sequence[str] | None = None,
        wake: Callable[[], None] | None = None,
    ) -> None:
        """``command``: what is run, by default ``quipu.serving.writer`` with the memories' folders.

        ``wake``: where another process keeps the one that writes, what tells it that there is a new job.
        """
        self.journals = journals
        self._told = wake
        folders = [str(journal.memory) for journal in journals.values()]
        self._command = list(command or [sys.executable, "-m", "quipu.serving.writer", *folders])
        self._process: subprocess.Popen[bytes] | None = None
        self._woken = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="quipu-writer", daemon=True)

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The process, while there is one."""
        return self._process

    def start(self) -> None:
        """Do what the last server left undone, and what ``wake`` announces."""
        if self._told is not None:
            return
        self._woken.set()
        self._thread.start()

    def wake(self) -> None:
        """There is a new job."""
        if self._told is not None:
            self._told()
            return
        self._woken.set()
        if (process := self._process) is not None and process.stdin is not None:
            with suppress(OSError, ValueError):  # it is ending; the thread looks again then
                process.stdin.write(b"\n")
                process.stdin.flush()

    def find(self, job_id: str) -> tuple[str, Job] | None:
        """A job, with the name of its memory."""
        for name, journal in self.journals.items():
            if (job := journal.find(job_id)) is not None:
                return name, job
        return None

    def close(self) -> None:
        """End the process; what it was doing is begun again by the next server."""
        self._closing.set()
        self._woken.set()
        if (process := self._process) is not None:
            process.terminate()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def _run(self) -> None:
        failed = idle = 0  # processes, one after the other, that ended badly; that did not begin the job
        while not self._closing.is_set():
            self._woken.wait()
            self._woken.clear()
            while not self._closing.is_set() and any(before := self._first()):
                code = self._work()
                if self._closing.is_set():
                    for journal in self.journals.values():
                        journal.put_back()
                    return
                idle = idle + 1 if self._first() == before else 0
                failed = failed + 1 if code or idle else 0
                if idle == ATTEMPTS:
                    self._give_up()
                    failed = idle = 0
                if failed:
                    self._closing.wait(min(_PAUSE, 0.1 * 2**failed))

    def _first(self) -> list[_State]:
        jobs = [journal.next() for journal in self.journals.values()]
        return [None if job is None else (job.id, job.attempts) for job in jobs]

    def _give_up(self) -> None:
        """Fail the job that the process would have begun: the first one of the first memory that has any."""
        for journal in self.journals.values():
            if (job := journal.next()) is not None:
                journal.fail(job, "internal", given_up(ATTEMPTS))
                return

    def _work(self) -> int:
        """One process, from its start to its end: its exit code, 1 where it cannot be started."""
        try:
            process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the server, which ends this one when it ends
            )  # fmt: skip
        except OSError as error:
            sys.stderr.write(f"quipu: the process that writes cannot be started: {error}\n")
            return 1
        with process:
            self._process = process
            if self._closing.is_set():
                process.terminate()
            code = process.wait()
            self._process = None
        return code
