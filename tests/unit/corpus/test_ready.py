"""Questions that a document answers itself: found where they stand, with the answer that belongs to them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from quipu.corpus.passages import structured
from quipu.corpus.ready import LONGEST, ready_pairs
from quipu.records import BlockKind, Document, Mark, Span

Block = tuple[BlockKind, int, str]  # kind, level, text


def of_blocks(blocks: Sequence[Block]) -> Document:
    """A document as a reader of files makes it."""
    marks, start = [], 0
    for kind, level, text in blocks:
        marks.append(Mark(Span(start, start + len(text)), kind, level))
        start += len(text) + 2
    return Document.make("faq.md", "Help", "\n\n".join(text for _, _, text in blocks), None, marks)


def found(blocks: Sequence[Block]) -> dict[str, str]:
    """Questions with their answers; each answer is what stands at its span."""
    document = structured(of_blocks(blocks))
    pairs = ready_pairs(document)
    for pair in pairs:
        assert pair.span is not None and pair.origin == "document" and pair.document_id == document.id
        assert " ".join(document.text[pair.span.start : pair.span.end].split()) == pair.answer
    assert len({pair.question for pair in pairs}) == len(pairs)
    return {pair.question: pair.answer for pair in pairs}


def test_headings_that_ask() -> None:
    """Asked word for word, four of five questions of an FAQ were refused."""
    assert found([
        ("heading", 1, "Help centre"), ("paragraph", 0, "Welcome."),
        ("heading", 2, "1. How do I pay?"), ("paragraph", 0, "By card:"), ("item", 1, "Visa"), ("item", 1, "Maestro"),
        ("heading", 3, "Abroad"), ("paragraph", 0, "By transfer."),
        ("heading", 2, "Why was my card declined?"), ("paragraph", 0, "Ask your bank."),
        ("heading", 3, "Can I use another one?"), ("paragraph", 0, "Yes."),
        ("heading", 1, "Contact"), ("paragraph", 0, "Write to us."),
        ("heading", 2, "What is still open?"), ("heading", 2, "Why?"), ("paragraph", 0, "Because."),
    ]) == {
        "How do I pay?": "By card: Visa Maestro Abroad By transfer.",
        "Why was my card declined?": "Ask your bank.",
        "Can I use another one?": "Yes.",
    }  # fmt: skip


def test_bold_lines_and_summaries_that_ask() -> None:
    """A reader says that they ask; a question's answer ends where the next one or a heading begins."""
    assert found([
        ("question", 0, "How do I reset my password?"), ("paragraph", 0, "Open the page."), ("code", 0, "reset\n\nnow"),
        ("question", 0, "Which cards are accepted?"), ("paragraph", 0, "Visa."),
        ("heading", 2, "Imprint"), ("paragraph", 0, "Ferry Ltd."),
    ]) == {"How do I reset my password?": "Open the page. reset now", "Which cards are accepted?": "Visa."}  # fmt: skip


@pytest.mark.parametrize(
    "blocks",
    [
        ["Q: Do you ship to Iceland? A: No, we do not.", "Q: What is the warranty? A: 30 months."],
        ["Q: Do you ship to Iceland?\nA: No, we do not.\nQ: What is the warranty?\nA: 30 months."],
        ["Question: Do you ship to Iceland?", "Answer: No, we do not.", "Question: What is the warranty?",
         "Answer: 30 months."],
        ["Q1. Do you ship to Iceland?\nA1. No, we do not.", "Q2. What is the warranty?\nA2. 30 months."],
    ],
)  # fmt: skip
def test_questions_and_answers_that_are_marked(blocks: list[str]) -> None:
    """The letters in front are no part of either, whether a block holds one of them or all."""
    assert found([("paragraph", 0, text) for text in blocks]) == {
        "Do you ship to Iceland?": "No, we do not.", "What is the warranty?": "30 months.",
    }  # fmt: skip


def test_marked_answers_have_an_end() -> None:
    """A section behind the last answer is no part of it, a list is; a heading's answer ends where "Q:" begins."""
    assert found([
        ("heading", 2, "How long does shipping take?"), ("paragraph", 0, "4 days."),
        ("paragraph", 0, "Q: What do I need? A: These:"), ("item", 1, "a card"),
        ("paragraph", 0, "Prices change."), ("heading", 2, "Terms"), ("paragraph", 0, "Q: Who pays? A: You."),
        ("paragraph", 0, "In two parts."), ("paragraph", 0, "Q: Who sends? A: We."), ("paragraph", 0, "So much."),
    ]) == {
        "How long does shipping take?": "4 days.", "What do I need?": "These: a card",
        "Who pays?": "You. In two parts.", "Who sends?": "We.",
    }  # fmt: skip
    assert found([("paragraph", 0, "A. Smith wrote to Q. Jones: what is it? A: B")]) == {}


def test_an_answer_ends_before_a_table() -> None:
    """The rows below an answer were said with it: "Anyone over sixteen may join. Fee Year: Price: 20 euros"."""
    row: Block = ("row", 0, "Fee Year: Price: 20 euros")
    assert found([
        ("heading", 2, "Who may join?"), ("paragraph", 0, "Anyone over sixteen."), row, ("paragraph", 0, "So far."),
        ("heading", 2, "What does it cost?"), row,
        ("paragraph", 0, "Q: Who pays? A: You."), row, ("paragraph", 0, "Q: Who sends? A: We."), row,
    ]) == {"Who may join?": "Anyone over sixteen.", "Who pays?": "You.", "Who sends?": "We."}  # fmt: skip


def test_terms_with_definitions() -> None:
    """ "What is a port?" is answered by the list of terms."""
    assert found([
        ("term", 0, "Port:"), ("definition", 0, "A place for ships."), ("term", 0, "Dock"), ("term", 0, "Quay"),
        ("definition", 0, "A wall."), ("definition", 0, "Of stone."), ("term", 0, "Who pays for it?"),
        ("definition", 0, "The town."), ("term", 0, "Alone"), ("paragraph", 0, "Else."),
    ]) == {
        "What is Port?": "A place for ships.", "What is Dock?": "A wall. Of stone.",
        "What is Quay?": "A wall. Of stone.", "Who pays for it?": "The town.",
    }  # fmt: skip


def test_long_answers_end_with_a_block_or_a_sentence() -> None:
    """A handbook's chapter is no answer."""
    body = " ".join(["The pump reaches eleven bar."] * 20)  # 100 words
    blocks: list[Block] = [("heading", 1, "How does it work?"), ("paragraph", 0, body), ("paragraph", 0, body)]
    assert found(blocks) == {"How does it work?": body}
    (answer,) = found([("heading", 1, "How does it work?"), ("paragraph", 0, f"{body} {body}")]).values()
    assert answer.endswith("eleven bar.") and LONGEST - 5 <= len(answer.split()) <= LONGEST


def test_questions_of_plain_text() -> None:
    """Without marks of its own a text has questions where several stand alone, or as first lines of paragraphs."""
    text = "Our shop\n\nHow do I pay?\n\nBy card.\n\nWho sends the parcels?\nThe post does.\n\nThat is all."
    document = structured(Document.make("faq.txt", "faq", text))
    assert {pair.question: pair.answer for pair in ready_pairs(document)} == {
        "How do I pay?": "By card.", "Who sends the parcels?": "The post does. That is all.",
    }  # fmt: skip
    prose = "They left early.\n\nWhy did they leave?\n\nNobody knows.\n\nThe end."
    assert ready_pairs(structured(Document.make("tale.txt", "tale", prose))) == []
