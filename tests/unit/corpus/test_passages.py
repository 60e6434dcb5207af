"""Documents to passages: every offset holds, and what belongs together stays together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quipu.corpus.passages import sentences_of, split, statements_of, structured
from quipu.errors import InputError
from quipu.language.sentences import sentence_at, sentences
from quipu.records import BlockKind, Document, Mark, Passage, Span
from quipu.storage.maintenance import compact
from quipu.storage.store import Store


def test_sentences_end_where_a_reader_would_end_them() -> None:
    """A sentence cut at "Dr." loses its subject, and with it the words of the key."""
    text = "Dr. Lesseps paid $3.5 million. He left.\n\nA heading\n\nThe canal opened."
    assert [text[span.start : span.end] for span in sentences(text)] == [
        "Dr. Lesseps paid $3.5 million.", "He left.", "A heading", "The canal opened.",
    ]  # fmt: skip


def test_windows_are_about_a_hundred_words_and_end_with_sentences() -> None:
    """Longer windows are cut off by the reader's input, shorter ones hold too little to answer from."""
    document = Document.make(
        "canal.txt", "Canal", " ".join(f"Ship {n} passed the canal in the spring." for n in range(60))
    )
    sizes = [len(passage.text.split()) for passage in split(document)]
    assert all(passage.text.endswith("spring.") for passage in split(document))
    assert sum(sizes) == 480 and all(90 <= size <= 110 for size in sizes[:-1])


@given(st.lists(st.text(alphabet="ab .!?\n\r\té東。", max_size=60), max_size=12))
def test_every_visible_character_is_in_exactly_one_passage(parts: list[str]) -> None:
    """An offset that is off by one shows the wrong quote; an uncovered character is a fact that can never be asked."""
    document = Document.make("x", "x", " word" * 3 + "".join(parts))
    covered = [0] * len(document.text)
    for passage in split(document, words=4):
        assert document.text[passage.span.start : passage.span.end] == passage.text
        for place in range(passage.span.start, passage.span.end):
            covered[place] += 1
    assert all(
        count <= 1 and (count == 1 or letter.isspace()) for count, letter in zip(covered, document.text, strict=True)
    )


@pytest.mark.parametrize(
    ("text", "heading"),
    [
        ("Pump\n\nUse\n\nStand on the base with both feet.", "Use"),
        ("Pump\n\nStand on the base.\n\nCare\n\n", "Care"),
        ("Stand on the base.", ""),
        ("", ""),
        ("Tools\n\nYou need:\n\na key\n\na cloth\n\nsome oil\n\nThen grease the piston.", "Tools"),  # a list is none
        ("Use\n\nPress the head.\n\n1,066.8\n\nIt is long.", "Use"),  # nor is a number
    ],
)
def test_the_nearest_heading_above(text: str, heading: str) -> None:
    """ "Guarantee" stands far above "It lasts five years", and without it nobody knows what lasts."""
    marks = structured(Document.make("m", "m", f"{text}\n\nIt lasts five years.")).marks
    found = [text[mark.span.start : mark.span.end] for mark in marks if mark.over]
    assert (found or [""])[-1] == heading


def test_a_heading_goes_with_what_it_heads() -> None:
    """A heading at the end of a passage is noise there, and is missing in the next one."""
    body = " ".join(["The pump reaches eleven bar."] * 18)
    document = Document.make("m", "Manual", f"Use\n\n{body}\n\nCare\n\nGrease the piston every six months. {body}")
    passages = split(document)
    assert len(passages) > 1 and passages[1].text.startswith("Care\n\nGrease")
    assert not passages[0].text.endswith("Care") and passages[0].text.startswith("Use")
    joined = "".join(passage.text for passage in passages)
    assert "".join(joined.split()) == "".join(document.text.split())


def test_the_sentence_of_a_place() -> None:
    """The evidence of an answer is the sentence that it stands in, not the one before."""
    text = "It opened in 1869. It cost ten francs."
    bounds = sentences(text)
    assert sentence_at(text, bounds, 0) == sentence_at(text, bounds, 17) == "It opened in 1869."
    assert sentence_at(text, bounds, 22) == "It cost ten francs." and sentence_at(text, bounds, 18) == text


Block = tuple[BlockKind, int, str]  # kind, level, text


def of_blocks(blocks: Sequence[Block], title: str = "Manual") -> Document:
    """A document as a reader of files makes it, each block on a page and a line of its own."""
    marks, start = [], 0
    for number, (kind, level, text) in enumerate(blocks, start=1):
        marks.append(Mark(Span(start, start + len(text)), kind, level, 1 + number // 3, number))
        start += len(text) + 2
    return Document.make("manual.md", title, "\n\n".join(text for _, _, text in blocks), None, marks)


def stored(document: Document, folder: Path) -> list[Passage]:
    """The document's passages as a store gives them."""
    with Store.create(folder / "m", width=4, models={}) as store:
        store.add_documents([document], split(document))
        return list(store.passages())


WORDY = " ".join(["The pump reaches eleven bar."] * 10)  # 50 words


def test_sections_are_passages_of_their_own() -> None:
    """Three questions of an FAQ in one passage get each other's answers."""
    blocks: list[Block] = []
    for number in range(3):
        blocks += [("heading", 2, f"How often {number}?"), ("paragraph", 0, " ".join(["Every day."] * 10))]
    texts = [passage.text for passage in split(of_blocks(blocks))]
    assert [text.split("?")[0] for text in texts] == ["How often 0", "How often 1", "How often 2"]
    short: list[Block] = [("heading", 1, "Pump"), ("heading", 2, "Use"), ("paragraph", 0, "Press."),
                          ("heading", 2, "Care"), ("paragraph", 0, "Grease it.")]  # fmt: skip
    assert len(split(of_blocks(short))) == 1


def test_a_heading_never_ends_a_passage() -> None:
    """A heading at the end of a passage is missing where its text begins."""
    blocks: list[Block] = [
        ("paragraph", 0, WORDY), ("paragraph", 0, WORDY), ("heading", 2, "Valves"), ("heading", 3, "Outer valves."),
        ("paragraph", 0, WORDY),
    ]  # fmt: skip
    passages = split(of_blocks(blocks))
    assert passages[0].text.endswith("eleven bar.") and passages[1].text.startswith("Valves\n\nOuter valves.\n\nThe")


def test_rows_and_code_stay_whole() -> None:
    """Half of a row says a price without its plan; half of a command does something else."""
    row = "Silver: " + "; ".join(f"Feature {number} costs extra. Ask us" for number in range(40))
    code = "\n".join(f"run --step {number}" for number in range(60)) + "\n\ndone"
    blocks: list[Block] = [("paragraph", 0, WORDY), ("row", 0, row), ("code", 0, code), ("paragraph", 0, WORDY)]
    texts = [passage.text for passage in split(of_blocks(blocks))]
    assert any(row in text for text in texts) and any(code in text for text in texts)
    endless = "\n".join(f"run --step {number}" for number in range(1000))
    pieces = split(of_blocks([("code", 0, endless)]))
    assert len(pieces) > 5 and all(piece.text.startswith("run --step") for piece in pieces)
    assert all(len(piece.text.split()) <= 400 for piece in pieces)


def test_a_list_keeps_what_leads_into_it(tmp_path: Path) -> None:
    """ "at least 8 GB of RAM" answers nothing where nobody knows that it is a requirement."""
    blocks: list[Block] = [("heading", 1, "Sensor"), ("paragraph", 0, WORDY),
                           ("paragraph", 0, f"{WORDY[:-58]} It is new. What it requires:")]  # fmt: skip
    blocks += [("item", 1, f"at least {number} GB of RAM") for number in range(60)]
    blocks += [("paragraph", 0, "That is all.")]
    passages = stored(of_blocks(blocks), tmp_path)
    first, second, *rest, behind = passages
    assert first.text.endswith("It is new.") and second.text.startswith("What it requires:\n\nat least 0 GB")
    assert second.lead == "" and second.about() == "Manual: Sensor"
    assert {passage.lead for passage in rest} == {"What it requires:"}
    assert {passage.about() for passage in rest} == {"Manual: Sensor: What it requires"}
    assert behind.text == "That is all." and behind.about() == "Manual: Sensor"


def test_a_passage_knows_the_headings_over_it(tmp_path: Path) -> None:
    """Without "Museum" the price of a ticket is the price of any ticket."""
    blocks: list[Block] = [
        ("heading", 1, "Manual"), ("heading", 2, "Safety"), ("heading", 3, "Valves"), ("paragraph", 0, WORDY),
        ("paragraph", 0, WORDY), ("paragraph", 0, "Close them at night. " + WORDY), ("heading", 2, "Prices"),
        ("paragraph", 0, "A valve costs 6 pounds. " + WORDY),
    ]  # fmt: skip
    document = of_blocks(blocks)
    first, second, third = stored(document, tmp_path)
    assert first.about() == "Manual" and second.about() == "Manual: Safety: Valves" and third.about() == "Manual"
    close, cost = document.text.index("Close"), document.text.index("6 pounds")
    assert second.path(close) == ("Manual", "Safety", "Valves") == first.path(first.span.end - 1)
    assert third.path(cost) == ("Manual", "Prices") and third.about(cost) == "Manual: Prices"
    assert first.path(document.text.index("Safety")) == ("Manual",)  # a heading does not stand over itself
    mark = second.mark(close)
    assert mark is not None and (mark.page, mark.line) == (3, 6)


def test_words_over_a_passage_find_it(tmp_path: Path) -> None:
    """A search for "valve safety" must find the second passage of that section, and still after a repair."""
    blocks: list[Block] = [("heading", 2, "Safety"), ("paragraph", 0, WORDY), ("paragraph", 0, WORDY + " " + WORDY)]
    document = of_blocks(blocks)
    query = "SELECT count(*) FROM passage_words WHERE passage_words MATCH 'safety'"
    with Store.create(tmp_path / "m", width=4, models={}) as store:
        store.add_documents([document], split(document))
        passages = len(list(store.passages()))
        assert passages > 1 and store.connection.execute(query).fetchone()[0] == passages
        compact(store)
        assert store.connection.execute(query).fetchone()[0] == passages


def test_a_row_says_something_even_where_it_looks_like_a_heading() -> None:
    """Rows, items and short sentences without a point were taken for headings, and nothing was asked about them."""
    blocks: list[Block] = [
        ("heading", 2, "Plans"), ("row", 0, "Silver: Price 12 euros. Storage 100 GB"), ("item", 1, "a free port"),
        ("term", 0, "Widget"), ("definition", 0, "A part. It is small."), ("question", 0, "Who pays?"),
    ]  # fmt: skip
    (passage,) = split(of_blocks(blocks))
    said = [passage.text[span.start : span.end] for span in statements_of(passage)]
    assert said == ["Silver: Price 12 euros. Storage 100 GB", "a free port", "A part.", "It is small."]
    assert len(sentences_of(passage)) == 7


def test_opening_quotes_in_a_row_take_linear_time() -> None:
    """A page of 60,000 of them took three seconds, one of twice as many four times as long."""

    def seconds(count: int) -> float:
        start = time.process_time()
        assert sentences("“" * count)[-1].end == count
        return time.process_time() - start

    assert seconds(60_000) < 0.5 + 6 * seconds(15_000)


def test_a_long_paragraph_is_parted_at_sentences() -> None:
    text = " ".join(f"Dr. Lesseps sent ship {number} to the canal." for number in range(1000))
    found = [text[span.start : span.end] for span in sentences(text)]
    assert " ".join(found) == text and all(item.endswith(("canal.", "Dr.")) for item in found)
    assert sum(item == "Dr." for item in found) <= len(text) // 2000


def test_a_span_needs_both_ends_in_order() -> None:
    """A changed bit in a record may leave one of them out, which must not end in a foreign error."""
    with pytest.raises(InputError, match="a span must have"):
        Span(5, 2)
    with pytest.raises(InputError, match="a span must have"):
        Span(5, None)  # type: ignore[arg-type]
