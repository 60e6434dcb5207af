"""Which fields of a record hold its text, title and id, by their usual names; and how its document is called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from quipu.corpus.readers import Block, layout
from quipu.corpus.readers.bold import with_bold_headings

TEXT = (
    "text", "content", "contents", "body", "passage", "passage text", "page content", "context", "contexts",
    "paragraph", "paragraphs", "document", "document text", "doc", "chunk", "chunk text", "article", "abstract",
    "raw text", "full text",
)  # fmt: skip
TITLE = ("title", "name", "heading", "headline", "subject", "document title", "wikipedia title", "section title")
ID = ("id", "docid", "doc id", "document id", "passage id", "pid", "chunk id", "uuid", "key", "row id")
QUESTION = ("question", "query", "q")
ANSWER = ("answer", "answers", "response", "a")
_PAGE = re.compile(
    r"\s*<(?:!doctype|html|body|p|div|h[1-6]|ul|ol|dl|table|section|article|blockquote|span|strong|b|em|i|a|br|figure)"
    r"(?:\s[^<>]{0,2000})?/?>",
    re.IGNORECASE,
)
LONGEST_ID = 200  # characters
REMEMBERED = 1_000_000  # ids of a file; with those that follow, the line is named as well


def plain(name: object) -> str:
    """A field's name as it is compared: "Page_Content" and "pageContent" are "page content"."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(name))
    return " ".join(re.findall(r"[^\W_]+", parted.casefold()))


def blocks_in(text: str) -> list[Block]:
    """The blocks of a field's text, which may be plain or, as help desks and page makers export it, HTML."""
    if _PAGE.match(text) and "</" in text:
        from quipu.corpus.readers import html

        if found := html.blocks_of(text):
            return with_bold_headings(found)
    return layout.blocks_of(text)


def first(fields: Mapping[str, Any], names: Sequence[str]) -> Any:
    """The value of the first of ``names`` that has one, else None."""
    return next((fields[name] for name in names if fields.get(name) not in (None, "", [], {})), None)


class Names:
    """How the rows of one file are called: by their ids, by their lines where an id is missing or used before."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def of(self, identity: object, line: int) -> str:
        """The name of the row on ``line``; no two rows have the same."""
        name = " ".join(str(identity).split()) if isinstance(identity, str | int | float) else ""
        if not name or len(name) > LONGEST_ID:
            return f"line {line}"
        if name in self._seen or len(self._seen) >= REMEMBERED:
            return f"{name} (line {line})"
        self._seen.add(name)
        return name
