"""Lists answer what their codes mean and what their steps are; a list of sentences answers nothing of the kind."""

from __future__ import annotations

from collections.abc import Sequence

from quipu.corpus.listed import list_pairs
from quipu.records import BlockKind, Document, Mark, Span

Block = tuple[BlockKind, int, str]  # kind, level, text


def found(blocks: Sequence[Block]) -> dict[str, str]:
    """Questions with their answers; each answer is what stands at its span."""
    marks, start = [], 0
    for kind, level, text in blocks:
        marks.append(Mark(Span(start, start + len(text)), kind, level))
        start += len(text) + 2
    document = Document.make("ferry.md", "Ferry", "\n\n".join(text for _, _, text in blocks), None, marks)
    pairs = list_pairs(document)
    for pair in pairs:
        assert pair.span is not None and document.text[pair.span.start : pair.span.end] == pair.answer
    return {pair.question: pair.answer for pair in pairs}


def items(*texts: str) -> list[Block]:
    return [("item", 1, text) for text in texts]


def test_codes_mean_what_stands_behind_them() -> None:
    codes = items("0 \u2014 all was copied", "7 \u2013 the licence has expired")
    assert found([("heading", 2, "Exit codes"), *codes]) == {
        "What does exit code 0 mean?": "all was copied", "What does exit code 7 mean?": "the licence has expired",
    }  # fmt: skip
    assert found([("heading", 2, "What the colours of the lamp tell you"), *items("Red: stop", "Green: go")]) == {
        "What does Red mean?": "stop", "What does Green mean?": "go",
    }  # fmt: skip


def test_lists_of_something_else_make_no_codes() -> None:
    """One colon in a list of sentences, or the same word in front of several items, explains nothing."""
    assert found(items("Breaking: push is sync", "Breaking: SHA-1 is gone")) == {}
    assert found(items("Note: read this", "Then go on.")) == {} and found(items("a - b")) == {}


def test_numbered_items_are_steps() -> None:
    steps = items("1. Switch off the mains.", "2. Remove the cover.")
    assert found(steps) == {"What is step 1?": "Switch off the mains.", "What is step 2?": "Remove the cover."}
    assert set(found([("heading", 1, "Installing it"), *steps])) == {
        "What is step 1 of Installing it?", "What is step 2 of Installing it?",
    }  # fmt: skip
    nested: list[Block] = [steps[0], ("item", 2, "a) the big one"), steps[1]]
    assert len(found(nested)) == 2
    assert found(items("3. Third.", "4. Fourth.")) == {} and found(items("1. Only.")) == {}


def test_names_with_their_parts() -> None:
    """ "Who owns the firmware?" was refused beside "Emeka Obi (firmware)"."""
    assert found([("paragraph", 0, "Owners: Dana Whitlock (hardware), Emeka Obi (firmware), Li Na (cloud).")]) == {
        "Who is the owner of hardware?": "Dana Whitlock", "Who is the owner of firmware?": "Emeka Obi",
        "Who is the owner of cloud?": "Li Na",
    }  # fmt: skip
    assert found([("paragraph", 0, "Note: Suez (a port) is old.")]) == {}
