"""Which questions ask the same, which answers differ, and which sentence says something else, by hand-worked values."""

from __future__ import annotations

import pytest

from quipu.answering.sameness import asks_the_same, differs, editions, stated_otherwise, subject
from quipu.records import Span


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("90 euros", "130 euros a night", True),
        ("8:00", "9:30", True),
        ("Ms Kern", "Mr Duarte", True),
        ("bluebird7", "greenfrog9", True),
        ("1869", "17 November 1869", False),
        ("five years", "5 years", False),
        ("1,200 men", "1200", False),
        ("Kofi", "Kofi Mensah", False),
        ("The Suez Canal", "the suez canal.", False),
        ("open", "", False),
        ("The office opens on every weekday in the morning and closes late in the afternoon",
         "On every weekday the office opens in the morning and it closes late in the afternoon", False),
    ],
)  # fmt: skip
def test_answers_differ_where_neither_is_a_part_of_the_other(one: str, other: str, expected: bool) -> None:
    """A remark at every shorter or reworded answer is one that nobody reads any more; a missing one hides a change."""
    assert differs(one, other) is differs(other, one) is expected


def test_editions_are_years_months_and_versions() -> None:
    """What only says which edition of a document it is must not make two questions different."""
    assert editions("Travel policy 2021, version 2") == {"2021", "version 2"}
    assert subject("The new travel policies of March 2024") == {"travel", "polici"} and not editions("Pier 3, room 12")


@pytest.mark.parametrize(
    ("asked", "known", "other", "about", "expected"),
    [
        ("What is the hotel limit?", "Regarding Travel policy 2021, what is the hotel limit for a night?",
         "What is the hotel limit per night in the travel policy 2024?", ("Travel policy 2021", "Travel policy 2024"),
         True),
        ("What is the wifi password?", "What is the wifi password?", "what is the WiFi password", ("", ""), True),
        ("What is the hotel limit?", "What is the hotel limit?", "What is the meal limit?", ("", ""), False),
        ("How long is pier 3?", "How long is pier 3?", "How long is pier 5?", ("Pier 3", "Pier 5"), False),
        ("When does the cafe open?", "When does the cafe open?", "When does the cafe close?", ("", ""), False),
        ("When was the bridge opened?", "When was the bridge opened?", "Who opened the bridge?", ("", ""), False),
        ("Is smoking allowed in rooms?", "Is smoking allowed in rooms?", "Is smoking not allowed in rooms?", ("", ""),
         False),
        ("How many people live in Warsaw?", "How many people live in Warsaw?",
         "How many people lived in Warsaw in 1945?", ("Warsaw", "Warsaw"), False),
        ("What are the three sources of law?", "What are the three sources of law?",
         "What are the five sources of law?", ("", ""), False),
        ("How long from Rome to Paris?", "How long from Rome to Paris?", "How long from Paris to Rome?", ("", ""),
         False),
        ("What is it?", "What is it?", "What is it?", ("", ""), False),
    ],
)  # fmt: skip
def test_questions_ask_the_same_by_their_words(
    asked: str, known: str, other: str, about: tuple[str, str], expected: bool
) -> None:
    """A near-twin taken for the same question makes a conflict of two facts that are both true."""
    assert asks_the_same(asked, known, other, about=about) is expected


SENTENCE = "The hotel limit is 90 euros a night."
PLACE = Span(19, 27)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ("The hotel limit is 130 euros a night.", "130 euros"),
        ("From 1 May 2024 on, the hotel limit is now 130 euros a night.", "130 euros"),
        ("The hotel limit in Paris is 130 euros a night.", None),
        ("For managers the hotel limit is 130 euros a night.", None),
        ("The meal limit is 130 euros a night.", None),
        ("The hotel limit is high a night.", None),
        ("The hotel limit is 130 euros.", None),
    ],
)
def test_a_sentence_with_something_else_in_the_answers_place(other: str, expected: str | None) -> None:
    """A price in another sentence, of another thing or for other people, replaces nothing."""
    found = stated_otherwise(SENTENCE, PLACE, ["Rides are free.", other])
    assert (found and other[found[1].start : found[1].end]) == expected
    assert found is None or found[0] == 1


def test_an_answer_at_either_end_of_its_sentence() -> None:
    """Where nothing stands before or behind the answer, only its length says where the other one ends."""
    at_end = "Taxi rides need the approval of Ms Kern."
    found = stated_otherwise(at_end, Span(32, 39), ["Taxi rides need the approval of Mr Duarte."])
    assert found == (0, Span(32, 41))
    at_start = "Ms Kern approves all taxi rides."
    others = ["In short, Mr Duarte approves all taxi rides.", "Mr Duarte approves all taxi rides."]
    assert stated_otherwise(at_start, Span(0, 7), others) == (1, Span(0, 9))
    assert stated_otherwise("It is 9 metres.", Span(6, 7), ["It is 12 metres."]) is None  # it may be anything
