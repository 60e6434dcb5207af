"""A row of a table must say in words what its cells are: alone it is a handful of numbers."""

from __future__ import annotations

import pytest

from quipu.corpus.table import rows

PLAN = ("Plan", "Price per month", "Storage")


def test_each_cell_follows_its_column_name() -> None:
    """Bare cells answered "per month" for a plan that does not exist."""
    assert rows(PLAN, [("Bronze", "5 euros", "10 GB"), ("Silver", "12 euros", "100 GB")]) == [
        "Plan Bronze: Price per month: 5 euros; Storage: 10 GB",
        "Plan Silver: Price per month: 12 euros; Storage: 100 GB",
    ]


@pytest.mark.parametrize(
    ("header", "row", "caption", "line"),
    [
        (PLAN, ("Silver", "", "100 GB"), "", "Plan Silver: Storage: 100 GB"),  # empty cells are left out
        (PLAN, ("", "12 euros", "1 TB"), "", "Price per month: 12 euros; Storage: 1 TB"),
        (PLAN, ("Silver", "12 euros"), "Prices:", "Prices, Plan Silver: Price per month: 12 euros"),  # a short row
        (PLAN, ("Silver", "12 euros", "1 TB", "new"), "", "Plan Silver: Price per month: 12 euros; Storage: 1 TB; new"),
        (PLAN, ("For firms", "", ""), "", "For firms"),  # a heading inside the table
        ((), ("Inspector", "Mr Valcke"), "", "Inspector: Mr Valcke"),
        (("", ""), ("Inspector:", "Mr Valcke"), "", "Inspector: Mr Valcke"),
        (("City", "2019", "2020"), ("Oslo", "12", "14"), "", "City Oslo: 2019: 12; 2020: 14"),  # numbers
        (("Tank\n no.", "Colour"), ("T1\tnorth", " grey "), "", "Tank no. T1 north: Colour: grey"),
    ],
)
def test_rows_of_all_shapes(header: tuple[str, ...], row: tuple[str, ...], caption: str, line: str) -> None:
    assert rows(header, [row], caption) == [line]


def test_empty_rows_go_and_a_lone_header_stays() -> None:
    assert rows(PLAN, [("", " ", "\n")]) == []
    assert rows(("Name", "Date"), []) == ["Name: Date"] and rows((), []) == []
