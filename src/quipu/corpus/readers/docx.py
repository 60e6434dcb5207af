"""Word documents: paragraphs and table rows in the order of the page."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from quipu.corpus.readers import Bad, Block, Extract
from quipu.corpus.readers.plain import title_of
from quipu.errors import ReadError


def read(path: Path) -> Iterator[Extract | Bad]:
    """One extract; the title is the one in the properties, else a Title or first heading, else the file's name."""
    import docx
    from docx.opc.exceptions import PackageNotFoundError
    from docx.table import Table

    if path.stat().st_size == 0:
        raise ReadError("empty")
    try:
        document = docx.Document(str(path))
        title = (document.core_properties.title or "").strip()
        paragraphs = []
        for block in document.iter_inner_content():
            if isinstance(block, Table):
                paragraphs += [" | ".join(cell.text.strip() for cell in row.cells) for row in block.rows]
                continue
            text = block.text.strip()
            style = (block.style.name if block.style else None) or ""
            if not title and text and style.startswith(("Title", "Heading")):
                title = text
            paragraphs.append(text)
    except PackageNotFoundError as error:
        with path.open("rb") as file:
            encrypted = file.read(8) == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        raise ReadError(
            "encrypted, or an old .doc; save it as .docx without a password" if encrypted else "broken docx"
        ) from error
    except (zipfile.BadZipFile, KeyError, ValueError, SyntaxError, OSError) as error:
        raise ReadError(f"broken docx ({type(error).__name__})") from error
    yield Extract(title or title_of(path), tuple(Block(paragraph) for paragraph in paragraphs))
