"""Questions that must pass the first filter, and loops and hints that must not."""

from __future__ import annotations

import pytest

from quipu.generate.consistency import local_filter, well_formed
from quipu.models.protocols import Reading
from quipu.records import QAPair


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Which country has 1,000,000 canals?", "Egypt"),  # 000 and 000 are no stutter
        ("When was the U.S.S.R. founded?", "1922"),
        ("What's the length of it?", "193 km"),
        ("Who’s the founder of it?", "Lesseps"),
        ("In which year did it open?", "1869"),
        ("Does the canal have locks?", "no"),
        ("What is the man's man-made canal?", "Suez"),
        ("How long is the canal of the company?", "193 km"),
        ("Which of the two is the longer of the rivers?", "the Nile"),
        ("What canal is in Egypt?", "a"),  # one short common word in the question gives nothing away
        ("Who is the Egyptian engineer?", "Egypt"),  # part of a word is not the answer
    ],
)
def test_good_questions_are_kept(question: str, answer: str) -> None:
    """What this filter drops is never read: its fact is lost without a look at the passage."""
    assert well_formed(QAPair.make(question, answer)).reason == "kept"


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("When 1869?", "x", "shorter than three words"),
        ("???", "x", "shorter than three words"),
        ("Suez canal opened 1869?", "x", "no question word"),
        ("What what is it?", "x", "repeats itself"),
        ("What is the name of the name of it?", "x", "repeats itself"),
        ("Who led the company that led the company?", "x", "repeats itself"),
        ("Who is the 7,000 men?", "7000", "holds its own answer"),
        ("Who built the SUEZ Canal there?", "the Suez Canal", "holds its own answer"),
    ],
)
def test_loops_and_hints_are_dropped(question: str, answer: str, reason: str) -> None:
    """A question that names its answer teaches nothing and outranks the one that asks for it."""
    verdict = well_formed(QAPair.make(question, answer))
    assert (verdict.reason, verdict.kept, verdict.stage) == (reason, False, "well_formed")


def test_the_threshold_is_of_the_overlap_of_words() -> None:
    """At 0.6 "in 1869" answers like "1869"; at 1.0 nothing but the answer does."""

    class One:
        name = "one"

        def read(self, questions: list[str], passages: list[str]) -> list[Reading]:
            return [Reading(0, 1, "in 1869", 2.0, 0.4) for _ in questions]

    pairs = [QAPair.make("When did it open?", "1869"), QAPair.make("When was it?", "1870")]
    passages = ["It opened in 1869."] * 2
    for threshold, kept in ((0.6, [True, False]), (1.0, [False, False]), (0.0, [True, True])):
        found = local_filter(pairs, passages, One(), threshold=threshold)
        assert [verdict.kept for verdict, _ in found] == kept
        assert [score for _, score in found] == [0.4, 0.4]
    assert local_filter([], [], One(), threshold=0.6) == []
