"""The parts of a Word file: unpacked one at a time when asked for, never beyond a limit, parsed without entities."""

from __future__ import annotations

import lzma
import posixpath
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from quipu.corpus.limits import current
from quipu.errors import ReadError

_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # also what encrypts a new file
_UNREADABLE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, KeyError, ValueError,
               RuntimeError, NotImplementedError, OSError)  # fmt: skip


class Package:
    """An open Word file. Pictures, fonts and whatever else holds no text are never unpacked."""

    def __init__(self, path: Path) -> None:
        """Raises ReadError for what is no zip file."""
        self._unpacked = 0  # bytes
        try:
            self._zip = zipfile.ZipFile(path)
        except _UNREADABLE as error:
            with path.open("rb") as file:
                old = file.read(len(_OLD_OFFICE)) == _OLD_OFFICE
            reason = "encrypted, or an old .doc; save it as .docx without a password" if old else "broken docx (no zip)"
            raise ReadError(reason) from error

    def __enter__(self) -> Package:
        return self

    def __exit__(self, *error: object) -> None:
        self._zip.close()

    def part(self, name: str) -> Any:
        """The root element of an XML part; ReadError where it is missing or broken, or too much has been unpacked."""
        try:
            with self._zip.open(name) as file:
                data = file.read(current().expanded - self._unpacked + 1)
        except _UNREADABLE as error:
            encrypted = isinstance(error, RuntimeError) and "password" in str(error)
            reason = "encrypted; save it without a password" if encrypted else f"broken docx ({name}: {_short(error)})"
            raise ReadError(reason) from error
        current().check_expanded(self._unpacked + len(data))
        self._unpacked += len(data)
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_pis=True)
        try:
            return etree.fromstring(data, parser)
        except etree.XMLSyntaxError as error:
            raise ReadError(f"broken docx ({name}: {_short(error)})") from error

    def related(self, part: str) -> Iterator[tuple[str, str, str]]:
        """What a part ("" for the whole file) refers to: id, kind ("footnotes", "header" ...) and part.

        ReadError where the list of these is broken; nothing where there is none.
        """
        folder, name = posixpath.split(part)
        relations = posixpath.join(folder, "_rels", f"{name}.rels")
        if relations not in self._zip.NameToInfo:
            return
        for item in self.part(relations):
            target = item.get("Target", "")
            if item.get("TargetMode") == "External" or not target:
                continue
            target = target.lstrip("/") if target.startswith("/") else posixpath.join(folder, target)
            yield item.get("Id", ""), item.get("Type", "").rpartition("/")[2], posixpath.normpath(target)


def _short(error: BaseException) -> str:
    said = " ".join(str(error).split())[:100]
    return said or type(error).__name__
