"""The picture of BENCHMARKS.md and the README: how often ways to answer are right, over the time that they take.

Drawn by hand as SVG, so that the same figures are the same bytes everywhere and ``report.py --check`` can compare.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 56, 32, 20, 48  # margins around the axes
STYLE = "font-family='sans-serif' font-size='13' fill='#222'"


class Point(NamedTuple):
    """A way to answer: median milliseconds a question, EM in percent, and its standard error (0 where unknown)."""

    label: str
    milliseconds: float
    exact_match: float
    error: float


def chart(points: Sequence[Point]) -> str:
    """An SVG file: EM with its standard error, 0 to 100, over milliseconds on a scale of powers of ten."""
    times = [point.milliseconds for point in points]
    first = math.floor(math.log10(min(times)))
    last = max(math.ceil(math.log10(max(times))), first + 1)

    def across(milliseconds: float) -> float:
        share = (math.log10(milliseconds) - first) / (last - first)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def down(percent: float) -> float:
        return HEIGHT - BOTTOM - percent / 100 * (HEIGHT - TOP - BOTTOM)

    def parts() -> Iterator[str]:
        yield f"<rect width='{WIDTH}' height='{HEIGHT}' fill='white'/>"
        for percent in range(0, 101, 20):
            y = down(percent)
            yield f"<path d='M{LEFT} {y:.1f}H{WIDTH - RIGHT}' stroke='#ddd'/>"
            yield _text(LEFT - 8, y + 4, str(percent), "end")
        for power in range(first, last + 1):
            x = across(10.0**power)
            yield f"<path d='M{x:.1f} {TOP}V{HEIGHT - BOTTOM}' stroke='#ddd'/>"
            yield _text(x, HEIGHT - BOTTOM + 18, f"{10.0**power:,g}", "middle")
        yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "median milliseconds a question", "middle")
        yield f"<g transform='translate(16 {HEIGHT / 2:g}) rotate(-90)'>{_text(0, 0, 'EM, %', 'middle')}</g>"
        for label, milliseconds, right, error in points:
            x, y, half = across(milliseconds), down(right), down(0) - down(error)
            yield f"<path d='M{x:.1f} {y - half:.1f}V{y + half:.1f}' stroke='#1f5fa8' stroke-width='2'/>"
            yield f"<circle cx='{x:.1f}' cy='{y:.1f}' r='5' fill='#1f5fa8'/>"
            on_left = x > WIDTH / 2  # where a label to the right would leave the picture
            yield _text(x - 10 if on_left else x + 10, y - 8, label, "end" if on_left else "start")

    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' {STYLE}>"
    return "\n".join([head, "<title>EM over time of ways to answer</title>", *parts(), "</svg>"]) + "\n"


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}'>{html.escape(text)}</text>"
