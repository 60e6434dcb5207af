"""PDF: the text of each page, lines joined to paragraphs, words that were cut at line ends joined again."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

from quipu.corpus.readers import Bad, Block, Extract
from quipu.corpus.readers.plain import title_of
from quipu.errors import ReadError

_CUT_WORD = re.compile(r"(?<=[a-z])-\n(?=[a-z])")
_LINE = re.compile(r"(?<![.!?:])\n(?=\S)")


def read(path: Path) -> Iterator[Extract | Bad]:
    """One extract; the title is the one in the file's properties, else the file's name."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise ReadError("encrypted; save it without a password")
        pages = [page.extract_text() for page in reader.pages]
        title = str(reader.metadata.title or "").strip() if reader.metadata else ""
    except ReadError:
        raise
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OSError) as error:
        raise ReadError(f"broken PDF ({type(error).__name__})") from error
    blocks = tuple(
        Block(_LINE.sub(" ", _CUT_WORD.sub("", page)), page=number)
        for number, page in enumerate(pages, start=1)
        if page.strip()
    )
    if not blocks:
        raise ReadError("no text in the PDF (scanned pages need text recognition first)")
    yield Extract(title or title_of(path), blocks)
