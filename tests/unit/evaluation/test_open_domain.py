"""The open-domain task: its three file formats, its figures on a memory made by hand, and the baselines."""

import gzip
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from quipu.datasets.questions import read_examples
from quipu.errors import InputError
from quipu.evaluation import report
from quipu.evaluation.baselines.bm25 import BM25
from quipu.evaluation.baselines.dense import Dense
from quipu.evaluation.baselines.systems import PassageReader, QuestionLookup
from quipu.evaluation.task import Prediction
from quipu.evaluation.tasks.open_domain import OpenDomain, evaluate, spread
from quipu.models.protocols import Reading
from quipu.records import Answer, Example, Hit, QAPair

DATA = Path(os.environ.get("QUIPU_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
SUEZ = [
    Example("1", "Who dug the Suez Canal?", ("Ferdinand de Lesseps",)),
    Example("2", "When was it opened?", ("1869", "17 November 1869")),
]
STORED = [
    ("When was the canal begun?", "1859"),
    ("When was it opened?", "1869"),
    ("Who dug it?", "Ferdinand de Lesseps"),
]


class StoredPairs:
    """A memory that always finds its three pairs in one order."""

    def __init__(self) -> None:
        self.pairs = [QAPair.make(question, answer) for question, answer in STORED]

    def ask(self, question: str) -> Answer:
        return Answer(question, self.pairs[0].answer, 1.0, None, (), "lookup", "", 0.1)

    def ask_many(
        self,
        questions: Sequence[str],
        *,
        k: int = 50,
        method: str = "cascade",
        rerank: bool = True,
        min_probability: float | None = None,
    ) -> list[Answer]:
        assert method == "lookup"
        assert min_probability == 0.0  # nothing held back: an abstention is not an error of retrieval
        return [self.ask(question) for question in questions]

    def search_many(self, questions: Sequence[str], k: int, *, method: str = "vector") -> list[list[Hit]]:
        found = [Hit(pair, 1.0 / rank, rank, "vector") for rank, pair in enumerate(self.pairs[:k], 1)]
        return [found for _ in questions]


class Letters:
    """An encoder of texts by their letters: exact, and alike texts are near."""

    name, width = "letters", 26

    def encode(self, texts: Sequence[str], *, batch_size: int = 64) -> NDArray[np.float32]:
        counts = np.array([[text.lower().count(chr(97 + i)) for i in range(26)] for text in texts], dtype=np.float32)
        keys: NDArray[np.float32] = counts / np.linalg.norm(counts, axis=1, keepdims=True)
        return keys


class FirstWord:
    """A reader that answers with a passage's first word and is surer of longer words."""

    name = "first word"

    def read(self, questions: Sequence[str], passages: Sequence[str]) -> list[Reading]:
        words = [passage.split()[0] for passage in passages]
        return [Reading(0, len(word), word, float(len(word)), 0.5) for word in words]


def test_figures_of_a_memory_made_by_hand(tmp_path: Path) -> None:
    """Recall must look at the hits and EM at the answer: mixing them up would show lookup better than it is."""
    file = tmp_path / "said.jsonl"
    made = evaluate(StoredPairs(), SUEZ, k=5, predictions=file)
    figures = {score.metric: score.value for score in made.scores}
    assert (figures["EM"], figures["recall@1"], figures["recall@5"]) == (0.0, 0.0, 100.0)
    assert "recall@10" not in figures  # only 5 were asked for
    assert figures["questions/s"] > 0 and figures["p95 ms"] >= figures["p50 ms"]
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert rows[1]["prediction"] == "1859" and rows[1]["answers"] == ["1869", "17 November 1869"]
    with pytest.raises(InputError, match="choose one of: cascade, lookup"):
        evaluate(StoredPairs(), SUEZ, method="guess")


def test_an_abstention_is_no_answer() -> None:
    """A None that was scored as the text "None" would be a wrong answer in the file and a crash in the scorer."""
    scores = OpenDomain(SUEZ).score([Prediction("", None), Prediction("", "1869")])
    assert {score.metric: score.value for score in scores} == {"EM": 50.0, "F1": 50.0}


def test_three_formats_plain_and_compressed(tmp_path: Path) -> None:
    """Unanswerable SQuAD questions must not be asked: each would count as wrong whatever is said."""
    nq = [{"question": e.question, "answer": list(e.answers)} for e in SUEZ]
    web = [{"qId": e.id, "qText": e.question, "answers": list(e.answers)} for e in SUEZ]
    asked = [{"id": e.id, "question": e.question, "answers": [{"text": a} for a in e.answers]} for e in SUEZ]
    impossible = {"id": "3", "question": "Why?", "answers": [], "is_impossible": True}
    squad = {"data": [{"title": "Suez", "paragraphs": [{"context": "...", "qas": [*asked, impossible]}]}]}
    texts = ["".join(json.dumps(row) + "\n" for row in nq), json.dumps(web), json.dumps(squad)]
    for i, text in enumerate(texts):
        plain, packed = tmp_path / f"{i}.json", tmp_path / f"{i}.json.gz"
        plain.write_text(text)
        packed.write_bytes(gzip.compress(text.encode()))
        for path in (plain, packed):
            read = read_examples(path)
            assert [(e.question, e.answers) for e in read] == [(e.question, e.answers) for e in SUEZ]
    (tmp_path / "odd.json").write_text('{"rows": []}')
    with pytest.raises(InputError, match="neither NQ-open"):
        read_examples(tmp_path / "odd.json")


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="the public data sets are not next to the repository (set QUIPU_DATA)")
def test_the_published_files_are_read_whole() -> None:
    """A reader that lost records would measure an easier set under the old name."""
    assert len(read_examples(DATA / "squad" / "dev-half-v2.0.json.gz")) == 2910
    assert len(read_examples(DATA / "nq_open" / "NQ-open.dev.jsonl.gz")) == 3610
    assert len(read_examples(DATA / "webquestions" / "devtest.json.gz")) == 189


def test_dense_search_equals_sorting_all_scores() -> None:
    """The partial sort must return the same rows in the same order as the whole one, ties by row."""
    texts = ["Suez canal", "Panama canal", "canal Suez", "Kiel", "the canal of Corinth"]
    questions = ["Which canal is at Suez?", "Kiel?"]
    dense = Dense(Letters(), texts)
    rows, scores = dense.search(questions, 3)
    every = Letters().encode(questions) @ Letters().encode(texts).T
    for i, of_one in enumerate(every):
        expected = np.lexsort((np.arange(5), -of_one))[:3].tolist()
        assert rows[i].tolist() == expected
        assert scores[i].tolist() == pytest.approx([of_one[row] for row in expected])
    assert rows[0].tolist()[:2] == [0, 2]  # a tie
    assert dense.search(questions, 99)[0].shape == (2, 5)


def test_bm25_and_the_systems_around_a_search() -> None:
    """The reader's surest span must win over the search's order, and lookup must answer with the stored answer."""
    passages = ["Lesseps dug the Suez canal.", "Panama was dug later.", "Corinth has a canal of its own."]
    search = BM25(passages)
    assert search.search(["Who dug the Suez canal?"], 2)[0].tolist()[0][0] == 0
    said = PassageReader("BM25 + reader", search, passages, FirstWord(), best=2).predict(["Who dug the Suez canal?"])
    assert said[0].text == "Lesseps" and len(said[0].passages) == 2
    stored = BM25([question for question, _ in STORED])
    lookup = QuestionLookup("by BM25", stored, [answer for _, answer in STORED], k=3)
    assert lookup.predict(["Who dug?"])[0].text == "Ferdinand de Lesseps"


def test_tables_say_how_sure_they_are() -> None:
    """A figure without its error or with too many digits invites reading noise."""
    task = OpenDomain(SUEZ)
    made = report.Report("open-domain", "lookup", tuple(task.score([Prediction("", "1869")] * 2)))
    text = report.table([made], ["EM", "F1", "recall@1"])
    assert text.splitlines()[2] == "| lookup | 50.0 ± 35.4 | 50.0 ± 35.4 | -        |"
    assert [report.number(value) for value in (0.1234, 12.345, 2910, 48211.7)] == ["0.123", "12.3", "2,910", "48,212"]
    assert spread([str(i) for i in range(10)], 3) == ["0", "3", "6"]
