"""Another language is said once at build, since its questions are refused; English is never called another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from quipu.corpus import FileRead, find_files, read_files
from quipu.language.detection import other_language

FOREIGN = {
    "German": "Die Versammlung findet am Montag statt. Der Vorstand wird für zwei Jahre gewählt und ist im Amt.",
    "French": "Le bureau est ouvert du lundi au vendredi. Les demandes sont traitées dans un délai de dix jours.",
    "Spanish": "La oficina está abierta de lunes a viernes. Las solicitudes se presentan por escrito en el registro.",
    "Dutch": "Het kantoor is open van maandag tot en met vrijdag. De aanvragen worden niet door het bestuur gelezen.",
    "Polish": "Biuro jest czynne od poniedziałku do piątku. Wnioski składa się na piśmie i nie są przyjmowane.",
    "Japanese": "事務所は月曜日から金曜日まで開いています。",
    "Greek": "Το γραφείο είναι ανοιχτό κάθε μέρα.",
    "a language in Cyrillic script": "Офис открыт с понедельника по пятницу.",
}  # fmt: skip
ENGLISH = [
    "The office is open from Monday to Friday. Requests are made in writing.",
    "Der Spiegel and Die Zeit were read by the man from De La Warr in Le Havre, and das Boot was seen by all of them.",
    "s = a + v; o = e / d\nfor i in z: a, i, k = i, k, a; return a or s, e, o, u, i, y, z, v, k",
    "Ana de la Cruz; Juan de los Santos; Maria do Carmo; Jean de La Fontaine; Ludwig van den Berg; Piet van der Aa",
    "Installation\n\npip install x y z\n\n--no-de --als --om --ei --on --se",
    "",
    "42 17 3.5",
]


@pytest.mark.parametrize("language", FOREIGN)
def test_another_language_is_named(language: str) -> None:
    """A builder of a memory that cannot answer should know before asking."""
    assert other_language(FOREIGN[language]) == language


@pytest.mark.parametrize("text", ENGLISH)
def test_english_names_code_and_lists_are_not_another_language(text: str) -> None:
    """A warning that is wrong half of the time is not read."""
    assert other_language(text) is None


def test_a_file_says_its_language_at_its_end(tmp_path: Path) -> None:
    """By the text that was read from it, not by its markup."""
    (tmp_path / "a.html").write_text(f"<html><body class='the of and to in'><p>{FOREIGN['German']}</p></body></html>")
    (tmp_path / "b.md").write_text(ENGLISH[0])
    ends = [item.language for item in read_files(find_files([tmp_path])) if isinstance(item, FileRead)]
    assert ends == ["German", None]
