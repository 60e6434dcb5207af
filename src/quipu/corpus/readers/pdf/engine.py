"""Pages out of a PDF by PDFium: runs of text, what is drawn around them, what is filled in, what is remarked."""

from __future__ import annotations

import ctypes
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as c

from quipu.corpus.readers.pdf.letters import Text, letters
from quipu.corpus.readers.pdf.page import Box, Field, FieldKind, Page, View
from quipu.corpus.readers.pdf.shapes import Shapes
from quipu.errors import ReadError

_ANNOTATIONS = 50_000  # looked at on a page
_NO_REMARK = {c.FPDF_ANNOT_LINK, c.FPDF_ANNOT_POPUP, c.FPDF_ANNOT_WIDGET}
_FIELD_KINDS: dict[int, FieldKind] = {
    c.FPDF_FORMFIELD_TEXTFIELD: "text",
    c.FPDF_FORMFIELD_COMBOBOX: "choice",
    c.FPDF_FORMFIELD_LISTBOX: "choice",
    c.FPDF_FORMFIELD_CHECKBOX: "check",
    c.FPDF_FORMFIELD_RADIOBUTTON: "radio",
}
_SECRET = 1 << 13  # flag of a text field: a password


class Pdf:
    """An open file; ReadError where it is encrypted or broken.

    ``title`` is that of its properties; ``left_out`` counts what belongs to no page.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._document = pdfium.PdfDocument(path)
        except pdfium.PdfiumError as error:
            if getattr(error, "err_code", None) == c.FPDF_ERR_PASSWORD:
                raise ReadError("encrypted; save it without a password") from error
            raise ReadError("broken PDF") from error
        if self._document.get_formtype() != c.FORMTYPE_NONE:
            self._document.init_forms()
        self.left_out = Counter({"attached file": self._document.count_attachments()})
        if self._document.get_formtype() == c.FORMTYPE_XFA_FULL:
            self.left_out["XFA form"] = 1
        self.title: str = self._document.get_metadata_value("Title").strip()
        self._outline = self._headings()

    def __enter__(self) -> Pdf:
        return self

    def __exit__(self, *_: object) -> None:
        self._document.close()

    def pages(self) -> Iterator[Page | None]:
        """Page after page; None for one that cannot be read."""
        for index in range(len(self._document)):
            try:
                page = self._document[index]
            except pdfium.PdfiumError:
                yield None
                continue
            try:
                yield self._page(page, index + 1)
            finally:
                page.close()

    def _page(self, page: Any, number: int) -> Page:
        left, bottom, right, top = page.get_bbox()
        edge = Box(left, min(bottom, top), right, max(bottom, top))
        shapes = Shapes(page)
        texts, hidden = letters(page, edge, shapes)
        sizes = Counter({degrees: sum(len(text.text) for text in group) for degrees, group in texts.items()})
        _even_out(texts)
        main = sizes.most_common(1)[0][0] if sizes else page.get_rotation()
        view = View.make(main, edge)
        return Page(
            number,
            view.width,
            view.height,
            runs=[text.seen(view) for text in texts.pop(main, [])],
            turned=[
                [text.seen(View.make(degrees, edge)) for text in group] for degrees, group in sorted(texts.items())
            ],
            rules=[Box(*view.box(*rule)) for rule in shapes.rules],
            pictures=[Box(*view.box(*picture)) for picture in shapes.pictures],
            fields=self._fields(page, view),
            remarks=_remarks(page),
            outline=self._outline.get(number - 1, {}),
            hidden=hidden,
        )

    def _headings(self) -> dict[int, dict[str, int]]:
        """The outline: page (from 0) -> title in lower case -> level."""
        found: dict[int, dict[str, int]] = defaultdict(dict)
        for mark, _ in zip(self._document.get_toc(), range(10_000), strict=False):
            target = mark.get_dest()
            page = target.get_index() if target else None
            if page is not None:
                found[page][" ".join(mark.get_title().split()).lower()] = mark.level + 1
        return found

    def _fields(self, page: Any, view: View) -> list[Field]:
        """Filled fields in the order of the file; unticked boxes are among them, push buttons and secrets are not."""
        form = self._document.formenv
        if not form:
            return []
        found = []
        for _, annotation in _annotations(page):
            kind = _FIELD_KINDS.get(c.FPDFAnnot_GetFormFieldType(form, annotation))
            if kind is None:
                continue
            if kind == "text" and c.FPDFAnnot_GetFormFieldFlags(form, annotation) & _SECRET:
                continue
            value = _string(c.FPDFAnnot_GetFormFieldValue, form, annotation).strip()
            if kind == "choice":
                value = _chosen(form, annotation) or value
            if kind in ("text", "choice") and not value:
                continue
            name = _string(c.FPDFAnnot_GetFormFieldAlternateName, form, annotation).strip()
            name = name or _string(c.FPDFAnnot_GetFormFieldName, form, annotation).rpartition(".")[2].strip()
            rectangle = c.FS_RECTF()
            c.FPDFAnnot_GetRect(annotation, rectangle)
            box = view.box(rectangle.left, rectangle.bottom, rectangle.right, rectangle.top)
            on = bool(c.FPDFAnnot_IsChecked(form, annotation))
            option = _string(c.FPDFAnnot_GetFormFieldExportValue, form, annotation).strip()
            found.append(Field(*box, kind, name, value, on, option))
        return found


def _even_out(texts: dict[int, list[Text]]) -> None:
    """Recognised words under a scan get one size, unless it is far from the others': each line's is a guess."""
    guessed = [text for group in texts.values() for text in group if not text.style.painted]
    usual = median(text.style.size for text in guessed) if guessed else 0.0
    for text in guessed:
        if 0.7 * usual < text.style.size < 1.4 * usual:
            text.style = replace(text.style, size=usual)


def _annotations(page: Any) -> Iterator[tuple[int, Any]]:
    """Kind and handle of each annotation that is seen; open only until the next one."""
    for at in range(min(c.FPDFPage_GetAnnotCount(page), _ANNOTATIONS)):
        annotation = c.FPDFPage_GetAnnot(page, at)
        if not annotation:
            continue
        try:
            if not c.FPDFAnnot_GetFlags(annotation) & (c.FPDF_ANNOT_FLAG_HIDDEN | c.FPDF_ANNOT_FLAG_NOVIEW):
                yield c.FPDFAnnot_GetSubtype(annotation), annotation
        finally:
            c.FPDFPage_CloseAnnot(annotation)


def _remarks(page: Any) -> list[str]:
    """Comments and free text that readers added to the page."""
    texts = [
        _string(c.FPDFAnnot_GetStringValue, annotation, b"Contents").strip()
        for kind, annotation in _annotations(page)
        if kind not in _NO_REMARK
    ]
    return [text for text in texts if text]


def _chosen(form: Any, annotation: Any) -> str:
    """The chosen options of a list, as a person sees them."""
    count = min(c.FPDFAnnot_GetOptionCount(form, annotation), 10_000)
    chosen = [at for at in range(count) if c.FPDFAnnot_IsOptionSelected(form, annotation, at)]
    return ", ".join(_string(c.FPDFAnnot_GetOptionLabel, form, annotation, at) for at in chosen)


def _string(call: Any, *arguments: Any) -> str:
    """What a call of PDFium writes into a buffer, in UTF-16, of a length that it tells first."""
    length = min(call(*arguments, None, 0), 1 << 20)
    if length <= 2:
        return ""
    buffer = ctypes.create_string_buffer(length)
    call(*arguments, ctypes.cast(buffer, ctypes.POINTER(c.FPDF_WCHAR)), length)
    return buffer.raw[: length - 2].decode("utf-16-le", errors="replace").replace("\r", "\n")
