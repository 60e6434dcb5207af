"""What a page of a PDF draws besides text: pictures, rules, painted areas."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import pypdfium2.raw as c

_DEPTH, _OBJECTS, _RULES = 6, 50_000, 20_000  # forms within forms; drawn objects and lines looked at on a page
_AREAS = 2_000  # painted areas and pictures asked for a point
_THIN, _SHORT = 2.5, 4.0  # points: thicker is no rule, shorter is none either
_WHITE = 245  # of 255, each colour

Corners = tuple[float, float, float, float]
Matrix = tuple[float, float, float, float, float, float]


class Shapes:
    """What a page draws besides text, in the file's coordinates: pictures, rules, painted areas."""

    def __init__(self, page: Any) -> None:
        self.pictures: list[Corners] = []
        self.rules: list[Corners] = []
        self.painted: list[Corners] = []
        self._seen = 0
        count = c.FPDFPage_CountObjects(page)
        self._look((c.FPDFPage_GetObject(page, at) for at in range(count)), (1.0, 0.0, 0.0, 1.0, 0.0, 0.0), 0)

    def _look(self, objects: Iterator[Any], frame: Matrix, depth: int) -> None:
        for item in objects:
            self._seen += 1
            if self._seen > _OBJECTS:
                return
            kind = c.FPDFPageObj_GetType(item)
            if kind == c.FPDF_PAGEOBJ_TEXT:
                continue
            if kind == c.FPDF_PAGEOBJ_FORM:
                if depth < _DEPTH:
                    inner = (c.FPDFFormObj_GetObject(item, at) for at in range(c.FPDFFormObj_CountObjects(item)))
                    self._look(inner, _times(_matrix(item), frame), depth + 1)
                continue
            sides = [ctypes.c_float() for _ in range(4)]
            if not c.FPDFPageObj_GetBounds(item, *sides):
                continue
            x0, y0, x1, y1 = (side.value for side in sides)
            corners = [_apply(frame, x, y) for x in (x0, x1) for y in (y0, y1)]
            xs, ys = [x for x, _ in corners], [y for _, y in corners]
            bounds = (min(xs), min(ys), max(xs), max(ys))
            if kind == c.FPDF_PAGEOBJ_IMAGE:
                self.pictures.append(bounds)
                self.painted.append(bounds)
            elif kind == c.FPDF_PAGEOBJ_SHADING:
                self.painted.append(bounds)
            elif kind == c.FPDF_PAGEOBJ_PATH:
                self._path(item, bounds, _times(_matrix(item), frame))

    def _path(self, item: Any, bounds: Corners, frame: Matrix) -> None:
        fill, stroke = ctypes.c_int(), ctypes.c_int()
        c.FPDFPath_GetDrawMode(item, fill, stroke)
        if fill.value and not is_white(item):
            self.painted.append(bounds)
        if not (fill.value or stroke.value) or len(self.rules) > _RULES:
            return
        if min(bounds[2] - bounds[0], bounds[3] - bounds[1]) <= _THIN:
            self._rule(*bounds)
            return
        start = last = (0.0, 0.0)
        x, y = ctypes.c_float(), ctypes.c_float()
        for at in range(min(c.FPDFPath_CountSegments(item), _RULES)):
            segment = c.FPDFPath_GetPathSegment(item, at)
            c.FPDFPathSegment_GetPoint(segment, x, y)
            point = _apply(frame, x.value, y.value)
            kind = c.FPDFPathSegment_GetType(segment)
            if kind == c.FPDF_SEGMENT_MOVETO:
                start = point
            elif kind == c.FPDF_SEGMENT_LINETO:
                self._rule(*last, *point)
            if c.FPDFPathSegment_GetClose(segment):
                self._rule(*point, *start)
            last = point

    def _rule(self, x0: float, y0: float, x1: float, y1: float) -> None:
        wide, high = abs(x1 - x0), abs(y1 - y0)
        if min(wide, high) <= _THIN and max(wide, high) >= _SHORT:
            self.rules.append((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)))

    def pictured(self, x: float, y: float) -> bool:
        """Whether a picture lies at the point."""
        return _any_holds(self.pictures, x, y)

    def coloured(self, x: float, y: float) -> bool:
        """Whether a picture or an area that is not white lies at the point."""
        return _any_holds(self.painted, x, y)


def is_white(item: Any) -> bool:
    """Whether an object is filled with white, or with nothing that can be seen."""
    colour = [ctypes.c_uint() for _ in range(4)]
    if not c.FPDFPageObj_GetFillColor(item, *colour):
        return False
    return min(part.value for part in colour[:3]) >= _WHITE or colour[3].value == 0


def _any_holds(boxes: list[Corners], x: float, y: float) -> bool:
    return any(x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in boxes[:_AREAS])


def _matrix(item: Any) -> Matrix:
    found = c.FS_MATRIX()
    if not c.FPDFPageObj_GetMatrix(item, found):
        return (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
    return (found.a, found.b, found.c, found.d, found.e, found.f)


def _times(inner: Matrix, outer: Matrix) -> Matrix:
    """First ``inner``, then ``outer``."""
    a, b, c_, d, e, f = inner
    x, y = _apply(outer, e, f)
    return (
        a * outer[0] + b * outer[2],
        a * outer[1] + b * outer[3],
        c_ * outer[0] + d * outer[2],
        c_ * outer[1] + d * outer[3],
        x,
        y,
    )


def _apply(frame: Matrix, x: float, y: float) -> tuple[float, float]:
    return frame[0] * x + frame[2] * y + frame[4], frame[1] * x + frame[3] * y + frame[5]
