"""Word pieces back to questions that people read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from quipu.models.detokenize import casing_of, written

PIECES = (
    "[UNK] who what when how is was of the in by ' s t - / ( ) , . ? $ 5 000 % fer ##din ##and canal suez o brien "
    "well known 1869 opened did n don ipod company nato and glass came later clear didn it said – 1914 18 war "
    '7 3 where dog dogs u army dogs bones " dvo ##rak land 10 : 30 no'
)


def surface(tokenizer: Tokenizer, pieces: Sequence[int], casing: Mapping[str, str]) -> str:
    """The line as a question, with a capital and one mark."""
    line = written(tokenizer, pieces, casing).strip(" ?.,;:")
    return line[:1].upper() + line[1:] + "?" if line else ""


@pytest.fixture
def tokenizer() -> Tokenizer:
    """Lower-case word pieces, as of BERT."""
    made = Tokenizer(models.WordPiece({piece: at for at, piece in enumerate(PIECES.split())}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


def pieces(tokenizer: Tokenizer, text: str) -> list[int]:
    found = tokenizer.encode(text).ids
    assert 0 not in found, "the test's words lack one of these"
    return list(found)


@pytest.mark.parametrize(
    "question",
    [
        "Who is ferdinand?",
        "What is the canal's company?",
        "When didn't it clear?",
        "What is well-known in the 1914-18 war?",
        "What is (in the war) opened?",
        "What is opened, and when?",
        "How is $5 said?",
        "What is 5%?",
        "Who is o'brien?",
        "What is and/of?",
    ],
)
def test_spaces_come_back_as_people_write_them(tokenizer: Tokenizer, question: str) -> None:
    """ "the canal ' s company" is shown to everybody who asks near it."""
    ids = pieces(tokenizer, question)
    assert surface(tokenizer, ids, {}) == question


def test_one_question_mark_and_one_capital(tokenizer: Tokenizer) -> None:
    """A doubled mark, or a question that begins small, is a pair that looks machine-made."""
    for text in (
        "who is ferdinand",
        "who is ferdinand ?",
        "who is ferdinand ? ?",
        ". who is ferdinand .",
        ", who is ferdinand ,",
    ):
        assert surface(tokenizer, pieces(tokenizer, text), {}) == "Who is ferdinand?"
    assert surface(tokenizer, [], {}) == surface(tokenizer, pieces(tokenizer, "? ."), {}) == ""


def test_a_lone_piece_of_a_word_stands_as_a_word(tokenizer: Tokenizer) -> None:
    """A question may begin with a copied middle piece; its hashes must not be shown."""
    middle = tokenizer.token_to_id("##din")
    assert surface(tokenizer, [middle, tokenizer.token_to_id("##and")], {}) == "Dinand?"
    assert surface(tokenizer, [999_999], {}) == ""


@pytest.mark.parametrize(
    ("text", "word", "form"),
    [
        ("It was opened by Ferdinand.", "ferdinand", "Ferdinand"),
        ("Ferdinand came later.", "ferdinand", "Ferdinand"),  # only where a sentence begins: a name, most often
        ("Glass came later. The glass is clear.", "glass", "glass"),
        ("The glass is clear. Glass came later.", "glass", "glass"),
        ("It is NATO. It said Nato.", "nato", "NATO"),
        ("The iPod came later.", "ipod", "iPod"),
        ("NATO came later.", "nato", "NATO"),
        ("It is clear: Suez came later.", "suez", "Suez"),
    ],
)
def test_words_are_cased_as_the_passage_writes_them(tokenizer: Tokenizer, text: str, word: str, form: str) -> None:
    """Names in small letters, or common words in capitals because a sentence once began with them."""
    assert casing_of(tokenizer.encode(text), text)[word] == form


def test_function_words_are_never_names(tokenizer: Tokenizer) -> None:
    """ "What is The canal of The company?" for every passage that begins with "The"."""
    text = "The canal is clear. In the war. Who came. It is THE canal"
    casing = casing_of(tokenizer.encode(text), text)
    assert not {"the", "in", "who", "it", "is"} & set(casing)


def test_casing_and_pieces_together(tokenizer: Tokenizer) -> None:
    """The casing is looked up by whole words: a name of several pieces would otherwise stay small."""
    text = "The Suez Canal was opened by Ferdinand in 1869."
    casing = casing_of(tokenizer.encode(text), text)
    question = surface(tokenizer, pieces(tokenizer, "when was the suez canal opened by ferdinand ?"), casing)
    assert question == "When was the Suez Canal opened by Ferdinand?"


@pytest.mark.parametrize(
    ("passage", "question"),
    [
        ("In 1869 the army, 7,000 in the war, came.", "Who was in the army of 7,000?"),
        ("The canal is 3.5 long, $5.5 a ton.", "What is 3.5 and $5.5?"),
        ("The U.S. Army came.", "Where did the U.S. Army land?"),
        ("O'Brien came at 10:30.", "When did O'Brien land, 10:30?"),
        ("Dvořák came later.", "Who was Dvořák?"),
        ("(In the war) Well-Known glass came.", "What glass is Well-Known?"),
        ("It was 7, 000 was later.", "What was 7, 000?"),
    ],
)
def test_what_the_passage_writes_as_one_is_asked_as_one(tokenizer: Tokenizer, passage: str, question: str) -> None:
    """ "7, 000" is not the number that people search for, and a name without its accents is another name."""
    casing = casing_of(tokenizer.encode(passage), passage)
    assert surface(tokenizer, pieces(tokenizer, question), casing) == question


def test_marks_that_no_passage_explains(tokenizer: Tokenizer) -> None:
    """A question says what its passage does not: there, rules must do."""
    for question in ("What is the dogs' bones?", 'Who said "no" in the war?', "What is the dog's?", "Who is o'brien?"):
        assert surface(tokenizer, pieces(tokenizer, question), {}) == question
