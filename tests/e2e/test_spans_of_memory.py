"""Answers that no pair holds: from codes that were made when the passage was stored, or from the passage itself."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.handmade import WIDTH, NumberReader, NumberWriter, WordEncoder

import quipu
from quipu.answering.scoring import Calibration, LinearScorer, Odds
from quipu.answering.steps.read_passages import FEATURES as PASSAGE
from quipu.answering.steps.spans import FEATURES
from quipu.errors import InputError
from quipu.models.bundle import VERIFIER, Models
from quipu.models.codebook import Codebook
from quipu.models.folders import bundled_sha256
from quipu.models.protocols import Keys, Reading
from quipu.models.spans import Floats, TokenVectors
from quipu.storage import passage_vectors
from quipu.storage.store import Store
from quipu.storage.verify import verify

CANAL = "The canal was planned by Lesseps and opened with music by Verdi."
TEA = "Fortune carried tea plants to Calcutta in glass cases."
# models without files go by their names
OWN = {"span words": "span words", "city": "city", "verifier": str(bundled_sha256(VERIFIER))}


def fitted(name: str, features: Sequence[str], weight: str, odds: Odds, threshold: float, *models: str) -> Calibration:
    """One feature counts."""
    weights = tuple(float(feature == weight) for feature in features)
    scorer = LinearScorer(tuple(features), weights, odds, threshold, models={item: OWN[item] for item in models})
    return Calibration({name: scorer}, "by hand")


SPAN = fitted("span", FEATURES, "span", Odds(1.0, -6.0), 0.5, "span words")


class SpanWords(WordEncoder):
    """A token's vector is the direction of the word before it; a question asks for what follows its last word."""

    def __init__(self, name: str = "span words") -> None:
        super().__init__(name)
        known = self._of([f"word{at}" for at in range(400)] + CANAL.split() + TEA.split())
        self.codebook = Codebook.learn(known, known, 32)
        self.encoded = 0

    def _of(self, words: Sequence[str]) -> Floats:
        return 3 * self.encode([word.strip("?.") for word in words])

    def passages(self, texts: Sequence[str]) -> list[TokenVectors]:
        self.encoded += len(texts)
        made = []
        for text in texts:
            found = list(re.finditer(r"\w+", text))
            vectors = np.concatenate(
                [np.zeros((2, WIDTH), dtype=np.float32), self._of([m.group() for m in found[:-1]])]
            )
            made.append(TokenVectors(vectors, np.array([(0, 0), *(m.span() for m in found)], dtype=np.int32)))
        return made

    def queries(self, texts: Sequence[str]) -> tuple[Keys, Floats, Floats]:
        asked = self._of([text.split()[-1] for text in texts])
        return self.encode(texts), asked, asked


def models(encoder: WordEncoder) -> dict[str, Any]:
    return {"encoder": encoder, "writer": NumberWriter(), "reader": NumberReader()}


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "canal.txt").write_text(CANAL)
    (folder / "tea.txt").write_text(TEA)
    return folder


def test_a_fact_without_a_pair_is_found_with_its_place(docs: Path, tmp_path: Path) -> None:
    encoder = SpanWords()
    with quipu.build([docs], tmp_path / "m", **models(encoder)) as memory:
        assert not memory.store.count()  # no pair holds it
        before = encoder.encoded
        answer = memory.ask("Who was the canal planned by Lesseps and opened with music by?", method="span")
        assert (answer.text, answer.route, answer.probability) == ("Lesseps", "span", None) or answer.text == "Verdi"
        tea = memory.ask("Where did the tea plants go to?", method="span")
        assert tea.text == "Calcutta" and tea.evidence[0].pair is None
        best = tea.evidence[0]
        assert best.quote == "Calcutta" and best.span is not None and best.document.endswith("tea.txt")
        assert TEA[best.span.start : best.span.end] == "Calcutta"
        assert encoder.encoded == before  # no passage was encoded to answer
        assert passage_vectors.count(memory.store) == (2, 23, 23 * (32 + 2))
        with pytest.raises(InputError, match="is empty"):
            memory.ask(" ", method="span")
    with quipu.open(tmp_path / "m", read_only=True, encoder=SpanWords()) as memory:
        assert memory.ask("Where did the tea plants go to?", method="span").text == "Calcutta"
    assert verify(tmp_path / "m").problems == []


def test_an_improbable_span_is_held_back(docs: Path, tmp_path: Path) -> None:
    with quipu.build([docs], tmp_path / "m", **models(SpanWords())) as memory:
        memory.keep_calibration(SPAN)
    with quipu.open(tmp_path / "m", read_only=True, encoder=SpanWords()) as memory:
        good = memory.ask("Where did the tea plants go to?", method="span")
        assert good.text == "Calcutta" and good.probability is not None and good.probability > 0.9
        bad = memory.ask("Where does the tea come from?", method="span")
        assert bad.text is None and bad.route == "abstain" and bad.probability is not None and bad.probability < 0.5
        assert memory.ask("Where does the tea come from?", method="span", min_probability=0).text is not None


class CityReader:
    """Finds the first capital after the first words; is not sure of it where the question asks why."""

    name = "city"

    def read_many(
        self,
        texts: Sequence[str],
        questions: Sequence[Sequence[str]],
        *,
        titles: Sequence[str | None] | None = None,
        always: bool = False,
    ) -> list[list[Reading]]:
        self.seen = list(texts)
        return [[self._said(question, text) for question in row] for text, row in zip(texts, questions, strict=True)]

    def _said(self, question: str, text: str) -> Reading:
        place = re.compile("[A-Z][a-z]+").search(text, 8)
        if place is None:
            return Reading(-1, -1, "", -5.0, 0.0, 0.9)
        sure = 0.02 if question.startswith("Why") else 0.8
        return Reading(*place.span(), place.group(), 1.0, sure, 0.1)


def test_the_best_passages_are_read_and_the_surest_answers(docs: Path, tmp_path: Path) -> None:
    for at in range(4):
        (docs / f"{at}.txt").write_text(f"Number {at} is without a name and without tea plants to speak of.")
    with quipu.build([docs], tmp_path / "m", **models(SpanWords())) as memory:
        memory.keep_calibration(
            fitted("passage", PASSAGE, "log_p", Odds(2.0, 1.0), 0.6, "span words", "city", "verifier")
        )
    reader = CityReader()
    known = Models(SpanWords(), NumberWriter(), NumberReader(), language_model=reader)
    with quipu.Memory(Store.open(tmp_path / "m", read_only=True), known) as memory:
        answer = memory.ask("Where were tea plants of Fortune carried?", method="passage")
        # By hand: log-odds 2 log .8 + 1 = .554, p = .635; for .02 2 log .02 + 1 = -6.82, p = .0011.
        assert (answer.text, answer.route) == ("Calcutta", "passage"), answer
        assert answer.probability == pytest.approx(0.635, abs=1e-3)
        assert len(reader.seen) == memory.settings.read_passages and TEA in reader.seen
        best = answer.evidence[0]
        assert best.quote == "Calcutta" and best.document.endswith("tea.txt") and best.pair is None
        none = memory.ask("Why were the tea plants carried?", method="passage")
        assert (none.text, none.held) == (None, "Calcutta") and none.probability == pytest.approx(0.0011, abs=1e-4)
        assert none.nearest is not None and none.nearest.sentence == TEA and none.nearest.document.endswith("tea.txt")
        assert none.to_json()["nearest"]["sentence"] == TEA
        assert memory.ask("Why were the tea plants carried?", method="passage", min_probability=0).text == "Calcutta"
        with quipu.open(tmp_path / "m", read_only=True, encoder=SpanWords(), language_model=CityReader(),
                        settings={"read_passages": 1}) as fewer:  # fmt: skip
            fewer.ask("Where were tea plants of Fortune carried?", method="passage")
            assert fewer.models.language_model().seen == [TEA]  # type: ignore[union-attr]


def test_a_memory_of_pairs_alone_reads_no_passages(tmp_path: Path) -> None:
    rows = tmp_path / "pairs.jsonl"
    rows.write_text(json.dumps({"question": "Where were the tea plants carried?", "answer": "away"}))
    quipu.build([], tmp_path / "m", pairs=rows, **models(SpanWords())).close()
    with quipu.open(tmp_path / "m", read_only=True, encoder=SpanWords(), language_model=CityReader()) as memory:
        assert memory.ask("Where were the tea plants carried?", min_probability=0).text == "away"
        with pytest.raises(InputError, match="only pairs"):
            memory.ask("Where were the tea plants carried?", method="passage")


def test_passages_follow_their_documents(docs: Path, tmp_path: Path) -> None:
    with quipu.build([docs], tmp_path / "m", **models(SpanWords())) as memory:
        memory.remove(document=str(docs / "tea.txt"))
        assert memory.ask("Where did the tea plants go to?", method="span").text != "Calcutta"
        (docs / "glass.txt").write_text("Glass was blown in Murano for kings.")
        memory.add_documents([docs / "glass.txt"])
        assert memory.ask("Where was glass blown in?", method="span").text == "Murano"
        assert [p.text for p, _ in passage_vectors.search_passages(memory.store, "Calcutta tea", 5)] == []
        assert passage_vectors.count(memory.store)[0] == 2
    assert verify(tmp_path / "m").problems == []


def test_a_memory_without_tokens_says_how_to_get_them(docs: Path, tmp_path: Path) -> None:
    quipu.build([docs], tmp_path / "m", **models(WordEncoder("plain"))).close()
    with (
        quipu.open(tmp_path / "m", encoder=WordEncoder("plain")) as memory,
        pytest.raises(InputError, match="reads no spans"),
    ):
        memory.ask("Where?", method="span")
    with quipu.open(tmp_path / "m", encoder=SpanWords("plain")) as memory:
        with pytest.raises(InputError, match="holds no token vectors by plain; run: quipu reencode"):
            memory.ask("Where?", method="span")
        assert memory.reencode() == 0  # the keys are those of this encoder
        assert memory.ask("Where did the tea plants go to?", method="span").text == "Calcutta"


def test_damaged_tokens_are_noticed(docs: Path, tmp_path: Path) -> None:
    quipu.build([docs], tmp_path / "m", **models(SpanWords())).close()
    record = sqlite3.connect(tmp_path / "m" / "records.sqlite")
    with record:
        record.execute("UPDATE tokens SET codes = zeroblob(length(codes)) WHERE row = 1")
    record.close()
    found = verify(tmp_path / "m")
    assert [(problem.kind, problem.where) for problem in found.problems] == [("row", "tokens: 1")]
