"""Search by two lists and the answer that is taken from them, by hand-worked values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from quipu.answering.lookup import find, lookup, names
from quipu.answering.retrieve import fuse, retrieve
from quipu.errors import InputError
from quipu.memory.index import Index
from quipu.memory.store import Store
from quipu.models.keys import cloze, key_text, question_word
from quipu.records import Hit, QAPair


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


def test_an_answer_that_the_question_names_is_passed_over(tmp_path: Path) -> None:
    """The nearest pair of "How long is the Suez Canal?" may ask for the canal itself."""
    hits = [
        Hit(QAPair.make("What canal is 193 km long?", "the Suez Canal"), 0.9, 1, "vector"),
        Hit(QAPair.make("How long is the canal?", "193 km"), 0.8, 2, "vector"),
    ]
    with Store.create(tmp_path / "m", width=2, models={}) as store:
        question = "How long is the Suez Canal?"
        both, one, none = find([question] * 3, [hits, hits[:1], []], store, None)
        assert lookup(question, both).text == "193 km"
        assert lookup(question, one).text == "the Suez Canal"
        empty = lookup(question, none)
    assert empty.text is None and empty.route == "abstain" and "nothing" in empty.reason
    assert not names("How long?", "the")


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
