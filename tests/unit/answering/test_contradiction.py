"""Spans whose own clause says something else than is asked, by hand; and right ones near such words."""

from __future__ import annotations

import pytest

from quipu.answering.contradiction import clause_of, contradiction

GATE = "The gate opens at 6:00 and closes at 21:30."
BASIN = "The basin is 300 metres wide and 8 metres deep."
SWITCH = "The compressor was switched on by Ruiz and switched off by Tanaka."
SITE = "Norwell bought the site from Eastby in 1998."
HELMETS = "Helmets are required everywhere except in the canteen."
MOVE = "The move is now on 22 June, not on 15 June as I wrote before."
PAINT = "Paint A contains lead, paint B does not contain lead."


def why(question: str, text: str, answer: str) -> str:
    start = text.index(answer)
    return contradiction(question, text, start, start + len(answer))


@pytest.mark.parametrize(
    ("question", "text", "answer"),
    [
        ("When does the gate close?", GATE, "6:00"),
        ("When does the gate open?", GATE, "21:30"),
        ("How deep is the basin?", BASIN, "300 metres"),
        ("What is the width of the basin?", BASIN, "8 metres"),
        ("Who switched the compressor off?", SWITCH, "Ruiz"),
        ("Who turned the compressor on?", SWITCH, "Tanaka"),
        ("Who bought the site?", SITE, "Eastby"),
        ("Who sold the site?", SITE, "Norwell"),
        ("Who sold the ice house?", "The ice house was sold to Hester Pyle in 1911.", "Hester Pyle"),
        ("From whom did Pyle buy it?", "The ice house was sold to Hester Pyle.", "Hester Pyle"),
        ("Where are helmets required?", HELMETS, "canteen"),
        ("Where are helmets not required?", HELMETS, "everywhere"),
        ("When is the move?", MOVE, "15 June"),
        ("In which hall is welding forbidden?", "Welding is allowed in hall 3.", "hall 3"),
        ("In which hall is welding allowed?", "Welding is not allowed in hall 2.", "hall 2"),
        ("In which hall is welding allowed?", "Welding is forbidden in hall 2.", "hall 2"),
        ("Who is admitted?", "Visitors under 16 are not admitted.", "Visitors under 16"),
        ("Which paint contains no lead?", PAINT, "Paint A"),
        ("Which paint contains lead?", PAINT, "paint B"),
        ("What is the minimum staffing?", "Minimum staffing is 3 and maximum staffing is 11.", "11"),
    ],
)
def test_what_is_said_there_is_something_else(question: str, text: str, answer: str) -> None:
    """The right sentence, the wrong half of it."""
    assert why(question, text, answer)


@pytest.mark.parametrize(
    ("question", "text", "answer"),
    [
        ("When does the gate close?", GATE, "21:30"),
        ("When is the gate not open?", "The gate is closed on Sundays.", "on Sundays"),
        ("How deep is the basin?", BASIN, "8 metres"),
        ("How big is the basin?", BASIN, "300 metres wide and 8 metres deep"),
        ("Who switched the compressor off?", SWITCH, "Tanaka"),
        ("Who bought the site?", SITE, "Norwell"),
        ("Who sold the site?", SITE, "Eastby"),
        ("Who bought the ice house?", "The ice house was sold to Hester Pyle in 1911.", "Hester Pyle"),
        ("When was the site bought?", SITE, "1998"),
        ("Where are helmets not required?", HELMETS, "canteen"),
        ("When is the move?", MOVE, "22 June"),
        ("In which hall is welding forbidden?", "Welding is not allowed in hall 2.", "hall 2"),
        ("Who is not admitted?", "Visitors under 16 are not admitted.", "Visitors under 16"),
        ("Which paint contains no lead?", PAINT, "paint B"),
        ("What are the opening and closing times?", GATE, "6:00"),
        ("How much does it lift?", "It must not lift more than 4 tonnes.", "4 tonnes"),  # a bound denies nothing
        ("When did it open?", "It did not open until 1920.", "1920"),
        ("Why was the old pier closed?", "It was closed because new rules came.", "new rules came"),
        ("Is lead allowed?", "Lead is not allowed.", "not allowed"),
    ],
)
def test_right_answers_near_such_words_stay(question: str, text: str, answer: str) -> None:
    """An objection to a right answer is a refusal that nobody understands."""
    assert why(question, text, answer) == ""


def test_a_clause_ends_at_marks_and_joining_words() -> None:
    at = GATE.index("21:30")
    assert clause_of(GATE, at, at + 5).strip() == "closes at 21:30."
