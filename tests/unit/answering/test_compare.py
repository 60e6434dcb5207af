"""Questions that compare two things: what they ask, and what pairs about both say."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from quipu.answering.proposal import Nearest, Search
from quipu.answering.steps.compare import Comparison, compare, date_of, judged, parse
from quipu.records import Hit, QAPair

BORN, OUT, LAND = "When was {} born?", "When was {} released?", "In which country is {}?"


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("Who was born first, Ada Lind or Bo Ek?", Comparison(("Ada Lind", "Bo Ek"), "", BORN, False)),
        ("Who is younger, Ada Lind or Bo Ek (Painter)?", Comparison(("Ada Lind", "Bo Ek (Painter)"), "", BORN, True)),
        ("Was Ada Lind or Bo Ek born later?", Comparison(("Ada Lind", "Bo Ek"), "", BORN, True)),
        ("Which band was formed first The Owls or Red Rain ?",
         Comparison(("The Owls", "Red Rain"), "", "When was {} formed?", False)),
        ("Which film came out more recently, Snow or End of the Pier?",
         Comparison(("Snow", "End of the Pier"), "", OUT, True)),
        ("Which film has the director who died earlier, Snow or Tide?",
         Comparison(("Snow", "Tide"), "director", "When did {} die?", False)),
        ("Which film whose director is younger, Snow or Tide?", Comparison(("Snow", "Tide"), "director", BORN, True)),
        ("Are Alby, Kalmar and Visby both located in the same country?",
         Comparison(("Alby, Kalmar", "Visby"), "", LAND, None)),
        ("Are both villages, Alby and Visby, located in the same country?",
         Comparison(("Alby", "Visby"), "", LAND, None)),
        ("Do both films: Snow and End of the Pier have the directors from the same country?",
         Comparison(("Snow", "End of the Pier"), "director", LAND, None)),
        ("Are director of film Snow and director of film Tide both from the same country?",
         Comparison(("Snow", "Tide"), "director", LAND, None)),
        ("Do Ada Lind and Bo Ek have the same nationality?",
         Comparison(("Ada Lind", "Bo Ek"), "", "What is the nationality of {}?", None)),
    ],
)  # fmt: skip
def test_what_a_question_compares(question: str, wanted: Comparison) -> None:
    assert parse(question) == wanted


@pytest.mark.parametrize(
    "question",
    ["Who was the first director of Snow?", "When was Ada Lind or her sister born?", "Are cats and dogs alike?",
     "Which came first?", "", "or", "Are both in the same country?", "Who died first?"],
)  # fmt: skip
def test_other_questions_compare_nothing(question: str) -> None:
    assert parse(question) is None


def test_dates() -> None:
    assert date_of("7 May 1703") == (1703, 5, 7) and date_of("May 7, 1703") == (1703, 5, 7)
    assert date_of("in 1703") == (1703, 0, 0) and date_of("March 980") == (980, 3, 0)
    assert date_of("193 kilometres") == (193, 0, 0) and date_of("12 times") is None and date_of("in May") is None


PAIRS = [
    ("When was Ada Lind born?", "4 May 1901"), ("When was Bo Ek born?", "in 1899"), ("Who directed Snow?", "Ada Lind"),
    ("Who is the director of Tide?", "Bo Ek"), ("In which country is Visby?", "Sweden"), ("Where is Alby?", "Sweden"),
    ("In which country is Skagen?", "Denmark"), ("When was the church built?", "1701"),
    ("When was the mill built?", "1650"),
]  # fmt: skip
HITS = [Hit(QAPair.make(question, answer), 0.9, rank, "vector") for rank, (question, answer) in enumerate(PAIRS, 1)]


def search(texts: Sequence[str], k: int) -> list[list[Hit]]:
    """Every pair, those first that share most words with the text."""

    def shared(text: str, hit: Hit) -> int:
        return len(set(text.lower().strip("?").split()) & set(hit.pair.question.lower().strip("?").split()))

    return [sorted(HITS, key=lambda hit: -shared(text, hit))[:k] for text in texts]


def near(found: Search = search) -> Nearest:
    return Nearest(found, [], 0)


@pytest.mark.parametrize(
    ("question", "answer", "pairs"),
    [
        ("Who was born first, Ada Lind or Bo Ek?", "Bo Ek", [0, 1]),
        ("Who was born later, Ada Lind or Bo Ek?", "Ada Lind", [0, 1]),
        ("Which film has the director who was born first, Snow or Tide?", "Tide", [2, 0, 3, 1]),
        ("Are Alby and Visby in the same country?", "yes", [5, 4]),
        ("Are Alby and Skagen located in the same country?", "no", [5, 6]),
    ],
)
def test_two_things_are_compared_by_pairs_about_each(question: str, answer: str, pairs: list[int]) -> None:
    (found,) = compare([question], near())
    assert found is not None and (found.answer, found.score) == (answer, 0.9)
    assert [hit.pair.question for hit in found.hits] == [PAIRS[at][0] for at in pairs]


def test_without_a_pair_about_both_nothing_is_said() -> None:
    asked = ["Who was born first, Ada Lind or Cleo Ast?", "When was Ada Lind born?"]
    asked += ["Who died first, Ada Lind or Bo Ek?"]  # the pairs about both hold when they were born
    assert compare(asked, near()) == [None, None, None]


def test_the_document_may_name_the_thing_where_the_pair_does_not() -> None:
    titles = {"When was the church built?": "Old Church (Visby)", "When was the mill built?": "Mill of Alby"}
    asked = ["Which was built first, Old Church or Mill of Alby?"]
    assert compare(asked, near()) == [None]
    (found,) = compare(asked, near(), lambda hit: titles.get(hit.pair.question, ""))
    assert found is not None and found.answer == "Mill of Alby"


def test_the_sentence_says_what_the_question_has_lost() -> None:
    said = {
        "When was the church built?": "Cleo Ast died in 1701.",
        "When was the mill built?": "Dan Orm, who died in 1650.",
    }
    hits = [
        Hit(QAPair.make(f"When did it begin, {at}?", answer), 0.8, 1, "vector")
        for at, (_, answer) in enumerate(PAIRS[-2:])
    ]
    told = dict(zip([hit.pair.id for hit in hits], said.values(), strict=True))
    asked = ["Who died first, Cleo Ast or Dan Orm?", "Who was born first, Cleo Ast or Dan Orm?"]
    found = compare(asked, near(lambda texts, k: [hits for _ in texts]), lambda hit: told[hit.pair.id])
    assert found[0] is not None and found[0].answer == "Dan Orm" and found[1] is None
    places = [Hit(QAPair.make(f"Where, {at}?", "Visby"), 0.8, 1, "vector") for at in range(2)]
    told = dict(zip([hit.pair.id for hit in places], said.values(), strict=True))
    found = compare(asked, near(lambda texts, k: [places for _ in texts]), lambda hit: told[hit.pair.id])
    assert found[0] is not None and found[0].answer == "Dan Orm" and found[1] is None  # the dates of the sentences


def test_values_are_judged_by_hand() -> None:
    older = Comparison(("the mill", "the church"), "", "When was {} built?", False)
    assert judged(older, ("1650", "1701"), ((1650, 0, 0), (1701, 0, 0))) == "the mill"
    assert judged(older, ("1650", "long ago"), ((1650, 0, 0), None)) is None
    assert judged(older, ("1650", "in 1650"), ((1650, 0, 0), (1650, 0, 0))) is None
    same = Comparison(("Alby", "Visby"), "", LAND, None)
    assert judged(same, ("Sweden", "the south of Sweden"), (None, None)) == "yes"
    assert judged(same, ("Sweden", "Denmark"), (None, None)) == "no"
    assert judged(same, ("Sweden", ""), (None, None)) is None
