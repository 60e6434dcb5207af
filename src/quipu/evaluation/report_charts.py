"""Charts as inline SVG, from numbers alone: nothing is drawn by a library, so that the same numbers are the same bytes.

Colours come from the page's style (classes ``one``, ``two``, ``grid``, ``band``). Every chart has its title as text for
those who do not see it; its figures stand in a table beside it.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

_WIDTH, _HEIGHT = 340.0, 220.0  # so that letters of 11 can be read on a telephone
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 8.0, 8.0, 40.0
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Point:
    """A share measured at ``x``, both from 0 to 1, on ``n`` questions, with its 95 % interval."""

    x: float
    y: float
    low: float
    high: float
    n: int


def histogram(title: str, series: Mapping[str, Sequence[int]], label: str) -> str:
    """Counts of equal parts of 0 to 1, stacked; of one series or two, all of the same length."""
    rows = list(series.values())
    totals = [sum(part) for part in zip(*rows, strict=True)]
    most = 4 * -(-max([1, *totals]) // 4)  # so that every line of the grid is a whole number
    step = (_WIDTH - _LEFT - _RIGHT) / len(totals)
    parts = [_frame(label, "how many", [f"{most * tick:,.0f}" for tick in _TICKS])]
    for at, total in enumerate(totals):
        y, drawn = _HEIGHT - _BOTTOM, 0
        for row, name in zip(rows, ("one", "two"), strict=False):
            drawn += row[at]
            height = (_HEIGHT - _TOP - _BOTTOM) * row[at] / most
            y -= height
            if row[at]:
                parts.append(_tag("rect", x=_LEFT + at * step + 0.5, y=y, width=step - 1, height=height, class_=name))
        assert drawn == total
    return _svg(title, parts)


def curve(title: str, points: Sequence[Point], across: str, up: str, *, diagonal: bool = False) -> str:
    """Shares over shares with their intervals as a band; ``diagonal``: the line on which both are equal."""
    parts = [_frame(across, up, [f"{tick:g}" for tick in _TICKS])]
    if diagonal:
        parts.append(_line(0.0, 0.0, 1.0, 1.0, "grid"))
    edge = [(point.x, point.high) for point in points] + [(point.x, point.low) for point in reversed(points)]
    if len(points) > 1:
        parts.append(_tag("polygon", points=" ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in edge), class_="band"))
    parts += [_line(one.x, one.y, other.x, other.y, "stroke") for one, other in pairwise(points)]
    for point in points:
        if len(points) == 1:
            parts.append(_line(point.x, point.low, point.x, point.high, "stroke"))
        parts.append(_tag("circle", cx=_x(point.x), cy=_y(point.y), r=2.5, class_="one"))
    return _svg(title, parts)


def bar(share: float) -> str:
    """A bar for a cell of a table, which has the number beside it."""
    width = 100.0 * min(1.0, max(0.0, share))
    inner = _tag("rect", x=0.0, y=0.0, width=width, height=8.0, class_="one")
    return f'<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">{inner}</svg>'


def _svg(title: str, parts: Sequence[str]) -> str:
    said = html.escape(title)
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" aria-label="{said}">'
        f"<title>{said}</title>{''.join(parts)}</svg>"
    )


def _frame(across: str, up: str, ticks: Sequence[str]) -> str:
    """Grid, numbers at both sides, and what they count."""
    parts = []
    for tick, name in zip(_TICKS, ticks, strict=True):
        parts.append(_line(0.0, tick, 1.0, tick, "grid"))
        parts.append(_words(_LEFT - 5, _y(tick) + 4, name, "end"))
        parts.append(_words(_x(tick), _HEIGHT - _BOTTOM + 14, f"{tick:g}", "middle"))
    parts.append(_words((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 6, across, "middle"))
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    turned = f'<g transform="rotate(-90 10 {middle:.1f})">{_words(10, middle, up, "middle")}</g>'
    return "".join([*parts, turned])


def _words(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, name: str) -> str:
    return _tag("line", x1=_x(x1), y1=_y(y1), x2=_x(x2), y2=_y(y2), class_=name)


def _tag(name: str, **attributes: float | str) -> str:
    shown = (
        f'{key.rstrip("_")}="{value if isinstance(value, str) else f"{value:.1f}"}"'
        for key, value in attributes.items()
    )  # fmt: skip
    return f"<{name} {' '.join(shown)}/>"


def _x(share: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * share


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share
