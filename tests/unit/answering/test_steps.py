"""Steps that read: passages found and put in order, read, and read two at a time; fake models, values by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.handmade import WIDTH, WordEncoder

from quipu.answering.answerer import SCORERS
from quipu.answering.nearest import nearest_sentence
from quipu.answering.proposal import Context, Nearest, PassageSpan, Proposal
from quipu.answering.scoring import LinearScorer
from quipu.answering.settings import AnswerSettings
from quipu.answering.steps.compare import Compare
from quipu.answering.steps.hops import FEATURES as HOPS
from quipu.answering.steps.hops import Hops
from quipu.answering.steps.read_pairs import FEATURES as READ
from quipu.answering.steps.read_pairs import ReadPairs
from quipu.answering.steps.read_passages import FEATURES as PASSAGE
from quipu.answering.steps.read_passages import ReadPassages
from quipu.answering.verifying import Verification
from quipu.answering.where import FEATURES as WHERE
from quipu.answering.where import Where
from quipu.models.bundle import Models
from quipu.models.claims import Claim
from quipu.models.protocols import MemoryReading, Reading
from quipu.models.word_table import WordSimilarity
from quipu.records import Document, Hit, Passage, QAPair, Span
from quipu.storage.store import Store

TEXTS = {
    "Tea": "Fortune carried tea plants to India in 1848. The plants grew well.",
    "India": "The capital of India is Delhi. It was built on a river.",
    "Canal": "The canal was opened with music by Verdi in 1869.",
    "Mill": "The old mill was built in 1650 by monks.",
    "Church": "The white church was built in 1701 by masons.",
}


class Pattern:
    """Says the first match of a pattern that the question calls for; sure of it where the passage has one."""

    name, k = "patterns", 3
    patterns = (("capital", r"Delhi"), ("Who", r"Verdi|Fortune"), ("When", r"\d{4}"), ("built first", r"\d{4}"))

    def __init__(self, sure: float = 0.9) -> None:
        self.sure = sure
        self.read_texts: list[str] = []

    def read_many(
        self,
        texts: Sequence[str],
        questions: Sequence[Sequence[str]],
        *,
        titles: Sequence[str | None] | None = None,
        always: bool = False,
    ) -> list[list[Reading]]:
        assert titles is not None and always
        self.read_texts += texts
        return [[self._said(question, text) for question in row] for text, row in zip(texts, questions, strict=True)]

    def _said(self, question: str, text: str) -> Reading:
        wanted = next((pattern for word, pattern in self.patterns if word in question), r"India")
        match = re.search(wanted, text) or re.search(r"India", text)
        if match is None:
            return Reading(-1, -1, "something else", -2.0, 0.1, 0.8)
        return Reading(*match.span(), match.group(), 3.0, self.sure, 0.05)

    def read_pairs(
        self, questions: Sequence[str], pairs: Sequence[Sequence[tuple[str, str]]], *, always: bool = False
    ) -> list[MemoryReading]:
        assert always
        return [MemoryReading(row[-1][1], -0.5, len(row) - 1, 0.25) for row in pairs]


class Asking(Pattern):
    """A reader that also says how much likelier a passage makes a question: a tenth of its length in characters."""

    def question_likelihood(
        self,
        texts: Sequence[str],
        spans: Sequence[Sequence[Span]],
        questions: Sequence[Sequence[str]],
        *,
        titles: Sequence[str | None] | None = None,
    ) -> list[list[float]]:
        assert titles is not None and all(
            text[span.start : span.end] for text, (span,) in zip(texts, spans, strict=True)
        )
        return [[len(text) / 10 for _ in row] for text, row in zip(texts, questions, strict=True)]


class Sure:
    """Holds a claim for the more probable the longer its evidence; remembers what it was asked."""

    name = "sure"

    def __init__(self) -> None:
        self.claims: list[Claim] = []

    def verify(self, claims: Sequence[Claim]) -> NDArray[np.float32]:
        self.claims += claims
        return np.array([len(claim.evidence) / 10 for claim in claims], dtype=np.float32)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A passage for each text, and a pair in each of the first two."""
    made = Store.create(tmp_path / "m", width=WIDTH, models={})
    documents = [Document.make(f"{title}.txt", title, text) for title, text in TEXTS.items()]
    made.add_documents(documents, [Passage.make(item, Span(0, len(item.text))) for item in documents])
    pairs = [pair_in(documents[0], "Where did Fortune carry tea?", "India"),
             pair_in(documents[2], "Who played at the canal?", "Verdi")]  # fmt: skip
    made.add(pairs, np.eye(2, WIDTH, dtype=np.float32), [pair.question for pair in pairs])
    return made


def pair_in(document: Document, question: str, answer: str) -> QAPair:
    start = document.text.index(answer)
    return QAPair.make(question, answer, document_id=document.id, span=Span(start, start + len(answer)))


def hits_of(store: Store) -> list[Hit]:
    pairs = [pair for pair in store.pairs_by_rows(store.rows().tolist()) if pair is not None]
    return [Hit(pair, 0.9 - 0.3 * at, at + 1, "vector") for at, pair in enumerate(pairs)]


def context(store: Store, questions: Sequence[str] = (), without: Sequence[QAPair | None] = ()) -> Context:
    """Every text finds both pairs; scorers are those without a fit."""
    hits = hits_of(store)

    def scorer(name: str) -> LinearScorer:
        return SCORERS[name].unfitted

    return Context(Nearest(lambda texts, k: [hits[:k] for _ in texts], questions, 2, without), 50, scorer, False)


def steps(store: Store, reader: Pattern, **settings: int) -> tuple[Where, ReadPassages, ReadPairs, Hops]:
    models = Models(WordEncoder(), language_model=reader, verifier=Sure())
    made = AnswerSettings(**settings)
    where = Where(store, models, made)
    verification = Verification(store, models, WordSimilarity())
    passages = ReadPassages(store, models, made, where, verification)
    return (
        where,
        passages,
        ReadPairs(store, models, made, verification),
        Hops(store, models, made, where, passages, Compare(store, made), verification),
    )


def named(proposal: Proposal, names: Sequence[str]) -> dict[str, float]:
    return dict(zip(names, proposal.features, strict=True))


def test_passages_are_found_by_words_and_by_pairs_and_ordered(store: Store) -> None:
    """By hand: "Tea" leads by its words and by the best pair; "Canal" is second by the pair alone: 3 / 4."""
    where, *_ = steps(store, Pattern())
    shared = context(store)
    (places,) = where.find(["Where were tea plants carried?"], shared)
    assert [place.passage.title for place in places] == ["Tea", "Canal"]
    first, second = (dict(zip(WHERE, place.features, strict=True)) for place in places)
    assert (first["by_words"], first["by_pairs"], first["pair"], first["bm25_share"]) == (1.0, 1.0, 0.9, 1.0)
    assert first["covered"] == 1.0 and first["vector"] == 0.0
    assert (second["by_words"], second["by_pairs"]) == (0.0, 3 / 4) and second["pair"] == pytest.approx(0.6)
    assert (
        places[0].score == pytest.approx(1.0 + 1.0 + 0.5 + 0.3 + 0.3)
        and where.find(["Where were tea plants carried?"], shared)[0] is places
    )
    (numbered,) = where.find(["What did Verdi do in 1848?"], context(store))
    of_tea = next(place for place in numbered if place.passage.title == "Tea")
    assert of_tea.feature("numbers") == 1.0 and of_tea.feature("names") == 0.0
    out = hits_of(store)[0].pair
    (left,) = where.find(["tea plants"], context(store, ["tea plants"], [out]))
    assert "Tea" not in [place.passage.title for place in left]


def test_a_memory_of_pairs_alone_has_no_passages(tmp_path: Path) -> None:
    with Store.create(tmp_path / "pairs", width=WIDTH, models={}) as alone:
        where, passages, *_ = steps(alone, Pattern())
        assert "only pairs" in where.ready() and "only pairs" in passages.ready()


def test_the_best_passages_are_read_and_described(store: Store) -> None:
    reader = Pattern()
    _, passages, *_ = steps(store, reader, read_passages=2)
    shared = context(store)
    (row,) = passages.propose(["Who opened the canal with music?"], shared)
    best = next(item for item in row if item.text == "Verdi")
    found = named(best, PASSAGE)
    start = TEXTS["Canal"].index("Verdi")
    assert isinstance(best.sources[0], PassageSpan) and best.sources[0].start == start and not best.generated
    assert found["log_p"] == pytest.approx(np.log(0.9)) and found["odds"] == pytest.approx(np.log(0.95 / 0.05))
    assert (found["stored"], found["pair_first"], found["pair_share"], found["located"]) == (1.0, 0.0, 0.5, 1.0)
    assert found["own_similarity"] == pytest.approx(0.6) and found["agree"] == 0.0 and found["leads"] == 1.0
    read = len(reader.read_texts)
    assert read == 2 and passages.propose(["Who opened the canal with music?"], shared)[0] is row
    assert len(reader.read_texts) == read  # once in a context


def test_a_passage_says_how_likely_it_makes_the_question(store: Store) -> None:
    """0 where the reader cannot say, and for words that stand nowhere; else tens of log-odds."""
    for reader, by_length in ((Pattern(), 0.0), (Asking(), 0.01)):
        _, passages, *_ = steps(store, reader, read_passages=5)
        (row,) = passages.propose(["capital music canal opened"], context(store))
        texts = [store.passage(item.sources[0].passage_id).text for item in row]  # type: ignore[union-attr]
        found = [named(item, PASSAGE)["likelihood"] for item in row]
        assert any(item.generated for item in row) and not all(item.generated for item in row)
        assert found == pytest.approx(
            [0.0 if item.generated else by_length * len(text) for item, text in zip(row, texts, strict=True)]
        )


def test_words_that_stand_nowhere_are_marked_as_generated(store: Store) -> None:
    _, passages, *_ = steps(store, Pattern(), read_passages=5)
    (row,) = passages.propose(["capital music canal opened"], context(store))
    made = next(item for item in row if item.text == "something else")
    assert made.generated and made.sources[0] == PassageSpan(made.sources[0].passage_id, -1, -1)  # type: ignore[union-attr]


def test_pairs_are_read_and_those_with_the_answer_come_first(store: Store) -> None:
    _, _, pairs, _ = steps(store, Pattern())
    (row,) = pairs.propose(["Who played at the canal?"], context(store))
    found = named(row[0], READ)
    assert row[0].text == "Verdi" and [hit.pair.answer for hit in row[0].sources if isinstance(hit, Hit)] == [
        "Verdi", "India",
    ]  # fmt: skip
    assert found["log_p"] == -0.5 and found["odds"] == pytest.approx(np.log(3.0)) and found["share"] == 0.5
    assert found["covered"] == 1.0 and not row[0].generated


def test_two_passages_answer_what_none_does_alone(store: Store) -> None:
    """The first reading says India, which leads to its own passage; both together say Delhi."""
    reader = Pattern(sure=0.7)
    *_, hops = steps(store, reader, read_passages=1)
    question = "What is the capital of the land where Fortune took tea plants?"
    (row,) = hops.propose([question], context(store))
    best = max(row, key=lambda item: named(item, HOPS)["in_second_passage"])
    titles = [store.passage(place.passage_id).title for place in best.sources if isinstance(place, PassageSpan)]
    assert best.text == "Delhi" and titles == ["India", "Tea"] and not best.generated
    assert f"{TEXTS['Tea']}\n\nIndia\n{TEXTS['India']}" in reader.read_texts
    place = best.sources[0]
    assert isinstance(place, PassageSpan) and TEXTS["India"][place.start : place.end] == "Delhi"
    assert named(best, HOPS)["bridged"] == 1.0 and named(best, HOPS)["is_bridge"] == 0.0


def test_no_second_passage_is_sought_where_one_is_sure_and_a_pair_agrees(store: Store) -> None:
    *_, hops = steps(store, Pattern(sure=0.9), read_passages=1)
    asked = ["What is the land where Fortune took tea plants?", "What is the capital of the land of the canal?"]
    settled, other = hops.propose(asked, context(store))
    assert settled == [] and other != []


def test_two_things_are_compared_by_two_readings(store: Store) -> None:
    """No pair says when either was built; the passages do."""
    *_, hops = steps(store, Pattern(), read_passages=1)
    (row,) = hops.propose(["Which was built first, the white church or the old mill?"], context(store))
    assert [(item.scorer, item.text) for item in row] == [("compare_read", "the old mill")]
    titles = [store.passage(place.passage_id).title for place in row[0].sources if isinstance(place, PassageSpan)]
    assert titles == ["Church", "Mill"] and row[0].features[0] == pytest.approx(np.log(0.9))


def test_the_nearest_sentence_shares_most_words_with_the_question(store: Store) -> None:
    passage = next(item for item in store.passages() if item.title == "Tea")
    found = nearest_sentence("How well did the plants grow?", passage, store)
    assert found is not None and found.sentence == "The plants grew well." and found.document == "Tea.txt"
    assert TEXTS["Tea"][found.start : found.end] == found.sentence
    start = TEXTS["Tea"].index("India")
    told = nearest_sentence("How well did the plants grow?", passage, store, Span(start, start + 5))
    assert told is not None and told.sentence == "Fortune carried tea plants to India in 1848."
