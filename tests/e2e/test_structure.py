"""What a document's structure gives: ready pairs, and places that a person can follow."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.handmade import NumberReader, NumberWriter, WordEncoder

import quipu
from quipu.memory import Memory

SHOP = """# Shop

How do I pay?

By card or by bank transfer.

How much does it cost?

A parcel costs 7 euros.

The office is closed on 3 May.
"""
YARD = """# Yard

When is it open?

From 8 to 16.

How do I pay?

By card or by bank transfer.
"""


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    """A memory of two documents with questions of their own."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "shop.txt").write_text(SHOP.replace("# ", ""))
    (folder / "yard.txt").write_text(YARD.replace("# ", ""))
    models = {"encoder": WordEncoder(), "writer": NumberWriter(), "reader": NumberReader()}
    return quipu.build(folder, tmp_path / "m", **models)  # type: ignore[arg-type]


def test_questions_of_a_document_are_answered_by_look_up(memory: Memory) -> None:
    """Asked word for word, they were refused; the answer is what stands there, with its place."""
    with memory:
        (hit, *_) = memory.search("How do I pay?", 1, method="vector")
        assert hit.pair.answer == "By card or by bank transfer." and hit.pair.origin == "document"
        assert hit.score > 0.999
        answer = memory.ask("How do I pay?", method="lookup", min_probability=0.0)
        assert answer.text == "By card or by bank transfer."
        assert [Path(str(item.document)).name for item in answer.evidence] == ["shop.txt", "yard.txt"]
        assert [item.quote for item in answer.evidence] == ["By card or by bank transfer."] * 2
        place = answer.evidence[0].place
        assert place.headings == ("Shop", "How do I pay?")
        row = answer.to_json()["evidence"][0]
        assert row["headings"] == ("Shop", "How do I pay?") and "page" in row and "line" in row


def test_a_question_that_says_not_of_what_is_found_by_its_heading(memory: Memory) -> None:
    """ "When is it open?" stands on every page of a town; its heading says what is open."""
    with memory:
        pair = next(pair for _, pair in memory.store.pairs() if pair.question == "When is it open?")
        assert memory.store.key_text(pair.id) == "Regarding Yard, when is it open?"


def test_nothing_else_answers_a_question_that_its_document_answers(memory: Memory) -> None:
    """A written pair with the same question and a part of the answer would take the place of the whole one."""
    with memory:
        store = memory.store
        known = store.answered_in_document("How do I pay?")
        assert known is not None and store.pair(known).answer == "By card or by bank transfer."
        assert store.answered_in_document("how do i pay") == known
        assert store.answered_in_document("How do I?") is None
        assert store.answered_in_document("How do I pay by card?") is None
        again = memory.add_documents([store.path.parent / "docs"])
        assert again.pairs == 0


def test_a_document_that_goes_leaves_what_others_say_too(memory: Memory) -> None:
    """The notice that stands on every page must outlive the first of them."""
    with memory:
        memory.remove(document=(memory.path.parent / "docs" / "shop.txt").as_posix())
        answer = memory.ask("How do I pay?", method="lookup", min_probability=0.0)
        assert answer.text == "By card or by bank transfer."
        assert [Path(str(item.document)).name for item in answer.evidence] == ["yard.txt"]


def test_a_memory_with_structure_is_sound(memory: Memory) -> None:
    """What is searched of a passage has its headings; a check that forgets them calls every memory damaged."""
    with memory:
        assert memory.store.connection.execute("SELECT count(*) FROM marks WHERE kind = 'question'").fetchone()[0] >= 3
        report = memory.verify()
        assert report.problems == []
        assert memory.verify(repair=True).ok and memory.verify().problems == []
