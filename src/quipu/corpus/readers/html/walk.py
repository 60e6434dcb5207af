"""The blocks of a page, in the order of the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from quipu.corpus.readers import Block
from quipu.corpus.readers.grid import Cell, cell_text, table_rows
from quipu.corpus.readers.html.tables import PAGE_LAYOUT, Table
from quipu.corpus.readers.html.tree import CODE, HEADINGS, Node
from quipu.corpus.readers.html.visible import Page, is_control, opens_a_panel, text_of, texts
from quipu.corpus.readers.numbers import OPEN, TICKED, boxed, counted
from quipu.corpus.readers.scripts import raised
from quipu.records import BlockKind

_BLOCKS = frozenset({
    "", "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "dir",
    "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "frameset", "h1", "h2", "h3", "h4", "h5",
    "h6", "header", "hgroup", "hr", "html", "legend", "li", "main", "menu", "nav", "noframes", "ol", "optgroup", "p",
    "search", "section", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
})  # fmt: skip
_ARTICLE = frozenset({"article", "post", "entry", "story", "content", "main"})
_LISTS = frozenset({"ul", "ol", "menu", "dir"})
_PLACES = frozenset({*HEADINGS, *_LISTS, "b", "strong", "p", "li", "dt", "dd", "article", "main", "section", "details"})
_BOLD = re.compile(r"font-weight\s*:\s*(?:bold|[6-9]00)", re.IGNORECASE)
_APART = frozenset(
    {"a", "button", "label", "option", "input", "select", "textarea", "img", "text"}
)  # never glued to one another
_MARKS = frozenset("¶#§🔗↩↑⏎^")  # links of headings to themselves, and of notes back to the text
_KINDS = {"a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}
_NOTE_MARK = re.compile(r"\s*(?:\d{1,3}|[a-z]|[*†‡]{1,3})\s*")
_TYPED = frozenset({"", "text", "number", "email", "tel", "url", "date", "time", "month", "week", "datetime-local"})
_BREAK = "\x00"  # a line end that is seen; white space in the file is none
_SPACES = re.compile(r"[ \t\r\n\f\v]+")
_A_QUESTION = 300  # characters at most
_FILE_NAME = re.compile(r"\S+\.(?:png|jpe?g|gif|svg|webp|bmp|tiff?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Place:
    """What surrounds a text: the kind of its block, and whether it is bold, in a line, an article, a folded part."""

    kind: BlockKind = "paragraph"
    level: int = 0
    lists: int = 0
    bold: bool = False
    in_line: bool = False
    in_article: bool = False
    in_details: bool = False


class Walk:
    """Reads elements into ``blocks``. They wait on a stack, each with its place: pages may nest at will."""

    def __init__(self, page: Page) -> None:
        self.blocks: list[Block] = []
        self.all_bold = True  # all text so far
        self._page = page
        self._waiting: list[tuple[Node | str | None, _Place]] = []
        self._parts: list[str] = []
        self._plain = False  # the open block has text that is not bold
        self._bold_last = ""  # the last character of a block that is all bold so far
        self._place: _Place | None = None  # of the open block's first text
        self._heading = 0
        self._line = 1  # of the element that was met last
        self._begins = 1  # the line of the open block
        self._numbers: dict[int, str] = {}  # of the items of open numbered lists, by identity
        self._number = ""  # of the item whose text comes next

    def read(self, node: Node) -> list[Block]:
        """The blocks of an element's content."""
        self._inside(node, _Place())
        while self._waiting:
            item, place = self._waiting.pop()
            if item is None:
                self._flush()
            elif isinstance(item, str):
                self._write(item, place)
            else:
                self._element(item, place)
        self._flush()
        return self.blocks

    def _inside(self, node: Node, place: _Place) -> None:
        """Put an element's content on the stack."""
        children = self._page.shown(node, in_article=place.in_article, in_details=place.in_details)
        self._push(_apart(children), place)

    def _push(self, items: Iterable[Node | str | None], place: _Place) -> None:
        self._waiting += [(item, place) for item in reversed(list(items))]

    def _element(self, node: Node, place: _Place) -> None:
        tag = node.tag
        self._line = node.line
        if tag in _BLOCKS:
            self._flush()
            self._waiting.append((None, place))
        if tag == "ol":
            self._numbers.update(_numbers_of(node))
        elif tag == "li":
            self._number = self._numbers.pop(id(node), "")
        if tag == "br":
            self._line_end(place)
        elif tag == "img" or (tag == "input" and node.get("type").lower() == "image"):
            self._picture(node, place)
        elif tag == "table":
            self._table(node, place)
        elif tag in CODE:
            self._code(node, place)
        elif tag in ("sup", "msup"):
            self._raised(node, place)
        elif tag in ("svg", "math", "select", "input", "textarea"):
            self._line_of(node, place)
        elif tag in ("button", "summary") or (
            node.last == "?" and node.size <= _A_QUESTION and not place.in_line and is_control(node)
        ):
            self._control(node, place)
        elif tag in ("q", "rt", "mfrac"):
            self._between(node, place)
        elif not (tag == "rp" or (tag == "a" and _is_mark(node))):
            self._inside(node, self._within(node, place))

    def _within(self, node: Node, place: _Place) -> _Place:
        """The place of an element's content."""
        tag = node.tag
        if not node.attributes and tag not in _PLACES:
            return place
        if tag in ("b", "strong") or ("style" in node.attributes and _BOLD.search(node.get("style"))):
            place = replace(place, bold=True)
        if tag in HEADINGS or node.get("role") == "heading":
            level = HEADINGS.get(tag) or min(max(_count(node.get("aria-level") or "2"), 1), 9)
            return replace(place, kind="heading", level=level, in_line=True)
        if tag == "p":
            return replace(place, in_line=True)
        if tag in _LISTS:
            return replace(place, lists=place.lists + 1)
        if tag == "li":
            return replace(place, kind="item", level=max(place.lists, 1), in_line=False)
        if tag in ("dt", "dd"):
            return replace(place, kind="term" if tag == "dt" else "definition", level=0, in_line=tag == "dt")
        if tag in ("article", "main", "section") or node.get("role") in ("main", "article") or node.names() & _ARTICLE:
            return replace(place, in_article=True)
        return replace(place, in_details=True) if tag == "details" else place

    def _write(self, text: str, place: _Place) -> None:
        if self._place is None:
            if text.isspace():
                return
            self._place, self._begins = place, self._line
        if not place.bold and not text.isspace():
            self._plain = True
        elif not self._plain:
            self._bold_last = text.rstrip()[-1:] or self._bold_last
        self._parts.append(text)

    def _line_end(self, place: _Place) -> None:
        """A line end; behind a bold question the answer begins."""
        if self._bold_last == "?" and not self._plain and place.kind == "paragraph":
            self._flush()
        elif self._place is not None:
            self._parts.append(_BREAK)

    def _flush(self) -> None:
        """End the open block; empty lines in it part it."""
        place, parts = self._place, self._parts
        self._place, self._parts, self._bold_last = None, [], ""
        if place is None:
            return
        plain, self._plain = self._plain, False
        self.all_bold = self.all_bold and not plain
        for text in re.split(rf"{_BREAK}(?: ?{_BREAK})+", _squeezed(parts)):
            text = "\n".join(filter(None, (line.strip() for line in text.split(_BREAK))))
            if not text.strip(f"{TICKED}{OPEN} "):
                continue
            kind = place.kind
            if kind == "item":
                text = boxed(text)
            if not plain and text.endswith("?") and kind in ("paragraph", "item"):
                kind = "question"
            words = text.replace("\n", " ") if kind == "heading" else text
            self._add(words, kind, place.level, line=self._begins, bold=not plain)

    def _add(self, text: str, kind: BlockKind, level: int = 0, *, line: int, bold: bool = False) -> None:
        if kind == "heading":
            self._heading = level
        elif kind == "item":
            text, self._number = self._number + text, ""
        level = level if kind in ("heading", "item") else 0
        self.blocks.append(Block(text, kind, level, line=line, bold=bold))

    def _picture(self, node: Node, place: _Place) -> None:
        words = node.get("alt")
        if words and not _FILE_NAME.fullmatch(words):
            self._write(words, place)
        elif "alt" not in node.attributes or words:
            self._page.left_out["picture"] += 1

    def _code(self, node: Node, place: _Place) -> None:
        self._flush()
        text = "".join(texts(node)).strip("\n").rstrip()
        if text.strip():
            self._add(text, "code", line=node.line)
            self.all_bold = False

    def _raised(self, node: Node, place: _Place) -> None:
        children = [child for child in node.children if isinstance(child, Node)]
        if node.tag == "msup" and len(children) == 2:
            self._push([children[0], "^", children[1]], place)
            return
        if node.links:
            if not _NOTE_MARK.fullmatch(text_of(node)):  # a bare one would run on with the word before it
                self._inside(node, place)
            return
        before = "".join(part[-12:] for part in self._parts[-12:])
        after = self._waiting[-1][0] if self._waiting else None
        self._write(raised(before, text_of(node), after[:12] if isinstance(after, str) else ""), place)

    def _between(self, node: Node, place: _Place) -> None:
        children: list[Node | str] = [child for child in node.children if isinstance(child, Node)]
        if node.tag == "mfrac" and len(children) == 2:
            self._push([children[0], "/", children[1]], place)
        else:
            first, last = ("(", ")") if node.tag == "rt" else ("\u201c", "\u201d")
            self._push([first, *node.children, last], place)

    def _line_of(self, node: Node, place: _Place) -> None:
        """What stands in a drawing, a formula or a field that is filled in."""
        if node.tag == "svg":
            self._page.left_out["picture"] += not node.size
            self._inside(node, place)
        elif node.tag == "math":
            inner = [child for child in node.children if not (isinstance(child, Node) and child.tag == "annotation")]
            self._push(inner, place)
        elif node.tag == "select":
            options = [inner for inner in node.descendants() if inner.tag == "option"]
            chosen = [option for option in options if "selected" in option.attributes] or options[:1]
            self._push((f" {text_of(option)} " for option in chosen), place)
            self._page.left_out["option of a list"] += len(options) - len(chosen)
        elif node.tag == "textarea":
            self._write(_SPACES.sub(" ", "".join(texts(node))), place)
        elif node.get("type").lower() in _TYPED and node.get("value"):
            self._write(node.get("value"), place)
        elif node.get("type").lower() in ("checkbox", "radio"):
            self._write(f"{TICKED if 'checked' in node.attributes else OPEN} ", place)

    def _control(self, node: Node, place: _Place) -> None:
        """What is pressed to show an answer asks, or heads it; other buttons do something and say nothing."""
        if place.in_line or (node.tag == "summary" and node.size > PAGE_LAYOUT):
            self._inside(node, place)
            return
        text = text_of(node)
        if text.endswith("?") or node.tag == "summary" or opens_a_panel(node):
            self._flush()
            if text:
                level = min(self._heading + 1, 6)
                self._add(text, "question" if text.endswith("?") else "heading", level, line=node.line)
                self._heading = level - 1
        elif node.size:
            self._page.left_out["button"] += 1

    def _table(self, node: Node, place: _Place) -> None:
        table = Table(self._page, node, in_article=place.in_article, in_details=place.in_details)
        if table.is_layout:
            for content in table.contents():
                self._waiting.append((None, place))
                if isinstance(content, Node):
                    self._inside(content, replace(place, in_line=False))
                else:
                    self._push([content], place)
            return
        rows = [[self._cell(cell) for cell in row] for row in table.rows]
        caption = "" if table.caption is None else cell_text(Walk(self._page).read(table.caption))
        self.blocks += table_rows(rows, table.heads if table.heads < len(rows) else 0, caption)
        self.all_bold = False
        self._push(table.strays, place)

    def _cell(self, node: Node) -> Cell:
        walk = Walk(self._page)
        text = cell_text(walk.read(node))
        names = node.tag == "th" or (bool(text) and walk.all_bold)
        return Cell(text, _count(node.get("colspan")), _count(node.get("rowspan")), names, line=node.line)


def _numbers_of(node: Node) -> dict[int, str]:
    """What stands before each item of a numbered list, by the identity of its element."""
    items = [child for child in node.children if isinstance(child, Node) and child.tag == "li"]
    if "list-style" in node.get("style") and "none" in node.get("style"):
        return {}
    back = "reversed" in node.attributes
    at = _whole(node.get("start"), len(items) if back else 1)
    found = {}
    for item in items:
        at = _whole(item.get("value"), at)
        found[id(item)] = f"{counted(at, _KINDS.get(node.get('type'), 'decimal'))}. "
        at += -1 if back else 1
    return found


def _whole(text: str, otherwise: int) -> int:
    return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else otherwise


def _count(text: str) -> int:
    return min(int(text), 65_534) if text.isdecimal() and text.isascii() and len(text) < 10 else 1


def _apart(children: Iterable[Node | str]) -> Iterator[Node | str]:
    """The same, with a space between links, buttons or fields that follow one another directly."""
    before: Node | str = ""
    for child in children:
        if isinstance(child, Node) and isinstance(before, Node) and _are_apart(before, child):
            yield " "
        yield child
        before = child


def _are_apart(before: Node, node: Node) -> bool:
    if before.tag in _APART:
        return node.tag in _APART or before.tag == "label"
    return bool(before.attributes and node.attributes and "label" in before.names() and "value" in node.names())


def _is_mark(node: Node) -> bool:
    """Whether a link is a sign of the page's own, or the raised number of a note."""
    if 0 < node.size <= 2 and text_of(node).rstrip("\ufe0e\ufe0f") in _MARKS:
        return True
    inside = [child for child in node.children if isinstance(child, Node) or child.strip()]
    is_raised = len(inside) == 1 and isinstance(inside[0], Node) and inside[0].tag == "sup"
    return is_raised and node.get("href").startswith("#") and bool(_NOTE_MARK.fullmatch(text_of(node)))


def _squeezed(parts: list[str]) -> str:
    return _SPACES.sub(" ", "".join(parts)).strip()
