"""What the lines of a plain text are: headings, lists, tables, questions, mail; the rest is prose, whose lines join.

Every rule asks for more than one sign, because a line taken for a heading by mistake stands over all that follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from quipu.corpus.readers import Block, faq
from quipu.corpus.readers.faq import Line
from quipu.corpus.table import rows

LONGEST_HEADING = 90  # characters
HEADING_WORDS = 10
LONGEST_CELL = 60  # characters, in a table whose columns are only spaced
SIGNED_WORDS = 3  # at most, in a last line that is a name
NARROWEST = 45  # characters of the longest line of a paragraph that was wrapped at a margin

_RULE = re.compile(r"([=\-~^*_#+.\"])\1{2,}")
_BOXED = re.compile(r"([=*-])\1+[ \t]+(\S.*\S)[ \t]+\1{2,}")
_HASHES = re.compile(r"(#{1,6})[ \t]+(\S.*)")
_NUMBERED = re.compile(
    r"(?P<dotted>\d{1,2}(?:\.\d{1,2})+)\.?[ \t]+[A-Z]|(?P<plain>\d{1,2})\.[ \t]+[A-Z]|"
    r"(?:Chapter|CHAPTER|Section|SECTION|Part|PART|Article|ARTICLE|Appendix|APPENDIX|§)[ ]?[\dIVXA-Z.]+\b"
)
_ITEM = re.compile(
    r"(?P<indent>[ \t]*)"
    r"(?:(?P<bullet>[-*+•·‣▪◦–—])|(?P<number>\d{1,3}|[a-z])[.)]|\((?P<letter>\w)\))[ \t]+(?=\S)"
)
_COMMENT = re.compile(r"[ \t]*([*#;%]|//+|--)[ \t]+(?=\S)")
_HEADER = re.compile(
    r"(From|To|Cc|Bcc|Date|Sent|Subject|Reply-To|Organi[sz]ation|Von|An|Datum|Gesendet|Betreff):[ \t]+\S", re.IGNORECASE
)
_QUOTED = re.compile(r"(?:>[ ]?)+")
_ATTRIBUTION = re.compile(r"(?:.{3,200}\b(?:wrote|writes|schrieb)\b.{0,60}):", re.IGNORECASE)
_COLUMNS = re.compile(r"[ \t]{2,}|\t")
_TABLE_RULE = re.compile(r"[ \t|+:=\-─═┼│┬┴├┤]*[=\-─═]{2,}[ \t|+:=\-─═┼│┬┴├┤]*")
_HYPHEN = re.compile(r"[^\W\d_]-$")


def blocks_of(text: str, line: int = 1) -> list[Block]:
    """The blocks of a text whose lines end with ``\\n``; its first one has the number ``line``."""
    return blocks_of_lines(enumerate(text.split("\n"), line))


def blocks_of_lines(numbered: Iterable[Line]) -> list[Block]:
    """The blocks of lines with their numbers."""
    page = _Page()
    group: list[Line] = []
    groups: list[list[Line]] = []
    for number, words in numbered:
        if words.strip():
            group.append((number, words.rstrip()))
        elif group:
            groups.append(group)
            group = []
    groups.append(group)
    for at, lines in enumerate(groups):
        if lines:
            page.add(lines, groups[at + 1] if at + 1 < len(groups) else [])
    return page.blocks


class _Page:
    """The blocks found so far."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._wrote: list[tuple[int, str]] = []  # who wrote what is quoted, by the depth of the line that says so

    def add(self, lines: list[Line], following: list[Line]) -> None:
        """The blocks of the lines between two empty ones."""
        if headers := _headers(lines):
            self.blocks += [Block(" ".join(text.split()), line=number) for number, text in headers]
            return
        heading, lines = _heading(_uncommented(lines), following)
        if heading is not None:
            self.blocks.append(heading)
        for quoted, run in groupby(lines, key=_is_quoted):
            part = list(run)
            self.blocks += self._quotation(part) if quoted else self._plain(part)

    def _plain(self, lines: list[Line]) -> Iterator[Block]:
        table = _table(lines)
        if table is not None:
            yield from table
            return
        asked = bool(self.blocks) and self.blocks[-1].kind == "question"
        for kind, part in faq.parted([(number, text.lstrip()) for number, text in lines], asked=asked):
            if kind == "question" or len(part) < len(lines):
                yield Block(_joined([text for _, text in part]), kind, line=part[0][0])
                continue
            items = _items(lines)
            if items:
                yield from items
                continue
            texts = [text for _, text in lines]
            above = self.blocks[-1].text if self.blocks else ""
            self._wrote = [(0, _joined(texts))] if _ATTRIBUTION.fullmatch(_joined(texts)[:300]) else []
            if above.endswith(":") and all(text[:1] in " \t" for text in texts) and not _is_wrapped(texts):
                yield Block("\n".join(texts), "code", line=lines[0][0])
            else:
                yield Block(_flowing(texts), line=lines[0][0])

    def _quotation(self, lines: list[Line]) -> Iterator[Block]:
        """Lines of another mail, said to be quoted, and from whom: they are not what the author of this one says."""
        groups: list[tuple[int, list[Line]]] = []
        for number, text in lines:
            mark = _QUOTED.match(text)
            depth, words = (mark[0].count(">"), text[mark.end() :]) if mark else (0, text)
            if not words.strip():
                groups.append((0, []))
            elif groups and groups[-1][0] == depth and not _ATTRIBUTION.fullmatch(words.strip()[:300]):
                groups[-1][1].append((number, words))
            else:
                groups.append((depth, [(number, words)]))
        for depth, part in groups:
            if not part:
                continue
            text = _joined([words for _, words in part])
            self._wrote = [item for item in self._wrote if item[0] < depth]
            if _ATTRIBUTION.fullmatch(text[:300]):
                self._wrote.append((depth, text))
                continue
            said = f"{self._wrote[-1][1]} " if self._wrote else ""
            yield Block(f"Quoted: {said}{text}", line=part[0][0])


def _headers(lines: list[Line]) -> list[Line]:
    """The fields at the head of a mail, folded lines joined; none where these lines are something else."""
    fields: list[Line] = []
    names: set[str] = set()
    for number, text in lines:
        field = _HEADER.match(text)
        if field:
            fields.append((number, text))
            names.add(field[1].lower())
        elif fields and text[:1] in " \t":
            fields[-1] = (fields[-1][0], f"{fields[-1][1]} {text.strip()}")
        else:
            return []
    return fields if len(names) > 1 and names & {"from", "subject", "von", "betreff"} else []


def _heading(lines: list[Line], following: list[Line]) -> tuple[Block | None, list[Line]]:
    """The heading with which a paragraph begins, if it does, and the other lines."""
    number, first = lines[0]
    second = lines[1][1].strip() if len(lines) > 1 else ""
    if _RULE.fullmatch(first.strip()):
        if len(lines) > 2 and _RULE.fullmatch(lines[2][1].strip()) and may_head(second):
            return Block(second, "heading", 1, line=lines[1][0]), lines[3:]
        return None, lines[1:]  # a rule alone says nothing
    text = first.strip()
    if not may_head(text):
        return None, lines
    rule = _RULE.fullmatch(second)
    if rule and (rule[1] == "=" or len(second) >= 0.6 * len(text)) and not _COLUMNS.search(text):
        return Block(text, "heading", 1 if rule[1] in "=#*" else 2, line=number), lines[2:]
    alone = len(lines) == 1
    boxed = _BOXED.fullmatch(text)
    if boxed:
        return Block(boxed[2], "heading", 1 if boxed[1] in "=*" else 2, line=number), lines[1:]
    hashes = _HASHES.fullmatch(text)
    if hashes and alone:
        return Block(hashes[2].rstrip("# "), "heading", len(hashes[1]), line=number), []
    letters = sum(map(str.isalpha, text))
    capitals = text.isupper() and letters > 3 and 2 * letters > len(text) and not _ITEM.match(text)
    if capitals and not any(other.isupper() for _, other in lines[1:]) and (alone or not first.startswith((" ", "\t"))):
        return Block(text, "heading", 1, line=number), lines[1:]
    numbered = _NUMBERED.match(text)
    if numbered and not _COLUMNS.search(text, numbered.end()):
        dots = (numbered["dotted"] or "").count(".")
        is_list = numbered["plain"] and following and _NUMBERED.match(following[0][1].strip())
        directly = (dots and second[:1].isupper()) or _heads_directly(numbered, [text for _, text in lines])
        if (alone and not is_list) or (not alone and directly):
            return Block(text, "heading", 1 + dots, line=number), lines[1:]
    return None, lines


def _heads_directly(numbered: re.Match[str], texts: Sequence[str]) -> bool:
    """Whether a numbered line heads what stands right below: nothing goes on there, though its first word had room."""
    if len(texts) < 2 or numbered["plain"]:
        return False
    text, below = numbered.string, texts[1].strip()
    title = text[numbered.end("dotted") if numbered["dotted"] else numbered.end() :].lstrip(" .:–-")
    other = _NUMBERED.match(below)  # "2.1 Scope" above "2.2 Terms" are lines of a list
    goes_on = title[:1].islower() or below[:1].islower() or (other and other.lastgroup == numbered.lastgroup)
    room = max(len(line.strip()) for line in texts) - len(text)
    return not goes_on and len(below.split(maxsplit=1)[0]) < room


def may_head(text: str) -> bool:
    """Whether a line is as short as a heading and does not end as a sentence does."""
    return (
        2 < len(text) <= LONGEST_HEADING
        and len(text.split()) <= HEADING_WORDS
        and text[-1] not in ".,;"
        and any(letter.isalpha() for letter in text)
    )


def _uncommented(lines: list[Line]) -> list[Line]:
    """Prose each line of which begins with the mark of a comment, without the marks."""
    marks = [_COMMENT.match(text) for _, text in lines]
    if len(lines) < 3 or len({mark and mark[1] for mark in marks}) > 1 or marks[0] is None:
        return lines
    bare = [(number, text[mark.end() :]) for (number, text), mark in zip(lines, marks, strict=True) if mark]
    return bare if _is_wrapped([text for _, text in bare]) else lines


def _items(lines: list[Line]) -> list[Block]:
    """The items of a list, each with the lines that go on with it, and what stands before; none where it is no list.

    A number counts as an item's only at the head, below a colon or as the next one of a list: "in 1869. It" is prose.
    """
    starts: dict[int, re.Match[str]] = {}
    marks = [_ITEM.match(text) for _, text in lines]
    bullets = sum(1 for mark in marks if mark and mark["bullet"])
    last: dict[int, str] = {}
    for at, mark in enumerate(marks):
        if mark is None:
            continue
        indent = len(mark["indent"].expandtabs())
        opens = at == 0 or lines[at - 1][1].endswith(":")
        if mark["bullet"]:
            fits = opens or bool(starts) or bullets > 1
        else:
            value = mark["number"] or mark["letter"]
            begins = value in ("1", "a", "A", "i", "I") or (value.isdecimal() and opens)
            fits = (begins and (opens or bool(starts))) or _next(last.get(indent, "")) == value
            if fits:
                last[indent] = value
        if fits:
            starts[at] = mark
    if not starts or (len(starts) == 1 and 0 in starts and starts[0]["bullet"] in ("–", "—")):
        return []
    first = min(starts)
    found = [Block(_flowing([text for _, text in lines[:first]]), line=lines[0][0])] if first else []
    indents: list[int] = []
    for at, end in zip(starts, [*list(starts)[1:], len(lines)], strict=True):
        indent = len(starts[at]["indent"].expandtabs())
        while indents and indents[-1] >= indent:
            indents.pop()
        indents.append(indent)
        head = lines[at][1].strip() if not starts[at]["bullet"] else lines[at][1][starts[at].end() :]
        text = _joined([head, *(text for _, text in lines[at + 1 : end])])
        found.append(Block(text, "item", len(indents), line=lines[at][0]))
    return found


def _next(value: str) -> str:
    """The number or letter behind one."""
    if not value:
        return ""
    return str(int(value) + 1) if value.isdecimal() else chr(ord(value) + 1)


def _table(lines: list[Line]) -> list[Block] | None:
    """The rows of a table drawn with bars, tabs or wide gaps; None where the lines are no table."""
    body = [(number, text.strip()) for number, text in lines if not _TABLE_RULE.fullmatch(text)]
    ruled = len(lines) > 1 and any(_TABLE_RULE.fullmatch(text) for _, text in lines[1:3]) and len(body) > 1
    if len(body) < 2 or max(len(text) for _, text in body) > 1000:
        return None
    if all("|" in text for _, text in body) and (ruled or all(text.count("|") > 1 for _, text in body)):
        cells = [[cell.strip() for cell in text.strip("|").split("|")] for _, text in body]
    else:
        tabs = all("\t" in text for _, text in body)
        cells = [re.split(r"\t+" if tabs else _COLUMNS, text) for _, text in body]
        cells = [[cell.strip() for cell in row if cell.strip() not in (":", "=")] for row in cells]
        short = all(len(cell) <= LONGEST_CELL and not cell.endswith((".", ",")) for row in cells for cell in row[:-1])
        if not (short or tabs) or not (ruled or len(body) > 2):
            return None
    if len({len(row) for row in cells}) > 1 or len(cells[0]) < 2:
        return None
    digits = [any(letter.isdigit() for cell in row for letter in cell) for row in cells]
    header = cells[0] if ruled or (not digits[0] and any(digits)) else []
    start = 1 if header else 0
    return [
        Block(text, "row", line=number)
        for (number, _), row in zip(body[start:], cells[start:], strict=True)
        for text in rows(header, [row])
    ]


def _is_quoted(line: Line) -> bool:
    """Whether a line is quoted from another mail; three marks and a space are the prompt of Python."""
    return line[1].startswith(">") and not line[1].startswith(">>> ")


def _is_wrapped(texts: Sequence[str]) -> bool:
    """Whether lines were broken at a margin: the next word would not have fitted, nearly always."""
    widths = [len(text.rstrip()) for text in texts]
    widest = max(widths)
    fitted = sum(
        width + 1 + len(after.split(maxsplit=1)[0]) <= widest and not after.lstrip()[:1].islower()
        for width, after in zip(widths, texts[1:], strict=False)
    )
    return len(texts) > 1 and widest >= NARROWEST and fitted <= (len(texts) - 1) // 4


def _flowing(texts: Sequence[str]) -> str:
    """Prose on one line; lines that stand for themselves (verses, addresses) stay lines."""
    if not _is_wrapped(texts):
        return "\n".join(texts)
    if texts[-2].endswith((".", "!", "?")) and len(texts[-1].split()) <= SIGNED_WORDS and texts[-1][-1].isalpha():
        return f"{_joined(texts[:-1])}\n{texts[-1].strip()}"
    return _joined(texts)


def _joined(texts: Sequence[str]) -> str:
    """Lines as one; a word that was parted at its hyphen is whole again, with it."""
    parts: list[str] = []
    for text in filter(None, map(str.strip, texts)):
        glued = bool(parts) and text[0].islower() and _HYPHEN.search(parts[-1][-2:])
        parts.append(text if not parts or glued else f" {text}")
    return "".join(parts)
