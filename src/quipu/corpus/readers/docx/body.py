"""The blocks of a Word file's body, of its notes and of its page headers, in the order of the page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from quipu.corpus.readers import Block
from quipu.corpus.readers.bold import with_bold_headings
from quipu.corpus.readers.docx.numbering import Numbering
from quipu.corpus.readers.docx.runs import Paragraph, Runs
from quipu.corpus.readers.docx.styles import (
    Style,
    Styles,
    child,
    heading_level,
    list_id,
    list_level,
    name_of,
    number,
    switched,
    value,
)
from quipu.corpus.readers.faq import in_blocks
from quipu.corpus.readers.grid import Cell, cell_text, table_rows
from quipu.corpus.readers.numbers import boxed

_WRAPPERS = frozenset(
    {"sdt", "sdtContent", "customXml", "smartTag", "ins", "moveTo", "AlternateContent", "Choice", "Fallback"}
)
_PAGE_ONLY = re.compile(r"[\W\d_]*(?:page|seite|p|pg|of|von)?[\W\d_]*(?:of|von)?[\W\d_]*", re.IGNORECASE)
_CONTENTS = re.compile(r"toc \d")
_PAGE_LAYOUT = 600  # characters of a cell of several paragraphs that is laid out by a table, not a value in one


class Body:
    """Reads blocks; ``sections`` are the properties of the sections met, which name headers and footers."""

    def __init__(
        self,
        styles: Styles,
        notes: Mapping[tuple[str, str], Any],
        left_out: Counter[str],
        numbering: Numbering | None = None,
    ) -> None:
        """``notes``: the elements of footnotes and endnotes by kind and id."""
        self.sections: list[Any] = []
        self._styles = styles
        self._numbering = numbering or Numbering()
        self._notes = dict(notes)
        self._left_out = left_out
        self._runs = Runs(styles, left_out)

    def blocks(self, container: Any) -> list[Block]:
        """The blocks of the body, or of anything else that holds paragraphs and tables."""
        return with_bold_headings(in_blocks(_code_joined(self._blocks(container))))

    def _blocks(self, container: Any) -> Iterator[Block]:
        caption: list[Block] = []
        carried = ""  # belongs to the next paragraph: a large first letter, or one whose mark was deleted
        for element in _within(container, ("p", "tbl", "sectPr", "altChunk")):
            name = name_of(element)
            if name == "p":
                yield from caption
                caption = []
                properties = child(element, "pPr")
                style = self._styles.of(value(child(properties, "pStyle")))
                found = self._runs.read(element)
                found.text, carried = carried + found.text, ""
                if _joins_next(properties):
                    carried = found.text
                    found.text = ""
                own = list(self._paragraph(found, properties, style))
                if style.name == "caption" and len(own) == 1:
                    caption = own
                    continue
                yield from own
            elif name == "tbl":
                yield from self._table(element, caption)
                caption = []
            elif name == "sectPr":
                self.sections.append(element)
            else:
                self._left_out["embedded document"] += 1
        yield from caption
        if carried.strip():
            yield Block(carried)

    def _paragraph(self, found: Paragraph, properties: Any, style: Style) -> Iterator[Block]:
        section = child(properties, "sectPr")
        if section is not None:
            self.sections.append(section)
        text = found.text.strip() if not style.is_code else found.text.rstrip()
        if _CONTENTS.match(style.name):
            self._left_out["line of the table of contents"] += bool(text)
        elif text:
            outline = number(value(child(properties, "outlineLvl")))
            heading = style.heading if outline is None else heading_level(outline)
            own_level = list_level(properties)
            item = own_level if own_level is not None else style.item
            if heading:
                mark = self._mark(properties, style)
                yield Block(mark + " ".join(text.split()), "heading", heading)
            elif style.is_code:
                yield Block(text, "code")
            elif found.bold and text.endswith("?"):
                yield Block(text, "question")
            elif item:
                yield Block(boxed(self._mark(properties, style) + text), "item", item)
            else:
                yield Block(text, bold=found.bold)
        for box in found.boxes:
            yield from self._blocks(box)
        yield from (Block(words, "note") for words in found.pictures)
        for note in found.notes:
            element = self._notes.pop(note, None)
            if element is not None:
                yield from as_notes(self._blocks(element))

    def _mark(self, properties: Any, style: Style) -> str:
        """The number that is printed before a heading or an item."""
        own = list_id(properties)
        if own:
            return self._numbering.mark(own, (list_level(properties) or 1) - 1)
        at = style.item - 1 if style.item > 1 else self._numbering.level_of(style.numbering, style.numbered)
        return self._numbering.mark(style.numbering, at)

    def _table(self, table: Any, caption: list[Block]) -> Iterator[Block]:
        """The rows of a table; the blocks of its cells where it only lays them out."""
        rows: list[list[Cell]] = []
        blocks: list[list[list[Block]]] = []
        heads, laid_out, nests, width = 0, False, False, 0
        styled = self._sets_off_first_row(child(table, "tblPr"))
        for row in _within(table, ("tr",)):
            properties = child(row, "trPr")
            if child(properties, "del") is not None:
                continue
            cells: list[Cell] = []
            contents: list[list[Block]] = []
            for cell in _within(row, ("tc",)):
                own = child(cell, "tcPr")
                if child(own, "cellDel") is not None:
                    continue
                merge = child(own, "vMerge")
                continues = merge is not None and value(merge) != "restart"
                content = [] if continues else list(self._blocks(cell))
                laid_out = laid_out or _is_layout(content)
                nests = nests or next(_within(cell, ("tbl",)), None) is not None
                span = number(value(child(own, "gridSpan"))) or 1
                bold = bool(content) and not continues and self._is_bold(cell)
                cells.append(Cell(cell_text(content), span, 1, bold, continues))
                contents.append(content)
            if heads == len(rows) and (switched(properties, "tblHeader") or (styled and not rows)):
                heads += 1
            rows.append(cells)
            blocks.append(contents)
            width = max(width, len(cells))
        # Small tables inside cells do not hide that the first row names the columns.
        nests = nests and not heads and not (len(rows[0]) > 1 and all(cell.names for cell in rows[0]))
        if laid_out or nests or width < 2:
            yield from caption
            yield from (block for contents in blocks for content in contents for block in content)
            return
        notes = [block for contents in blocks for content in contents for block in content if block.kind == "note"]
        title = " ".join(block.text for block in caption)
        yield from table_rows(rows, heads if heads < len(rows) else 0, title)
        yield from notes

    def _sets_off_first_row(self, properties: Any) -> bool:
        """Whether the table's style, other than a mere grid, prints its first row as names of columns."""
        look = child(properties, "tblLook")
        flags = value(look) or ""
        first_row = value(look, "firstRow") in ("1", "true", "on") or (
            value(look, "firstRow") is None and len(flags) == 4 and flags[2] in "2367abefABEF"
        )
        name = self._styles.of(value(child(properties, "tblStyle"))).name if first_row else ""
        return name not in ("", "table grid", "table grid light", "normal table", "table normal", "normal")

    def _is_bold(self, cell: Any) -> bool:
        """Whether all of a cell that has text is bold, without counting anything twice."""
        runs = Runs(self._styles, Counter())
        found = [runs.read(paragraph) for paragraph in _within(cell, ("p",))]
        return all(paragraph.bold for paragraph in found if paragraph.text.strip())

    def headers(self, parts: Mapping[str, Any], even_pages: bool) -> Iterator[Block]:
        """The page headers, then the footers, of all sections, each text once; ``parts`` by relation."""
        seen: set[str] = set()
        for wanted in ("headerReference", "footerReference"):
            for section in self.sections:
                first_page = switched(section, "titlePg")
                for reference in (item for item in section if name_of(item) == wanted):
                    kind = value(reference, "type")
                    if (kind == "first" and not first_page) or (kind == "even" and not even_pages):
                        continue
                    part = parts.get(value(reference, "id") or "")
                    for block in as_notes(self._blocks(part)) if part is not None else ():
                        if block.text not in seen and not _PAGE_ONLY.fullmatch(block.text):
                            seen.add(block.text)
                            yield block


def as_notes(blocks: Iterable[Block]) -> Iterator[Block]:
    """The same blocks as notes: beside the text, not a part of it."""
    return (Block(block.text, "note") for block in blocks)


def _within(container: Any, names: tuple[str, ...]) -> Iterator[Any]:
    """The elements of those names in a container, also in content controls and tracked insertions, in order."""
    waiting = list(reversed(container))
    while waiting:
        element = waiting.pop()
        name = name_of(element)
        if name in names:
            yield element
        elif name == "AlternateContent":
            waiting += [branch for branch in element if name_of(branch) in ("Choice", "Fallback")][:1]
        elif name in _WRAPPERS and child(child(element, "sdtPr"), "showingPlcHdr") is None:
            waiting += reversed(element)


def _joins_next(properties: Any) -> bool:
    """Whether a paragraph runs on into the next: its mark was deleted, or it is a large first letter."""
    frame = child(properties, "framePr")
    dropped = value(frame, "dropCap") in ("drop", "margin")
    return dropped or child(child(properties, "rPr"), "del") is not None


def _is_layout(content: list[Block]) -> bool:
    parts = len(content) > 1 and any(block.kind in ("heading", "code") for block in content)
    long = len(content) > 2 and sum(len(block.text) for block in content) > _PAGE_LAYOUT
    return parts or long


def _code_joined(blocks: Iterable[Block]) -> list[Block]:
    """Lines of code that follow one another are one block."""
    joined: list[Block] = []
    lines: list[str] = []
    for block in [*blocks, Block("")]:
        if block.kind == "code":
            lines.append(block.text)
            continue
        if lines:
            joined.append(Block("\n".join(lines), "code"))
            lines = []
        if block.text:
            joined.append(block)
    return joined
