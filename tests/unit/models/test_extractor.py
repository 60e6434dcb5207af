"""Which spans may be answers, how they are joined and ordered: hand-worked values on short texts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tokenizers import Encoding, Tokenizer, models, normalizers, pre_tokenizers, processors

from quipu.models.extractor import allowed, edges, select, shapes

WIDEST = 6


def encode(text: str) -> Encoding:
    """One piece a word or mark, between [CLS] and [SEP]."""
    tokenizer = Tokenizer(models.WordLevel({"[CLS]": 0, "[SEP]": 1, "[UNK]": 2}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)]
    )
    return tokenizer.encode(text)


def spans(text: str) -> set[str]:
    """The texts of all spans of at most ``WIDEST`` pieces that may be answers."""
    encoding = encode(text)
    return {
        text[encoding.offsets[first][0] : encoding.offsets[first + wide][1]]
        for first, wide in np.argwhere(allowed(text, encoding, WIDEST)).tolist()
    }


def test_shapes_tell_how_words_are_written() -> None:
    """The tokenizer lower-cases: without shapes "US" and "us" would be one to the extractor."""
    text = "The US had iPhones, 12 of them."
    #        [CLS] The US had iPhones , 12 of them . [SEP]; 6 more where no white space stands before
    assert shapes(text, encode(text)) == [0, 2, 3, 1, 4, 12, 5, 1, 1, 12, 0]


def test_no_answer_begins_or_ends_inside_a_number_or_at_a_comma() -> None:
    """Candidates such as "000 people," would become stored pairs."""
    found = spans("About 3,000 people, or more.")
    assert {"3,000 people", "3,000", "people", "more", "About 3,000 people"} <= found
    assert not {"3", "000", "000 people", "people,", ", or more"} & found


def test_brackets_and_quotes_stay_in_pairs() -> None:
    """Half a bracket in an answer is a wrong answer."""
    found = spans('Paris (capital) is "big" now')
    assert {"Paris (capital)", "(capital)", "capital", '"big"', "big"} <= found
    assert not {"Paris (capital", "capital)", '"big', 'big" now'} & found


@pytest.mark.parametrize(
    ("text", "whole", "cut"),
    [
        ("about 7,000,000 people", "7,000,000", "7,000"),
        ("about 7,000,000 people", "7,000,000 people", "000 people"),
        ("3.5 km", "3.5 km", "5 km"),
        ("a well-known man", "well-known man", "known man"),
        ("the 1914-18 war", "1914-18", "1914"),
        ("in 1914, 18 men", "18 men", "1914,"),
        ("O'Brien came", "O'Brien", "Brien"),
        ("the dog's bone", "dog", "s bone"),
    ],
)
def test_answers_are_whole_numbers_and_words(text: str, whole: str, cut: str) -> None:
    """ "7,000" out of "7,000,000" is a wrong answer that looks right."""
    assert whole in spans(text) and cut not in spans(text)


def test_special_pieces_are_no_edges() -> None:
    """[CLS] and [SEP] stand for no text."""
    first, last = edges("Paris", encode("Paris"))
    assert first.tolist() == [False, True, False] and last.tolist() == [False, True, False]


def scored(text: str, wanted: dict[str, float]) -> tuple[Encoding, np.ndarray, np.ndarray]:
    """The text with p of each wanted span, whatever is left shared by nobody (score -50)."""
    encoding = encode(text)
    may_be = allowed(text, encoding, WIDEST)
    scores = np.full(may_be.shape, -50.0, dtype=np.float32)
    for first, wide in np.argwhere(may_be).tolist():
        said = text[encoding.offsets[first][0] : encoding.offsets[first + wide][1]]
        if said in wanted:
            scores[first, wide] = math.log(wanted.pop(said))
    assert not wanted
    return encoding, scores, may_be


def test_spans_that_say_the_same_are_one_candidate() -> None:
    """.25 for "the Nile" and .15 for "Nile" make .4, more than .35 for "Cairo"; the likelier span stands for both."""
    text = "Cairo lies on the Nile today"
    encoding, scores, may_be = scored(text, {"Cairo": 0.35, "the Nile": 0.25, "Nile": 0.15, "today": 0.25})
    found = select(text, encoding, scores, may_be, limit=2)
    assert [item.text for item in found] == ["the Nile", "Cairo"]
    assert [math.exp(item.score) for item in found] == pytest.approx([0.4, 0.35], abs=1e-6)
    assert [text[item.span.start : item.span.end] for item in found] == ["the Nile", "Cairo"]


def test_equal_scores_stand_in_the_order_of_the_text() -> None:
    """Otherwise two builds of the same documents could ask other questions."""
    text = "one two three"
    encoding, scores, may_be = scored(text, {"three": 0.25, "one": 0.25, "two": 0.25, "one two": 0.25})
    found = select(text, encoding, scores, may_be, limit=4)
    assert [item.text for item in found] == ["one", "one two", "two", "three"]


def test_a_text_without_a_word_has_no_candidates() -> None:
    """Rules of stars and empty strings occur in documents."""
    for text in ("", "* * *", "..."):
        encoding = encode(text)
        may_be = allowed(text, encoding, WIDEST)
        found = select(text, encoding, np.zeros(may_be.shape, dtype=np.float32), may_be, limit=3)
        assert found == []
