"""Opposites in two questions, and in a question and what is told, by hand."""

from __future__ import annotations

import pytest

from quipu.language.inflection import base_of, every_form, forms_of
from quipu.language.opposites import OPPOSITES, opposed, turned


@pytest.mark.parametrize(
    ("asked", "stored", "opposite"),
    [
        ("How do I downgrade from version 3?", "How do I upgrade from version 2?", True),
        ("Who sold the mill?", "Who bought the mill?", True),
        ("How do I turn off dark mode?", "How do I turn dark mode on?", True),
        ("How do I unsubscribe?", "How do I subscribe?", True),
        ("How do I decrypt a disk?", "How is a disk encrypted?", True),  # in whatever form
        ("When was the gate closed?", "When does the gate open?", True),
        ("What is the fee for non-members?", "What is the fee for members?", True),
        ("Who borrowed the cart?", "Who lent the cart?", True),
        ("When did they arrive?", "When did they depart?", True),
        ("When does it open and close?", "What are the opening and closing times?", False),
        ("Where is the cover?", "Who discovered it?", False),  # "dis" turns nothing here
        ("What is described?", "What does the scribe do?", False),
        ("How much is a unit?", "How much is it?", False),
        ("When does the gate open?", "When is the gate opened?", False),
        ("Who bought the mill?", "To whom was the mill sold?", False),  # one side of one deal
        ("Who bought the mill?", "Who did Venn sell the mill to?", False),
    ],
)
def test_questions_are_opposed_in_both_directions(asked: str, stored: str, opposite: bool) -> None:
    """A stored question answered its own opposite."""
    assert opposed(asked, stored) is opposite and opposed(stored, asked) is opposite


@pytest.mark.parametrize(
    ("asked", "told", "is_turned"),
    [
        ("When does the gate close?", "The gate opens at 6.", True),
        ("When is the gate not open?", "The gate is closed on Sundays.", False),
        ("When is the gate open?", "The gate is not closed on Sundays.", False),
        ("When is the gate open?", "The gate is closed on Sundays.", True),
        ("Who may enter?", "Visitors do not enter.", True),
        ("Who bought it?", "It was sold to Pyle.", False),  # the same deal
        ("Who won?", "Spain lost to Italy.", False),
        ("What lies below the hall?", "The hall lies above the cellar.", False),
        ("What is the old mill called?", "Rye has a new mill.", False),  # a name may say so by the way
        ("How many came?", "No fewer than 300 came.", False),
    ],
)
def test_what_is_told_is_turned_with_negation_counted(asked: str, told: str, is_turned: bool) -> None:
    """Not open is closed; who bought is told by what was sold."""
    assert (turned(asked, told) is not None) is is_turned and (turned(told, asked) is not None) is is_turned


def test_there_are_many_opposites_and_none_is_its_own() -> None:
    pairs = {frozenset(both) for both in OPPOSITES["antonym"] + OPPOSITES["comparative"]}
    assert len(pairs) > 500 and all(len(both) == 2 for both in pairs)
    assert {"enabled", "disabled"} in pairs and {"buys", "sells"} in pairs and {"forbade", "permitted"} in pairs


@pytest.mark.parametrize(
    ("word", "forms"),
    [
        ("stop", ("stop", "stops", "stopped", "stopped", "stopping")),
        ("close", ("close", "closes", "closed", "closed", "closing")),
        ("deny", ("deny", "denies", "denied", "denied", "denying")),
        ("forbid", ("forbid", "forbids", "forbade", "forbidden", "forbidding")),
        ("agree", ("agree", "agrees", "agreed", "agreed", "agreeing")),
        ("die", ("die", "dies", "died", "died", "dying")),
    ],
)
def test_forms_of_verbs(word: str, forms: tuple[str, ...]) -> None:
    assert forms_of(word, "verb") == forms
    assert len({base_of(form) for form in forms}) == 1 and set(forms) <= set(every_form(forms[2])) | {word}


@pytest.mark.parametrize(
    ("one", "other"),
    [("painter", "painted"), ("inventor", "invented"), ("tests", "testing"), ("installation", "install"),
     ("cities", "city"), ("bought", "buy"), ("weekly", "week"), ("people", "person")],
)  # fmt: skip
def test_forms_of_a_word_have_one_base(one: str, other: str) -> None:
    assert base_of(one) == base_of(other)
