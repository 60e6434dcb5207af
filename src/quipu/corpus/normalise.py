"""One spelling for what looks the same: text is normalised once, when it is read, by every reader alike."""

from __future__ import annotations

import re
import unicodedata

_SURROGATE = re.compile("[\ud800-\udfff]")
_TERMINAL = re.compile(
    "\x1b\\[[0-?]*[ -/]*[@-~]"  # colours and cursor movements
    "|\x1b\\][^\x07\x1b\x9c\n]*(?:\x07|\x1b\\\\|\x9c)"  # titles, links, the clipboard
    "|[^\n\x08]\x08"  # overstruck: bold and underlined text of man pages
)
_LINE_END = re.compile("\r\n|[\r\x0b\x0c\x85\u2028]")
_JOINER = re.compile("(?<![\u0600-\u0fff\u2600-\u27bf\U0001f000-\U0001faff])[\u200c\u200d]")
_FORMS = re.compile(  # characters that Unicode has only for the sake of older encodings and of fonts
    "[\u0132\u0133\u0149\u017f\u01c4-\u01cc\u01f1-\u01f3"  # letters for two, long s
    "\u2103\u2109\u2160-\u217f\u2e9f\u2ef3\u2f00-\u2fd5"  # degrees, Roman numerals, radicals
    "\ufb00-\ufb4f\ufb50-\ufdfc\ufe30-\ufe4f\ufe50-\ufe6b\ufe70-\ufefc\uff01-\uffee"  # ligatures, Arabic, full width
    "\U0001d400-\U0001d7ff]+"  # letters of mathematics, used as bold and italic
)
_RUN = re.compile("[\x00-\x7f]?[^\x00-\x7f]{1,256}")
_OUT = (
    (0x00, 0x08), (0x0E, 0x1F), (0x7F, 0x9F),  # controls
    (0x00AD, 0x00AD), (0x200B, 0x200B), (0x2060, 0x2064), (0xFEFF, 0xFEFF), (0x180B, 0x180F),  # soft hyphen, no width
    (0x034F, 0x034F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF),  # variants of a glyph
    (0x061C, 0x061C), (0x200E, 0x200F), (0x202A, 0x202E), (0x2066, 0x206F),  # direction
    (0xFFF9, 0xFFFC), (0xFFFE, 0xFFFF), (0xE0000, 0xE007F),  # annotations, no characters, tags
)  # fmt: skip
_SPACES = (0x00A0, 0x115F, 0x1160, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000, 0x3164, 0xFFA0)
_MAP: dict[int, str | None] = {
    **{code: None for first, last in _OUT for code in range(first, last + 1)},
    **dict.fromkeys(_SPACES, " "),
    **dict.fromkeys((0x2010, 0x2011), "-"),
    **dict.fromkeys((0xF0B7, 0xF0A7), "•"),  # Word's bullets, in the private area
    0x2029: "\n\n",
}


def normalise(text: str) -> str:
    """``text`` as a person would type it: NFC, with ``\\n`` for every line end, in time linear in its length.

    Ligatures, full-width and presentation forms become plain letters, while superscripts, fractions and the like keep
    their meaning (m² is not m2); no-break and other spaces are spaces, non-breaking hyphens are hyphens. Controls
    (and the terminal's sequences that begin with one), soft hyphens, characters without width, direction marks, tags
    and variation selectors go; the joiners stay in the scripts that need them. A lone surrogate becomes U+FFFD.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _TERMINAL.sub("", text)
    text = _LINE_END.sub("\n", text)
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    text = text.translate(_MAP)
    if text.isascii():
        return text
    text = _JOINER.sub("", text)
    text = _FORMS.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    # Run by run: putting the marks of one letter in order takes time quadratic in their number.
    return _RUN.sub(lambda found: unicodedata.normalize("NFC", found[0]), text)
