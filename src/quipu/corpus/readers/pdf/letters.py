"""Characters of a page of a PDF joined to runs of text; those that nobody can see are counted and left."""

from __future__ import annotations

import ctypes
import math
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pypdfium2.raw as c

from quipu.corpus.readers.pdf.page import Box, Run, View
from quipu.corpus.readers.pdf.shapes import Shapes, is_white

GAP = 1.0  # of the font size: from here on the text of one line is taken for two runs
_TINY = 1.0  # points: smaller letters are not to be read
_UNPAINTED = {c.FPDF_TEXTRENDERMODE_INVISIBLE, c.FPDF_TEXTRENDERMODE_CLIP}
_BOLD = re.compile(r"bold|black|heavy|demi|cmbx|sfbx")
_EVEN = re.compile(r"courier|mono(?!type)|consol|menlo|monaco|typewriter|cmtt|sftt")  # all letters equally wide
_HYPHEN = 2  # what PDFium gives for a hyphen at the end of a line


@dataclass(slots=True)
class Text:
    """A run as it stands in the file: box (left, bottom, right, top; y upwards), a point of its base line."""

    style: _Style
    base: tuple[float, float]
    box: tuple[float, float, float, float]
    text: str

    def add(self, letter: str, box: tuple[float, float, float, float]) -> None:
        """One letter more."""
        left, bottom, right, top = self.box
        self.text += letter
        self.box = (
            left if left < box[0] else box[0],
            bottom if bottom < box[1] else box[1],
            right if right > box[2] else box[2],
            top if top > box[3] else box[3],
        )

    def seen(self, view: View) -> Run:
        """As part of a page."""
        size = self.style.size
        left, _, right, _ = view.box(*self.box)
        base = view.point(*self.base)[1]
        return Run(
            left, base - 0.8 * size, right, base + 0.2 * size, self.text, base, size, self.style.bold, self.style.even
        )


@dataclass(frozen=True, slots=True)
class _Style:
    """What all letters of a text object share.

    ``degrees``: direction of the text against the x axis of the file; ``painted``: not the words under a scan.
    """

    size: float
    bold: bool
    even: bool
    degrees: int
    painted: bool
    seen: bool


UNKNOWN = "\ufffd"
_NONE = _Style(0.0, False, False, 0, True, False)


def letters(page: Any, edge: Box, shapes: Shapes) -> tuple[dict[int, list[Text]], int]:
    """Runs by their direction in degrees, and how many letters are not seen: outside, white on white, not painted."""
    layer = page.get_textpage()
    handle = layer.raw
    found: dict[int, list[Text]] = defaultdict(list)
    styles: dict[int, _Style] = {}
    rectangle, x, y = c.FS_RECTF(), ctypes.c_double(), ctypes.c_double()
    run, last, style, hidden, space = None, -1, _NONE, 0, False
    origin = end = (0.0, 0.0)  # of a letter, on its base line
    held = (0.0, 0.0, 0.0, 0.0)  # the box of the letter before
    try:
        for at in range(c.FPDFText_CountChars(handle)):
            code = c.FPDFText_GetUnicode(handle, at)
            letter = "-" if code == _HYPHEN and c.FPDFText_IsHyphen(handle, at) == 1 else _letter(code)
            if letter.isspace():
                space = True
                run = None if letter == "\n" else run
                continue
            c.FPDFText_GetLooseCharBox(handle, at, rectangle)
            box = (rectangle.left, rectangle.bottom, rectangle.right, rectangle.top)
            middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
            item = c.FPDFText_GetTextObject(handle, at)
            owner = ctypes.addressof(item.contents) if item else 0
            if owner != last or style.degrees % 90:
                c.FPDFText_GetCharOrigin(handle, at, x, y)
                origin = (x.value, y.value)
                if owner not in styles:
                    styles[owner] = _style(handle, at, item, middle, shapes)
                last, style = owner, styles[owner]
            else:
                origin = _start(origin, box, style.degrees)
            if not style.seen or not edge.holds(*middle):
                hidden += 1
                continue
            if box == held and run is not None and not space:
                run.add(letter, box)  # the next letter of a ligature
                continue
            along, across = _step(end, origin, style.degrees)
            size = style.size
            same = run is not None and (run.style is style or run.style == style)
            if same and run is not None and abs(across) <= 0.2 * size and -0.5 * size < along < GAP * size:
                run.add(" " + letter if space else letter, box)
            else:
                if run is not None and space:
                    run.text += " "
                run = Text(style, origin, box, letter)
                found[style.degrees].append(run)
            space, held, end = False, box, _end(origin, box, style)
    finally:
        layer.close()
    return found, hidden


def _letter(code: int) -> str:
    """The character; U+FFFD where the font does not tell which, and for a lone surrogate."""
    if 32 <= code < 0x7F or 0xA0 <= code < 0xD800 or 0xE000 <= code < 0x110000:
        return chr(code)
    return "\n" if code == 10 else " " if code in (9, 13) else UNKNOWN


def _style(layer: Any, at: int, item: Any, middle: tuple[float, float], shapes: Shapes) -> _Style:
    frame = c.FS_MATRIX()
    c.FPDFText_GetMatrix(layer, at, frame)
    size = c.FPDFText_GetFontSize(layer, at) * math.hypot(frame.c, frame.d)
    angle = math.degrees(math.atan2(frame.b, frame.a))
    degrees = round(angle / 90) * 90 if abs(angle - round(angle / 90) * 90) < 5 else round(angle)
    if not item:
        return _Style(round(size, 1), False, False, degrees % 360, True, size >= _TINY)
    font = c.FPDFTextObj_GetFont(item)
    name = ctypes.create_string_buffer(256)
    length = c.FPDFFont_GetBaseFontName(font, name, 256) if font else 0
    called = name.value.lower().decode("latin-1") if 0 < length <= 256 else ""
    mode = c.FPDFTextObj_GetTextRenderMode(item)
    bold = mode == c.FPDF_TEXTRENDERMODE_FILL_STROKE or _BOLD.search(called) is not None
    even = _EVEN.search(called) is not None
    seen = size >= _TINY
    if mode in _UNPAINTED:
        seen = seen and shapes.pictured(*middle)  # recognised text under a scan
    elif is_white(item):
        seen = seen and shapes.coloured(*middle)
    return _Style(round(size, 1), bold, even, degrees % 360, mode not in _UNPAINTED, seen)


def _step(start: tuple[float, float], to: tuple[float, float], degrees: int) -> tuple[float, float]:
    """The way between two points, along a direction and across it."""
    x, y = to[0] - start[0], to[1] - start[1]
    if degrees == 0:
        return x, y
    angle = math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    return x * cos + y * sin, y * cos - x * sin


def _start(origin: tuple[float, float], box: tuple[float, float, float, float], degrees: int) -> tuple[float, float]:
    """Where a letter starts on the base line of the letter before."""
    match degrees:
        case 0:
            return box[0], origin[1]
        case 90:
            return origin[0], box[1]
        case 180:
            return box[2], origin[1]
    return origin[0], box[3]


def _end(origin: tuple[float, float], box: tuple[float, float, float, float], style: _Style) -> tuple[float, float]:
    """Where a letter ends on its base line."""
    match style.degrees:
        case 0:
            return box[2], origin[1]
        case 90:
            return origin[0], box[3]
        case 180:
            return box[0], origin[1]
        case 270:
            return origin[0], box[1]
    angle = math.radians(style.degrees)
    return origin[0] + 0.5 * style.size * math.cos(angle), origin[1] + 0.5 * style.size * math.sin(angle)
