"""Lines in the order of reading to blocks: paragraphs, headings, items of lists, rows of tables, notes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median

from quipu.corpus.readers import Block
from quipu.corpus.readers.pdf.grids import Table
from quipu.corpus.readers.pdf.hyphens import Hyphens
from quipu.corpus.readers.pdf.layout import LED, Entry, Item, Line
from quipu.corpus.table import rows as table_rows
from quipu.language.english import FUNCTION_WORDS
from quipu.records import BlockKind

Paged = tuple[int, Sequence[Item], dict[str, int]]  # number, what stands on the page, the outline's titles on it

_LARGE, _SMALL = 1.12, 0.92  # of the body's size: headings; notes at the foot of a page
_LONG = 160  # characters: longer is no heading
_LEVELS = 6
_BULLET = re.compile(r"[\u2022\u25cf\u25cb\u25e6\u25aa\u25ab\u25a0\u25a1\u2023\uf0b7\uf0a7]\s*(?=\S)")
_DASH = re.compile(r"[*\u2013\u2014\u00b7-]\s+(?=\S)")
_ENUMERATOR = re.compile(r"\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,4})[.)]\s+(?=\S)")
_NUMBERED = re.compile(
    r"(?:(\d{1,2}(?:\.\d{1,2})*)\.?|(?:Chapter|Section|Part|Article|Appendix|Annex) \w{1,5}[.:]?)\s+[^\W\d_a-z]"
)
_COUNT = re.compile(r"\d+ ")  # a number without a dot: of a day, a house, things
_END = re.compile(r"[.!?:;\u2026][\"'\u201d\u2019)\]]*$")
_ELSEWHERE = 9.0  # lines apart: not one below the other
_CAPTION = re.compile(r"(?:table|tab\.)\s*\w{0,6}\s*[.:\u2013\u2014-]|.*:$", re.IGNORECASE | re.DOTALL)
_CONTENTS = re.compile(r"\b(?:contents|index|list of (?:figures|tables)|inhalt\w*|sommaire)\b", re.IGNORECASE)
_PAGE = re.compile(r"(?:^|\s)(?:\d{1,4}|[ivxl]{1,6})$")
_FOOTNOTE = re.compile(r"(?:\d{1,2}|[*\u2020\u2021])[.)]?\s+\S")


def blocks_of(pages: Iterable[Paged]) -> tuple[list[Block], int]:
    """The blocks of a whole document, and how many lines were left out, which were a table of contents.

    Sentences go on over the ends of lines, columns and pages.
    """
    pages = list(pages)
    lines = [item for _, items, _ in pages for item in items if isinstance(item, Line)]
    sizes: Counter[float] = Counter()
    hyphens = Hyphens()
    for line in lines:
        sizes[line.size] += len(line.text)
        hyphens.learn(line.text)
    body = sizes.most_common(1)[0][0] if sizes else 0.0
    large = sorted((size for size in sizes if size >= _LARGE * body), reverse=True)
    levels = {size: min(at, _LEVELS) for at, size in enumerate(large, start=1)}
    gaps = [
        (two.base - one.base) / one.size
        for one, two in pairwise(lines)
        if one.column == two.column and one.size == two.size == body and 0 < two.base - one.base < 3 * one.size
    ]
    if 2 * sum(len(line.text) for line in lines if line.even) > sum(sizes.values()):
        for line in lines:
            line.even = False  # a typewriter's text, no code
    writer = _Writer(body, levels, median(gaps) if gaps else 1.2, hyphens)
    for number, items, outline in pages:
        writer.page(number, items, outline)
    return writer.done(), writer.contents


class _Writer:
    """Holds the block that is still open while lines come."""

    def __init__(self, body: float, levels: dict[float, int], pitch: float, hyphens: Hyphens) -> None:
        self._blocks: list[Block] = []
        self._body, self._levels, self._pitch, self._hyphens = body, levels, pitch, hyphens
        self._open: Block | None = None
        self._last: Line | None = None  # of the open block
        self._page = 0  # of that line
        self._left = 0.0  # where the open block starts
        self._marks: list[float] = []  # xs of the markers of the list so far, outermost first
        self._notes: list[Block] = []
        self._header: tuple[str, ...] = ()
        self.contents = 0  # lines of a table of contents

    def page(self, number: int, items: Sequence[Item], outline: dict[str, int]) -> None:
        """One page; a paragraph may stay open for the next."""
        feet = self._feet(items)
        for at, item in enumerate(items):
            following = items[at + 1] if at + 1 < len(items) else None
            if isinstance(item, Table):
                self._table(item, number, goes_on=at == 0)
            elif isinstance(item, Entry):
                self._close()
                self._blocks.append(Block(item.text, page=number))
            elif id(item) in feet:
                self._note(item, number)
            else:
                self._line(item, number, outline, following)

    def done(self) -> list[Block]:
        """All blocks."""
        self._close()
        return self._blocks

    def _line(self, line: Line, number: int, outline: dict[str, int], following: Item | None) -> None:
        if LED.search(line.text):
            self._led(line, number)
            return
        kind, level = self._kind(line, outline, following, number)
        marker = self._marker(line, number) if kind == "paragraph" else None
        same = self._open is not None and self._open.kind == kind and self._open.level == level
        if marker is not None:
            text = line.text if _ENUMERATOR.match(line.text) else line.text[marker:]
            self._start(Block(text, "item", self._depth(line.left), number), line)
        elif self._open is not None and (
            (same and kind != "paragraph" and self._near(line, number, 2.6 if kind == "code" else 1.3))
            or (kind == "paragraph" and self._open.kind in ("paragraph", "item") and self._goes_on(line, number))
        ):
            text = self._open.text
            text = self._code(text, line) if kind == "code" else self._hyphens.join(text, line.text)
            self._open = replace(self._open, text=text)
            self._last = line
        else:
            self._start(Block(line.text, kind, level, number), line)
        self._page = number

    def _led(self, line: Line, number: int) -> None:
        """A line whose dots lead to a value; to a page number in a table of contents, which is left out."""
        self._close()
        if self._below_contents() and _PAGE.search(line.text):
            self.contents += 1
        else:
            self._blocks.append(Block(LED.sub(": ", line.text), "row", page=number))

    def _below_contents(self) -> bool:
        last = self._blocks[-1] if self._blocks else None
        return last is not None and len(last.text) < 40 and _CONTENTS.search(last.text) is not None

    def _code(self, text: str, line: Line) -> str:
        """Code and its next line, as far to the right as on the page."""
        letter = max((line.right - line.left) / len(line.text), 1.0)
        indent = min(max(round((line.left - self._left) / letter), 0), 40)
        return f"{text}\n{' ' * indent}{line.text}"

    def _start(self, block: Block, line: Line) -> None:
        self._close()
        if block.kind != "item":
            self._marks = []
        self._open, self._last, self._left = block, line, line.left

    def _close(self) -> None:
        if self._open is not None:
            self._blocks.append(self._open)
        self._blocks += self._notes
        self._open, self._last, self._notes = None, None, []

    def _kind(self, line: Line, outline: dict[str, int], following: Item | None, number: int) -> tuple[BlockKind, int]:
        """Of a line by itself: heading with its level, question in bold, or paragraph."""
        text = line.text
        if level := outline.get(" ".join(text.split()).lower()):
            return "heading", min(level, _LEVELS)
        if line.even:
            return "code", 0
        if len(text) > _LONG or not any(letter.isalpha() for letter in text):
            return "paragraph", 0
        if line.size in self._levels:
            return "heading", self._levels[line.size]
        level = min(len(self._levels) + 1, _LEVELS)
        below = following if isinstance(following, Line) else None
        alone = below is None or not below.bold or self._gap(line, below) > 1.3
        if line.bold and line.size > _SMALL * self._body:
            if text.endswith("?"):
                return "question", 0
            more = self._last is not None and self._last.bold and self._near(line, number)
            if alone and not more and not re.search(r"[.,;:]$", text):
                return "heading", level
            return "paragraph", 0
        numbered = _NUMBERED.match(text)
        depth = min((numbered[1] or "").count(".") + level, _LEVELS) if numbered else 0
        if numbered and numbered[1] and below and below.text.startswith(f"{numbered[1]}.1"):
            return "heading", depth  # its parts follow
        if _END.search(text) or not (self._gap_above(line, number) > 1.2 and alone):
            return "paragraph", 0
        apart = below is None or self._gap(line, below) > 1.2
        if numbered and not _COUNT.match(text) and len(text) < 80 and not (below and _NUMBERED.match(below.text)):
            return "heading", depth
        if text.isupper() and 3 < len(text) < 60 and apart and len(text.split()) < 9:
            return "heading", level
        return "paragraph", 0

    def _gap(self, one: Line, two: Line) -> float:
        """Distance of two lines' bases, of the usual one; large where they are not one below the other."""
        if two.base <= one.base or two.left >= one.right or two.right <= one.left:
            return _ELSEWHERE
        return (two.base - one.base) / max(one.size, two.size) / self._pitch

    def _gap_above(self, line: Line, number: int) -> float:
        return self._gap(self._last, line) if self._last is not None and self._page == number else _ELSEWHERE

    def _near(self, line: Line, number: int, most: float = 1.3) -> bool:
        """Whether a line stands right below the last, in the same type."""
        last = self._last
        return (
            last is not None
            and self._gap_above(line, number) < most
            and last.bold == line.bold
            and abs(last.size - line.size) < 0.05 * line.size
        )

    def _goes_on(self, line: Line, number: int) -> bool:
        """Whether a line continues the open paragraph or item."""
        last, block = self._last, self._open
        if last is None or block is None or not 0.85 < line.size / last.size < 1.18:
            return False
        first = line.text[0]
        ended = _END.search(last.text) is not None
        start, end = last.room
        wide = max(end - start, 1.0)
        waits = not ended and (last.text[-1] in ",(-\u2010" or last.text.split()[-1] in FUNCTION_WORDS)
        gap = self._gap(last, line)
        if (last.listed or line.listed) and not (first.islower() or waits):
            return False
        if self._page != number or line.base <= last.base:
            return not ended and (first.islower() or waits or last.right > start + 0.6 * wide)
        if gap > (1.9 if first.islower() and not ended else 1.3):
            return False
        if block.kind == "item":
            return line.left > self._marks[-1] + 0.3 * line.size or (first.islower() and not ended)
        if first.islower() or waits:
            return True
        if line.left - start > 0.8 * line.size and last.left - start < 0.3 * line.size:
            return False  # the first line of a paragraph stands to the right
        word = line.text.split(maxsplit=1)[0]
        room = end - last.right - (line.right - line.left) * (len(word) + 1) / len(line.text)
        return not (room > line.size if ended else room > 0.35 * wide)

    def _marker(self, line: Line, number: int) -> int | None:
        """The length of what marks an item at the line's start."""
        if found := _BULLET.match(line.text):
            return found.end()
        found = _DASH.match(line.text) or _ENUMERATOR.match(line.text)
        if found is None:
            return None
        last, block = self._last, self._open
        new = last is None or block is None or block.kind != "paragraph" or _END.search(last.text)
        return found.end() if new or self._gap_above(line, number) > 1.3 or not self._goes_on(line, number) else None

    def _depth(self, left: float) -> int:
        """The level of an item by where its marker stands; those of the list so far are kept."""
        while self._marks and left < self._marks[-1] - 3:
            self._marks.pop()
        if not self._marks or left > self._marks[-1] + 3:
            self._marks.append(left)
        return len(self._marks)

    def _table(self, table: Table, number: int, goes_on: bool) -> None:
        """Rows in words, after a caption right above; a table at the top of a page goes on with the names before it."""
        caption = ""
        header, cells = table.header, table.cells
        block = self._open
        if block and block.kind == "paragraph" and len(block.text) <= _LONG and _CAPTION.match(block.text):
            caption, self._open = block.text, None
        self._close()
        lines = [list(header), *cells] if header else cells
        if self._below_contents() and all(_PAGE.search(row[-1]) or not row[-1] for row in lines):
            self.contents += len(lines)
            return
        if goes_on and not header and cells and self._header and len(self._header) == len(cells[0]):
            header = self._header
        for text in table_rows(header, cells, caption):
            self._blocks.append(Block(text, "row", page=number))
        self._header = header

    def _feet(self, items: Sequence[Item]) -> set[int]:
        """The lines in small type that end a page, from the first that starts like a footnote."""
        feet: list[Line] = []
        for item in reversed(items):
            if not isinstance(item, Line) or item.size > _SMALL * self._body:
                break
            feet.append(item)
        while feet and not _FOOTNOTE.match(feet[-1].text):
            feet.pop()
        return {id(line) for line in feet} if len(feet) < len(items) else set()

    def _note(self, line: Line, number: int) -> None:
        if self._notes and not _FOOTNOTE.match(line.text):
            self._notes[-1] = replace(self._notes[-1], text=self._hyphens.join(self._notes[-1].text, line.text))
        else:
            self._notes.append(Block(line.text, "note", page=number))
