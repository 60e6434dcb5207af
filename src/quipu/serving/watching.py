"""Folders that memories are synced with whenever a file changes: what ``quipu watch`` does, by the writer's process."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import quipu
from quipu.building.builder import is_finished
from quipu.errors import InputError, QuipuError
from quipu.serving.jobs import ENDED, Job
from quipu.serving.writing import Writers
from quipu.syncing import Watch

EVERY = 300.0
"""Seconds after which a memory is compared with its files also where none seems to have changed."""
POLL = 2.0
"""Seconds between two looks at the files."""


def watched_folders(given: Sequence[str], names: Sequence[str]) -> dict[str, list[str]]:
    """The files and folders of each memory, of "DOCS" or "NAME=DOCS".

    InputError for a path that is not there, and where there are several memories and none is named.
    """
    found: dict[str, list[str]] = {}
    for item in given:
        name, equals, path = item.partition("=")
        if not equals or name not in names:
            name, path = names[0], item
            if len(names) > 1:
                raise InputError(f"--watch {item}: say for which memory, as {names[0]}={item}")
        if not os.path.exists(path):
            raise InputError(f"--watch {item}: there is no such file or folder")
        found.setdefault(name, []).append(path)
    return found


@dataclass(slots=True)
class _Memory:
    name: str
    paths: list[str]
    watch: Watch
    job: Job | None = None
    said: str = ""


class Watcher:
    """A thread that puts a job into a memory's journal when its files are not as the memory knows them."""

    def __init__(self, writers: Writers, folders: Mapping[str, list[str]], delete: bool = False) -> None:
        """``delete``: files that are gone are forgotten, unless they are many (see ``Memory.sync``)."""
        self._writers, self._delete = writers, delete
        self._memories = [_Memory(name, paths, Watch(paths, EVERY)) for name, paths in folders.items()]
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="quipu-watcher", daemon=True)

    def start(self) -> None:
        """Begin to look, where there is anything to look at."""
        if self._memories:
            self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def _run(self) -> None:
        while not self._closing.is_set():
            for memory in self._memories:
                try:
                    self._look(memory)
                except QuipuError as error:
                    self._say(memory, str(error))
            self._closing.wait(POLL)

    def _look(self, memory: _Memory) -> None:
        journal = self._writers.journals[memory.name]
        if memory.job is not None:
            memory.job = journal.again(memory.job)
            if memory.job.state not in ENDED:
                return
            if memory.job.state == "failed":
                self._say(memory, f"{memory.job.detail}")
            if memory.job.code != "locked":
                memory.watch.done()
            memory.job = None
            return
        if not memory.watch.due():
            return
        with quipu.open(journal.memory, read_only=True) as opened:
            changes = opened.changes(memory.paths)
            needed = bool(changes) or (self._delete and bool(changes.gone)) or not is_finished(opened.store)
        if not needed:
            memory.watch.done()
            return
        memory.job = journal.add("sync", {"paths": memory.paths, "delete": self._delete})
        self._writers.wake()

    def _say(self, memory: _Memory, what: str) -> None:
        """On standard error, once: it may be found out every two seconds."""
        if what != memory.said:
            memory.said = what
            sys.stderr.write(f"quipu: --watch, {memory.name}: {what!r}\n")
