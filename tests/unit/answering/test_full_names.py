"""Whole names for parts of them, by hand."""

from __future__ import annotations

import pytest

from quipu.answering.full_names import full_name

TEXT = "The lamp was made by Nora Quill. Later Nora moved to Dresk, where Dr Tom van Brill lived. Brill helped Nora."


def made_whole(question: str, text: str, start: int, length: int) -> str | None:
    found = full_name(question, text, start, start + length)
    return None if found is None else text[found[0] : found[1]]


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("Who moved to Dresk?", "Nora", "Nora Quill"),
        ("Whom did Brill help?", "Nora", "Nora Quill"),
        ("Who helped Nora?", "Brill", "Tom van Brill"),  # without his title
        ("What is the first name of the maker?", "Nora", None),
        ("Which Quill made the lamp, and who helped?", "Nora", None),  # the question has the rest
        ("Where did she move?", "Dresk", None),
        ("Who moved to Dresk?", "Dresk", None),
    ],
)
def test_a_part_of_a_name_becomes_the_name(question: str, answer: str, expected: str | None) -> None:
    """ "Kofi" was given where the document has Kofi Mensah."""
    assert made_whole(question, TEXT, TEXT.rindex(answer), len(answer)) == expected


def test_a_name_next_to_the_rest_of_it_is_widened() -> None:
    """A reader that stops in the middle of a name leaves half of it."""
    text = "Kofi Mensah leads it. Kofi Boateng left."
    assert made_whole("Who leads it?", text, 0, 4) == "Kofi Mensah"


def test_two_people_of_one_name_stay_apart() -> None:
    """The wrong whole name is worse than half the right one."""
    text = "Kofi Mensah and Kofi Boateng came. Then Kofi spoke."
    assert made_whole("Who spoke?", text, text.rindex("Kofi"), 4) is None


def test_a_thing_named_after_somebody_is_not_his_name() -> None:
    text = "Verdi came by train. The Verdi Theatre stands there. Verdi March is played."
    assert made_whole("Who came by train?", text, 0, 5) is None
