"""What is taken from a reply, and where its words stand: nothing that a model says is stored unless it stands there."""

from __future__ import annotations

import json

import pytest

from quipu.models.remote.placing import place
from quipu.models.remote.reader import supports
from quipu.models.remote.replies import json_in, reply_of
from quipu.records import Span

TEXT = "The café\u0301 of Łódź opened in  May\n1903. A party came in 1903, at 3 pm."


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("1903", "1903"),
        ("łódź", "Łódź"),
        ("May 1903", "May\n1903"),
        ("in may 1903", "in  May\n1903"),
        ("A PARTY", "A party"),
        ("190", None),
        ("art", None),
        ("June 1903", None),
        ("", None),
        ("  ", None),
    ],
)
def test_an_answer_stands_in_the_passage_or_is_none(answer: str, found: str | None) -> None:
    """An invented or cut answer with a made-up place would be quoted as if the document said it."""
    span = place(TEXT, answer)
    assert (None if span is None else TEXT[span.start : span.end]) == found


def test_letters_that_are_composed_differently_are_the_same() -> None:
    """A model that answers in NFC about a file in NFD (every macOS file name) would lose all its pairs with accents."""
    text = "In Ly\u0301on and Zu\u0308rich it rained."  # decomposed
    span = place(text, "Z\u00fcrich")
    assert span is not None and text[span.start : span.end] == "Zu\u0308rich"
    longer = place("Die Straße in Gießen.", "GIESSEN")  # one letter that folds into two
    assert longer is not None and "Die Straße in Gießen."[longer.start : longer.end] == "Gießen"


def test_the_named_sentence_goes_first() -> None:
    """Of two places with the same words the wrong one would be quoted."""
    second = TEXT.rindex("1903")
    assert place(TEXT, "1903", Span(TEXT.index("A party"), len(TEXT))) == Span(second, second + 4)
    assert place(TEXT, "1903") == Span(TEXT.index("1903"), TEXT.index("1903") + 4)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        'Sure!\n```json\n{"a": 1}\n```',
        '<think>{"a": 2} perhaps</think>\n{"a": 1}',
        'A {brace} first, then {"a": 1} and {"a": 3}',
    ],
)
def test_json_is_found_where_models_put_it(text: str) -> None:
    """Servers without schemas wrap the object in prose; each would cost a repair, or lose the passage."""
    assert json_in(text) == {"a": 1}


@pytest.mark.parametrize("text", ["", "[1]", "no", '{"a": ', "{" * 5000, '{"a": "\\ud800"}x\ud800', '{"a":' * 3000])
def test_what_is_no_object_is_an_error_and_not_a_crash(text: str) -> None:
    """A hostile reply must not end a build with a traceback, nor take minutes."""
    with pytest.raises(ValueError):
        json_in(text)


@pytest.mark.parametrize("body", ["", "null", "[]", "{}", '{"choices": []}', '{"choices": [1]}', '{"choices": [{}]}'])
def test_a_body_that_is_no_reply_is_an_error(body: str) -> None:
    """A proxy's JSON page taken for an empty reply would be kept in the ledger as a success."""
    with pytest.raises(ValueError):
        reply_of(body)


def test_a_reply_is_read_in_every_shape_that_servers_send() -> None:
    """Text in parts, null content, refusals, counts that are no numbers: taken for something else, money is lost."""

    def body(message: object, finish: str = "stop", usage: object = None) -> str:
        return json.dumps({"choices": [{"message": message, "finish_reason": finish}], "usage": usage})

    parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    assert reply_of(body({"content": parts})).text == "ab"
    assert reply_of(body({"content": None})).text == ""
    assert reply_of(body({"content": None, "refusal": "no"})).refused
    assert reply_of(body({"content": ""}, "content_filter")).refused
    assert reply_of(body({"content": "x"}, "length")).cut_off
    counted = reply_of(body({"content": "x"}, usage={"prompt_tokens": 7, "completion_tokens": 2}))
    assert (counted.tokens_in, counted.tokens_out) == (7, 2)
    assert reply_of(body({"content": "x"}, usage={"prompt_tokens": -7, "completion_tokens": True})).tokens_in is None


@pytest.mark.parametrize(
    ("answer", "supported"),
    [
        ("300 prisoners", True),
        ("It was dug by the 300 prisoners", True),
        ("3,000 prisoners", False),
        ("not 300 prisoners", False),
        ("300 soldiers", False),
        ("three prisoners", False),
        ("The harbour", False),
        ("", False),
    ],
)
def test_an_answer_says_no_more_than_its_quotation(answer: str, supported: bool) -> None:
    """A quotation beside an answer that says something else makes an invention look proved."""
    assert supports("was dug by 300 prisoners", answer) == supported
