"""Word documents: all that is printed on the page, in its order.

WordprocessingML is read directly: python-docx and mammoth leave out insertions, content controls or text boxes, and
python-docx unpacks every picture. Recursion is safe: the XML parser refuses what nests deeper than 256 elements.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from quipu.corpus.readers import Bad, Block, Extract
from quipu.corpus.readers.docx.body import Body
from quipu.corpus.readers.docx.numbering import Numbering
from quipu.corpus.readers.docx.package import Package
from quipu.corpus.readers.docx.styles import Styles, child, name_of, switched, value
from quipu.corpus.readers.plain import title_of
from quipu.corpus.readers.titles import useful_title
from quipu.errors import ReadError

_FIRST = re.compile(r"1(?:\.1)*[.)]?\s+(?=\D)")  # the number of a first heading


def read(path: Path) -> Iterator[Extract | Bad]:
    """One extract; the title is the one in the properties, else a Title or first heading, else the file's name.

    Footnotes and endnotes follow the paragraph that refers to them, text boxes the one that they are fastened to;
    page headers and footers come once, at the end. Pictures, charts, deleted and hidden text are counted.
    """
    if path.stat().st_size == 0:
        raise ReadError("empty")
    with Package(path) as package:
        yield _Document(package).extract(title_of(path))


class _Document:
    """The parts of one file. Where a part beside the main one is broken, the rest is read and the part counted."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._left_out: Counter[str] = Counter()
        self._whole = self._related("")
        self._main = next((part for _, kind, part in self._whole if kind == "officeDocument"), "word/document.xml")
        self._parts = self._related(self._main)

    def extract(self, file_title: str) -> Extract:
        body = child(self._package.part(self._main), "body")
        if body is None:
            raise ReadError("broken docx (no body)")
        settings = self._optional("settings")
        numbering = Numbering(self._optional("numbering"))
        reader = Body(Styles(self._optional("styles")), self._notes(), self._left_out, numbering)
        blocks = reader.blocks(body)
        headers = {
            identity: root
            for identity, kind, part in self._parts
            if kind in ("header", "footer") and (root := self._root(part)) is not None
        }
        notes = list(reader.headers(headers, bool(switched(settings, "evenAndOddHeaders"))))
        return Extract(
            self._title(blocks) or file_title,
            (*blocks, *notes),
            left_out={kind: count for kind, count in self._left_out.items() if count},
        )

    def _title(self, blocks: list[Block]) -> str:
        core = next((self._root(part) for _, kind, part in self._whole if kind == "core-properties"), None)
        written = child(core, "title")
        title = useful_title((written.text or "") if written is not None else "")
        headings = (_FIRST.sub("", block.text) for block in blocks if block.kind == "heading")
        return title or next(map(useful_title, headings), "")

    def _notes(self) -> dict[tuple[str, str], Any]:
        """Footnotes and endnotes by kind and id."""
        found: dict[tuple[str, str], Any] = {}
        for name in ("footnote", "endnote"):
            root = self._optional(f"{name}s")
            for note in root if root is not None else ():
                if name_of(note) == name:
                    found[name, value(note, "id") or ""] = note
        return found

    def _optional(self, kind: str) -> Any:
        """The root of the part of that kind, None where there is none that can be read."""
        return next((self._root(part) for _, found, part in self._parts if found == kind), None)

    def _root(self, part: str) -> Any:
        try:
            return self._package.part(part)
        except ReadError:
            self._left_out["broken part"] += 1
            return None

    def _related(self, part: str) -> list[tuple[str, str, str]]:
        try:
            return list(self._package.related(part))
        except ReadError:
            self._left_out["broken part"] += 1
            return []
