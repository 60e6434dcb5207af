"""What stands on a page of a PDF, and where: runs of text, lines drawn, pictures, form fields, remarks.

Positions are in points, x to the right and y downwards from the upper left corner of the page as text of that
direction is read: a page that lies on its side comes upright.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

FieldKind = Literal["text", "choice", "check", "radio"]


@dataclass(slots=True)
class Box:
    """A rectangle; ``top`` is the smaller y."""

    left: float
    top: float
    right: float
    bottom: float

    def holds(self, x: float, y: float) -> bool:
        """Whether the point lies in it."""
        return self.left <= x <= self.right and self.top <= y <= self.bottom


@dataclass(slots=True)
class Run(Box):
    """Text of one line without a wide gap, in one font; ``base`` is the y of its base line, ``size`` the font's.

    ``even``: all letters of the font are equally wide, as in code.
    """

    text: str
    base: float
    size: float
    bold: bool = False
    even: bool = False


@dataclass(slots=True)
class Field(Box):
    """A form field with its value; ``name`` is its tooltip or its name in the file, ``option`` of a radio button."""

    kind: FieldKind
    name: str
    value: str
    on: bool = False
    option: str = ""


@dataclass(slots=True)
class Page:
    """One page, seen in the direction of most of its text. ``turned`` holds text of other directions, each by itself.

    ``rules``: lines drawn along or across the text, as thin boxes. ``hidden``: characters that nobody can see.
    """

    number: int
    width: float
    height: float
    runs: list[Run] = field(default_factory=list)
    turned: list[list[Run]] = field(default_factory=list)
    rules: list[Box] = field(default_factory=list)
    pictures: list[Box] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    outline: dict[str, int] = field(default_factory=dict)
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """The page as text of one direction is read: from the file's coordinates (y upwards) to those of ``Page``."""

    degrees: int
    left: float
    top: float
    width: float
    height: float

    @classmethod
    def make(cls, degrees: int, page: Box) -> View:
        """``page``: its corners in the file's coordinates, ``bottom`` the smaller y there."""
        turned = [_turn(degrees, x, y) for x in (page.left, page.right) for y in (page.top, page.bottom)]
        xs, ys = [x for x, _ in turned], [y for _, y in turned]
        return cls(degrees, min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))

    def point(self, x: float, y: float) -> tuple[float, float]:
        """A point of the file seen so."""
        x, y = _turn(self.degrees, x, y)
        return x - self.left, y - self.top

    def box(self, x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of a rectangle of the file seen so."""
        points = [self.point(x, y) for x in (x0, x1) for y in (y0, y1)]
        xs, ys = [x for x, _ in points], [y for _, y in points]
        return min(xs), min(ys), max(xs), max(ys)


def _turn(degrees: int, x: float, y: float) -> tuple[float, float]:
    if degrees == 0:
        return x, -y
    angle = math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    return x * cos + y * sin, x * sin - y * cos
