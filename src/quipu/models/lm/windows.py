"""Passages that are too long to be read at once, in overlapping windows of whole words."""

from __future__ import annotations

from collections.abc import Sequence

from quipu.records import Span


def windows(text: str, offsets: Sequence[tuple[int, int]], room: int, stride: int) -> list[Span]:
    """Stretches of ``text`` of about ``room`` tokens each; neighbours share about ``stride`` tokens.

    ``offsets``: characters of each token. A window starts and ends at a blank where one is within reach, so that every
    answer shorter than ``stride`` stands whole in one of them.
    """
    if len(offsets) <= room:
        return [Span(0, len(text))]
    found: list[Span] = []
    first = 0
    while True:
        last = min(first + room, len(offsets))
        start = _blank_before(text, offsets[first][0]) if first else 0
        end = _blank_before(text, offsets[last - 1][1]) if last < len(offsets) else len(text)
        found.append(Span(start, max(end, offsets[first][1])))
        if last == len(offsets):
            return found
        first += max(1, room - stride)


def fitting(found: Sequence[Span], span: Span) -> int:
    """The window that holds ``span`` with the most text on its shorter side; where none does, the one with most of
    it."""

    def margin(window: Span) -> tuple[int, int]:
        inside = min(window.end, span.end) - max(window.start, span.start)
        return inside, min(span.start - window.start, window.end - span.end)

    return max(range(len(found)), key=lambda at: margin(found[at]))


def _blank_before(text: str, at: int) -> int:
    """The first character after the last blank before ``at``, not more than 40 characters back; else ``at``."""
    for place in range(at, max(0, at - 40), -1):
        if text[place - 1].isspace():
            return place
    return at
