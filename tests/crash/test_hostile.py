"""Files made to break readers end within 20 CPU seconds and 1 GB, with their text or a reason; the next one is read."""

from __future__ import annotations

import gzip
import io
import resource
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from quipu.corpus import FileRead, Skipped, find_files, read_files
from quipu.records import Document

ROOT = Path(__file__).parents[2]
GATE = "The gate was painted by Nora Quill in 1931."
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PARAGRAPH = f"<w:p><w:r><w:t>{GATE}</w:t></w:r></w:p>"


def docx(body: str = PARAGRAPH, *, root: str = "", parts: dict[str, bytes] | None = None) -> bytes:
    """A Word file with this body, or this whole document part, and further parts."""
    main = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    content = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" ContentType="'
        'application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="png" ContentType="image/png"/>'
        f'<Override PartName="/word/document.xml" ContentType="{main}"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/document.xml": root or f'<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>',
        **(parts or {}),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in content.items():
            file.writestr(name, data)
    return out.getvalue()


def picture() -> bytes:
    """A Word file with a picture that unpacks to 1.2 GB of nothing."""
    relation = (
        f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r9" Type="{OFFICE}/image" '
        'Target="media/x.png"/></Relationships>'
    )
    return docx(parts={"word/_rels/document.xml.rels": relation.encode(), "word/media/x.png": bytes(1_200_000_000)})


def headers(count: int) -> dict[str, bytes]:
    """Parts of a Word file that unpack to 3 MB each."""
    relations = "".join(
        f'<Relationship Id="h{n}" Type="{OFFICE}/header" Target="header{n}.xml"/>' for n in range(count)
    )
    header = f'<w:hdr xmlns:w="{WORD}">{"<w:p/>" * 500_000}</w:hdr>'.encode()
    listed = f'<Relationships xmlns="{PACKAGE}/relationships">{relations}</Relationships>'.encode()
    return {"word/_rels/document.xml.rels": listed, **{f"word/header{n}.xml": header for n in range(count)}}


def merged(rows: int) -> bytes:
    """A cell merged over all rows of a table."""
    cell = f"<w:tr><w:tc><w:tcPr><w:vMerge{{}}/></w:tcPr>{PARAGRAPH}</w:tc></w:tr>"
    return docx(f"<w:tbl>{cell.format(' w:val=' + chr(34) + 'restart' + chr(34))}{cell.format('') * rows}</w:tbl>")


def pdf(stream: bytes, extra: str = "", kids: str = "3 0 R", count: int = 1) -> bytes:
    """One page with this content, or a tree of pages that names it many times."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {count} >>".encode(),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800]/Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> >>",
        f"<< /Length {len(stream)} {extra} >>\nstream\n".encode() + stream + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]  # fmt: skip
    out, places = b"%PDF-1.4\n", []
    for number, item in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, item)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"xref\n0 6\n0000000000 65535 f \n%strailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        table, len(out),
    )  # fmt: skip


def flagged(data: bytes, offset: int, value: int) -> bytes:
    """A zip file with one byte of each entry of its directory changed."""
    changed, at = bytearray(data), 0
    while (at := data.find(b"PK\x01\x02", at)) >= 0:
        changed[at + offset] = value
        at += 4
    return bytes(changed)


def torn(data: bytes) -> bytes:
    """A zip file whose packed text has other bytes."""
    changed = bytearray(data)
    at = data.find(b"word/document.xml") + len(b"word/document.xml")
    for place in range(at + 10, at + 30):
        changed[place] ^= 0xFF
    return bytes(changed)


SHOW = f"BT /F 12 Tf 50 700 Td ({GATE}) Tj ET".encode()
# name: content, and whether its text is read (None: it may be, or a limit may end it)
HOSTILE: dict[str, tuple[Callable[[], bytes], bool | None]] = {
    "torn.docx": (lambda: torn(docx(PARAGRAPH * 40)), False),
    "encrypted.docx": (lambda: flagged(docx(), 8, 1), False),
    "packed-otherwise.docx": (lambda: flagged(docx(), 10, 99), False),
    "no-body.docx": (lambda: docx(root=f'<w:document xmlns:w="{WORD}"/>'), False),
    "attribute.docx": (lambda: docx(f'<w:p><w:pPr><w:outlineLvl w:val="x"/></w:pPr></w:p>{PARAGRAPH}'), None),
    "entities.docx": (lambda: docx(root=bomb()), None),
    "picture.docx": (picture, True),
    "parts.docx": (lambda: docx(parts=headers(40)), False),
    "wide.docx": (
        lambda: docx(
            f'<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val="20000000"/></w:tcPr>{PARAGRAPH}</w:tc></w:tr></w:tbl>'
        ),
        None,
    ),
    "merged.docx": (lambda: merged(2000), True),
    "paragraphs.docx": (lambda: docx(PARAGRAPH * 20_000), True),
    "nested.docx": (lambda: docx("<w:tbl><w:tr><w:tc>" * 3000 + PARAGRAPH + "</w:tc></w:tr></w:tbl>" * 3000), None),
    "filter.pdf": (lambda: pdf(SHOW, "/Filter /JBIG2Decode"), None),
    "no-filter.pdf": (lambda: pdf(SHOW, "/Filter /Nowhere"), None),
    "pages.pdf": (lambda: pdf(SHOW, kids="3 0 R " * 30_000), None),
    "round.pdf": (lambda: pdf(SHOW, kids="2 0 R 3 0 R"), None),
    "shows.pdf": (lambda: pdf(SHOW + b"BT /F 12 Tf 0 600 Td " + b"(a) Tj 1 0 Td " * 200_000 + b" ET"), None),
    "deep.jsonl": (lambda: b"[" * 100_000 + f'\n{{"text": "{GATE}"}}\n'.encode(), True),
    "number.jsonl": (lambda: b'{"text": ' + b"9" * 10_000 + f'}}\n{{"text": "{GATE}"}}\n'.encode(), True),
    "cell.tsv": (lambda: b"1\t" + b"x" * 200_000 + f"\tT\n2\t{GATE}\tT\n".encode(), True),
    "return.tsv": (lambda: f"1\ta\rb\tT\n2\t{GATE}\tT\n".encode(), True),
    "quote.tsv": (lambda: b'1\t"' + b"a\n" * 50_000 + f"2\t{GATE}\tT\n".encode(), None),
    "idna.html": (lambda: f"<meta charset=idna><p>{GATE}</p>".encode(), True),
    "punycode.html": (lambda: f"<meta charset=punycode><p>{GATE}</p>".encode(), True),
    "rot13.html": (lambda: f"<meta charset=rot13><p>{GATE}</p>".encode(), True),
    "zip.html": (lambda: f"<meta charset=zlib_codec><p>{GATE}</p>".encode(), True),
    "unclosed.html": (lambda: b"<div>" * 100_000 + f"<p>{GATE}</p>".encode(), True),
    "bold.html": (lambda: b"<p>" + b"<b>x" * 200_000 + GATE.encode(), True),
    "attributes.html": (lambda: f"<p {' '.join(f'a{n}=1' for n in range(100_000))}>{GATE}</p>".encode(), None),
    "breaks.html": (lambda: b"<p>" + b"word<br>" * 400_000 + GATE.encode(), True),
    "cells.html": (lambda: b"<table><tr>" + b"<td>x</td>" * 200_000 + f"<td>{GATE}".encode(), True),
    "span.html": (lambda: f"<table><tr><td colspan=9999999 rowspan=9999999>{GATE}</table>".encode(), True),
    "selects.html": (lambda: b"<select>" * 50_000 + f"</select><p>{GATE}</p>".encode(), None),
    "images.md": (lambda: b"![a](" * 50_000 + GATE.encode(), None),
    "links.md": (lambda: b"[a](" * 50_000 + GATE.encode(), None),
    "backticks.md": (lambda: b"".join(b"`" * n + b"e " for n in range(1, 1500)) + GATE.encode(), True),
    "quoted.md": (lambda: b">" * 50_000 + GATE.encode(), None),
    "emphasis.md": (lambda: b"*a _b " * 50_000 + GATE.encode(), True),
    "table.md": (lambda: b"|a" * 20_000 + b"|\n" + b"|-" * 20_000 + b"|\n" + b"|b|\n" * 500 + GATE.encode(), None),
    "front.md": (lambda: b"---\na: " + b"[" * 50_000 + f"\n---\n{GATE}\n".encode(), True),
    "anchors.md": (lambda: b"---\n" + aliases() + f"---\n{GATE}\n".encode(), True),
    "quotes.txt": (lambda: "“".encode() * 160_000 + f"\n\n{GATE}".encode(), True),
    "line.txt": (lambda: b"x" * 3_000_000 + f"\n\n{GATE}".encode(), True),
    "accents.txt": (lambda: f"{GATE}\n\n".encode() + "e\u0301".encode() * 1_600_000, True),
    "marks.txt": (lambda: f"{GATE}\n\ne".encode() + "\u0301\u0323".encode() * 400_000, True),
    "packed.txt": (lambda: gzip.compress(b"x" * 10_000_000), False),
}  # fmt: skip


def bomb() -> str:
    """XML whose entities unfold to a billion words."""
    rows = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9))
    return (
        f'<!DOCTYPE x [<!ENTITY a0 "gate">{rows}]><w:document xmlns:w="{WORD}"><w:body><w:p><w:r><w:t>&a9;</w:t></w:r>'
        f"</w:p>{PARAGRAPH}</w:body></w:document>"
    )


def aliases() -> bytes:
    """Front matter whose aliases unfold to a billion words."""
    rows = [b"a0: &a0 [gate, gate]\n"] + [
        b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 10)
    ]
    return b"".join(rows)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_ends_in_time_and_the_next_one_is_read(tmp_path: Path, name: str) -> None:
    """A downloaded folder holds files that are broken, or made to break; the rest of it is wanted all the same."""
    make, readable = HOSTILE[name]
    (tmp_path / name).write_bytes(make())
    (tmp_path / "zz-good.txt").write_text("The last file is read.")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    items = list(read_files(find_files([tmp_path])))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    texts = [item.text for item in items if isinstance(item, Document)]
    reasons = [item.reason for item in items if isinstance(item, Skipped)]
    assert texts[-1] == "The last file is read."
    assert [Path(item.name).name for item in items if isinstance(item, FileRead)] == [name, "zz-good.txt"]
    read = any(GATE in text for text in texts)
    assert read if readable else readable is None or not read, reasons
    assert read or reasons, "lost without a word"
    assert all("\n" not in reason and len(reason) < 250 for reason in reasons)
    assert seconds < 21.5 and after.ru_maxrss * 1024 < 1_050_000_000


@pytest.fixture
def fuzz(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark that spoils files."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import fuzz_readers

    return fuzz_readers


def test_the_seeds_are_good_files(fuzz: ModuleType) -> None:
    """Spoiling what no reader reads would find nothing."""
    seen = fuzz.outcome(fuzz.seeds().items())
    assert (seen.ends, seen.complete, seen.unforeseen.total()) == (len(fuzz.seeds()),) * 2 + (0,)


def test_spoilt_files_end_no_build(fuzz: ModuleType) -> None:
    """300 of the 10,000 that the benchmark reads."""
    seen = fuzz.outcome(fuzz.spoilt(fuzz.seeds(), 300, seed=1))
    assert (seen.tracebacks, seen.stopped, seen.ends) == ([], [], 300)
