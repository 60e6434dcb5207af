"""Tables answer questions about their cells; what only looks like a column's name makes none."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from quipu.corpus.cells import MOST, OF_TABLE, cell_pairs
from quipu.corpus.table import rows
from quipu.records import Document, Mark, Span


def found(texts: Sequence[str]) -> dict[str, str]:
    """Questions with their answers; each answer is what stands at its span."""
    marks, start = [], 0
    for text in texts:
        marks.append(Mark(Span(start, start + len(text)), "row"))
        start += len(text) + 2
    document = Document.make("plans.md", "Plans", "\n\n".join(texts), None, marks)
    pairs = cell_pairs(document)
    for pair in pairs:
        assert pair.span is not None and document.text[pair.span.start : pair.span.end] == pair.answer
        assert pair.origin == "document" and pair.generator == "table"
    return {pair.question: pair.answer for pair in pairs}


PLANS = [("Bronze", "5 euros", "none"), ("Silver", "12 euros", "by mail"), ("Gold", "30 euros", "")]


@pytest.mark.parametrize("caption", ["", "Table 3: Plans, and more"])
def test_each_cell_is_asked_for_and_each_row_by_its_cells(caption: str) -> None:
    """Of eight questions about a table one was answered; a price belongs to its plan alone."""
    assert found(rows(("Plan", "Price per month", "Support"), PLANS, caption)) == {
        "What is the price per month of the Bronze plan?": "5 euros",
        "How much does the Bronze plan cost?": "5 euros",
        "What is the support of the Bronze plan?": "none",
        "What is the price per month of the Silver plan?": "12 euros",
        "How much does the Silver plan cost?": "12 euros",
        "What is the support of the Silver plan?": "by mail",
        "What is the price per month of the Gold plan?": "30 euros",
        "How much does the Gold plan cost?": "30 euros",
        "Which plan has the support by mail?": "Silver",
    }


@pytest.mark.parametrize(
    "value",
    ["7:30", "12 euros", "12 euros per month", "€ 5", "$5-9", "EUR 12", "9 to 17", "up to 5 GB", "-4 °C", "2021-03-04",
     "~ 3 kg", "50 %", "100 GB / 5 TB", "2½ hours", "n/a", "none", "yes", "no"],
)  # fmt: skip
def test_nobody_asks_for_a_row_by_an_amount(value: str) -> None:
    """A timetable of fifty rows filled the memory with "Which day has the opening time 7:30?"."""
    made = found(rows(("Stop", "Rule"), [("East", value), ("West", "Ask Them")]))
    assert [question for question in made if question.startswith("Which")] == ["Which stop has the rule Ask Them?"]


@pytest.mark.parametrize("value", ["KX-88213", "Room 12", "3 Mill Lane", "17 November 1869", "Li Na", "3M Deutschland"])
def test_names_and_numbers_of_things_lead_to_their_row(value: str) -> None:
    """What looks a little like an amount may be the only thing that a person knows of a row."""
    made = found(rows(("Item", "Place"), [("Pump", value), ("Lamp", "5")]))
    assert made[f"Which item has the place {value}?"] == "Pump"


def test_what_several_rows_have_names_none_of_them() -> None:
    """ "Which target has encryption always?" has two answers; so has what stands in two columns."""
    made = found(rows(("Target", "Encryption"), [("SFTP", "always"), ("S3", "always"), ("local", "optional")]))
    assert "Which target has the encryption always?" not in made
    assert made["Which target has the encryption optional?"] == "local"
    assert made["What is the encryption of S3?"] == "always"
    made = found(rows(("Bread", "Grain", "Topping"), [("A", "rye", "oats"), ("B", "oats", "salt")]))
    assert [question for question in made if question.startswith("Which")] == [
        "Which bread has the grain rye?", "Which bread has the topping salt?",
    ]  # fmt: skip


def test_amounts_are_asked_for_as_people_do() -> None:
    """ "How many uploads" is nearer to a question than "What is the uploads"; of two prices neither is the price."""
    made = found(rows(("Target", "Uploads", "Storage"), [("SFTP", "4", "64 GB"), ("S3", "32", "5 TB")]))
    assert made["How many uploads does S3 have?"] == "32" and made["How much storage does S3 have?"] == "5 TB"
    two = found(rows(("Plan", "Monthly price", "Yearly price"), [("Blue", "5", "50"), ("Red", "6", "60")]))
    assert not [question for question in two if question.startswith("How much")]


def test_colons_inside_cells_name_no_column() -> None:
    """ "Note: call first" in one cell is no column "Note"."""
    table = rows(("Door", "Rule"), [("East", "open"), ("West", "locked; Note: call first"), ("North", "open")])
    assert not [question for question in found(table) if "note" in question.lower()]
    assert found(["East: open", "East: shut"]) == {} and found(["A row; of nothing"]) == {}
    assert found(rows(("Door", "Rule"), [("East", "open")])) == {}  # nobody knows whether "Rule" is a column


def test_two_columns_without_names_tell_of_the_document() -> None:
    """The form of a contract, and what stands in front of a page: "author: Tomasz Wieland"."""
    assert found(["author: Tomasz Wieland", "Insurance number: KX-88213", "pages: -"]) == {
        "Who is the author of Plans?": "Tomasz Wieland", "What is the insurance number of Plans?": "KX-88213",
    }  # fmt: skip


def test_a_row_without_its_first_cell_is_nobodys() -> None:
    plans = [("", "5 euros", "none"), ("Silver", "12 euros", "1"), ("Gold", "3", "2")]
    made = found(rows(("Plan", "Price", "VAT"), plans))
    assert "5 euros" not in made.values() and made["What is the price of the Gold plan?"] == "3"


def test_large_tables_are_left_to_the_reader() -> None:
    """A register of a million cells would fill the memory with questions that nobody asks."""
    many = [(f"N{number}", "1", "2") for number in range(MOST)]
    assert found(rows(("Name", "One", "Two"), many)) == {}


def test_a_table_has_a_bounded_number_of_questions_those_for_cells_first() -> None:
    """A price list of a thousand things made more pairs than the rest of a manual together."""
    made = found(rows(("Item", "Shelf"), [(f"I{number}", f"Shelf {number}") for number in range(200)]))
    assert len(made) == OF_TABLE
    assert all(f"What is the shelf of I{number}?" in made for number in range(200))
    assert "Which item has the shelf Shelf 0?" in made and "Which item has the shelf Shelf 100?" not in made


def test_days_verbs_people_and_ticks_are_asked_for_in_english() -> None:
    """ "What is the opens of the Monday day?" is no question that anybody would ask, or that should be stored."""
    hours = found(rows(("Day", "Opens", "Closes"), [("Monday", "7:30", "20:00"), ("Saturday", "9:00", "18:00")]))
    assert hours["What is the opening time on Monday?"] == "7:30"
    assert not [question for question in hours if question.startswith("Which")]
    clubs = found(rows(("Club", "Leader", "Snacks"), [("Chess", "Mr Ilunga", "yes"), ("Choir", "Ann Lee", "no")]))
    assert clubs["Who is the leader of the Choir club?"] == "Ann Lee"
    assert clubs["Does the Chess club have snacks?"] == "yes"
    bread = found(rows(("Bread", "Weight", "Baked on", "Allergens"),
                       [("Rye", "1 kg", "Monday", "gluten"), ("Corn", "2 kg", "Friday", "milk, egg")]))  # fmt: skip
    assert bread["How heavy is the Rye bread?"] == "1 kg"
    assert bread["What are the allergens of the Corn bread?"] == "milk, egg"
    assert not [question for question in bread if "baked on" in question]
    rotors = found(rows(("Rotor", "Places"), [("R-12", "12"), ("24", "24")]))
    assert rotors["How many places does R-12 have?"] == "12" and "How many places does rotor 24 have?" in rotors
