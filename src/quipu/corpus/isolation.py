"""Readers run in a process of their own: one that crashes, hangs or grows costs a line and a new process.

The process lives for many files. Frames of JSON go over its pipes, each behind its length; nothing is unpickled.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

from quipu.corpus.files import FileRead, FoundFile, Skipped
from quipu.corpus.limits import Limits, shown_bytes, use
from quipu.corpus.reading import read_file
from quipu.errors import InputError
from quipu.records import Document, Mark, Span

_LENGTH = struct.Struct("!Q")
_CHUNK = 1 << 20  # bytes read at once
_PATIENCE = 15  # wall seconds for each CPU second allowed: a disk that hangs uses no CPU time
_START = 60.0  # wall seconds
_CODE = "import sys; sys.path[:] = sys.argv[2:]; from quipu.corpus.isolation import serve; serve(sys.argv[1])"


class Worker:
    """Reads files in a child process, which starts with the first one. A context manager: leaving it ends the child."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._received = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the child, whatever it does."""
        process, self._process = self._process, None
        self._received.clear()
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            process.wait()

    def read(self, found: FoundFile) -> Iterator[Document | Skipped | FileRead]:
        """What ``read_file`` gives; where the child does not live to the file's end, the reason, and not complete."""
        if not sys.executable or getattr(sys, "frozen", False):  # no Python of its own to start
            yield from read_file(found)
            return
        size, modified = _status(found)
        allowed = self._limits.seconds_for(size)
        try:
            self._send({"path": found.path, "name": found.name, "file": os.path.abspath(found.file)})
            while True:
                frame = self._receive(_PATIENCE * allowed)
                item = _item(frame)
                if isinstance(item, FileRead):
                    if frame["last"]:
                        self.close()
                    yield item
                    return
                yield item
        except _Ended as ended:
            reason = ended.args[0] or self._cause(allowed)
        except GeneratorExit:
            self.close()  # what it still sends belongs to this file
            raise
        self.close()
        yield Skipped(found.name, reason)
        yield FileRead(found.path, found.name, False, size, modified)

    def _start(self) -> subprocess.Popen[bytes]:
        """A child that said that it is ready; InputError where it does not start."""
        paths = [path for path in sys.path if path]
        # -P, and no empty path: a file json.py in the folder that is read must not be taken for the library's
        command = [sys.executable, "-P", "-c", _CODE, json.dumps(asdict(self._limits)), *paths]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            process_group=0,
        )
        try:
            self._receive(_START)
        except _Ended:
            self.close()
            limit = shown_bytes(self._limits.memory)
            raise InputError(f"the process that reads documents does not start; its memory limit is {limit}") from None
        return self._process

    def _send(self, message: dict[str, Any]) -> None:
        process = self._process or self._start()
        with contextlib.suppress(BrokenPipeError):  # _receive says why
            _write(cast(BinaryIO, process.stdin), message)

    def _receive(self, patience: float) -> dict[str, Any]:
        """The next frame; _Ended where the child is gone or silent for ``patience`` seconds."""
        self._fill(_LENGTH.size, patience)
        (length,) = _LENGTH.unpack_from(self._received)
        self._fill(_LENGTH.size + length, patience)
        frame = json.loads(bytes(memoryview(self._received)[_LENGTH.size : _LENGTH.size + length]))
        del self._received[: _LENGTH.size + length]
        return cast(dict[str, Any], frame)

    def _fill(self, size: int, patience: float) -> None:
        assert self._process is not None and self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        end = time.monotonic() + patience
        waiting = select.poll()  # select() itself cannot watch descriptors above 1,023
        waiting.register(pipe, select.POLLIN)
        while len(self._received) < size:
            if not waiting.poll(max(0.0, end - time.monotonic()) * 1000):
                raise _Ended(f"no progress for {patience:,.0f} seconds")
            data = os.read(pipe, _CHUNK)
            if not data:
                raise _Ended("")
            self._received += data

    def _cause(self, allowed: float) -> str:
        """Why the child ended by itself."""
        assert self._process is not None
        code = self._process.wait()
        if code == -signal.SIGPROF:
            seconds = f"{allowed:,.1f}".removesuffix(".0")
            return f"takes more than {seconds} s of CPU time; --limit seconds=N allows more"
        with contextlib.suppress(ValueError):
            if code < 0:
                limit = shown_bytes(self._limits.memory)
                return f"the reader crashed on it ({signal.Signals(-code).name}; its memory limit is {limit})"
        return f"the reader ended on it (exit code {code})"


class _Ended(Exception):
    """The child says no more; the reason, or "" where its exit code tells it."""


def serve(settings: str) -> None:
    """The child: read files that come as frames on standard input, answer on standard output, until there are none."""
    limits = Limits(**json.loads(settings))
    use(limits)
    most = _confine(limits)
    requests = sys.stdin.buffer
    with open(os.dup(1), "wb", buffering=1 << 16) as answers:
        os.dup2(2, 1)  # what a library prints must not end up between the frames
        _write(answers, {"ready": True})
        answers.flush()
        while request := _request(requests):
            found = FoundFile(request["path"], request["name"], Path(request["file"]))
            signal.setitimer(signal.ITIMER_PROF, limits.seconds_for(_status(found)[0]))
            for item in read_file(found):
                frame = _frame(item)
                if isinstance(item, FileRead):
                    frame["last"] = _used() > most  # the next file gets a child that has all its memory
                _write(answers, frame)
            signal.setitimer(signal.ITIMER_PROF, 0)
            answers.flush()


def _confine(limits: Limits) -> float:
    """Bound this process's memory; how many bytes it may have used before it must not read a further file."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    soft = limits.memory if hard == resource.RLIM_INFINITY else min(limits.memory, hard)
    with contextlib.suppress(ValueError, OSError):  # not every system has this limit
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return soft / 2


def _used() -> float:
    """The most bytes that this process has had in memory.

    Not from getrusage where there is a choice: on Linux its figure holds the parent's size at the time of the start.
    """
    import resource

    with contextlib.suppress(OSError), open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) * 1024

    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def _request(stream: BinaryIO) -> dict[str, Any] | None:
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    return cast(dict[str, Any], json.loads(stream.read(_LENGTH.unpack(head)[0])))


def _write(stream: BinaryIO, message: dict[str, Any]) -> None:
    data = json.dumps(message, default=str).encode()
    stream.write(_LENGTH.pack(len(data)) + data)


def _status(found: FoundFile) -> tuple[int, int]:
    """Size and time of change, 0 where they cannot be had."""
    try:
        status = found.file.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _frame(item: Document | Skipped | FileRead) -> dict[str, Any]:
    if isinstance(item, Document):
        marks = [(mark.span.start, mark.span.end, mark.kind, mark.level, mark.page, mark.line) for mark in item.marks]
        metadata = dict(item.metadata)
        return {"source": item.source, "title": item.title, "text": item.text, "metadata": metadata, "marks": marks}
    return {"skipped" if isinstance(item, Skipped) else "end": asdict(item)}


def _item(frame: dict[str, Any]) -> Document | Skipped | FileRead:
    """The inverse of ``_frame``."""
    if "skipped" in frame:
        return Skipped(**frame["skipped"])
    if "end" in frame:
        return FileRead(**frame["end"])
    marks = [Mark(Span(start, end), *rest) for start, end, *rest in frame["marks"]]
    return Document.make(frame["source"], frame["title"], frame["text"], frame["metadata"], marks)
