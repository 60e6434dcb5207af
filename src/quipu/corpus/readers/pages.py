"""The pages of a plain text, parted by form feeds or by feet such as "[Page 3]": its running lines are taken out.

A paragraph that a page's end cut in two is one again.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from quipu.corpus.readers import Block
from quipu.corpus.readers.faq import Line
from quipu.corpus.readers.layout import NARROWEST, blocks_of, blocks_of_lines

FEED = "\f"
_NUMBER = r"(?:\d{1,5}|[ivxl]{1,6})"
_FOOT = re.compile(rf"\[Page {_NUMBER}\][ \t]*$", re.IGNORECASE)
_COUNT = re.compile(  # a page's number, said to be one or apart from all else
    rf"\[?\b(?:page|seite|pg\.|p\.)[ ]?{_NUMBER}(?:[ ]?(?:of|von|/)[ ]?\d{{1,5}})?\b\]?|^[ \t–—-]*\d{{1,5}}[ \t–—-]*$"
    r"|(?<=[ \t]{3})\d{1,5}[ \t]*$|^[ \t]*\d{1,5}(?=[ \t]{3})",
    re.IGNORECASE,
)
_EDGE = 2  # lines of a head or foot, at most
_ENDS = (".", "!", "?", ":")


@dataclass(frozen=True, slots=True)
class Paged:
    """The blocks of a text with their pages, None where it is all one; its running lines are notes at the end.

    ``breaks``: how many pages begin in it; ``taken``: how many running lines were taken out.
    """

    blocks: tuple[Block, ...]
    breaks: int = 0
    taken: int = 0


def blocks_on_pages(text: str, line: int = 1, page: int = 1) -> Paged:
    """The blocks of a text whose lines end with ``\\n``; its first line has the number ``line`` and is on ``page``.

    A note is a running line without the page's number, on the first page that has it.
    """
    pages = list(_parted(text, line))
    if len(pages) == page == 1:
        return Paged(tuple(blocks_of(text, line)))
    running = _running(pages)
    begins = [next((number for number, words in lines if words.strip()), lines[0][0]) or line for lines in pages]
    found = [
        replace(block, page=page + max(bisect_right(begins, block.line or line) - 1, 0))
        for block in blocks_of_lines(_together(pages, running))
    ]
    notes: dict[str, Block] = {}
    for at, (lines, taken) in enumerate(zip(pages, running, strict=True), page):
        for number, words in (lines[place] for place in sorted(taken)):
            told = " ".join(_COUNT.sub(" ", words).split()).strip("-–— ")
            notes.setdefault(told, Block(told, "note", page=at, line=number))
    notes.pop("", None)
    return Paged((*found, *notes.values()), len(pages) - 1, sum(map(len, running)))


def _parted(text: str, line: int) -> Iterator[list[Line]]:
    """The lines of each page; form feeds part them, or else feet with the page's number."""
    feeds = FEED in text
    begins = False
    page: list[Line] = []
    for number, words in enumerate(text.split("\n"), line):
        if begins:
            yield page
            page = []
        first, *more = words.split(FEED)
        page.append((number, first))
        for part in more:
            yield page
            page = [(number, part)]
        begins = not feeds and _FOOT.search(words) is not None
    yield page


def _running(pages: list[list[Line]]) -> list[set[int]]:
    """For each page the places of those lines at its edges that stand there on other pages too, but for its number.

    Lines with a page's number need two pages, or three where there are many; others a quarter of all.
    """
    edges = [_edges(lines) for lines in pages]
    seen = Counter(key for found in edges for key in set(found.values()))
    few = 2 if len(pages) <= 5 else 3
    least = {True: few, False: max(few, -(-len(pages) // 4))}
    return [{place for place, key in found.items() if seen[key] >= least["#" in key[1]]} for found in edges]


def _edges(lines: list[Line]) -> dict[int, tuple[bool, str]]:
    """The lines that may be a head or a foot, by their place: whether of the foot, and the words without the number.

    That is one or two lines that an empty one parts from the text, or the first and the last where they count pages.
    """
    found: dict[int, tuple[bool, str]] = {}
    filled = [place for place, (_, words) in enumerate(lines) if words.strip()]
    for foot, places in ((False, filled), (True, filled[::-1])):
        run = [place for at, place in enumerate(places[: _EDGE + 1]) if abs(place - places[0]) == at]
        apart = len(run) <= _EDGE and len(run) < len(places)
        for place in run if apart else run[:1]:
            key = " ".join(_COUNT.sub("#", lines[place][1]).split())
            if apart or "#" in key:
                found.setdefault(place, (foot, key))
    return found


def _together(pages: list[list[Line]], running: list[set[int]]) -> Iterator[Line]:
    """The lines of all pages without the running ones, an empty line between two pages where no sentence goes on."""
    last = ""
    for lines, taken in zip(pages, running, strict=True):
        kept = [item for place, item in enumerate(lines) if place not in taken]
        while kept and not kept[-1][1].strip():
            kept.pop()
        while kept and not kept[0][1].strip():
            kept.pop(0)
        if not kept:
            continue
        if last and not _goes_on(last, kept[0][1]):
            yield kept[0][0], ""
        yield from kept
        last = kept[-1][1]


def _goes_on(last: str, first: str) -> bool:
    """Whether the last line of a page and the first of the next are of one paragraph."""
    if last.rstrip().endswith(_ENDS):
        return False
    words = first.lstrip()
    as_wide = len(last.strip()) >= NARROWEST and len(first) - len(words) == len(last) - len(last.lstrip())
    return (words[:1].islower() and words[1:2] != " ") or as_wide
