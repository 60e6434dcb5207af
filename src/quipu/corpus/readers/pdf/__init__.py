"""PDF: text in the order of reading with headings, lists and tables; form fields, remarks; running heads taken out.

PDFium reads the file (encrypted ones too, where no password is asked); what the page means is found by where things
stand on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from quipu.corpus.readers import Bad, Block, Extract
from quipu.corpus.readers.pdf.engine import Pdf
from quipu.corpus.readers.pdf.layout import Line, arranged
from quipu.corpus.readers.pdf.letters import UNKNOWN
from quipu.corpus.readers.pdf.page import Box, Page
from quipu.corpus.readers.pdf.paragraphs import blocks_of
from quipu.corpus.readers.pdf.repeated import take_out
from quipu.corpus.readers.plain import title_of
from quipu.corpus.readers.titles import useful_title
from quipu.errors import ReadError

_PICTURE = 20.0  # points: smaller ones are ornaments


def read(path: Path) -> Iterator[Extract | Bad]:
    """One extract. The title is that in the file's properties, unless a program put it there; else the largest heading
    of the first page, else the file's name. ReadError: encrypted, broken, without text."""
    with Pdf(path) as pdf:
        title = useful_title(pdf.title)
        pages = list(pdf.pages())
        left_out = pdf.left_out
    good = [page for page in pages if page is not None]
    if not good:
        raise ReadError("broken PDF: no page can be read")
    left_out["unreadable page"] = len(pages) - len(good)
    for page in good:
        if _is_unknown(page):
            left_out["page of unknown letters"] += 1
            page.runs, page.turned = [], []
            continue
        left_out["hidden character"] += page.hidden
        if _is_scan(page):
            left_out["scanned page"] += 1
        else:
            left_out["picture"] += sum(_is_picture(picture, page) for picture in page.pictures)
    notes, left_out["repeated header or footer"] = take_out(good)
    arrangement = [(page.number, arranged(page), page.outline) for page in good]
    blocks, left_out["line of the table of contents"] = blocks_of(arrangement)
    blocks += [Block(remark, "note", page=page.number) for page in good for remark in page.remarks]
    blocks += [Block(note, "note", page=number) for note, number in notes]
    if not blocks:
        if left_out["scanned page"]:
            raise ReadError("no text: its pages are pictures; run text recognition (OCR) first")
        if left_out["page of unknown letters"]:
            raise ReadError("no text: its fonts do not say which letters they draw; run text recognition (OCR) first")
        raise ReadError("no text in the PDF")
    if not title:
        title = _heading([item for number, items, _ in arrangement[:1] for item in items if isinstance(item, Line)])
    yield Extract(title or title_of(path), tuple(blocks), left_out=+left_out)


def _heading(lines: Sequence[Line]) -> str:
    """The text in the largest type, or that stands bold at the top, of a first page; "" where nothing stands out."""
    worded = [line for line in lines if sum(map(str.isalpha, line.text)) > 2]
    if not worded:
        return ""
    sizes = Counter[float]()
    for line in worded:
        sizes[line.size] += len(line.text)
    largest = max(sizes)
    if largest >= 1.12 * sizes.most_common(1)[0][0]:
        first = next(at for at, line in enumerate(worded) if line.size == largest)
        last = first
        while last + 1 < len(worded) and _below(worded[last], worded[last + 1]) and last - first < 2:
            last += 1
        return " ".join(line.text for line in worded[first : last + 1])[:200]
    top = worded[0]
    if top.bold and not all(line.bold for line in worded) and len(top.text) <= 120:
        return top.text
    return ""


def _below(one: Line, two: Line) -> bool:
    """Whether a line goes on with another, in the same type."""
    return one.size == two.size and 0 < two.base - one.base < 1.35 * one.size


def _is_unknown(page: Page) -> bool:
    """Whether most letters of a page are none, as with fonts that do not say what their shapes mean."""
    text = "".join(run.text for runs in (page.runs, *page.turned) for run in runs)
    unknown = sum(letter == UNKNOWN or "\ue000" <= letter < "\uf8ff" for letter in text)
    return unknown > 0.5 * len(text.replace(" ", ""))


def _is_scan(page: Page) -> bool:
    """Whether a page shows a picture and no text."""
    if page.runs or page.turned or page.fields:
        return False
    return any(_is_picture(picture, page) for picture in page.pictures) or _covers(page.pictures, page)


def _is_picture(box: Box, page: Page) -> bool:
    """Whether it is worth a word: not an ornament, and not the scan under recognised text."""
    wide, high = box.right - box.left, box.bottom - box.top
    return min(wide, high) >= _PICTURE and not (page.runs and wide * high > 0.8 * page.width * page.height)


def _covers(pictures: Sequence[Box], page: Page) -> bool:
    """Whether pictures (a scan cut into strips) cover most of a page."""
    return sum((box.right - box.left) * (box.bottom - box.top) for box in pictures) > 0.5 * page.width * page.height
