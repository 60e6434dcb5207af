"""HTML: what a person reads on the page; scripts, styles, navigation and forms are left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import html as lxml_html

from quipu.corpus.encoding import encoding_of
from quipu.corpus.readers import Bad, Block, Extract
from quipu.corpus.readers.plain import title_of
from quipu.errors import ReadError

_LEFT_OUT = {
    "script",
    "style",
    "noscript",
    "template",
    "nav",
    "header",
    "footer",
    "form",
    "button",
    "svg",
    "head",
    "iframe",
}
_BLOCKS = {
    "p", "div", "section", "article", "main", "aside", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "dl", "dt",
    "dd", "table", "caption", "tr", "blockquote", "figure", "figcaption", "address", "body", "html", "hr", "details",
    "summary",
}  # fmt: skip
_SPACE = re.compile(r"\s+")


def read(path: Path) -> Iterator[Extract | Bad]:
    """One extract; the title is <title>, else the first heading, else the file's name."""
    data = path.read_bytes()
    declared = re.search(rb"charset\s*=\s*[\"']?([\w-]+)", data[:4096])
    encoding = declared.group(1).decode("ascii") if declared else encoding_of(path)
    try:
        "".encode(encoding)
    except LookupError:
        encoding = encoding_of(path)
    text = data.decode(encoding, errors="replace")
    if not text.strip():
        raise ReadError("empty")
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text.lstrip("\ufeff"))
    try:
        root = lxml_html.document_fromstring(text, parser=lxml_html.HTMLParser(no_network=True, huge_tree=True))
    except (ValueError, lxml_html.etree.ParserError) as error:
        raise ReadError(f"no HTML that can be read ({error})") from error
    title = _SPACE.sub(" ", root.findtext(".//title") or "").strip()
    if not title:
        heading = root.find(".//h1")
        title = _SPACE.sub(" ", heading.text_content()).strip() if heading is not None else ""
    paragraphs: list[str] = [""]
    body = root.find("body")
    _walk(body if body is not None else root, paragraphs)
    kept = [paragraph.strip() for paragraph in paragraphs if paragraph.strip()]
    yield Extract(title or title_of(path), tuple(Block(paragraph) for paragraph in kept))


def blocks_of(html: str) -> list[Block]:
    """The blocks of a fragment of a page; none where it holds no text."""
    try:
        root = lxml_html.fragment_fromstring(html, create_parent="div")
    except (ValueError, lxml_html.etree.ParserError):
        return []
    paragraphs: list[str] = [""]
    _walk(root, paragraphs)
    return [Block(paragraph.strip()) for paragraph in paragraphs if paragraph.strip()]


def _walk(root: lxml_html.HtmlElement, paragraphs: list[str]) -> None:
    """Add the text of ``root`` to ``paragraphs``; the last one is open. Iterative: pages may nest deeply."""
    stack: list[tuple[str, Any]] = [("open", root)]
    while stack:
        what, item = stack.pop()
        if what == "text":
            paragraphs[-1] += _SPACE.sub(" ", str(item)) if paragraphs[-1] else _SPACE.sub(" ", str(item)).lstrip()
        elif what == "raw":
            paragraphs += [str(item), ""]
        elif what == "break":
            if paragraphs[-1].strip():
                paragraphs.append("")
        elif what == "open":
            node = item
            tag = node.tag if isinstance(getattr(node, "tag", None), str) else ""  # comments have a function for a tag
            if not tag or tag in _LEFT_OUT:
                continue
            if tag == "pre":
                stack += [("raw", node.text_content().strip("\n")), ("break", None)]
                continue
            following: list[tuple[str, Any]] = []
            if tag in _BLOCKS:
                following.append(("break", None))
            if tag == "br":
                following.append(("text", " "))
            if node.text:
                following.append(("text", node.text))
            for child in node:
                following.append(("open", child))
                if tag == "tr" and child.getnext() is not None:
                    following.append(("text", " | "))
                if child.tail:
                    following.append(("text", child.tail))
            if tag in _BLOCKS:
                following.append(("break", None))
            stack += reversed(following)
