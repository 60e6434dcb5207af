"""Paragraphs in bold that are meant as headings are headings, in every format that can say bold."""

from __future__ import annotations

from pathlib import Path

import pytest

from quipu.corpus.readers import Block, Extract, html, markdown
from quipu.corpus.readers.bold import with_bold_headings


def kinds(*blocks: Block) -> list[tuple[str, int, str]]:
    """What becomes of blocks: kind, level, text."""
    found = with_bold_headings(blocks)
    assert not any(block.bold for block in found)
    return [(block.kind, block.level, block.text) for block in found]


def bold(text: str) -> Block:
    return Block(text, bold=True)


def test_a_bold_paragraph_over_another_is_a_heading_below_the_one_it_stands_under() -> None:
    """ "Opening hours" in bold was a sentence of its own, and its section had no name."""
    text = Block("From nine to five.")
    assert kinds(bold("Visits"), text, Block("House", "heading", 2), bold("Hours"), text, bold("Price"), text) == [
        ("heading", 1, "Visits"), ("paragraph", 0, "From nine to five."), ("heading", 2, "House"),
        ("heading", 3, "Hours"), ("paragraph", 0, "From nine to five."),
        ("heading", 3, "Price"), ("paragraph", 0, "From nine to five."),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "blocks",
    [
        [bold("It was closed in 1911."), Block("Text.")],  # a sentence
        [bold("You need:"), Block("a key", "item", 1)],  # leads to what follows
        [bold("Attention!"), Block("Text.")],
        [bold("Brindle & Howe Ltd"), bold("12 Mill Lane"), bold("Eckern")],  # an address
        [bold("Hours"), Block("Price", "heading", 2)],  # over nothing
        [bold("The end")],
        [bold("1911"), Block("Text.")],
        [bold("a\nb"), Block("Text.")],
        [bold("The lock was closed in 1911 by the mayor of the town of Eckern"), Block("Text.")],
        [Block("Hours", "item", 1, bold=True), Block("Text.")],
    ],
)
def test_other_bold_paragraphs_are_none(blocks: list[Block]) -> None:
    """A paragraph taken for a heading by mistake stands over all that follows."""
    assert [kind for kind, *_ in kinds(*blocks)] == [block.kind for block in blocks]


def test_markdown_and_html(tmp_path: Path) -> None:
    """Both say bold in more than one way; a bold word in a paragraph makes no heading of it."""
    wanted = [("heading", 2, "Opening hours"), ("paragraph", 0, "From nine to five."), ("heading", 2, "Price"),
              ("paragraph", 0, "Free."), ("paragraph", 0, "Note that it"), ("paragraph", 0, "rains.")]  # fmt: skip
    (tmp_path / "a.md").write_text(
        "# House\n\n**Opening hours**\n\nFrom nine to five.\n\n<p><b>Price</b></p>\n\nFree.\n\n"
        "**Note** that it\n\nrains.\n"
    )
    (tmp_path / "a.html").write_text(
        "<h1>House</h1><p><b>Opening hours</b></p><p>From nine to five.</p>"
        "<div style='font-weight: bold'>Price</div><p>Free.</p><p><b>Note</b> that it</p><p>rains.</p>"
    )
    for read, name in ((markdown.read, "a.md"), (html.read, "a.html")):
        [found] = read(tmp_path / name)
        assert isinstance(found, Extract)
        assert [(block.kind, block.level, block.text) for block in found.blocks][1:] == wanted
