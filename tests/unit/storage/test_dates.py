"""Of when a source is, by hand-worked values."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.handmade import models

import quipu
from quipu.records import Dated, QAPair
from quipu.storage.dates import SourceDates, compared, date_in, dates_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("of 1 March 2024", "2024-03-01"), ("March 1st, 2024", "2024-03-01"), ("3.5.2022", "2022-05-03"),
        ("prices-2024-03", "2024-03"), ("Sept. 2023 and May 2022", "2023-09"), ("31 February 2024", "2024-02"),
        ("room 2024", ""), ("2024-13-01", ""),
    ],
)  # fmt: skip
def test_a_date_is_read_in_the_usual_forms(text: str, expected: str) -> None:
    """A date that is read wrongly calls the older document the newer one."""
    assert date_in(text) == expected


def test_the_newer_of_two_sources() -> None:
    """A copied old file is changed last: what a document says itself counts first."""
    old, new = SourceDates("2021", "2026-05-01", "file"), SourceDates("2024-03", "2025-01-01", "file")
    assert compared(new, old) == 1 and compared(old, new) == -1
    assert (
        compared(SourceDates("2024", "2026", "file"), SourceDates("2024-03", "2025", "file")) == 1
    )  # not before March
    assert compared(SourceDates("2021", "2026", "file"), SourceDates("", "2025-02-03", "file")) == -1
    assert compared(SourceDates("2021"), SourceDates()) == compared(old, old) == 0


def test_documents_have_their_own_dates_or_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The field of a head counts before the title, the title before the file; a number in a text is no date."""
    monkeypatch.chdir(tmp_path)
    texts = {
        "head.md": "---\ntitle: Prices 2020\nupdated: 2024-05-06\n---\nA boat is 13 euros.",
        "title.md": "# Travel policy 2024\n\nThe limit of 2021 was 91.",
        "prices-2023-04.txt": "A boat is 15 euros.",
        "plain.md": "# Report on the 2008 crisis\n\nBanks lost 2017 houses.",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (1_700_000_000, 1_700_000_000))
    with quipu.build(sorted(texts), "m", **models()) as memory:  # type: ignore[arg-type]
        memory.add([QAPair.make("Who is on duty?", "Ana")])
        shown = {document.source: dates_of(memory.store, document.id).shown() for document in memory.store.documents()}
        pair = next(pair for _, pair in memory.store.pairs() if pair.document_id is None)
        added = dates_of(memory.store, None, pair.id).shown()
    assert shown == {
        "head.md": Dated("2024-05-06", "document"), "title.md": Dated("2024", "document"),
        "prices-2023-04.txt": Dated("2023-04", "document"), "plain.md": Dated("2023-11-14", "file"),
    }  # fmt: skip
    assert added is not None and added.by == "added" and len(added.text) == 10
