"""Questions that must pass the first filter, and loops and hints that must not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from quipu.building.consistency import Question, local_filter, read_back, well_formed
from quipu.language.sentences import sentences
from quipu.models.protocols import Reading
from quipu.records import QAPair, Span


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


PASSAGE = "The Suez Canal was opened in 1869. It cost 10 francs. Verdi wrote Aida for Cairo in 1871."


class Says:
    """A language model that answers each question as it is told; keeps what it was asked."""

    name = "says"

    def __init__(self, **answers: tuple[str, float, float]) -> None:
        self.answers = {key.replace("_", " "): value for key, value in answers.items()}
        self.asked: list[tuple[str, list[str], str | None]] = []

    def read_many(
        self,
        texts: Sequence[str],
        questions: Sequence[Sequence[str]],
        *,
        titles: Sequence[str | None] | None = None,
        always: bool = False,
    ) -> list[list[Reading]]:
        found = []
        for text, row, title in zip(texts, questions, titles or [None] * len(texts), strict=True):
            self.asked.append((text, list(row), title))
            readings = []
            for question in row:
                answer, probability, nothing = next(v for k, v in self.answers.items() if k in question)
                start = text.find(answer) if answer else -1
                readings.append(
                    Reading(start, start + len(answer) if start >= 0 else -1, answer, 1.0, probability, nothing)
                )
            found.append(readings)
        return found


def question(text: str, words: str, score: float | None = -0.05) -> Question:
    start = PASSAGE.index(words)
    span = Span(start, start + len(words))
    title = "The Suez Canal"
    return Question(PASSAGE, title, title, title, sentences(PASSAGE), span, text, score)


def test_the_model_reads_its_own_questions_back() -> None:
    """Each way to be dropped has its reason; what is kept has the reader's answer, and a sure one a high score."""
    model = Says(
        opened=("in 1869", 0.99, 1e-4), cost=("", 0.0, 0.9), wrote=("Cairo", 0.9, 0.01), Was_Aida=("1871", 0.9, 0.01),
        film=("1871", 0.5, 0.3), Aida=("1871", 0.99, 1e-4),
    )  # fmt: skip
    asked = [
        question("when was the Suez Canal opened?", "1869"), question("What did it cost?", "10 francs"),
        question("Who wrote it?", "Verdi"), question("Was Aida sung then?", "1871"),
        question("When was the film of these made?", "1871", -0.9), question("When was Aida first sung?", "1871"),
    ]  # fmt: skip
    found = read_back(asked, model, agreement=0.5, threshold=0.5)
    assert [item.reason for item in found] == [
        "kept", "reader found no answer", "reader answered otherwise", "asks for yes or no",
        "needs its passage to be understood", "kept",
    ]  # fmt: skip
    assert found[0].settled is not None and found[0].settled.answer == "1869" and found[0].kept
    assert found[0].question == "When was the Suez Canal opened?"  # begins as a sentence does
    assert found[0].chance > 0.6 > 0.5 > found[4].chance
    assert found[2].read == "Cairo" and not found[2].kept
    assert len(model.asked) == 1 and model.asked[0][2] == "The Suez Canal"  # a passage is read once, with its title


def test_the_threshold_is_of_the_score() -> None:
    """What is asked for must be obeyed: at 0 all well-formed pairs stay, at 1 none does."""
    model = Says(opened=("1869", 0.99, 1e-4))
    asked = [question("When was the Suez Canal opened?", "1869")] * 2
    for threshold, kept in ((0.0, True), (1.0, False)):
        assert [item.kept for item in read_back(asked, model, agreement=0.5, threshold=threshold)] == [kept, kept]
    assert model.asked[0][1] == ["When was the Suez Canal opened?"]  # asked twice, read once
    assert read_back([], model, agreement=0.5, threshold=0.5) == []


def test_a_title_is_put_in_front_but_for_one_that_answers() -> None:
    """ "Regarding Aida, what did Verdi write for the theatre? Aida": the title may give the answer away."""
    model = Says(cost=("10 francs", 0.99, 1e-4), write=("Aida", 0.99, 1e-4))
    asked = [question("What was the cost of opening it?", "10 francs"), question("What did he write?", "Aida")]
    found = read_back([asked[0], replace(asked[1], subject="Aida")], model, agreement=0.5, threshold=0.0)
    assert [item.question for item in found] == [
        "Regarding The Suez Canal, what was the cost of opening it?", "What did he write?",
    ]  # fmt: skip


def test_what_somebody_asked_needs_the_answer_only() -> None:
    """A person's "when opened" is no fault of the writer's: it is to be answered, not to be judged by its form."""
    model = Says(opened=("1869", 0.4, 0.2))
    (found,) = read_back([question("canal opened", "1869", None)], model, agreement=0.5, threshold=0.99)
    assert found.kept and found.question == "canal opened" and found.chance == 0.4
