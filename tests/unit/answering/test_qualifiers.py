"""Spans with the words that they need, by hand: bounds, exceptions, units; and questions for the other end."""

from __future__ import annotations

import pytest

from quipu.answering.qualifiers import qualified

CRANE = "Crane A must not lift more than 4 tonnes."
LIFTS = "Crane B lifts up to 9 tonnes."
SPEED = "Speed on the site must not exceed 30 km/h."


def said(question: str, text: str, answer: str) -> tuple[str, bool]:
    """What is said, and whether it is objected to."""
    start = text.index(answer)
    found = qualified(question, text, start, start + len(answer))
    return text[found.start : found.end], bool(found.against)


@pytest.mark.parametrize(
    ("question", "text", "answer", "expected"),
    [
        ("How much does crane A lift?", CRANE, "4 tonnes", "not lift more than 4 tonnes"),
        ("What is the load of crane A?", CRANE, "more than 4 tonnes", "not lift more than 4 tonnes"),
        ("How much does crane B lift?", LIFTS, "9 tonnes", "up to 9 tonnes"),
        ("How many tonnes does crane B lift?", LIFTS, "9", "up to 9"),
        ("How many people are on duty?", "At least 3 people are on duty.", "3", "At least 3"),
        ("How long are reports kept?", "Reports must be kept for at most 5 years.", "5 years", "at most 5 years"),
        ("How many guests does it hold?", "The hall holds no fewer than 300 guests.", "300", "no fewer than 300"),
        ("How high is the tower?", "The tower is about 40 metres high.", "40 metres", "about 40 metres"),
        ("How long is it valid?", "A ticket is valid for 90 minutes or less.", "90 minutes", "90 minutes or less"),
        ("What is the speed?", SPEED, "30 km/h", "not exceed 30 km/h"),
        ("When does it open?", "It opens not before 5 May.", "5 May", "not before 5 May"),
        ("When are forms accepted?", "Forms are accepted from 5 May on.", "5 May", "from 5 May on"),
        ("When must it be returned?", "It must be returned by 5 May.", "5 May", "by 5 May"),
        ("Where are helmets worn?", "Helmets are worn everywhere except in the canteen.", "everywhere",
         "everywhere except in the canteen"),
        ("What did the mill cost?", "The mill cost 3.5 million euros.", "3.5", "3.5 million euros"),
        ("How big is the flat?", "The flat has 12 m² and a balcony.", "12", "12 m²"),
        ("How much is the deposit?", "The deposit is $50.", "50", "$50"),
    ],
)  # fmt: skip
def test_a_span_is_widened_by_what_changes_its_meaning(question: str, text: str, answer: str, expected: str) -> None:
    """ "4 tonnes" under "must not lift more than 4 tonnes" reads as what the crane lifts."""
    assert said(question, text, answer) == (expected, False)


@pytest.mark.parametrize(
    ("question", "text", "answer", "expected"),
    [
        ("How much may crane A lift?", CRANE, "4 tonnes", "4 tonnes"),
        ("How much may crane A lift?", CRANE, "more than 4 tonnes", "4 tonnes"),  # half a bound is worse than none
        ("What is the most that crane A may lift?", CRANE, "4 tonnes", "4 tonnes"),
        ("What is the maximum load of crane B?", LIFTS, "9 tonnes", "9 tonnes"),
        ("Up to how many tonnes does crane B lift?", LIFTS, "9", "9"),
        ("What is the speed limit?", SPEED, "30 km/h", "30 km/h"),
        ("How many people must be present?", "At least 3 people must be present.", "3", "3"),
        ("By when must it be returned?", "It must be returned by 5 May.", "5 May", "5 May"),
        ("From when are forms accepted?", "Forms are accepted from 5 May on.", "5 May", "5 May"),
        ("About how high is the tower?", "The tower is about 40 metres high.", "40 metres", "40 metres"),
        ("How many metres high is the tower?", "The tower is 40 metres high.", "40", "40"),
        ("In which year was it built?", "By 1850 it was built.", "1850", "1850"),
        ("How many kilometres is it?", "It is 61 km long.", "61", "61"),
        ("Which rivers does it cross?", "It leads over 5 rivers.", "rivers", "rivers"),
        ("When did he rule?", "He ruled until 1279.", "1279", "1279"),
    ],
)
def test_a_bound_that_the_question_says_itself_is_not_repeated(
    question: str, text: str, answer: str, expected: str
) -> None:
    """Answers are compared with gold spans: where the question says "at most", the number alone is the answer."""
    assert said(question, text, answer) == (expected, False)


@pytest.mark.parametrize(
    ("question", "text", "answer"),
    [
        ("How much must crane A lift?", CRANE, "4 tonnes"),
        ("What is the minimum load of crane A?", CRANE, "4 tonnes"),
        ("How much must crane B lift?", LIFTS, "9 tonnes"),
        ("What is the minimum speed?", SPEED, "30 km/h"),
        ("How many may come at most?", "At least 3 people must come.", "3"),
        ("What is the maximum fee?", "The fee is no less than 30 euros.", "30 euros"),
    ],
)
def test_the_other_end_is_no_answer(question: str, text: str, answer: str) -> None:
    """What a crane lifts at most was given as what it must lift."""
    assert said(question, text, answer)[1]


def test_what_must_be_may_have_a_bound_from_above() -> None:
    """ "Must be kept at most 5 years" answers how long it must be kept; its bound is said."""
    text = "Reports must be kept for at most 5 years."
    assert said("How long must reports be kept?", text, "5 years") == ("at most 5 years", False)
