"""What is said of a question by its words: each rule by a question that it is for and by one that it spares."""

from __future__ import annotations

import pytest

from quipu.building.wording import anchored, fault, says_something, wording, written_fault

PASSAGE = (
    "Karl Drais, a forester from Mannheim, rode the first machine on 12 June 1817. It had no pedals. "
    "The Hürriyet Daily News wrote about it in January 2008, and again in December 2015."
)


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("Who rode the first machine", "Karl Drais", "no question mark at its end"),
        ("Who rode it? And when?", "Karl Drais", "no question mark at its end"),
        ("Did Karl Drais ride the machine?", "12 June 1817", "asks for yes or no"),
        ("Did Karl Drais ride the machine?", "yes", None),
        ("Was Karl Drais a forester or a farmer?", "a forester", None),
        ("According to the text, who rode the machine?", "Karl Drais", "speaks of its text or of its writer"),
        ("Where can I ride my machine?", "Mannheim", "speaks of its text or of its writer"),
        ("Whose machine was it?", "his", "its answer says nothing"),
        ("How many pedals did the machine have?", "one", None),
        ("Who rode the first machine in 1818?", "Karl Drais", "names what its passage does not"),
        ("Who rode the first machine in Paris?", "Karl Drais", "names what its passage does not"),
        ("Who rode the first machine in 1817?", "Karl Drais", None),
        ("What did the 2 News write about?", "the machine", "names what its passage does not"),
        ("Who rode the first machine in 17?", "Karl Drais", "names what its passage does not"),
        ("Which news did the Hurriyet Daily write?", "the machine", None),  # an accent is no other name
        ("What did the paper write in December 2008?", "the machine", "names what its passage does not"),
        ("What did the paper write in December 2015?", "the machine", None),
        ("Where isforester Drais from?", "Mannheim", "names what its passage does not"),
        ("Where is the Mannheimer forester from?", "Mannheim", None),  # a name's other form
        ("Which machine came to the US?", "the first", None),  # no pronoun, and an acronym may be spelt out
    ],
)
def test_what_a_written_question_must_keep(question: str, answer: str, reason: str | None) -> None:
    """A question about another year or another town has its answer in the passage all the same, and it is wrong."""
    assert written_fault(question, answer, PASSAGE, PASSAGE) == reason


def test_a_number_may_be_written_in_words() -> None:
    """ "Who left in season 12?" is a question about the twelfth, not about a number that nobody wrote."""
    text = "In season twelve a guest left."
    assert written_fault("Who left in season 12?", "a guest", text, text) is None
    assert written_fault("Who left in season 13?", "a guest", text, text) is not None


def test_the_title_names_things_too() -> None:
    """A passage that says "he" all along is asked about by the name that stands above it."""
    dug = "He dug a canal."
    assert written_fault("What did Lesseps dig?", "a canal", dug, dug) is not None
    assert written_fault("What did Lesseps dig?", "a canal", dug, dug, "Ferdinand de Lesseps") is None


def test_a_genitive_of_the_answer_gives_it_away() -> None:
    """ "Who was Said Pasha's ruler?" answers itself."""
    assert fault("Who was the Said Pasha's ruler?", "Said Pasha") == "holds its own answer"


@pytest.mark.parametrize(
    ("answer", "says"),
    [("in his", False), ("who", False), ("", False), ("two", True), ("in 1869", True), ("a ship", True)],
)
def test_small_words_alone_are_no_answer(answer: str, says: bool) -> None:
    """What is stored as an answer is shown to people as one."""
    assert says_something(answer) == says


@pytest.mark.parametrize(
    ("question", "pronoun", "vague"),
    [
        ("What did he win?", True, 0),
        ("What did Drais do with his machine?", False, 0),  # the name stands before
        ("Who rode this machine?", True, 0),
        ("How long does it take to grow tea?", False, 0),  # stands for nothing
        ("What rivers such as the Rhine are there?", False, 0),
        ("Who directed the film?", False, 1),
        ("Who directed the film New World?", False, 0),
        ("Where was the film shown in 1998?", False, 1),  # a year does not say which
        ("Where was the film of Bergman shown?", False, 0),
        ("What is the largest planet?", False, 0),
        ("Which of the ships blocked the canal?", False, 2),
        ("What is the name of the BBC miniseries?", False, 1),
        ("What assists weight loss?", False, 0),
    ],
)
def test_what_only_the_passage_explains(question: str, pronoun: bool, vague: int) -> None:
    """Stored without its passage, "Who directed the film?" is answered for every film there is."""
    found = wording(question, "x", PASSAGE)
    assert (found.pronoun, found.vague) == (pronoun, vague)


def test_a_title_pins_a_description_down_unless_it_is_only_a_kind() -> None:
    """In a manual of a pump "the pump" is clear; in an article on a film "the film" is not, away from the article."""
    assert wording("How is the pump greased?", "x", "p", "Alto floor pump").vague == 0
    assert wording("Who made the film?", "x", "p", "New World (1995 film)").vague == 1


def test_features_are_counted_by_hand() -> None:
    """The weights were fitted to these numbers: another count is another score."""
    found = wording("What did Karl Drais invent in Mannheim in 1817?", "first machine", PASSAGE)
    assert (found.names, found.numbers, found.content) == (3, 1, 5)  # Karl Drais invent Mannheim 1817
    assert found.unseen == pytest.approx(1 / 5)  # invent
    assert found.rare == 6 and not found.mismatch and not found.name_of
    assert found.answer_words == 2 and not found.answer_name
    assert wording("Who was it?", "Karl Drais", PASSAGE).answer_name
    assert not wording("When was it?", "June 1817", PASSAGE).answer_name


@pytest.mark.parametrize(
    ("question", "answer", "mismatch"),
    [
        ("How many wheels did it have?", "two", False),
        ("How many wheels did it have?", "pedals", True),
        ("When was it?", "after the war", False),
        ("When was it?", "Mannheim", True),
        ("In what year was it?", "1817", False),
        ("In what year was it?", "June", True),
    ],
)
def test_answers_of_another_kind_are_seen(question: str, answer: str, mismatch: bool) -> None:
    """ "How many" answered by a noun is wrong however sure the reader is."""
    assert wording(question, answer, PASSAGE).mismatch == mismatch


def test_a_name_of_another_sentence_is_seen() -> None:
    """Britain alone bought the shares; "Britain and France" stands in the next sentence."""
    bought, attacked = "Britain bought the shares for four millions.", "Britain and France attacked Egypt."
    text = f"{bought} {attacked}"
    wrong = "names what its answer's sentence does not"

    def said(asked: str, sentence: str = bought, title: str = "") -> str | None:
        return written_fault(asked, "four millions", text, sentence, title)

    asked = "How much did Britain and France pay?"
    assert said(asked) == wrong and said("How much did Britain pay?") is None
    assert said(asked, "They bought the shares for four millions.") is None  # "They" may be both
    assert said(asked, title="Britain and France") is None


@pytest.mark.parametrize(
    ("question", "title", "expected"),
    [
        ("Who sold the game?", "Cops 'n' Robbers", "Regarding Cops 'n' Robbers, who sold the game?"),
        ("Who directed it?", "New World (1995 film)", "Regarding New World, who directed it?"),
        ("What moves the gauge?", "Alto P3 pump: manual", "Regarding Alto P3 pump, what moves the gauge?"),
        ("Who directed the film New World?", "New World (1995 film)", "Who directed the film New World?"),
        ("What assists weight loss?", "Health", "What assists weight loss?"),  # needs nothing
        ("Who wrote the book?", "Introduction", "Who wrote the book?"),  # names nothing
        ("Who wrote the book?", "", "Who wrote the book?"),
        ("Who wrote the book?", "scan_0042.pdf", "Who wrote the book?"),
        ("Who wrote the book?", "notes-old", "Who wrote the book?"),  # a file's name
        ("Who fell off the machine?", "machine", "Who fell off the machine?"),  # says it already
    ],
)  # fmt: skip
def test_a_title_names_what_a_question_leaves_open(question: str, title: str, expected: str) -> None:
    """Half of the questions that cannot be understood alone need nothing but their document's name."""
    assert anchored(question, title, PASSAGE) == expected


def test_a_file_name_is_a_title_where_the_passage_speaks_of_it() -> None:
    """ "lighthouses.txt" is about lighthouses, "part-3.txt" about no parts."""
    asked = anchored("How high is the tower?", "lighthouses", "The tower is one of the lighthouses.")
    assert asked == "Regarding lighthouses, how high is the tower?"
