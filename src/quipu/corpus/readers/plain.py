"""Plain text in any encoding, streamed: a file longer than a million characters comes in parts."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from quipu.corpus.readers import Bad, Block, Extract
from quipu.errors import ReadError

PART = 1_000_000  # characters
_SAMPLE = 1 << 18  # bytes looked at to tell the encoding
_BLOCK = 1 << 20
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
          (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip


def encoding_of(path: Path) -> str:
    """The encoding, by byte order mark, then UTF-8, then charset-normalizer; ReadError for empty and binary files."""
    with path.open("rb") as file:
        sample = file.read(_SAMPLE)
    if not sample.strip():
        raise ReadError("empty")
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name
    if b"\x00" in sample:
        if sample.count(b"\x00") > 0.3 * len(sample) and len(sample) % 2 == 0:
            even, odd = sample[0::2].count(0), sample[1::2].count(0)
            if max(even, odd) > 10 * (1 + min(even, odd)):
                return "utf-16-be" if even > odd else "utf-16-le"
        raise ReadError("binary, not text")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=len(sample) < _SAMPLE)
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes

        best = from_bytes(sample).best()
        if best is None:
            raise ReadError("binary, or in an encoding that cannot be told") from None
        return best.encoding
    return "utf-8"


def blocks(path: Path) -> Iterator[str]:
    """The decoded text, a block at a time; a byte that does not fit becomes U+FFFD."""
    decoder = codecs.getincrementaldecoder(encoding_of(path))(errors="replace")
    with path.open("rb") as file:
        while data := file.read(_BLOCK):
            yield decoder.decode(data)
    yield decoder.decode(b"", final=True)


def whole(path: Path) -> str:
    """All of a file's text, for the formats that cannot be streamed."""
    return "".join(blocks(path))


def read(path: Path) -> Iterator[Extract | Bad]:
    """One extract, or numbered parts that end at paragraph ends (else at line ends)."""
    title = title_of(path)
    number, held = 0, ""
    for block in blocks(path):
        held += block
        while len(held) > PART:
            cut = max(held.rfind("\n\n", PART // 2, PART) + 2, 0)
            cut = cut if cut > 1 else held.rfind("\n", PART // 2, PART) + 1
            cut = cut if cut > 0 else PART
            number += 1
            yield Extract(title, paragraphs(held[:cut]), f"part-{number}", {"part": number})
            held = held[cut:]
    if number == 0:
        yield Extract(title, paragraphs(held))
    elif held.strip():
        yield Extract(title, paragraphs(held), f"part-{number + 1}", {"part": number + 1})


def title_of(path: Path) -> str:
    """A file's name as a title."""
    return path.stem.replace("_", " ").strip()


def paragraphs(text: str) -> tuple[Block, ...]:
    """The paragraphs of a text: what stands between empty lines."""
    return tuple(Block(part) for part in re.split(r"\n[ \t\r]*\n\s*", text) if part.strip())
