"""What looks the same must be the same: a password copied out of an answer has to work."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quipu.corpus.normalise import normalise


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("the \ufb01nance o\ufb03ce", "the finance office"),
        ("lark\u200bspur-88, net\u00adwork", "larkspur-88, network"),
        ("Per\u00a0Nygaard, 1\u202f234\u2009km", "Per Nygaard, 1 234 km"),
        ("well\u2011known", "well-known"),
        ("\ufeff＜Ａ１２＞ ｶﾞ", "<A12> ガ"),
        ("𝐁𝐨𝐥𝐝 Ⅻ 25 ℃", "Bold XII 25 °C"),
        ("25 m², ½ cup, 10⁶, x₂, ①, …, ™", "25 m², ½ cup, 10⁶, x₂, ①, …, ™"),
        ("cafe\u0301", "café"),
        ("a\rb\r\nc\x0cd\u2028e\x85f\u2029g", "a\nb\nc\nd\ne\nf\n\ng"),
        ("safe\u202etxt.exe\u202c \u2066x\u2069", "safetxt.exe x"),
        ("tag\U000e0041\U000e0042ged, nul\x00, bell\x07, c1\x9b", "tagged, nul, bell, c1"),
        ("\x1b[1;31mred\x1b[0m \x1b]52;c;aGk=\x07text", "red text"),
        ("N\x08NA\x08AM\x08ME\x08E _\x08x", "NAME x"),
        ("half \ud83d", "half \ufffd"),
        ("\ud83d\ude00", "😀"),
        ("👩\u200d🚒 می\u200cخواهم", "👩\u200d🚒 می\u200cخواهم"),
        ("a\tb\nc", "a\tb\nc"),
        ("\uf0b7 first", "• first"),
    ],
)
def test_one_spelling(raw: str, plain: str) -> None:
    assert normalise(raw) == plain


@given(st.text())
def test_it_is_done_once_and_leaves_only_what_can_be_stored_and_seen(text: str) -> None:
    """A second reading of the same text must not count as a changed document."""
    once = normalise(text)
    assert normalise(once) == once
    once.encode()
    assert not any(unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\n\t" for letter in once)


@pytest.mark.parametrize(
    "unit", ["e\u0301\u0327\u0316", "\u0316\u0301", "\ufdfa", "\x1b]", "\x1b[0", "\u200d", "\ud800", "a\x08", "가"]
)
def test_the_time_is_linear(unit: str) -> None:
    """The marks of one letter, sorted by insertion, took minutes for a megabyte."""

    def seconds(count: int) -> float:
        start = time.process_time()
        normalise(unit * count)
        return time.process_time() - start

    assert seconds(50_000) < 0.5 + 12 * seconds(10_000)
