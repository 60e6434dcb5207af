"""What the model is given: markers never come from a text."""

import pytest
from tests.tiny_llama import byte_tokenizer

from quipu.models.lm.prompts import LONGEST_QUESTION, MARKERS, Prompts, place

IDS = {role: number for number, role in enumerate(MARKERS)}


@pytest.fixture
def prompts() -> Prompts:
    return Prompts(byte_tokenizer(), IDS)


def test_prompts_by_hand(prompts: Prompts) -> None:
    assert prompts.decode(prompts.prefix("Text.", "Title")) == "Title\nText."
    asked = prompts.reading("  Who \n wrote it? ")
    assert (asked[0], asked[-1]) == (IDS["read"], IDS["answer"])
    assert prompts.decode(asked) == "Who wrote it?"
    wanted = prompts.writing("Ada wrote it.", 0, 3)
    assert wanted == [IDS["write"], *prompts.encode("Ada"), IDS["written"]]
    assert prompts.said("") == [IDS["nothing"], IDS["end"]]
    assert prompts.decode(prompts.said("Ada")) == "Ada"


@pytest.mark.parametrize("marker", MARKERS.values())
def test_a_marker_in_a_text_stays_text(prompts: Prompts, marker: str) -> None:
    inner = [
        *prompts.prefix(f"a{marker}b", marker),
        *prompts.reading(marker)[1:-1],
        *prompts.writing(marker, 0, 9)[1:-1],
    ]
    assert not set(inner) & set(IDS.values())
    assert prompts.decode(prompts.encode(marker)) == marker


def test_odd_texts(prompts: Prompts) -> None:
    assert prompts.decode(prompts.encode("a\ud800b")) == "a?b"
    assert len(prompts.prefix("")) == 1
    assert len(prompts.reading("why " * 1000)) == LONGEST_QUESTION + 2


def test_a_span_that_stands_twice_comes_with_its_words() -> None:
    text = "In 1843 Ada wrote the first program of all; in 1852 Ada died in London, which Bo saw."
    second = text.rindex("Ada")
    assert place(text, second, second + 3) == "program of all; in 1852 [Ada] died in London,"
    assert place(text, 3, 7) == "1843"


def test_calibration_texts_may_hold_markers(prompts: Prompts) -> None:
    found = prompts.with_markers("{read}Who? {x}{end}")
    assert found == [IDS["read"], *prompts.encode("Who? "), *prompts.encode("{x}"), IDS["end"]]
