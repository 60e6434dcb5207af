"""Bytes to text: which encoding a file is in, and its text decoded block by block."""

from __future__ import annotations

import codecs
import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from quipu.errors import ReadError

_SAMPLE = 1 << 18  # bytes looked at to tell an encoding other than UTF-8
_BLOCK = 1 << 20
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
          (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
_WIDER = {  # as browsers read these names: what is written so is mostly in the larger set
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "gb2312": "gb18030", "gbk": "gb18030",
    "shift_jis": "cp932", "euc_kr": "cp949",
}  # fmt: skip
_NO_TEXT = {"idna", "punycode", "unicode-escape", "raw-unicode-escape", "utf-7", "undefined", "mbcs", "oem"}
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f\ufffd]")
_BINARY = bytes({*range(0x20), 0x7F} - {*b"\b\t\n\v\f\r\x1a\x1b"})

# Which single byte: the letters of Western Europe stand in words as letters do, other marks at their edges.
_WESTERN = ("cp1252", "mac_roman", "cp850")
_LETTERS = "a-zA-ZÀ-ÖØ-öø-ÿŒœŠšŽžŸı"
_ODD = re.compile(
    "[a-zß-öø-ÿœšž][À-ÖØ-ÞŒŠŽŸ]"  # a capital inside a word
    f"|[{_LETTERS}][^\x00-\x7f’‘–—…{_LETTERS}][{_LETTERS}]"  # a mark inside a word
    "|[a-z][¿¡]|[¿¡][^A-Za-zÀ-ÿ¿¡\"'«“]|[³¹²ºª][a-zß-ÿ]|[^\x00-\x7f]{6}"
)
_ELSEWHERE = (  # letters that no language of Western Europe uses together: the encoding in which one language does
    ("cp1250", "ø", "ìù"),  # Czech ř with ě and ů
    ("cp1250", "õû", "áíóú"),  # Hungarian ő and ű with the long vowels
    ("cp1254", "þðý", "çü"),  # Turkish ş, ğ and ı with ç and ü
)


def encoding_of(source: bytes | Path, declared: str | None = None) -> str:
    """The encoding of a file's bytes; ReadError for empty and binary ones.

    A byte order mark decides, then UTF-8 where the bytes are that, then the encoding that the file declares, if they
    decode with it to text, then the likeliest: of those with one byte a character cp1252 where it gives words.
    """
    start = source[:_SAMPLE] if isinstance(source, bytes) else _head(source)
    if not start.strip():
        raise ReadError("empty")
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name
    if b"\x00" in start:
        return _two_bytes(start)
    sample = _not_utf8(source)
    if sample is None:
        named = _usable(declared, start) if b"\x1b" in start else None  # ISO-2022 is ASCII to the eye
        return named or "utf-8"
    return _usable(declared, sample) or _likeliest(sample)


def decoded(path: Path, *, newlines: bool = True) -> Iterator[str]:
    """A file's text, a block at a time; a byte that does not fit becomes U+FFFD.

    With ``newlines`` every ``\\r\\n`` and ``\\r`` is given as ``\\n``.
    """
    decoder: codecs.IncrementalDecoder | io.IncrementalNewlineDecoder
    decoder = codecs.getincrementaldecoder(encoding_of(path))(errors="replace")
    if newlines:
        decoder = io.IncrementalNewlineDecoder(decoder, translate=True)
    with path.open("rb") as file:
        while data := file.read(_BLOCK):
            yield decoder.decode(data)
    yield decoder.decode(b"", final=True)


def whole(path: Path) -> str:
    """All of a file's text, for the formats that cannot be streamed."""
    return "".join(decoded(path))


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_SAMPLE)


def _not_utf8(source: bytes | Path) -> bytes | None:
    """Bytes around the first that is not UTF-8; None where all are, or nearly all of those that are not ASCII."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        while True:
            data = file.read(_BLOCK)
            try:
                decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                found: bytes = error.object  # with what was held back of the block before
                sample = found[max(0, error.start - _SAMPLE // 4) :][:_SAMPLE]
                break
            if not data:
                return None
    text = sample.decode("utf-8", errors="replace")
    bad = text.count("\ufffd")
    good = sum(letter > "\x7f" for letter in text) - bad
    return None if good >= 10 * bad else sample


def _two_bytes(sample: bytes) -> str:
    """UTF-16 without a mark: the order of bytes that gives text, by its spaces and line ends."""
    sample = sample[: len(sample) // 2 * 2]
    found = {}
    for name in ("utf-16-le", "utf-16-be"):
        text = sample.decode(name, errors="replace")
        if sum(map(len, _CONTROL.findall(text))) <= len(text) // 1000:
            found[name] = sum(text.count(mark) for mark in " \n,.")
    best = max(found, key=lambda name: found[name], default="")
    if not best or not found[best]:
        raise ReadError("binary, not text")
    return best


def _usable(declared: str | None, sample: bytes) -> str | None:
    """The declared encoding where the bytes decode with it to text, else None."""
    try:
        name = codecs.lookup((declared or "").strip()).name
        name = _WIDER.get(name, name)
        if name in _NO_TEXT or name.startswith(("utf-8", "utf-16", "utf-32")):
            return None
        text = codecs.getincrementaldecoder(name)().decode(sample)
    except (LookupError, ValueError, TypeError):
        return None
    return name if isinstance(text, str) and not _CONTROL.search(text) else None


def _likeliest(sample: bytes) -> str:
    if len(sample.translate(None, _BINARY)) < 0.98 * len(sample):
        raise ReadError("binary, not text")
    for name in _WESTERN:
        try:
            text = sample.decode(name)
        except UnicodeDecodeError:
            continue
        marks = Counter(letter for letter in text.lower() if letter > "\x7f")
        foreign = sum(count for letter, count in marks.items() if letter.isalpha())
        if foreign > 0.3 * sum(map(str.isalpha, text)):
            continue
        if name == "cp1252":
            for other, first, second in _ELSEWHERE:
                left, right = (sum(marks[letter] for letter in letters) for letters in (first, second))
                if left and 5 * right >= left and _decodes(sample, other):
                    return other
        if len(_ODD.findall(text)) <= 0.03 * marks.total():
            return name
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    if best is None:
        raise ReadError("binary, or in an encoding that cannot be told")
    return best.encoding


def _decodes(sample: bytes, name: str) -> bool:
    try:
        sample.decode(name)
    except UnicodeDecodeError:
        return False
    return True
