"""Runs of text as rows: what stands on one base line, cut where wide gaps are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from quipu.corpus.readers.pdf.letters import GAP
from quipu.corpus.readers.pdf.page import Box, Run

MARKER = re.compile(
    r"[\u2022\u25cf\u25cb\u25e6\u25aa\u25ab\u25a0\u25a1\u2023\u00b7\uf0b7\uf0a7*\u2013\u2014-]"
    r"|\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,4})[.)]"
)
_LEADER = re.compile(r"(?:\s*[.\u2026]){4,}\s*")
_UNIT = re.compile(r"(?:^|[\s\d/])(?:[kcmd]?m|s|ft|in)$")


@dataclass(slots=True)
class Segment(Box):
    """A part of a row without a wide gap inside."""

    text: str
    base: float
    size: float
    bold: bool
    even: bool
    runs: tuple[Run, ...]


Row = list[Segment]


def rows_of(runs: Iterable[Run]) -> list[Row]:
    """From top to bottom; the segments of a row from left to right."""
    groups: list[list[Run]] = []
    main: Run | None = None  # the largest run of the row so far
    for run in sorted(runs, key=lambda run: (run.base, run.left)):
        if main is not None and (_level(main, run) or _level(run, main)) and not _collides(groups[-1], run):
            groups[-1].append(run)
            main = max(main, run, key=lambda run: run.size)
        else:
            groups.append([run])
            main = run
    return [_segments(group) for group in groups]


def segment_of(runs: Sequence[Run]) -> Segment:
    """Runs from left to right as one segment."""
    main = max(runs, key=lambda run: len(run.text))
    return Segment(
        min(run.left for run in runs),
        min(run.top for run in runs),
        max(run.right for run in runs),
        max(run.bottom for run in runs),
        _LEADER.sub(" \u2026 ", _text(runs)).strip(),
        main.base,
        main.size,
        all(run.bold for run in runs),
        all(run.even for run in runs),
        tuple(runs),
    )


def joined(row: Sequence[Segment]) -> Segment:
    """A whole row as one segment."""
    return segment_of([run for segment in row for run in segment.runs])


def _level(one: Run, other: Run) -> bool:
    """Whether the middle of a run's letters lies at the height of another's."""
    return one.top < other.base - 0.3 * other.size < one.bottom


def _collides(group: Sequence[Run], run: Run) -> bool:
    """Whether a run stands above or below one of a row: two lines of a column beside larger type."""
    return any(
        abs(other.base - run.base) > 0.6 * min(other.size, run.size)
        and min(other.right, run.right) - max(other.left, run.left) > 0.5 * run.size
        for other in group[-20:]
    )


def _segments(runs: list[Run]) -> Row:
    runs.sort(key=lambda run: run.left)
    parts = [[runs[0]]]
    for run in runs[1:]:
        last = parts[-1][-1]
        gap = run.left - max(piece.right for piece in parts[-1])
        marked = len(parts[-1]) == 1 and MARKER.fullmatch(last.text.strip()) and gap < 4 * last.size
        if gap < GAP * min(last.size, run.size) or marked:
            parts[-1].append(run)
        else:
            parts.append([run])
    return [segment_of(part) for part in parts]


def _text(runs: Sequence[Run]) -> str:
    text, last = "", None
    for run in runs:
        if last is not None and text:
            raised = run.size < 0.8 * last.size and run.base < last.base - 0.15 * last.size
            if raised and run.text.strip().isdigit() and run.left - last.right < 0.3 * last.size:
                text = text.rstrip()
                if text[-1].isdigit():
                    text += "^"
                elif not _UNIT.search(text):
                    text += f" [{run.text.strip()}]"  # of a footnote
                    continue
            elif run.left - last.right > 0.15 * run.size and not text[-1].isspace():
                text += " "
        text += run.text
        last = run if last is None or run.size >= 0.8 * last.size else last
    return text
