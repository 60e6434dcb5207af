"""Spoilt files for every reader: does one end a build, or cost more than it may?

    python benchmarks/run.py fuzz-readers

10,000 files made from small good ones of each format: bytes changed, cut off, taken out, said twice or a thousand
times, mixed with another file, filled with what parsers stumble over; Word files also inside their parts. They are read
as a build reads them, in a process of their own. Counted are tracebacks that leave the readers' process, files that
crash it or that a limit of ``SECONDS`` of CPU time and 1 GB ends, and files whose end is not reported. Exceptions of
libraries that no reader foresaw are named by kind: each costs its file a line, no more. ``--seed``: other files.
"""

from __future__ import annotations

import argparse
import io
import itertools
import random
import re
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from common import say
from figures import Figure, Result
from quipu.corpus import FileRead, FoundFile, Limits, Skipped, read_files
from quipu.records import Score

FILES = 10_000
SECONDS = 5.0
LONGEST = 200_000  # bytes of a spoilt file
STOPPED = ("takes more", "the reader ", "no progress")
_UNFORESEEN = re.compile(r"cannot be read \((\w+)")
EXAMPLES = Path(__file__).parents[1] / "examples"
_TEXT = (
    "The gate\n\nThe gate was painted by Nora Quill in 1931. It is 4.5 m wide.\n\nOpening hours\n\n"
    "Q: When is it open?\nA: From 9 to 17 o’clock — daily.\n\n1. Lift the latch.\n2. Push.\n\nEvery visitor pays 3 €.\n"
    "\nQuill            Gates          [Page 1]\n\fThe gate           1931\n\nIt opens,\n\n"
    "Quill            Gates          [Page 2]\n\fThe gate           1931\n\nsays Nora.\n"
)
_MARKDOWN = (
    "---\ntitle: Gate\nauthor: N\n---\n# The gate\n\nPainted by *Nora* [Quill](http://x.org \"t\") in `1931`.\n\n"
    "| Day | Price |\n|---|---:|\n| Monday | 3 |\n| Sunday<br>late | ~~4~~ 5 |\n\n- one\n  - two\n1. three\n\n"
    "```sh\nopen --gate\n```\n\n<details><summary>Is it open?</summary>\n\nYes.\n\n</details>\n\n![picture](a.png)\n\n"
    "**Hours**\n\nNine to five.\n\nTerm\n: meaning[^1]\n\n[^1]: A note.\n"
)  # fmt: skip
_HTML = (
    "<!DOCTYPE html><html lang=en><head><meta charset='utf-8'><title>The gate</title><style>p{}</style></head><body>"
    "<nav><a href=#>Home</a></nav><form><h1>The gate</h1><p>Painted by <b>Nora</b> Quill &amp; sons in 10<sup>3</sup>."
    "</p><table><caption>Prices</caption><tr><th>Day<th>Price</tr><tr><td rowspan=2>Monday<td>3</tr><tr><td>4</table>"
    "<ul><li>one<li>two</ul><dl><dt>Key<dd>Iron</dl><details><summary>Open?</summary>Yes</details><button>Why?</button>"
    "<div style='display:none'>secret</div><select><option selected>a</select><pre>x = 1</pre></form></body></html>"
)
_JSONL = "".join(
    f'{{"id": {n}, "title": "Gate {n}", "text": "The gate {n} is \\u00e9 \\"open\\".", "more": [1, {{"a": null}}]}}\n'
    for n in range(6)
)
_TSV = 'id\ttext\ttitle\n1\t"The ""gate"" is open."\tGate\n2\tIt is 4 m wide.\tGate\n\n3\tNora\tQuill\n'
_WORDS = (
    "99999999999999999999 -1 1e999 NaN %s%n ../../../etc/passwd <![CDATA[ ]]> <!-- --> &#xD800; &#99999999; <svg> "
    "</table> <td colspan=9999999> <p a=1 ``` ~~~ ![ ]( | \\ \" ' { [ } ] ( ) << >> obj endobj stream endstream R "
    "/Kids /Parent /Length /FlateDecode /JBIG2Decode Tj BT PK <?xml encoding='none'?> <!ENTITY"
)
_STUMBLE = (
    *(word.encode() + b" " for word in _WORDS.split()),
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r", b"\x1a", b"\xe2\x80\xae", b"---\n", b"\t", b"\n\n",
)  # fmt: skip


def seeds() -> dict[str, bytes]:
    """Good files by name, the suffix tells the format."""
    made = {
        "gate.txt": _TEXT.encode(), "gate-utf16.txt": _TEXT.encode("utf-16"), "gate-cp1252.txt": _TEXT.encode("cp1252"),
        "gate.md": _MARKDOWN.encode(), "gate-crlf.md": _MARKDOWN.replace("\n", "\r\n").encode(),
        "gate.html": _HTML.encode(), "gate.xhtml": b"<?xml version='1.0' encoding='utf-8'?>\n" + _HTML.encode(),
        "gate.jsonl": _JSONL.encode(), "gate.tsv": _TSV.encode(), "gate.pdf": _pdf(), "gate.docx": _docx(),
    }  # fmt: skip
    return made | {name: (EXAMPLES / name).read_bytes() for name in ("printing.docx", "clocks.pdf")}


def _docx() -> bytes:
    import docx

    document = docx.Document()
    document.core_properties.title = "The gate"
    document.add_heading("The gate", 1)
    document.add_paragraph("Painted by Nora Quill in 1931.")
    document.add_paragraph("one", style="List Bullet")
    table = document.add_table(2, 2)
    table.cell(0, 0).merge(table.cell(1, 0)).text = "Monday"
    table.cell(0, 1).text = "3"
    document.sections[0].header.paragraphs[0].text = "Quill & Sons"
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _pdf() -> bytes:
    """Two pages, a form field and a properties' title, nothing packed, so that a changed byte changes what is read."""
    page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 7 0 R >> >> "
    text = "BT /F1 12 Tf 50 700 Td (The gate was painted by) Tj 0 -14 Td (Nora Quill in 19-) Tj T* (31.) Tj ET"
    stream = f"<< /Length {len(text)} >>\nstream\n{text}\nendstream"
    field = "<< /Type /Annot /Subtype /Widget /FT /Tx /T (Name) /V (Nora Quill) /Rect [50 600 200 620] >>"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [8 0 R] >> >>",
        "<< /Type /Pages /Kids [3 0 R 5 0 R] /Count 2 >>",
        page + "/Contents 4 0 R /Annots [8 0 R] >>", stream, page + "/Contents 6 0 R >>", stream,
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>", field, "<< /Title (The gate) >>",
    ]  # fmt: skip
    out, places = b"%PDF-1.7\n", []
    for number, item in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{item}\nendobj\n".encode()
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    end = f"trailer << /Size {len(objects) + 1} /Root 1 0 R /Info 9 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return out + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{end}".encode()


def spoilt(good: Mapping[str, bytes], count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Names and contents of ``count`` spoilt files, the same for the same seed."""
    rng = random.Random(seed)
    names = itertools.cycle(good)
    for number, name in zip(range(count), names, strict=False):
        data, other = good[name], good[rng.choice(list(good))]
        if name.endswith(".docx") and rng.random() < 0.7:
            data = _inside(data, rng)
        else:
            for _ in range(rng.choice((1, 1, 2, 4))):
                data = _changed(data, other, rng)
        yield f"{number}-{name}", data[:LONGEST]


def _inside(data: bytes, rng: random.Random) -> bytes:
    """A zip file with one of its XML parts spoilt and packed again."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        parts = [item for item in old.namelist() if item.endswith((".xml", ".rels"))]
        chosen = "word/document.xml" if rng.random() < 0.5 else rng.choice(parts)
        for item in old.namelist():
            content = old.read(item)
            new.writestr(item, _changed(content, old.read(rng.choice(parts)), rng) if item == chosen else content)
    return out.getvalue()


def _changed(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """``data`` spoilt in one way."""
    if not data:
        return other
    first, last = sorted((rng.randrange(len(data)), rng.randrange(len(data))))
    piece = data[first:last][:2000]
    ways = {
        "bytes": lambda: _flipped(data, rng),
        "cut": lambda: data[:first],
        "hole": lambda: data[:first] + data[last:],
        "twice": lambda: data[:last] + data[first:],
        "often": lambda: data[:first] + piece * rng.choice((10, 100, LONGEST // (len(piece) + 1))) + data[first:],
        "mixed": lambda: data[:first] + other[rng.randrange(len(other) or 1) :],
        "stumble": lambda: data[:first] + rng.choice(_STUMBLE) + data[first:],
        "stumbles": lambda: data[:first] + rng.choice(_STUMBLE) * rng.choice((10, 1000, 20_000)) + data[first:],
    }
    return ways[rng.choice(list(ways))]()[:LONGEST]


def _flipped(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 3, 30))):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def files(folder: Path, made: Iterable[tuple[str, bytes]]) -> Iterator[FoundFile]:
    """Each file written when it is asked for, and deleted when the next one is."""
    for name, data in made:
        path = folder / name
        path.write_bytes(data)
        yield FoundFile(str(path), name, path)
        path.unlink()


@dataclass(slots=True)
class Outcome:
    """What became of spoilt files: counts, files that crashed the reader or met a limit, and what nobody foresaw."""

    ends: int = 0
    complete: int = 0
    tracebacks: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    unforeseen: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)


def outcome(made: Iterable[tuple[str, bytes]]) -> Outcome:
    """Read files as a build does."""
    seen = Outcome()
    with tempfile.TemporaryDirectory() as folder:
        try:
            for item in read_files(files(Path(folder), made), limits=Limits(seconds=SECONDS)):
                if isinstance(item, FileRead):
                    seen.ends += 1
                    seen.complete += item.complete
                    if seen.ends % 500 == 0:
                        say(f"  {seen.ends} files, {seen.complete} read to their end")
                elif isinstance(item, Skipped) and item.reason.startswith(STOPPED):
                    seen.stopped.append(f"{item.name}: {item.reason}")
                elif isinstance(item, Skipped) and (found := _UNFORESEEN.match(item.reason)):
                    kind = f"{item.name.rpartition('.')[2]}: {found.group(1)}"
                    seen.unforeseen[kind] += 1
                    seen.examples.setdefault(kind, f"{item.name}: {item.reason}")
        except Exception as error:  # the one thing that must not happen
            seen.tracebacks.append(f"{type(error).__name__}: {error}")
    return seen


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.set_defaults(limit=FILES)
    parser.add_argument("--seed", type=int, default=0)


def run(options: argparse.Namespace) -> Result:
    """Spoil, read and count."""
    seen = outcome(spoilt(seeds(), options.limit, options.seed))
    counts = {
        "foreign tracebacks": len(seen.tracebacks), "crashed the reader or met a limit": len(seen.stopped),
        "without an end": options.limit - seen.ends,
    }  # fmt: skip
    figures = [Figure("readers", Score(name, value, options.limit, None, False), 0.0) for name, value in counts.items()]
    figures += [
        Figure("readers", Score("read to their end", seen.complete, options.limit)),
        Figure("readers", Score("exceptions that no reader foresaw", seen.unforeseen.total(), options.limit)),
    ]  # fmt: skip
    details = {"stopped": seen.stopped, "unforeseen": dict(seen.unforeseen.most_common()), "examples": seen.examples}
    title = f"Spoilt files: {options.limit:,} for all readers, {SECONDS:g} CPU seconds and 1 GB each"
    for line in (*seen.tracebacks, *seen.stopped[:20], *seen.examples.values()):
        say(f"  {line}")
    return Result.now("fuzz-readers", title, figures, details=details)
