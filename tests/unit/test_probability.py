"""The features behind a probability, by hand; the stored curve; what makes an answer be held back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quipu.answering.lookup import find, lookup
from quipu.answering.probability import FEATURES, PLAIN, Blend, Calibration, content_words, features, numbers, shipped
from quipu.errors import FormatError
from quipu.memory.store import Store
from quipu.records import Document, Hit, Passage, QAPair, Span

SUEZ = QAPair.make("When was the Suez Canal opened?", "1869", filter_score=0.75)
PANAMA = QAPair.make("When was the Panama Canal opened in 1914?", "15 August")
AGAIN = QAPair.make("In what year did the Suez Canal open?", "1869")


def hit(pair: QAPair, score: float) -> Hit:
    return Hit(pair, score, 1, "vector")


def named(
    question: str, hits: Sequence[Hit], logits: Sequence[float], best: int = 0, context: str = ""
) -> dict[str, float]:
    return dict(zip(FEATURES, features(question, hits, logits, best, context).tolist(), strict=True))


def curve(**changes: object) -> Calibration:
    """Half certain of a similarity of 0.5, nearly sure of 0.9; nothing else counts."""
    weights = [0.0] * len(FEATURES)
    weights[0] = 10.0
    plain = ((0.0,) * len(FEATURES), (1.0,) * len(FEATURES), tuple(weights), -5.0)
    made = Calibration(*plain, ((0.0, 0.0), (1.0, 1.0)), 0.5, 0.9, {"words": "abc"}, "three questions")
    return replace(made, **changes)  # type: ignore[arg-type]


def test_margins_are_over_other_answers_not_over_other_pairs() -> None:
    """Two pairs with one answer support one another: the second must not look like a rival."""
    found = named(
        "When did the Suez Canal open?", [hit(SUEZ, 0.9), hit(AGAIN, 0.88), hit(PANAMA, 0.6)], [3.0, 2.5, -1.0]
    )
    assert found["similarity"] == pytest.approx(0.9) and found["similarity_margin"] == pytest.approx(0.3)
    assert found["rerank"] == 3.0 and found["rerank_margin"] == 4.0
    same, other = np.exp(3.0 + 9.0) * 2 + np.exp(2.5 + 8.8), np.exp(-1.0 + 6.0)
    assert found["agreement"] == pytest.approx(same / (same + other))
    assert found["filter"] == 0.75 and found["unfiltered"] == 0.0


def test_names_and_numbers_on_one_side_only() -> None:
    found = named("When was the Panama Canal opened in 1915?", [hit(PANAMA, 0.97)], [0.0])
    assert found["numbers_missing"] == 1.0 and found["numbers_unasked"] == 1.0 and found["names_missing"] == 0.0
    found = named("When was the Kiel Canal opened?", [hit(SUEZ, 0.9)], [0.0])
    assert found["names_missing"] == 0.5  # Kiel of Kiel and Canal
    assert named("When was the Kiel Canal opened?", [hit(SUEZ, 0.9)], [0.0], context="Kiel")["names_missing"] == 0.0
    assert found["words_unasked"] == pytest.approx(1 / 3)  # suez of suez, canal, open
    assert found["similarity_margin"] == pytest.approx(0.9)  # no rival at all


@pytest.mark.parametrize(
    ("asked", "feature", "value"),
    [
        ("Where was the Suez Canal opened?", "question_word", 1.0),
        ("What year was the Suez Canal opened?", "question_word", 0.0),
        ("When was the Suez Canal not opened?", "negation", 1.0),
        ("Why wasn't the Suez Canal opened?", "negation", 1.0),
        ("Was the Suez Canal opened in 1869?", "answer_asked", 1.0),
    ],
)
def test_what_a_twin_changes_shows_in_a_feature(asked: str, feature: str, value: float) -> None:
    assert named(asked, [hit(SUEZ, 0.9)], [0.0])[feature] == value


@pytest.mark.parametrize(
    ("asked", "stored", "opposite"),
    [
        ("How do I disable alerts?", "How do I enable alerts?", True),
        ("What is the smallest lake?", "What is the largest lake?", True),
        ("How far in miles?", "How far in kilometres?", True),
        ("What is the largest lake?", "What is the largest lake?", False),
        ("Is the largest lake the smallest?", "Is the smallest lake the largest?", False),  # the order says it
        ("Which lake is disabled?", "Which lake is large?", False),
    ],
)
def test_opposites_and_order(asked: str, stored: str, opposite: bool) -> None:
    found = named(asked, [hit(QAPair.make(stored, "x"), 0.9)], [0.0])
    assert found["opposites"] == float(opposite)
    turned = named("Who did Spain beat?", [hit(QAPair.make("Who beat Spain?", "Italy"), 0.9)], [0.0])
    assert turned["order"] == 1.0 and named(asked, [hit(QAPair.make(asked, "x"), 0.9)], [0.0])["order"] == 0.0


def test_words_and_numbers() -> None:
    assert numbers("1,200 of 3.5 in 1869.") == {"1200", "3.5", "1869"}
    assert content_words("The canals were opened") == content_words("canal opens")


def test_an_answer_below_the_threshold_is_held_back_with_its_reason(tmp_path: Path) -> None:
    """Held back, not thrown away: the nearest pair stays in the evidence, and a lower bar shows the answer."""
    with Store.create(tmp_path / "m", width=2, models={}) as store:
        asked = ["When was the Suez Canal opened?", "When was the Kiel Canal opened?", "Who wrote Faust?", "In 1999?"]
        rows = [[hit(SUEZ, 0.9)], [hit(SUEZ, 0.6)], [hit(SUEZ, 0.1)], [hit(SUEZ, 0.55)]]
        right, name, nothing, number = find(asked, rows, store, None)
        strict = curve(threshold=0.9)
        said = lookup(asked[0], right, strict)
        assert (
            said.text == "1869" and said.probability == pytest.approx(1 / (1 + np.exp(-4.0))) and said.route == "lookup"
        )
        held = lookup(asked[1], name, strict)
        assert held.text is None and held.route == "abstain" and "Kiel" in held.reason
        assert held.evidence[0].pair == SUEZ and held.probability == pytest.approx(1 / (1 + np.exp(-1.0)))
        assert lookup(asked[1], name, strict, min_probability=0.2).text == "1869"
        assert lookup(asked[2], nothing, strict).reason == "nothing similar is stored"
        assert "1999" in lookup(asked[3], number, strict).reason
        assert lookup(asked[2], nothing, strict, min_probability=0.0).text == "1869"
        assert lookup(asked[2], nothing, None).probability is None  # no calibration: no probability, nothing held back


def test_the_reranker_chooses_among_what_was_found(tmp_path: Path) -> None:
    class Prefers:
        name = "prefers"

        def rerank(
            self, questions: Sequence[str], pairs: Sequence[Sequence[tuple[str, str]]], scores: object
        ) -> list[np.ndarray]:
            return [np.array([float(answer == "15 August") for _, answer in row], dtype=np.float32) for row in pairs]

    with Store.create(tmp_path / "m", width=2, models={}) as store:
        (found,) = find(["When?"], [[hit(SUEZ, 0.9), hit(PANAMA, 0.5)]], store, Prefers())
        assert found is not None and lookup("When?", found).text == "15 August" and found.logits == (1.0, 0.0)


def test_retriever_reranker_and_reader_decide_together(tmp_path: Path) -> None:
    """The reader sees the sentence of each pair once, with the place of its answer in it; the blend is by hand."""
    text = "It rained. The canal was opened in 1869 and dug by Lesseps! Tea came in 1848."
    document = Document.make("canal.txt", "Suez", text)
    seen: list[tuple[str, str, list[str]]] = []

    class Judges:
        name = "judges"

        def judge(
            self, questions: Sequence[str], texts: Sequence[str], spans: Sequence[Sequence[Span]]
        ) -> list[list[float]]:
            for question, sentence, row in zip(questions, texts, spans, strict=True):
                seen.append((question, sentence, [sentence[span.start : span.end] for span in row]))
            return [
                [5.0 if text[span.start : span.end] == "Lesseps" else -5.0 for span in row]
                for text, row in zip(texts, spans, strict=True)
            ]

    class Flat:
        name = "flat"

        def rerank(
            self, questions: Sequence[str], pairs: Sequence[Sequence[tuple[str, str]]], scores: object
        ) -> list[np.ndarray]:
            assert [answer for _, answer in pairs[0]] == ["1869"] and pairs[0][0][0] == SUEZ.question
            return [np.full(len(row), 0.5, dtype=np.float32) for row in pairs]

    with Store.create(tmp_path / "m", width=2, models={}) as store:
        store.add_documents([document], [Passage.make(document, Span(0, len(text)))])
        pairs = [
            QAPair.make("When?", answer, document_id=document.id, span=Span(at, at + len(answer)))
            for answer in ("1869", "Lesseps", "1848")
            for at in [text.index(answer)]
        ]
        store.add(pairs, np.eye(3, 2, dtype=np.float32), [f"key of {pair.answer}" for pair in pairs])
        hits = [hit(pair, 0.8) for pair in pairs] + [hit(SUEZ, 0.7)]
        blend = Blend((1.0, 0.5, -1.0), (1.0, 2.0, 0.25), (1.0, 0.0))
        store.add([SUEZ], np.eye(1, 2, dtype=np.float32), [SUEZ.question])
        (found,) = find(["Who dug it?"], [hits], store, Flat(), Judges(), blend)
    assert seen == [
        ("Who dug it?", "The canal was opened in 1869 and dug by Lesseps!", ["1869", "Lesseps"]),
        ("Who dug it?", "Tea came in 1848.", ["1848"]),
    ]
    assert found is not None and found.hits[0].pair.answer == "Lesseps" and found.judged == (5.0, None, -5.0, -5.0)
    assert found.reranked == (None, 0.5, None, None)
    assert found.logits == pytest.approx((3.0 + 2.5 - 1.0, 2.0 + 1.0 + 0.25, -0.5, -0.5))
    assert PLAIN.logit(0.9, 3.0, None) == 3.0 and PLAIN.logit(0.9, 99.0, None) == 8.0
    assert PLAIN.logit(0.6, 3.0, 4.0) == pytest.approx(4.0) and PLAIN.logit(0.6, None, None) == pytest.approx(2.0)


def test_a_curve_bends_the_raw_probability() -> None:
    bent = curve(curve=((0.0, 0.1), (0.5, 0.2), (1.0, 0.6)))
    row = np.zeros((2, len(FEATURES)))
    row[1, 0] = 0.5  # logit 0: raw 0.5
    assert bent.probability(row).tolist() == pytest.approx([0.1 + 0.2 * 1 / (1 + np.exp(5.0)), 0.2])


def test_a_calibration_survives_json_and_nothing_else_passes_for_one(tmp_path: Path) -> None:
    made = curve()
    again = Calibration.from_json(json.loads(json.dumps(made.to_json())), "here")
    assert again == made and shipped(tmp_path / "none.json") is None
    for broken in (
        {}, [], {**made.to_json(), "features": ["similarity"]}, {**made.to_json(), "weights": [1.0]},
        {**made.to_json(), "bias": "nan"}, {**made.to_json(), "curve": []},
        {**made.to_json(), "scale": [0.0] * len(FEATURES)},
    ):  # fmt: skip
        with pytest.raises(FormatError, match="not a calibration"):
            Calibration.from_json(broken, "here")  # type: ignore[arg-type]
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(FormatError, match="install"):
        shipped(tmp_path / "bad.json")
