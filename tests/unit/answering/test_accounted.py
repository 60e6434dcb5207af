"""Which words of a question what was found speaks of, by hand."""

from __future__ import annotations

import pytest

from quipu.answering.accounted import phrases, unaccounted
from quipu.models.word_table import WordSimilarity


@pytest.mark.parametrize(
    ("question", "text", "missing"),
    [
        ("How much do snow chains cost?", "Winter tyres cost 40 euros.", ["snow", "chains"]),
        ("When was the ice house built?", "The ice house was sold in 1911.", ["built"]),
        ("How long is the pier?", "The quay is 210 metres long.", ["pier"]),
        ("When does hall B open?", "Hall A opens at 9.", ["B"]),
        ("What was the traffic in 2022?", "Traffic was 5 in 2021.", ["2022"]),
        ("How deep is the basin?", "The depth of the basin is 8 metres.", []),
        ("Who painted the two sheds?", "The 2 sheds had Arden as painter.", []),
        ("Who invented the engine's valve?", "The inventor of the valve of engines is Moor.", []),
        ("What is the VAT rate?", "The value added tax has a rate of 19 %.", []),
        ("What is the value added tax rate?", "VAT rates: 19 %", []),
        ("Who heads the purchasing department?", "Head of Purchase Dept.: Ina Moor", []),
        ("What happened on 3 September?", "On 3 Sep the roof leaked.", []),
        ("Which trains run on the first of May?", "On 1 May no train runs.", []),
        ("What was 1,200 tonnes heavy?", "Its weight was 1200 tonnes.", []),
    ],
)
def test_words_that_nothing_accounts_for(question: str, text: str, missing: list[str]) -> None:
    """ "How long is the pier?" was answered by a quay; a plural or a number in words must not count as missing."""
    assert unaccounted(question, [text]) == missing


def test_every_text_counts_and_similar_words_may() -> None:
    question = "What does a car cost in Kiel?"
    assert unaccounted(question, ["An automobile costs 9,000."]) == ["car", "Kiel"]
    assert unaccounted(question, ["An automobile costs 9,000.", "Prices in Kiel"]) == ["car"]
    asked: list[str] = []

    def similar(word: str, words: object) -> bool:
        asked.append(word)
        return word == "car" and "automobile" in words  # type: ignore[operator]

    assert unaccounted(question, ["An automobile costs 9,000."], similar) == ["Kiel"] and asked == ["car", "kiel"]


def test_opposites_are_never_taken_for_similar() -> None:
    """Word vectors hold "open" and "close" for nearly the same."""
    assert unaccounted("When is it closed?", ["It is open on Mondays."], lambda word, words: "open" in words) == [
        "closed"
    ]


def test_neighbours_are_named_together() -> None:
    assert phrases("How much do snow chains cost?", ["snow", "chains"]) == ["snow chains"]
    assert phrases("Who wrote Faust in 1808?", ["wrote", "Faust", "1808"]) == ["wrote", "Faust", "1808"]


def test_word_vectors_know_some_synonyms() -> None:
    """Measured on 100 pairs: see ``WordSimilarity``."""
    similar = WordSimilarity()
    assert similar("movie", ["book", "film"]) and similar("lawyer", ["attorney"])
    assert not similar("pier", ["quay", "paint"]) and not similar("snow", ["chains"]) and not similar("x", [])
