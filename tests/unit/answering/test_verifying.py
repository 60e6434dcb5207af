"""What a claim shows of each kind of source, and what counts against an answer; values by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.handmade import WIDTH, WordEncoder

from quipu.answering.proposal import PassageSpan, Proposal
from quipu.answering.verifying import NOTHING, Verification
from quipu.models.bundle import Models
from quipu.models.claims import Claim
from quipu.models.word_table import WordSimilarity
from quipu.records import Document, Hit, Passage, QAPair, Span
from quipu.storage.store import Store

TEXT = "The well is old. It is 31 metres deep and was dug by Nora Quill. The barn is of oak."
QUESTION = "How deep is the barn?"


class Constant:
    """Gives every claim the same log-odds and remembers which it was asked."""

    name = "constant"

    def __init__(self, odds: float) -> None:
        self.odds = odds
        self.claims: list[Claim] = []

    def verify(self, claims: Sequence[Claim]) -> NDArray[np.float32]:
        self.claims += claims
        return np.full(len(claims), self.odds, dtype=np.float32)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """One document of one passage, and a pair in it."""
    made = Store.create(tmp_path / "m", width=WIDTH, models={})
    document = Document.make("estate.txt", "Estate", TEXT)
    made.add_documents([document], [Passage.make(document, Span(0, len(TEXT)))])
    start = TEXT.index("31 metres")
    pair = QAPair.make("How deep is the well?", "31 metres", document_id=document.id, span=Span(start, start + 9))
    made.add([pair], np.eye(1, WIDTH, dtype=np.float32), [pair.question])
    return made


def stored(store: Store) -> Hit:
    (pair,) = [pair for pair in store.pairs_by_rows(store.rows().tolist()) if pair is not None]
    return Hit(pair, 0.9, 1, "vector")


def place(store: Store, words: str) -> PassageSpan:
    passage = store.passage_at(stored(store).pair.document_id or "", Span(0, 3))
    assert passage is not None
    start = TEXT.index(words) if words else -1
    return PassageSpan(passage.id, start, start + len(words) if words else -1)


def features_of(store: Store, source: Hit | PassageSpan, verifier: Constant, text: str = "31 metres") -> list[float]:
    item = Proposal("passage", text, (0.5,), (source,))
    ((made,),) = Verification(store, Models(WordEncoder(), verifier=verifier), WordSimilarity()).proposals(
        [QUESTION], [[item]], {}
    )
    assert made.features[0] == 0.5
    return list(made.features[1:])


def test_a_stored_pair_is_shown_with_its_question_and_its_sentence(store: Store) -> None:
    """A verifier that does not see the sentence cannot know what the stored question leaves out."""
    verifier = Constant(1.5)
    assert features_of(store, stored(store), verifier) == [1.5, 1.0, 0.0]  # the barn stands in the next sentence
    (claim,) = verifier.claims
    assert claim.question == QUESTION and claim.stored == "How deep is the well?" and claim.answer == "31 metres"
    assert claim.evidence == "Estate: The well is old. It is 31 metres deep and was dug by Nora Quill."


def test_a_pair_of_its_own_is_held_against_its_question_alone(store: Store) -> None:
    """It has no sentence; nothing else may stand in its place."""
    verifier = Constant(1.5)
    hit = Hit(QAPair.make("How deep is the pond?", "2 m", origin="imported"), 0.9, 1, "vector")
    assert features_of(store, hit, verifier, "2 m") == [1.5, 1.0, 1.0]
    assert verifier.claims == [Claim(QUESTION, "2 m", "How deep is the pond?", "")]


def test_an_answer_of_a_passage_is_shown_in_its_sentence(store: Store) -> None:
    """Of what stands in no place, or in several sentences, the whole passage is shown."""
    verifier = Constant(20.0)
    assert features_of(store, place(store, "oak"), verifier, "oak") == [8.0, 0.0, 0.0]  # "deep" stands before it
    assert features_of(store, place(store, ""), verifier)[1:] == [0.0, 0.0]
    assert verifier.claims[0].evidence.endswith("Nora Quill. The barn is of oak.")
    assert verifier.claims[1].evidence == f"Estate: {TEXT}"


def test_a_claim_is_verified_once_and_nothing_is_claimed_of_no_answer(store: Store) -> None:
    """Steps share what was verified; an empty answer is no claim."""
    verifier, known = Constant(-2.0), dict[Claim, float]()
    verification = Verification(store, Models(WordEncoder(), verifier=verifier), WordSimilarity())
    item = Proposal("read", "31 metres", (), (stored(store),))
    for _ in range(2):
        ((made, empty),) = verification.proposals([QUESTION], [[item, Proposal("read", "", (), ())]], known)
    assert made.features == (-2.0, 1.0, 0.0) and empty.features == NOTHING and len(verifier.claims) == 1


@pytest.mark.parametrize(
    ("asked", "odds"), [("what is  C++", 8.0), ("What is C++?", 8.0), ("What is C?", -2.0), ("What is a C++?", -2.0)]
)
def test_the_stored_question_itself_is_certain(store: Store, asked: str, odds: float) -> None:
    """Asked word for word it was refused in a memory of one pair; and what asks for another letter is another one."""
    hit = Hit(QAPair.make("What is C++?", "a language", origin="imported"), 0.9, 1, "vector")
    item = Proposal("lookup", "a language", (), (hit,))
    verification = Verification(store, Models(WordEncoder(), verifier=Constant(-2.0)), WordSimilarity())
    ((made,),) = verification.proposals([asked], [[item]], {})
    assert made.features[0] == odds
