"""Items of two lists that go together, by hand."""

from __future__ import annotations

import pytest

from quipu.answering.lists import counterpart

LINES = "The red, green and blue lines run every 5, 10 and 15 minutes respectively."
HALLS = "Halls C and D hold 90 and 260 guests, respectively."
CHEFS = "Chefs Brandl and Iweala run the morning and the evening kitchen, respectively."
CUPS = "Anna Berg and Tom Sand won the junior and the senior cup respectively."
PLANS = "Plans Basic, Plus and Max cost $5, $12 and $30 a month, respectively."
RIVERS = "The Rhine, the Elbe and the Oder are respectively 1,230, 1,094 and 840 km long."
DOORS = "Doors A and B open at 8:00 and 9:30, respectively; the canteen opens at 11."
CAPITALS = "Berlin, Paris and Rome are the capitals of Germany, France and Italy, in that order."


@pytest.mark.parametrize(
    ("text", "question", "answer", "expected"),
    [
        (LINES, "How often does the green line run?", "5, 10 and 15 minutes", "10 minutes"),
        (LINES, "How often does the red line run?", "10", "5 minutes"),
        (LINES, "How often does the blue line run?", "5", "15 minutes"),
        (LINES, "Every how many minutes does the blue line run?", "5", "15"),
        (LINES, "Which line runs every 10 minutes?", "red, green and blue lines", "green"),
        (HALLS, "How many guests does hall D hold?", "90", "260"),
        (HALLS, "How many guests does hall C hold?", "90 and 260 guests", "90"),
        (HALLS, "What does hall C hold?", "90 and 260 guests", "90 guests"),
        (HALLS, "Which hall holds 260 guests?", "Halls C", "D"),
        (CHEFS, "Who runs the evening kitchen?", "Chefs Brandl and Iweala", "Iweala"),
        (CHEFS, "What does Iweala run?", "the morning", "the evening kitchen"),
        (CUPS, "Who won the senior cup?", "Anna Berg", "Tom Sand"),
        (CUPS, "Who won the junior cup?", "Anna Berg and Tom Sand", "Anna Berg"),
        (CUPS, "Which cup did Tom Sand win?", "the junior", "the senior cup"),
        (PLANS, "How much does Plus cost?", "$5", "$12 a month"),
        (PLANS, "What is the price of the Max plan?", "$5", "$30 a month"),
        (RIVERS, "How long is the Elbe?", "1,230", "1,094 km"),
        (RIVERS, "How long is the Oder?", "1,230", "840 km"),
        (DOORS, "When does door B open?", "8:00", "9:30"),
        (CAPITALS, "What is the capital of France?", "Berlin", "Paris"),
        (CAPITALS, "Rome is the capital of which country?", "Germany", "Italy"),
    ],
)
def test_the_item_in_the_place_of_the_one_asked_for(text: str, question: str, answer: str, expected: str) -> None:
    """The whole list, or its first item, was given for every one of them."""
    start = text.index(answer)
    found = counterpart(question, text, start, start + len(answer))
    assert found is not None and found.text == expected
    assert expected.startswith(text[found.start : found.end]), "the place is that of the item"


@pytest.mark.parametrize(
    ("text", "question", "answer"),
    [
        (LINES, "How often do the lines run?", "5, 10 and 15 minutes"),  # all of them
        (LINES, "How often do the red and green lines run?", "5, 10 and 15 minutes"),
        (DOORS, "When does the canteen open?", "11"),  # outside the lists
        (HALLS.replace(", respectively", ""), "How many guests does hall D hold?", "90"),  # nothing says so
    ],
)
def test_no_item_where_none_is_certain(text: str, question: str, answer: str) -> None:
    """A list that was asked for as a whole must not shrink to one of its items."""
    start = text.index(answer)
    assert counterpart(question, text, start, start + len(answer)) is None
