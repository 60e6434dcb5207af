"""Bytes to text: a wrong guess fills the memory with garbled names that no question can find."""

from __future__ import annotations

from pathlib import Path

import pytest

from quipu.corpus.encoding import decoded, encoding_of, whole
from quipu.errors import ReadError

TEXTS = [
    ("Die Gärtnerei Böhm in Lüneburg wurde 1971 gegründet. The café costs 5 € per crêpe.", "cp1252"),
    ("Müller café", "cp1252"),
    ("He said “no” – it’s £5 for 25 m².", "cp1252"),
    ("L’été dernier, nous avons visité le château à côté de la forêt. Ça a coûté cher, où ?", "cp1252"),
    ("El niño comió en la cafetería. ¿Cuánto costó? ¡Nada!", "cp1252"),
    ("Fröken Åsa köpte två gröna äpplen på torget i Malmö.", "cp1252"),
    ("Søren spiste rødgrød med fløde på Ærø.", "cp1252"),
    ("São João não é longe; põe o pão à mesa.", "cp1252"),
    ("Die Gärtnerei Böhm in Lüneburg wurde gegründet.", "mac-roman"),
    ("Die Gärtnerei Böhm in Lüneburg wurde gegründet.", "cp850"),
    ("W Łodzi mieszkał Stanisław, który był właścicielem sklepu przy ulicy Długiej. Kupił książkę.", "cp1250"),
    ("Včera večer přišel pan Dvořák a řekl, že bude pršet celý den, a pak dům u města.", "cp1250"),
    ("A könyvet Kőrösi úr írta 1923-ban, és később lefordították, működött.", "cp1250"),
    ("Güneşli bir gün. Çocuklar bahçede oynuyor, annesi yemek pişiriyor ve şarkı söylüyor.", "cp1254"),
    ("Привет, мир. Москва — столица России, в ней живет много людей.", "cp1251"),
    ("Привет, мир. Москва столица России, в ней живет много людей.", "koi8-r"),
    ("Η Αθήνα είναι η πρωτεύουσα της Ελλάδας και έχει πολλούς κατοίκους.", "cp1253"),
    ("東京は日本の首都です。人口は約千四百万人です。", "shift_jis"),
    ("北京是中国的首都。人口约两千万。", "gbk"),
    ("서울은 대한민국의 수도입니다. 인구는 약 천만 명입니다.", "euc-kr"),
]


@pytest.mark.parametrize("times", [1, 30])
@pytest.mark.parametrize(("text", "encoding"), TEXTS)
def test_the_encoding_is_told_from_a_short_text(text: str, encoding: str, times: int) -> None:
    """Half of these were read as Polish, so that "crêpe" became "crępe"."""
    data = "\n".join([text] * times).encode(encoding)
    assert data.decode(encoding_of(data)) == data.decode(encoding)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [TEXTS[0][0], TEXTS[14][0], TEXTS[16][0]])
def test_sixteen_bits_without_a_mark(text: str, encoding: str) -> None:
    """Windows writes it, and of Cyrillic only the spaces hold a zero byte."""
    assert text.encode(encoding).decode(encoding_of(text.encode(encoding))) == text


@pytest.mark.parametrize(
    ("data", "declared", "used"),
    [
        ("Jürgen Müller, crème, 6 €".encode("cp1252"), "utf-8", "cp1252"),  # it says UTF-8 and is not
        ("Jürgen Müller".encode(), "iso-8859-1", "utf-8"),  # and the other way round
        ("Jürgen – 6 €".encode("cp1252"), "ISO-8859-1", "cp1252"),  # as browsers read it
        ("Москва столица".encode("koi8-r"), "koi8-r", "koi8-r"),
        ("東京は日本の首都".encode("iso2022_jp"), "iso-2022-jp", "iso2022_jp"),
        (b"The gate.", "idna", "utf-8"), (b"The gate.", "base64", "utf-8"), (b"The gate.", "nothing", "utf-8"),
        ("Über\x00".encode()[:5], "\x00", "utf-8"), ("Über".encode("cp1252"), "utf-16", "cp1252"),
        ("Größe: 5 €, ".encode() * 20 + b"\x92", None, "utf-8"),  # one bad byte is one bad character
    ],
)  # fmt: skip
def test_a_declaration_counts_only_where_it_is_true(data: bytes, declared: str | None, used: str) -> None:
    assert encoding_of(data, declared) == used


def test_a_byte_far_from_the_start_is_seen(tmp_path: Path) -> None:
    """The first umlaut after a megabyte of ASCII was U+FFFD."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"The gate is open. " * 100_000 + "Käthe Böhm paid 5 €.".encode("cp1252"))
    assert whole(path).endswith("Käthe Böhm paid 5 €.")


def test_line_ends_become_one_kind_also_across_blocks(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"a" * ((1 << 20) - 1) + b"\r\nb\rc\n")
    assert whole(path).lstrip("a") == "\nb\nc\n"
    assert "".join(decoded(path, newlines=False)).lstrip("a") == "\r\nb\rc\n"


@pytest.mark.parametrize("data", [b"", b" \n", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" * 9, bytes(range(1, 256)) * 9])
def test_no_text(data: bytes) -> None:
    with pytest.raises(ReadError, match=r"empty|binary"):
        encoding_of(data)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "cp1252"])
def test_all_of_a_text_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "suez.txt"
    text = "Der Kanal von Suez wurde 1869 eröffnet. Die Straße führt über Zürich.\n" * 20
    path.write_bytes(text.encode(encoding))
    assert whole(path) == text
