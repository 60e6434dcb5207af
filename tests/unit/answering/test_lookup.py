"""Search by two lists and the answer that is taken from them, by hand-worked values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.handmade import WordEncoder

from quipu.answering.features import names
from quipu.answering.proposal import Context, Nearest
from quipu.answering.retrieve import fuse, retrieve
from quipu.answering.scoring import LinearScorer, Odds
from quipu.answering.settings import AnswerSettings
from quipu.answering.steps.lookup import RERANK_FEATURES, Lookup
from quipu.answering.verifying import Verification
from quipu.errors import InputError
from quipu.models.bundle import Models
from quipu.models.keys import cloze, key_text, question_word
from quipu.models.word_table import WordSimilarity
from quipu.records import Hit, QAPair, Span
from quipu.storage.index import Index
from quipu.storage.store import Store


def test_fusion_adds_the_reciprocal_ranks_and_settles_ties_by_row() -> None:
    """A pair that both searches find must rise above one that only one of them puts first."""
    fused = fuse([(7, 0.9, "vector"), (3, 0.8, "vector")], [(3, 5.0, "words"), (5, 4.0, "words")])
    assert [(row, via) for row, _, via in fused] == [(3, "both"), (7, "vector"), (5, "words")]
    assert fused[0][1] == pytest.approx(1 / 62 + 1 / 61)
    assert [row for row, _, _ in fuse([(9, 1.0, "vector")], [(2, 1.0, "words")])] == [2, 9]


def test_retrieval_ranks_by_the_inner_product(tmp_path: Path) -> None:
    """Hits must come with the pair of their own row, best first."""
    with Store.create(tmp_path / "m", width=2, models={}) as store:
        pairs = [QAPair.make(f"Question {n}?", f"{n}") for n in range(3)]
        store.add(pairs, np.array([[1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32), ["a", "b", "c"])
        hits = retrieve(["x"], np.array([[0, 1]], dtype=np.float32), store, Index.load(store), 2)[0]
        assert [(hit.pair.answer, hit.rank, hit.via) for hit in hits] == [("1", 1, "vector"), ("2", 2, "vector")]
        assert hits[1].score == pytest.approx(0.8, abs=1e-3)
        with pytest.raises(InputError, match="search method"):
            retrieve(["x"], None, store, Index.load(store), 2, "magic")  # type: ignore[arg-type]


def lookup(store: Store, reranker: object = None) -> Lookup:
    models = Models(WordEncoder(), reranker=reranker)  # type: ignore[arg-type]
    return Lookup(store, models, AnswerSettings(), Verification(store, models, WordSimilarity()))


def context(hits: Sequence[Hit], scorer: LinearScorer = Lookup.UNFITTED, rerank: bool = False) -> Context:
    """Every text finds these hits."""
    return Context(Nearest(lambda texts, k: [list(hits)[:k] for _ in texts], [], 0), 50, lambda name: scorer, rerank)


def test_an_answer_that_the_question_names_is_passed_over(tmp_path: Path) -> None:
    """The nearest pair of "How long is the Suez Canal?" may ask for the canal itself."""
    hits = [
        Hit(QAPair.make("What canal is 193 km long?", "the Suez Canal"), 0.9, 1, "vector"),
        Hit(QAPair.make("How long is the canal?", "193 km"), 0.8, 2, "vector"),
    ]
    with Store.create(tmp_path / "m", width=2, models={}) as store:
        question = "How long is the Suez Canal?"
        texts = [[row[0].text if row else None for row in lookup(store).propose([question], context(some))]
                 for some in (hits, hits[:1], [])]  # fmt: skip
    assert texts == [["193 km"], ["the Suez Canal"], [None]]
    assert not names("How long?", "the")


class Prefers:
    """Likes one answer better than all others, by ``odds``."""

    name = "prefers"

    def __init__(self, answer: str, odds: float = 1.0) -> None:
        self.answer, self.odds = answer, odds

    def rerank(
        self, questions: Sequence[str], pairs: Sequence[Sequence[tuple[str, str]]], scores: object
    ) -> list[np.ndarray]:
        return [np.array([self.odds * (answer == self.answer) for _, answer in row], np.float32) for row in pairs]


def test_retriever_and_reranker_decide_together(tmp_path: Path) -> None:
    """By hand: similarity .9 counts 4, .5 counts 0; the reranker's 3 for the second wins alone, not against 4."""
    pairs = QAPair.make("When was Suez opened?", "1869"), QAPair.make("When was Panama opened?", "15 August")
    hits = [Hit(pairs[0], 0.9, 1, "vector"), Hit(pairs[1], 0.5, 2, "vector")]
    reranker = Prefers("15 August", 3.0)
    alone = LinearScorer(RERANK_FEATURES, (0.0, 1.0))
    both = LinearScorer(RERANK_FEATURES, (1.0, 1.0), Odds(2.0, -1.0))
    with Store.create(tmp_path / "m", width=2, models={}) as store:
        found = [lookup(store, reranker).find(["When?"], context(hits, scorer, True))[0] for scorer in (alone, both)]
        plain = lookup(store, reranker).find(["When?"], context(hits))[0]
    assert found[0] is not None and found[0].hits[0].pair.answer == "15 August" and found[0].logits == (3.0, 0.0)
    assert found[1] is not None and found[1].hits[0].pair.answer == "1869" and found[1].logits == (7.0, 5.0)
    assert plain is not None and plain.hits[0].pair.answer == "1869" and plain.reranked == (None, None)


def test_a_pair_can_be_left_out_with_its_document_and_what_asks_the_same() -> None:
    """To ask what a memory would say if it had never read something, and of what was made of the question too."""
    out = QAPair.make("When?", "1869", document_id="a", span=Span(0, 4))
    others = [QAPair.make("Who?", "x", document_id="a", span=Span(5, 6)), QAPair.make("when", "1870"),
              QAPair.make("Where?", "y", document_id="b", span=Span(0, 1))]  # fmt: skip
    hits = [Hit(pair, 0.9, rank, "vector") for rank, pair in enumerate([out, *others], 1)]
    near = Nearest(lambda texts, k: [hits[:k] for _ in texts], ["q", "r"], 2, [out, None])
    assert [[hit.pair.answer for hit in row] for row in near(["q", "r"], 2)] == [["y"], ["1869", "x"]]
    near.inherit(["q again", "r again"], ["q", "r"])
    assert near.document_left_out("q again") == "a" and near.document_left_out("r again") is None
    assert [len(row) for row in near(["q again", "r again"], 4)] == [1, 4]


def test_the_cloze_keeps_the_sentence_and_asks_for_the_answer() -> None:
    """The key must carry the words of the sentence, not those of the answer."""
    sentence = "The canal was opened in 1869 by Lesseps."
    assert cloze(sentence, "1869") == "The canal was opened in when by Lesseps."
    assert cloze(sentence, "Lesseps") == "The canal was opened in 1869 by who."
    assert cloze(sentence, "not there") == sentence
    assert [question_word(answer) for answer in ("193 kilometres", "$5", "May 1914", "a canal")] == [
        "how many", "how much", "when", "what",
    ]  # fmt: skip


def test_the_key_names_the_title_only_where_it_adds_a_word() -> None:
    """Without the title "It was opened in 1869" belongs to every canal; with it twice it belongs to the title."""
    both = key_text("When was it opened?", "1869", "It was opened in 1869.", "Suez Canal")
    assert both == "Suez Canal: When was it opened? It was opened in when."
    assert key_text("When was the Suez Canal opened?", "1869", "x 1869", "The Suez canal").startswith("When")
    assert key_text("Who?", "Verdi", "", "Opera") == "Who?"
