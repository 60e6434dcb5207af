"""One paragraph of a Word file: its text as printed, and what hangs on it: notes, text boxes, the end of a section."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from quipu.corpus.readers.docx.styles import Styles, child, name_of, number, switched, value
from quipu.corpus.readers.scripts import raised

_NOT_PRINTED = frozenset(
    {"del", "moveFrom", "delText", "instrText", "delInstrText", "pPr", "rPr", "rt", "sdtPr", "sdtEndPr", "tblPr",
     "ctrlPr", "fPr", "sSupPr", "sSubPr", "radPr", "deg", "dPr", "txbxContent"}
)  # fmt: skip
_INSTRUCTION = 60  # characters of a field's instruction that are looked at
_PAGE_NUMBERS = ("PAGE", "NUMPAGES", "SECTIONPAGES")
_COUNTED = {"pic": "picture", "imagedata": "picture", "chart": "chart", "relIds": "diagram",
            "object": "embedded object", "commentReference": "comment"}  # fmt: skip
_NO_DESCRIPTION = re.compile(  # a file's name, or what Word guessed: "Description automatically generated"
    r"\.(?:png|jpe?g|gif|svg|webp|bmp|tiff?|[ew]mf)$|(?:automatically|ai)[- ]generated|automatisch generiert",
    re.IGNORECASE,
)
_SIGNS = {"tab": " ", "ptab": " ", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_GREEK = dict(zip(range(0x61, 0x7B), "αβχδεφγηιϕκλμνοπθρστυϖωξψζ", strict=True)) | dict(
    zip(range(0x41, 0x5B), "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ", strict=True)
)
_SYMBOL = _GREEK | {0xA3: "≤", 0xA5: "∞", 0xAC: "←", 0xAE: "→", 0xB0: "°", 0xB1: "±", 0xB3: "≥", 0xB4: "×", 0xB7: "•",
                    0xB8: "÷", 0xB9: "≠", 0xBA: "≡", 0xBB: "≈", 0xD6: "√", 0xE5: "∑"}  # fmt: skip
_WINGDINGS = {0x6F: "☐", 0x71: "☐", 0x72: "☐", 0xA8: "☐", 0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑",
              0xE0: "→", 0x4A: "☺", 0x6C: "•", 0x6E: "•", 0xA7: "•", 0xD8: "•"}  # fmt: skip


@dataclass(slots=True)
class Paragraph:
    """The text of a paragraph and what hangs on it, in order: (kind, id) of notes, contents of text boxes.

    ``pictures``: what their authors wrote to say what pictures show.
    """

    text: str = ""
    bold: bool = False
    notes: list[tuple[str, str]] = field(default_factory=list)
    boxes: list[Any] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)


class Runs:
    """Reads paragraphs; counts in ``left_out`` what of them is not text or not seen."""

    def __init__(self, styles: Styles, left_out: Counter[str]) -> None:
        self._styles = styles
        self._left_out = left_out

    def read(self, paragraph: Any) -> Paragraph:
        """A paragraph as it is printed: insertions and results of fields in, deleted and hidden text out."""
        return _Reading(self._styles, self._left_out).read(paragraph)


class _Reading:
    """One paragraph while it is read. Its elements wait on a stack: each may nest as deep as it likes."""

    def __init__(self, styles: Styles, left_out: Counter[str]) -> None:
        self._styles = styles
        self._left_out = left_out
        self._parts: list[str] = []
        self._raised: list[str] = []
        self._fields: list[str | None] = []  # open fields: the instruction so far, None while the result is printed
        self._instructions = 0  # open fields whose result has not begun
        self._found = Paragraph()
        self._all_bold = True
        self._style_bold = False
        self._waiting: list[Any] = []
        self._show(None)

    def read(self, paragraph: Any) -> Paragraph:
        self._style_bold = self._styles.of(value(child(child(paragraph, "pPr"), "pStyle"))).bold
        self._show(None)
        self._push(paragraph)
        while self._waiting:
            item = self._waiting.pop()
            if isinstance(item, str):
                self._write(item)
            else:
                self._element(item)
        self._lower()
        self._found.text = "".join(self._parts)
        self._found.bold = self._all_bold and bool(self._found.text.strip())
        return self._found

    def _push(self, items: Iterable[Any]) -> None:
        self._waiting += [item for item in reversed(list(items)) if item is not None]

    def _element(self, element: Any) -> None:
        name = name_of(element)
        if name == "t":
            self._write(element.text or "")
        elif name == "r":
            self._show(child(element, "rPr"))
            self._push(element)
        elif name in _SIGNS:
            self._write(_SIGNS[name])
        elif name == "sym":
            self._write(self._symbol(element))
        elif name == "fldChar":
            self._field(element)
        elif name == "instrText" and self._fields and self._fields[-1] is not None:
            self._fields[-1] = (self._fields[-1] + (element.text or ""))[:_INSTRUCTION]
        elif name in ("footnoteReference", "endnoteReference"):
            if not self._hidden:
                self._found.notes.append((name.removesuffix("Reference"), value(element, "id") or ""))
        elif name == "txbxContent":
            self._found.boxes.append(element)
        elif name == "AlternateContent":
            self._push([branch for branch in element if name_of(branch) in ("Choice", "Fallback")][:1])
        elif name == "sdt":
            if child(child(element, "sdtPr"), "showingPlcHdr") is not None:
                self._left_out["placeholder"] += 1
            else:
                self._push(element)
        elif name == "fldSimple":
            if not _is_page_number(value(element, "instr") or ""):
                self._push(element)
        elif name == "docPr":
            words = " ".join((value(element, "descr") or "").split())
            if words and not self._hidden and not _NO_DESCRIPTION.search(words):
                self._found.pictures.append(words)
        elif name in _COUNTED:
            self._left_out[_COUNTED[name]] += 1
        elif not self._formula(name, element) and name not in _NOT_PRINTED:
            self._push(element)

    def _formula(self, name: str, element: Any) -> bool:
        """Put the parts of a formula on the stack as they are typed on one line."""
        if name == "sSup":
            self._push([child(element, "e"), "^", child(element, "sup")])
        elif name == "f" and child(element, "num") is not None:
            self._push([child(element, "num"), "/", child(element, "den")])
        elif name == "rad":
            self._push(["√(", child(element, "e"), ")"])
        elif name == "d" and child(element, "e") is not None:
            self._push(["(", *element, ")"])
        else:
            return False
        return True

    def _show(self, properties: Any) -> None:
        """How the next texts are set."""
        style = self._styles.of(value(child(properties, "rStyle"))) if child(properties, "rStyle") is not None else None
        bold = switched(properties, "b")
        self._bold = bold if bold is not None else self._style_bold or (style is not None and style.bold)
        hidden = switched(properties, "vanish")
        self._hidden = hidden if hidden is not None else style is not None and style.hidden
        self._struck = bool(switched(properties, "strike") or switched(properties, "dstrike"))
        self._is_raised = value(child(properties, "vertAlign")) == "superscript"

    def _write(self, text: str) -> None:
        if not text or self._instructions:
            return
        if self._hidden or self._struck:
            self._left_out["hidden text" if self._hidden else "struck-out text"] += 1
            return
        if self._is_raised:
            self._raised.append(text)
            return
        self._lower()
        if not text.isspace():
            self._all_bold = self._all_bold and self._bold
        self._parts.append(text)

    def _lower(self) -> None:
        """Write what was raised so far."""
        if self._raised:
            self._parts.append(raised("".join(part[-12:] for part in self._parts[-12:]), "".join(self._raised)))
            self._raised = []

    def _field(self, element: Any) -> None:
        kind = value(element, "fldCharType")
        if kind == "begin":
            self._write(_form_value(child(element, "ffData")))
            self._fields.append("")
            self._instructions += 1
        elif kind == "separate" and self._fields and self._fields[-1] is not None:
            if not _is_page_number(self._fields[-1]):
                self._fields[-1] = None
                self._instructions -= 1
        elif kind == "end" and self._fields and self._fields.pop() is not None:
            self._instructions -= 1

    def _symbol(self, element: Any) -> str:
        font = (value(element, "font") or "").lower()
        try:
            code = int((value(element, "char") or "")[:6], 16)
        except ValueError:
            return ""
        known = _SYMBOL if font == "symbol" else _WINGDINGS if "wingdings" in font else {}
        text = known.get(code & 0xFF if 0xF000 <= code <= 0xF0FF else code, "")
        if not text and not 0xE000 <= code <= 0xF8FF and not 0xD800 <= code <= 0xDFFF and 0x20 <= code <= 0x10FFFF:
            text = chr(code) if "dings" not in font else ""
        if not text:
            self._left_out["symbol"] += 1
        return text


def _is_page_number(instruction: str) -> bool:
    return (instruction.split() or [""])[0].upper() in _PAGE_NUMBERS


def _form_value(data: Any) -> str:
    """What a field of an old form shows by itself: a ticked box, the chosen line of a list."""
    box, lines = child(data, "checkBox"), child(data, "ddList")
    if box is not None:
        ticked = switched(box, "checked")
        return "☒" if (ticked if ticked is not None else switched(box, "default")) else "☐"
    if lines is not None:
        entries = [value(item) or "" for item in lines if name_of(item) == "listEntry"]
        chosen = number(value(child(lines, "result"))) or number(value(child(lines, "default"))) or 0
        return entries[chosen] if 0 <= chosen < len(entries) else ""
    return ""
