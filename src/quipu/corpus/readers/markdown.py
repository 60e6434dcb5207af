"""Markdown: the words without the marks; headings, items and table rows are paragraphs of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from quipu.corpus.encoding import whole
from quipu.corpus.readers import Bad, Block, Extract
from quipu.corpus.readers.plain import title_of


def read(path: Path) -> Iterator[Extract | Bad]:
    """One extract; the title is the first heading, else the file's name."""
    source = whole(path)
    if source.startswith("---\n") and "\n---" in source[4:]:
        source = source[source.index("\n---", 4) + 4 :]
    title = ""
    paragraphs: list[str] = []
    row: list[str] | None = None
    tokens = MarkdownIt("commonmark").enable("table").parse(source)
    for at, token in enumerate(tokens):
        if token.type == "tr_open":
            row = []
        elif token.type == "tr_close" and row is not None:
            paragraphs.append(" | ".join(row))
            row = None
        elif token.type == "inline":
            text = _inline(token)
            if row is not None:
                row.append(text)
            elif text:
                paragraphs.append(text)
            if tokens[at - 1].type == "heading_open" and not title:
                title = text
        elif token.type in ("fence", "code_block"):
            paragraphs.append(token.content.rstrip())
    yield Extract(title or title_of(path), tuple(Block(paragraph) for paragraph in paragraphs))


def _inline(token: Token) -> str:
    """The text of a line: links show their words, images their description."""
    parts = []
    for child in token.children or []:
        if child.type in ("text", "code_inline"):
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif child.type == "image":
            parts.append(child.content)
    return "".join(parts).strip()
