"""HTML: what a person reads on the page, once and in its order.

lxml's parser gives events, of which a tree is built here: its own tree ends silently at a depth of 2,048. trafilatura
and readability take the likeliest article and drop the rest; selectolax keeps all but is quadratic in depth and in the
attributes of an element, as the HTML standard's way of building a tree is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from quipu.corpus.encoding import encoding_of
from quipu.corpus.readers import Bad, Block, Extract
from quipu.corpus.readers.bold import with_bold_headings
from quipu.corpus.readers.faq import in_blocks
from quipu.corpus.readers.html.tree import Node, parse
from quipu.corpus.readers.html.visible import Keep, Page
from quipu.corpus.readers.html.walk import Walk
from quipu.corpus.readers.plain import title_of
from quipu.corpus.readers.titles import useful_title
from quipu.errors import ReadError

_DECLARED = re.compile(rb"(?:charset|encoding)\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_HEAD = 4096  # bytes in which an encoding is declared
_XML = re.compile(r"\s*<\?xml[^>]*\?>")


def read(path: Path) -> Iterator[Extract | Bad]:
    """One extract; the title is <title>, else the first heading, else the file's name.

    Menus, the site's header and footer, cookie banners and hidden text are counted and left out, unless the page has
    no other text. An answer that folds away under its question is text.
    """
    data = path.read_bytes()
    declared = _DECLARED.search(data[:_HEAD])
    text = data.decode(encoding_of(data, declared[1].decode("ascii") if declared else None), errors="replace")
    if not text.strip():
        raise ReadError("empty")
    root = _parsed(text)
    blocks, left_out = _blocks(root)
    blocks = with_bold_headings(blocks)
    title = next(
        (
            useful_title("".join(text for text in node.children if isinstance(text, str)))
            for node in root.descendants()
            if node.tag == "title"
        ),
        "",
    )
    title = title or next((useful_title(block.text) for block in blocks if block.kind == "heading"), "")
    yield Extract(title or title_of(path), tuple(blocks), left_out=left_out)


def blocks_of(source: str) -> list[Block]:
    """The blocks of a fragment of a page, such as stands in other formats; none where it holds no text.

    Lines are counted in the fragment. What is bold is still said to be, for a heading stands under those of the whole.
    """
    return _blocks(_parsed(source))[0]


def _parsed(source: str) -> Node:
    source = source.removeprefix("\ufeff").replace("\x00", "\ufffd")
    declaration = _XML.match(source)
    begins = declaration.end() if declaration else 0
    return parse(source[begins:], 1 + source.count("\n", 0, begins))


def _blocks(root: Node) -> tuple[list[Block], dict[str, int]]:
    """The blocks of a page, and what was left out: less and less, until there is text."""
    for keep in Keep:
        page = Page(root, keep)
        blocks = in_blocks(Walk(page).read(root))
        if any(letter.isalnum() for block in blocks for letter in block.text):
            break
    return blocks, {kind: count for kind, count in page.left_out.items() if count}
