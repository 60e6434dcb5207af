"""Amounts of one sentence, each for something else, by hand."""

from __future__ import annotations

import pytest

from quipu.answering.siblings import sibling

ENTRY = "The entry is 8 euros, 5 euros for students."
TRAFFIC = "Lock traffic was 1,234,567 tonnes in 2019, 1.234.568 tonnes in 2020 and 1 234 569 tonnes in 2021."
HOURS = "It opens at 9:00 on weekdays and at 11:00 on Sundays."


@pytest.mark.parametrize(
    ("text", "question", "answer", "expected"),
    [
        (ENTRY, "How much is the entry for students?", "8 euros", "5 euros"),
        (ENTRY, "How much is the entry?", "8 euros", None),
        (ENTRY, "How much is the entry for students?", "5 euros", None),  # it is the one
        (TRAFFIC, "How much was the lock traffic in 2020?", "1,234,567 tonnes", "1.234.568 tonnes"),
        (TRAFFIC, "How much was the lock traffic in 2021?", "1,234,567 tonnes", "1 234 569 tonnes"),
        (TRAFFIC, "How much was the lock traffic in 2019?", "1,234,567 tonnes", None),
        (TRAFFIC, "How much was the lock traffic in 2022?", "1,234,567 tonnes", None),
        (HOURS, "When does it open on Sundays?", "9:00", "11:00"),
        ("Rent is $900 in Kiel and $700 in Rye.", "What is the rent in Rye?", "$900", "$700"),
        ("They made 1 change in 1600, 2 in 1752.", "What changed in 1752?", "1 change", None),  # no amounts of one kind
        ("The pass is 3 km long and 9 metres wide in May.", "How long is it in May?", "3 km", None),
    ],
)
def test_the_amount_that_is_told_of_what_is_asked(text: str, question: str, answer: str, expected: str | None) -> None:
    """Another year's traffic, and everybody's price, were given for those asked for."""
    start = text.index(answer)
    found = sibling(question, text, start, start + len(answer))
    assert (None if found is None else text[slice(*found)]) == expected
