"""How many questions are asked, in which order, and with which seed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from tests.handmade import NumberModel, NumberReader, NumberWriter, WordEncoder

from quipu.building.pipeline import Generated, generate, key_texts
from quipu.building.settings import GenerateSettings
from quipu.errors import SettingsError
from quipu.models.protocols import Written
from quipu.records import Candidate, Document, Mark, Passage, QAPair, Span

TEXT = "The ship left the port in 1841. Aboard it were some 77 men and 21 guns."


class Several(NumberWriter):
    """As many questions a span as are asked for; keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.seeds: list[int] = []

    def write(
        self,
        texts: Sequence[str],
        spans: Sequence[Sequence[Span]],
        *,
        per_span: int = 1,
        seed: int = 0,
        top_p: float | None = None,
    ) -> list[list[list[Written]]]:
        self.seeds.append(seed)
        return [
            [
                [Written(f"Which number is number {n} at {text[span.start : span.end]}x?", -n) for n in range(per_span)]
                for span in row
            ]
            for text, row in zip(texts, spans, strict=True)
        ]


def made(writer: NumberWriter, settings: GenerateSettings, text: str = TEXT, seed: int = 0) -> Generated:
    document = Document.make("log.txt", "Log", "Preface. " + text)
    return generate(
        [Passage.make(document, Span(9, len(document.text)))], extractor=writer, writer=writer, reader=NumberReader(),
        encoder=WordEncoder(), settings=settings, is_known=lambda question, answer: None, seed=seed,
    )  # fmt: skip


@pytest.mark.parametrize(("wanted", "asked"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (None, 3)])
def test_no_more_questions_are_asked_than_were_wanted(wanted: int | None, asked: int) -> None:
    """With two questions a span for 5 of 3 candidates a build would ask, read and store more than it was told to."""
    settings = GenerateSettings(candidates_per_passage=3, questions_per_passage=wanted)
    found = made(Several(), settings)
    assert found.asked == asked
    by_span = [verdict.pair_id for verdict in found.verdicts if verdict.stage == "well_formed"]
    assert len(set(by_span)) == asked


def test_every_answer_is_asked_about_before_one_is_asked_about_twice() -> None:
    """Else the last facts of each passage would go unasked for the sake of paraphrases of the first."""
    few = made(Several(), GenerateSettings(candidates_per_passage=3, questions_per_passage=3))
    more = made(Several(), GenerateSettings(candidates_per_passage=3, questions_per_passage=4))
    first = [verdict.pair_id for verdict in few.verdicts if verdict.stage == "well_formed"]
    assert [verdict.pair_id for verdict in more.verdicts if verdict.stage == "well_formed"][:3] == first


def test_seeds_fit_every_generator_of_random_numbers() -> None:
    """A negative seed, or one of 33 bits, would stop the build at some passage in the middle."""
    writer = Several()
    for seed in (0, 1, -1, 5000, 2**40 + 7):
        made(writer, GenerateSettings(seed=seed), seed=2**32 - 1)
    assert all(0 <= seed < 2**32 for seed in writer.seeds) and len(set(writer.seeds)) == 5


def test_the_same_batch_gives_the_same_pairs() -> None:
    """An interrupted build asks the batch again: other pairs would stand beside the ones that are there."""
    settings = GenerateSettings(seed=4)
    assert made(NumberWriter(), settings) == made(NumberWriter(), settings)


def test_a_passage_without_answers_and_an_empty_batch_give_nothing() -> None:
    """A page of white noise must not stop the build of the others."""
    assert made(NumberWriter(), GenerateSettings(), "nothing, nothing").pairs == []
    writer = NumberWriter()
    none = generate(
        [], extractor=writer, writer=writer, reader=NumberReader(), encoder=WordEncoder(),
        settings=GenerateSettings(), is_known=lambda question, answer: None,
    )  # fmt: skip
    assert none == Generated()


def test_what_is_known_is_named_in_the_verdict() -> None:
    """ "Same question and answer" as which? The verdict must lead to the pair that stayed."""
    document = Document.make("log.txt", "Log", TEXT)
    writer = NumberWriter()
    found = generate(
        [Passage.make(document, Span(0, len(TEXT)))], extractor=writer, writer=writer, reader=NumberReader(),
        encoder=WordEncoder(), settings=GenerateSettings(),
        is_known=lambda question, answer: "elsewhere" if answer == "77" else None,
    )  # fmt: skip
    assert "77" not in {pair.answer for pair in found.pairs} and "1841" in {pair.answer for pair in found.pairs}
    dropped = [verdict for verdict in found.verdicts if not verdict.kept and verdict.stage == "dedup"]
    assert [verdict.because_of for verdict in dropped] == ["elsewhere"]


def spoken(model: NumberModel, text: str = TEXT) -> Generated:
    document = Document.make("log.txt", "Log of Cook", "Preface. " + text)
    return generate(
        [Passage.make(document, Span(9, len(document.text)))], extractor=model, writer=model, reader=model,
        encoder=WordEncoder(), settings=GenerateSettings(pair_threshold=0.0), is_known=lambda question, answer: None,
    )  # fmt: skip


def test_a_language_model_gives_a_pair_the_answer_that_it_reads() -> None:
    """ "77" was asked about, "77 men" is what the passage answers: the pair has the whole, and its place."""
    model = NumberModel()
    found = spoken(model)
    assert {pair.answer for pair in found.pairs} == {"1841", "77 men"}
    whole = "Preface. " + TEXT
    assert all(pair.span and whole[pair.span.start : pair.span.end] == pair.answer for pair in found.pairs)
    assert model.titles == ["Log of Cook"] and len(model.asked) == 1
    assert all(pair.filter_score is not None and pair.generator_score == -0.05 for pair in found.pairs)


def test_the_report_adds_up_when_answers_grow() -> None:
    """A pair whose answer grew has another id: a verdict under the old one would count it twice, or never."""
    found = spoken(NumberModel(), TEXT + " Then 10 more came.")
    final = {verdict.pair_id: verdict.kept for verdict in found.verdicts}
    assert found.asked == len(final) > sum(final.values()) == len(found.pairs) == 2
    assert {pair.id for pair in found.pairs} == {key for key, kept in final.items() if kept}
    assert len(found.verdicts) == len(found.verdict_documents) == len(found.verdict_passages)


def test_two_spans_that_are_read_back_as_one_are_one_pair() -> None:
    """The second of them is a duplicate with a name, and no further evidence: it stands in the same place."""

    class Both(NumberModel):
        def extract(self, texts: Sequence[str], *, limit: int = 25) -> list[list[Candidate]]:
            return [
                [Candidate(Span(*re.search(words, text).span()), words, 1.0, "learned") for words in ("77", "men and")]
                for text in texts
            ]

        def write(self, texts: Any, spans: Sequence[Sequence[Span]], **rest: Any) -> list[list[list[Written]]]:
            return [[[Written("What number follows were some?", -0.05)] for _ in row] for row in spans]

    found = spoken(Both())
    assert [pair.answer for pair in found.pairs] == ["77 men"] and found.support == []
    final = {verdict.pair_id: verdict for verdict in found.verdicts}
    dropped = [verdict for verdict in final.values() if not verdict.kept]
    assert found.asked == len(final)
    duplicates = [verdict for verdict in dropped if verdict.stage == "dedup"]
    assert [item.because_of for item in duplicates] == [found.pairs[0].id]


def test_a_span_that_another_one_is_read_back_as_keeps_its_pair() -> None:
    """ "77" is read back as "77 men", which was asked about too: two verdicts on one id would contradict each other."""

    class Nested(NumberModel):
        def extract(self, texts: Sequence[str], *, limit: int = 25) -> list[list[Candidate]]:
            return [
                [
                    Candidate(Span(*re.search(words, text).span()), words, -1.0, "learned")
                    for words in ("some 77", "77 men")
                ]
                for text in texts
            ]

        def write(self, texts: Any, spans: Sequence[Sequence[Span]], **rest: Any) -> list[list[list[Written]]]:
            return [[[Written("What number follows were some?", -0.05)] for _ in row] for row in spans]

    found = spoken(Nested())
    final: dict[str, list[bool]] = {}
    for verdict in found.verdicts:
        final.setdefault(verdict.pair_id, []).append(verdict.kept)
    assert [pair.answer for pair in found.pairs] == ["77 men"] and found.asked == len(final)
    assert final[found.pairs[0].id] == [True, True, True]


def test_another_models_questions_are_read_by_the_old_rule() -> None:
    """A writer's probabilities mean nothing to a score that was fitted to the language model's."""
    document = Document.make("log.txt", "Log", TEXT)
    model = NumberModel()
    found = generate(
        [Passage.make(document, Span(0, len(TEXT)))], extractor=model, writer=NumberWriter(), reader=model,
        encoder=WordEncoder(), settings=GenerateSettings(pair_threshold=1.0), is_known=lambda question, answer: None,
    )  # fmt: skip
    assert {pair.answer for pair in found.pairs} == {"1841", "77"}  # the span as it was asked about


@pytest.mark.parametrize(
    "wrong",
    [
        {"questions_per_passage": 0}, {"top_p": 0.0}, {"top_p": 1.5}, {"candidates_per_passage": 0}, {"batch": 0},
        {"pair_threshold": 1.5}, {"agreement": -0.1}, {"filter_threshold": 2.0},
    ],
)  # fmt: skip
def test_impossible_settings_are_refused_before_the_work(wrong: dict[str, float]) -> None:
    """An hour into a build is late to learn that nothing could come of it."""
    with pytest.raises(SettingsError):
        GenerateSettings(**wrong)  # type: ignore[arg-type]


def test_a_heading_says_of_what_a_question_asks_and_stands_in_its_key() -> None:
    """ "How old is it?" under "Museum" asks of the museum, not of the portal of the town."""
    text = "Museum\n\nIt was opened in 1905 by its founders."
    marks = (Mark(Span(0, 6), "heading", 1), Mark(Span(8, len(text)), "paragraph"))
    document = Document.make("p3.html", "Town portal", text, None, marks)
    passage = Passage.make(document, Span(0, len(text)))
    start = text.index("1905")
    pair = QAPair.make("When was it opened?", "1905", document_id=document.id, span=Span(start, start + 4))
    assert key_texts([(pair, passage)], "both") == [
        "Town portal: Museum: When was it opened? It was opened in when by its founders."
    ]
    named = QAPair.make("When was the museum opened?", "1905", document_id=document.id, span=pair.span)
    assert key_texts([(named, passage)], "question") == ["Town portal: When was the museum opened?"]
    model = NumberModel()
    (made,) = generate(
        [passage], extractor=model, writer=model, reader=model, encoder=WordEncoder(),
        settings=GenerateSettings(pair_threshold=0.0), is_known=lambda question, answer: None,
    ).pairs  # fmt: skip
    assert model.titles == ["Town portal"] and made.answer.startswith("1905")
