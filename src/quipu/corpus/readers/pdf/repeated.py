"""Headers and footers: lines that stand at the same place of several pages are taken out of the text."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from quipu.corpus.readers.pdf.page import Page
from quipu.corpus.readers.pdf.rows import Row, Segment, rows_of

_LINES = 8  # looked at from either edge of a page; 3 where only two pages have the line
_ZONE, _NARROW = 0.25, 0.16  # of the page's height, at either edge; the second where only two pages have the line
_LONG = 300  # characters: longer is no header
_SAME = 4.0  # points of y
_NUMBER = re.compile(r"\d+|\b[ivxl]+\b", re.IGNORECASE)
_PAGE = re.compile(
    r"\s*[-|\u2013\u2014\u2022\u00b7(]*\s*(?:\bpage|\bp\.|\bpg\.)?\s*#\s*(?:(?:of|/)\s*#)?\s*[-|\u2013\u2014)]*\s*",
    re.IGNORECASE,
)
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50}


@dataclass(slots=True)
class _Seen:
    page: int
    y: float
    rank: int
    near: float
    numbers: list[int]
    segment: Segment


def take_out(pages: Sequence[Page]) -> tuple[list[tuple[str, int]], int]:
    """Takes repeated lines from the pages; each once, with its first page, and how many were taken out.

    A line repeats where its words, its height on the page and its numbers are the same, or count the pages. Page
    numbers alone are not given back. The head of a table that goes on over pages stays.
    """
    groups: dict[tuple[bool, str, int], list[_Seen]] = defaultdict(list)
    rows = {page.number: rows_of(page.runs) for page in pages} if len(pages) > 1 else {}
    for page in pages:
        if len(pages) > 1:
            for key, seen in _edges(page, rows[page.number]):
                groups[key].append(seen)
    taken: dict[int, set[int]] = defaultdict(set)  # page -> segments, by identity
    notes: list[tuple[str, int]] = []
    for (_, pattern, _), group in groups.items():
        group.sort(key=lambda seen: seen.y)
        start = 0
        for at in range(1, len(group) + 1):
            if at == len(group) or group[at].y - group[at - 1].y > _SAME:
                cluster = _alike(sorted(group[start:at], key=lambda seen: seen.page))
                start = at
                if _repeats(cluster, pattern, len(pages)):
                    for seen in cluster:
                        taken[seen.page].add(id(seen.segment))
                    if text := _kept(cluster, pattern):
                        notes.append((text, cluster[0].page))
    for page in pages if taken else ():
        notes += _beside_numbers(page.number, rows[page.number], taken[page.number])
    count = sum(_remove(page, rows[page.number], taken[page.number]) for page in pages if taken.get(page.number))
    first = {text: page for text, page in sorted(notes, key=lambda note: -note[1])}
    return sorted(first.items(), key=lambda note: note[1]), count


def _edges(page: Page, rows: list[Row]) -> list[tuple[tuple[bool, str, int], _Seen]]:
    found = []
    for at, row in enumerate(rows):
        rank = min(at, len(rows) - 1 - at)
        for segment in row if rank < _LINES else ():
            if len(segment.text) > _LONG:
                continue
            near = min(segment.base, page.height - segment.base) / (page.height or 1.0)
            if near > _ZONE:
                continue
            low = segment.base > page.height / 2
            pattern = _NUMBER.sub("#", segment.text).casefold()
            numbers = [_value(number) for number in _NUMBER.findall(segment.text)]
            y = page.height - segment.base if low else segment.base
            found.append(((low, pattern, round(segment.size)), _Seen(page.number, y, rank, near, numbers, segment)))
    return found


def _value(number: str) -> int:
    if number.isdigit():
        return int(number[:18])
    values = [_ROMAN[letter] for letter in number.lower()]
    return sum(-one if one < two else one for one, two in zip(values, [*values[1:], 0], strict=True))


def _alike(cluster: list[_Seen]) -> list[_Seen]:
    """Those lines whose numbers are the same, or stand to the page's as in most of them."""
    for slot in _slots(cluster):
        if len({seen.numbers[slot] for seen in cluster}) > 1:
            offset = Counter(seen.numbers[slot] - seen.page for seen in cluster).most_common(1)[0][0]
            cluster = [seen for seen in cluster if seen.numbers[slot] - seen.page == offset]
    return cluster


def _repeats(cluster: list[_Seen], pattern: str, pages: int) -> bool:
    count = len({seen.page for seen in cluster})
    if count < (2 if pages <= 5 or _PAGE.fullmatch(pattern) else 3):
        return False
    return count > 2 or all(seen.rank < 3 and seen.near < _NARROW for seen in cluster)


def _slots(cluster: list[_Seen]) -> range:
    return range(min(len(seen.numbers) for seen in cluster))


def _follows(cluster: list[_Seen], slot: int) -> bool:
    """Whether a number grows as the pages do."""
    return len({seen.numbers[slot] - seen.page for seen in cluster}) == 1


def _beside_numbers(page: int, rows: list[Row], taken: set[int]) -> list[tuple[str, int]]:
    """Takes what stands in one row with a page number, as a chapter's title does, too."""
    notes = []
    for row in [*rows[:2], *rows[2:][-2:]]:
        if len(row) < 4 and any(id(part) in taken and _PAGE.fullmatch(_NUMBER.sub("#", part.text)) for part in row):
            new = [part for part in row if id(part) not in taken and len(part.text) < 120]
            taken.update(id(part) for part in new)
            notes += [(part.text, page) for part in new]
    return notes


def _kept(cluster: list[_Seen], pattern: str) -> str:
    """The line without its page number."""
    text = cluster[0].segment.text
    moving = {slot for slot in _slots(cluster) if _follows(cluster, slot)}
    if not moving:
        return "" if _PAGE.fullmatch(pattern) else text
    slot = -1

    def mark(found: re.Match[str]) -> str:
        nonlocal slot
        slot += 1
        return "#" if slot in moving or (slot - 1 in moving and slot == len(cluster[0].numbers) - 1) else found.group()

    return " ".join(_PAGE.sub(" ", _NUMBER.sub(mark, text)).split()).strip("-|\u2013\u2014\u2022\u00b7 ")


def _remove(page: Page, rows: list[Row], taken: set[int]) -> int:
    """Takes the segments' runs from the page, but not the column names of a table that starts there."""
    gone: set[int] = set()
    count = 0
    for at, row in enumerate(rows):
        chosen = [segment for segment in row if id(segment) in taken]
        following = rows[at + 1] if at + 1 < len(rows) else []
        free = not any(id(segment) in taken for segment in following)
        if len(chosen) > 1 and free and _aligned(row, following) > 1:
            continue
        count += len(chosen)
        gone.update(id(run) for segment in chosen for run in segment.runs)
    page.runs = [run for run in page.runs if id(run) not in gone]
    return count


def _aligned(row: Row, other: Row) -> int:
    """How many segments stand under one of another row, by their left, their right or their middle."""
    if not other or other[0].base - row[0].base > 3 * row[0].size:
        return 0
    return sum(
        any(
            abs(one.left - two.left) < 3
            or abs(one.right - two.right) < 3
            or abs(one.left + one.right - two.left - two.right) < 6
            for two in other
        )
        for one in row
    )
