"""What the verbs print: progress and remarks on stderr, lines, tables and JSON on stdout.

Texts come from documents, names from file systems, and both reach a terminal: every line of every verb goes through
``visible``, so that nothing in them can act on it. rich is loaded only where stderr is a terminal, so that scripts and
``--help`` do not wait for it.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TextIO

from quipu.text import finite

Event = dict[str, int | float | str]
PLAIN_SECONDS = 5.0
"""How often a line of progress is written where stderr is not a terminal."""

_KNOWN_KEYS = ("stage", "done", "total", "unit")


_ACTING = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f"  # controls: ESC begins sequences, backspace and CR overwrite, C1 is ESC in one
    "\u2028\u2029"  # ends of lines for some readers
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # the order in which letters are shown
    "\ufff9-\ufffb\U000e0000-\U000e007f"  # annotations and tags, which are not shown at all
    "\ud800-\udfff]"  # lone surrogates: of file names that are not UTF-8, or of JSON
)


def visible(text: str) -> str:
    """``text`` on one line, with an escape such as ``\\x1b`` for every character that would act on a terminal."""
    return _ACTING.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def show(line: str = "") -> None:
    """One line on stdout."""
    _write(visible(line), sys.stdout)


def prompt(text: str) -> None:
    """Text on stdout behind which somebody types on the same line."""
    _write(visible(text), sys.stdout, end="")


def show_text(text: str, stream: TextIO | None = None) -> None:
    """A text of several lines, on stdout unless another stream is given."""
    for line in text.split("\n"):
        _write(visible(line), stream or sys.stdout)


def remark(line: str) -> None:
    """One line on stderr that begins with the program's name."""
    _write(visible(f"quipu: {' '.join(line.split())}"), sys.stderr)


def _write(line: str, stream: TextIO, end: str = "\n") -> None:
    """A line, with escapes for letters that the stream's encoding has not."""
    encoding = stream.encoding or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding), end=end, file=stream, flush=True)


def log() -> Callable[[dict[str, Any]], None]:
    """A callback that writes lines of a long run on stderr, every few seconds."""
    last = 0.0

    def report(line: dict[str, Any]) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_SECONDS:
            last = time.monotonic()
            shown = (
                f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in line.items()
            )
            remark(" · ".join(shown))

    return report


def print_json(value: Any) -> None:
    """One JSON value on one line of stdout: letters readable, all that acts on a terminal as ``\\u`` escapes.

    JSON has no infinite numbers: they are null.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(finite(value), ensure_ascii=False)
    text = _ACTING.sub(_json_escape, text)  # all of them stand within strings
    encoding = sys.stdout.encoding or "utf-8"
    _write(re.sub("[^\x00-\x7f]", _json_escape, text) if not _fits(text, encoding) else text, sys.stdout)


def _json_escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD800 + (code - 0x10000 >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def print_table(rows: Sequence[Sequence[object]], head: Sequence[str] = ()) -> None:
    """Columns padded with blanks; numbers stand right, everything else left."""
    cells = [[visible(_cell(value)) for value in row] for row in rows]
    if head:
        cells.insert(0, list(head))
    if not cells:
        return
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    right = [
        bool(rows) and all(isinstance(row[column], int | float) or row[column] is None for row in rows)
        for column in range(len(widths))
    ]
    for row in cells:
        padded = (
            value.rjust(width) if numeric else value.ljust(width)
            for value, width, numeric in zip(row, widths, right, strict=True)
        )
        show("  ".join(padded).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 100 else f"{value:,.1f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return " ".join(str(value).split())


def shortened(text: str, width: int) -> str:
    """``text`` on one line of at most ``width`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def duration(seconds: float) -> str:
    """Seconds for a person: "42 s", "3 min 05 s", "2 h 10 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Meter:
    """Rate and time left of one stage, counted from the first event so that resumed work does not flatter the rate."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.stage = ""
        self._start = 0.0
        self._first = 0.0

    def line(self, event: Event) -> str:
        """The numbers of ``event`` in words: done of total, rate, time left, and every further counter."""
        done, total = float(event["done"]), float(event["total"])
        now = self._clock()
        if event["stage"] != self.stage:
            self.stage, self._start, self._first = str(event["stage"]), now, done
        parts = [f"{done:,.0f}/{total:,.0f} {event.get('unit', '')}".rstrip() if total else f"{done:,.0f}"]
        elapsed = now - self._start
        if elapsed > 0.5 and done > self._first:
            rate = (done - self._first) / elapsed
            parts.append(f"{rate:,.1f}/s")
            if total > done:
                parts.append(f"{duration((total - done) / rate)} left")
        parts += [f"{key} {_cell(value)}" for key, value in event.items() if key not in _KNOWN_KEYS]
        return " · ".join(parts)


@contextlib.contextmanager
def progress() -> Iterator[Callable[[Event], None]]:
    """A callback for long work: a bar on a terminal, else a line every few seconds."""
    if sys.stderr.isatty():
        with _bar() as report:
            yield report
    else:
        yield plain_progress()


def plain_progress(clock: Callable[[], float] = time.monotonic) -> Callable[[Event], None]:
    """Write a line when a stage ends and every ``PLAIN_SECONDS`` in between."""
    meter = Meter(clock)
    last = clock()
    ended = ""

    def report(event: Event) -> None:
        nonlocal last, ended
        line, now = meter.line(event), clock()
        stage = str(event["stage"])
        finished = bool(event["total"]) and float(event["done"]) >= float(event["total"]) and ended != stage
        if finished or now - last >= PLAIN_SECONDS:
            last = now
            ended = stage if finished else ended
            remark(f"{stage} {line}")

    return report


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[Event], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

    meter = Meter()
    tasks: dict[str, TaskID] = {}
    columns = (
        SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(24),
        TextColumn("{task.fields[numbers]}", markup=False),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:

        def report(event: Event) -> None:
            stage = str(event["stage"])
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=None, numbers="")
            bar.update(
                tasks[stage],
                completed=float(event["done"]),
                total=float(event["total"]) or None,
                numbers=visible(meter.line(event)),
            )

        yield report
