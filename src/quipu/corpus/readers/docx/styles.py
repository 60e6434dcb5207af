"""What a paragraph's or a run's style says, looked up once a style."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_HEADING = re.compile(r"heading ([1-9])")
_CODE = re.compile(r"\b(?:code|source|preformatted|listing|console|terminal)\b")
_OFF = ("0", "false", "off")
_DEEPEST = 20  # styles that stand on one another


def name_of(element: Any) -> str:
    """An element's name without its namespace, "" for comments; transitional and strict files differ only in that."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def child(element: Any, name: str) -> Any:
    """The first child of that name, None where there is none."""
    return next((item for item in element if name_of(item) == name), None) if element is not None else None


def value(element: Any, name: str = "val") -> str | None:
    """An attribute by its name without namespace; None where the element or the attribute is missing."""
    if element is None:
        return None
    return next((text for key, text in element.items() if key.rpartition("}")[2] == name), None)


def number(text: str | None) -> int | None:
    """A whole number of at most nine digits; None for anything else."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.removeprefix("-").isdigit() and len(text) < 10 else None


def switched(properties: Any, name: str) -> bool | None:
    """Whether a property such as bold is on or off; None where nothing is said."""
    item = child(properties, name)
    return None if item is None else (value(item) or "1") not in _OFF


@dataclass(frozen=True, slots=True)
class Style:
    """What is known of a style: its name in English, the level of a heading and of a list (1 the highest), bold.

    ``numbering``: the id of the list that numbers it, ``numbered``: that of the style that says so.
    """

    name: str = ""
    heading: int = 0
    item: int = 0
    bold: bool = False
    hidden: bool = False
    numbering: str = ""
    numbered: str = ""

    @property
    def is_code(self) -> bool:
        """Whether the style's name says that it is for code."""
        return _CODE.search(self.name) is not None


class Styles:
    """The styles of a document by id; a style takes what it does not say from the one that it is based on."""

    def __init__(self, root: Any = None) -> None:
        self._elements: dict[str, Any] = {}
        self._known: dict[str, Style] = {}
        self._default = ""
        for item in root if root is not None else ():
            identity = value(item, "styleId")
            if name_of(item) == "style" and identity is not None:
                self._elements.setdefault(identity, item)
                if value(item, "type") == "paragraph" and value(item, "default") in ("1", "true", "on"):
                    self._default = identity

    def of(self, identity: str | None) -> Style:
        """The style of that id; the document's own where there is none, and a plain one for an unknown id."""
        identity = identity or self._default
        if identity not in self._known:
            self._known[identity] = self._look_up(identity)
        return self._known[identity]

    def _look_up(self, identity: str) -> Style:
        name, outline, item, bold, hidden = "", None, None, None, None
        numbering, numbered = "", ""
        for _ in range(_DEEPEST):
            element = self._elements.get(identity)
            if element is None:
                break
            paragraph, run = child(element, "pPr"), child(element, "rPr")
            own = (value(child(element, "name")) or "").lower()
            name = name or own
            outline = outline if outline is not None else number(value(child(paragraph, "outlineLvl")))
            if outline is None and (named := _HEADING.match(own)):
                outline = int(named[1]) - 1
            item = item if item is not None else list_level(paragraph)
            if not numbering and (numbering := list_id(paragraph)):
                numbered = identity
            bold = bold if bold is not None else switched(run, "b")
            hidden = hidden if hidden is not None else switched(run, "vanish")
            identity = value(child(element, "basedOn")) or ""
        heading = 1 if name == "title" else heading_level(outline)
        if not item and name.startswith("list ") and not name.startswith("list paragraph"):
            item = int(name[-1]) if name[-1].isdigit() else 1
        return Style(name, heading, item or 0, bool(bold), bool(hidden), numbering, numbered)


def heading_level(outline: int | None) -> int:
    """The level of a heading from its outline level, which counts from 0; 0 for body text."""
    return outline + 1 if outline is not None and 0 <= outline <= 8 else 0


def list_id(properties: Any) -> str:
    """The id of the list that a paragraph's properties put it into; "0": into none, "": nothing is said."""
    return value(child(child(properties, "numPr"), "numId")) or ""


def list_level(properties: Any) -> int | None:
    """The level of an item of a list from a paragraph's properties; 0: of no list, None: nothing is said."""
    numbering = child(properties, "numPr")
    if numbering is None:
        return None
    if value(child(numbering, "numId")) == "0":
        return 0
    return min(max(number(value(child(numbering, "ilvl"))) or 0, 0), 8) + 1
