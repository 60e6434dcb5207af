"""Markdown: the words as a browser shows them; headings, items, table rows, notes and questions are blocks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from quipu.corpus.encoding import whole
from quipu.corpus.readers import Bad, Block, Extract, faq
from quipu.corpus.readers.bold import with_bold_headings
from quipu.corpus.readers.dialects import plain_markdown
from quipu.corpus.readers.front_matter import front_matter
from quipu.corpus.readers.numbers import OPEN, TICKED, boxed
from quipu.corpus.readers.plain import title_of
from quipu.corpus.table import rows
from quipu.records import BlockKind

CAPTION_WORDS = 12  # at most, of a line before a table
_NESTING = 60  # levels that the parser tells apart; what is deeper it drops, so that deeper marks are taken out before
_MARKS = 40  # of a paragraph that are read together: the parser's time grows with their square
_MARK = re.compile(r"[\[`<]|(?:[*_~][^\[`<*_~]*){20}")
_NESTED = re.compile(r"^[ \t]*(?:>[ \t]*|[-*+][ \t]+|\d{1,9}[.)][ \t]+){25,}", re.MULTILINE)
_INDENTED = re.compile(r"^[ \t]{57,}(?=(?:[-*+]|\d{1,9}[.)])[ \t])", re.MULTILINE)
_NOTE = re.compile(r"\[\^([^\]\s\[]{1,100})\]")
_TASK = re.compile(r"\[([ xX])\][ \t]+")
_CAPTION = re.compile(r"(?:table|tab\.)\s*[\w.]*\d", re.IGNORECASE)
_DEFINITION = re.compile(r":[ \t]+")
_BREAK = re.compile(r"<br\s*/?>|<!--.*-->", re.IGNORECASE | re.DOTALL)


def read(path: Path) -> Iterator[Extract | Bad]:
    """One extract; the title is that of the front matter, else the first heading, else the file's name.

    A paragraph with more than 40 brackets and backticks is read in pieces, each for itself.
    """
    source = whole(path).removeprefix("\ufeff")
    page = _Page()
    fields, taken = front_matter(source)
    for field in fields:
        if field.informs():
            page.add("row", rows((), [(field.name, field.value)])[0], field.line)
    title = next((field.value for field in fields if field.name.lower() == "title"), "")
    source = "\n" * taken + source.split("\n", taken)[-1]  # so that lines keep their numbers
    source = plain_markdown(source)
    page.read(_INDENTED.sub(" " * 56, _NESTED.sub("", source)))
    blocks = tuple(with_bold_headings(page.blocks))
    yield Extract(title or page.title or title_of(path), blocks, left_out=dict(page.left_out))


class _Page:
    """The blocks of one file while its tokens come."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.left_out: Counter[str] = Counter()
        self.title = ""
        self._heading = ""
        self._levels: list[str] = []  # the marks of the open lists' current items
        self._header: list[str] = []
        self._row: list[str] = []
        self._caption = ""
        self._environment: MutableMapping[str, Any] = {}
        self._parser = MarkdownIt("commonmark", {"maxNesting": _NESTING}).enable(["table", "strikethrough"])
        self._parser.disable(["inline", "text_join"])  # done here, paragraph by paragraph
        self._parser.block.ruler.before("reference", "note", _note, {"alt": ["paragraph"]})
        self._parser.inline.ruler.before("link", "note", _note_mark)

    def add(self, kind: BlockKind, text: str, line: int | None, level: int = 0, *, bold: bool = False) -> None:
        if text.strip():
            self.blocks.append(Block(text.strip(), kind, level, line=line, bold=bold))

    def read(self, source: str) -> None:
        tokens = self._parser.parse(source, self._environment)
        skipped = 0
        row_line: int | None = None
        for at, token in enumerate(tokens):
            if at < skipped:
                continue
            line = token.map[0] + 1 if token.map else None
            if token.type in ("bullet_list_open", "ordered_list_open"):
                self._levels.append("")
            elif token.type in ("bullet_list_close", "ordered_list_close"):
                self._levels.pop()
            elif token.type == "list_item_open":
                self._levels[-1] = f"{token.info}{token.markup} " if token.info else ""
            elif token.type == "table_open":
                self._begin_table()
            elif token.type == "tr_open":
                self._row, row_line = [], line
            elif token.type == "tr_close":
                if tokens[at - 1].type == "th_close":
                    self._header = self._row
                else:
                    self._add_rows([self._row], row_line)
                self._row = []
            elif token.type == "table_close" and tokens[at - 1].type == "thead_close":
                self._add_rows([], row_line)
            elif token.type == "inline":
                self._inline(token, tokens[at - 1], line)
            elif token.type == "html_block" and line is not None:
                skipped = self._html(tokens, at, line)
            elif token.type in ("fence", "code_block"):
                self.add("code", token.content.strip("\n"), None if line is None else line + (token.type == "fence"))

    def _begin_table(self) -> None:
        before = self.blocks[-1] if self.blocks else Block("")
        told = before.text.endswith(":") or _CAPTION.match(before.text)
        is_caption = before.kind == "paragraph" and told and len(before.text.split()) <= CAPTION_WORDS
        heading = "" if self._heading == self.title or self._heading.endswith("?") else self._heading
        self._caption = before.text if is_caption else heading
        self._header = []

    def _add_rows(self, cells: Sequence[Sequence[str]], line: int | None) -> None:
        for text in rows(self._header, cells, self._caption):
            self.add("row", text, line)

    def _inline(self, token: Token, opening: Token, line: int | None) -> None:
        """What stands in a heading, a cell or a paragraph."""
        if opening.type in ("th_open", "td_open"):
            self._row.append(_on_one_line(self._text(token.content)))
        elif opening.type == "heading_open":
            text = _on_one_line(self._text(token.content))
            self.title = self.title or text
            self._heading = text
            self.add("heading", text, line, int(opening.tag[1:]))
        elif opening.meta.get("note"):
            self.add("note", _on_one_line(self._text(token.content)), line)
        else:
            self._paragraph(token.content, line or 0)

    def _paragraph(self, content: str, line: int) -> None:
        children = self._children(content)
        asked = _bold_question(children)
        if asked:
            lead, children = children[:asked], children[asked + 1 :]
            text = self._written(lead)
            self.add("question", _on_one_line(text), line, len(self._levels))
            line += text.count("\n") + 1
        text = self._written(children)
        kind: BlockKind = "item" if self._levels else "paragraph"
        if self._levels:
            text = _task(text)
        lines = list(enumerate(text.split("\n"), line))
        if any(_DEFINITION.match(one) for _, one in lines):
            self._definitions(lines)
            return
        above = bool(self.blocks) and self.blocks[-1].kind == "question"
        mark = self._levels[-1] if self._levels and not asked else ""
        for number, (part, those) in enumerate(faq.parted(lines, asked=above, kind=kind)):
            words = _on_one_line(" ".join(one for _, one in those))
            words = mark + words if number == 0 and words else words
            self.add(part, words, those[0][0], len(self._levels), bold=_is_bold(children))
        if self._levels:
            self._levels[-1] = ""

    def _definitions(self, lines: Sequence[tuple[int, str]]) -> None:
        """Terms, each on a line, and below them their definitions, each behind a colon."""
        if _DEFINITION.match(lines[0][1]) and self.blocks and self.blocks[-1].kind == "paragraph":
            self.blocks[-1] = replace(self.blocks[-1], kind="term")
        kind: BlockKind = "term"
        for number, line in lines:
            mark = _DEFINITION.match(line)
            if mark:
                kind = "definition"
                self.add(kind, line[mark.end() :], number)
            elif kind == "definition":
                self.blocks[-1] = replace(self.blocks[-1], text=f"{self.blocks[-1].text} {line.strip()}")
            else:
                self.add(kind, line, number)

    def _html(self, tokens: Sequence[Token], at: int, line: int) -> int:
        """The blocks of HTML from the token ``at`` on; where the next token of another kind stands."""
        parts: list[str] = []
        ends, last = 0, at
        for token in tokens[at:]:
            # Below an empty line, indented cells of a table look like code.
            if token.type != "html_block" and not (token.type == "code_block" and token.content.startswith("<")):
                break
            part = "\n" * ((token.map or [0])[0] + 1 - line - ends) + token.content
            parts.append(part)
            ends += part.count("\n")
            last += 1
        for block in _of_html("".join(parts)):
            self.blocks.append(replace(block, line=line + (block.line or 1) - 1))
            if block.kind == "heading":
                self.title = self.title or block.text
                self._heading = block.text
        return last

    def _text(self, content: str) -> str:
        return self._written(self._children(content))

    def _children(self, content: str) -> list[Token]:
        """The parts of a paragraph; one with very many marks is cut at line ends or spaces before it is read."""
        cuts = [match.start() for match in _MARK.finditer(content)][_MARKS::_MARKS]
        children: list[Token] = []
        start = 0
        for cut in [*cuts, len(content)]:
            if cut < len(content):
                cut = (content.rfind("\n", start, cut) + 1) or (content.rfind(" ", start, cut) + 1) or cut
            piece: list[Token] = []  # a list of its own: the parser goes through all that it is given
            self._parser.inline.parse(content[start:cut], self._parser, self._environment, piece)
            children += piece
            start = cut
        return [child for child in children if child.type != "text" or child.content]

    def _written(self, children: Sequence[Token]) -> str:
        """The text that a person sees, ``\n`` at line ends: links show their words, images their description."""
        html = any(child.type == "html_inline" and not _BREAK.fullmatch(child.content) for child in children)
        parts: list[str] = []
        struck = 0
        for child in children:
            if child.type == "s_open":
                struck += 1
                self.left_out["struck-out text"] += 1
            elif child.type == "s_close":
                struck -= 1
            elif struck:
                continue
            elif child.type in ("text", "text_special", "code_inline"):
                parts.append(escape(child.content) if html else child.content)
            elif child.type in ("softbreak", "hardbreak"):
                parts.append("\n")
            elif child.type == "image":
                self.left_out["picture"] += 1
                words = self._written(child.children or [])
                parts.append(escape(words) if html else words)
            elif child.type == "html_inline":
                if child.content[:3].lower() == "<br":
                    parts.append("\n")
                elif html:
                    parts.append(child.content)
        text = "".join(parts)
        if html:
            text = " ".join(block.text for block in _of_html(f"<p>{text}</p>"))
        return text.strip()


def _of_html(source: str) -> list[Block]:
    from quipu.corpus.readers.html import blocks_of

    return blocks_of(source)


def _bold_question(children: Sequence[Token]) -> int:
    """Where a paragraph that begins with a bold question goes on: the place of the line end behind it; 0 for others."""
    if not children or children[0].type != "strong_open":
        return 0
    words = ""
    for at, child in enumerate(children):
        ends = child.type in ("softbreak", "hardbreak") or child.content[:3].lower() == "<br"
        if child.level == 0 and ends:
            return at if words.rstrip().endswith("?") else 0
        if child.level == 0 and child.type == "text" and child.content.strip():
            return 0
        words += child.content if child.type in ("text", "text_special", "code_inline") else ""
    return len(children) if words.rstrip().endswith("?") else 0


def _is_bold(children: Sequence[Token]) -> bool:
    """Whether a paragraph is all bold."""
    ends = bool(children) and children[0].type == "strong_open" and children[-1].type == "strong_close"
    return ends and all(child.level or child.type.startswith("strong") for child in children)


def _task(text: str) -> str:
    """An item of a list of tasks with its box in words."""
    box = _TASK.match(text)
    if not box:
        return text
    return boxed(f"{OPEN if box[1] == ' ' else TICKED}{text[box.end() :]}")


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _note(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    """A footnote: ``[^1]: text``, with the lines that go on with it, as a paragraph of its own."""
    start = state.bMarks[first] + state.tShift[first]
    label = _NOTE.match(state.src, start, state.eMarks[first])
    if not label or state.src[label.end() : label.end() + 1] != ":" or state.is_code_block(first):
        return False
    if silent:
        return True
    state.env.setdefault("notes", set()).add(label[1])
    lines = [state.src[label.end() + 1 : state.eMarks[first]]]
    at = first + 1
    while at < last:
        if state.isEmpty(at):
            if at + 1 >= last or state.isEmpty(at + 1) or state.sCount[at + 1] - state.blkIndent < 4:
                break
        elif _NOTE.match(state.src, state.bMarks[at] + state.tShift[at], state.eMarks[at]):
            break
        lines.append(state.src[state.bMarks[at] : state.eMarks[at]])
        at += 1
    state.line = at
    token = state.push("paragraph_open", "p", 1)
    token.map, token.meta = [first, at], {"note": True}
    token = state.push("inline", "", 0)
    token.map, token.content, token.children = [first, at], "\n".join(line.strip() for line in lines).strip(), []
    state.push("paragraph_close", "p", -1)
    return True


def _note_mark(state: StateInline, silent: bool) -> bool:
    """The mark of a footnote in a sentence is not part of its text."""
    mark = _NOTE.match(state.src, state.pos, state.posMax)
    if not mark or mark[1] not in state.env.get("notes", ()):
        return False
    state.pos = mark.end()
    return True
