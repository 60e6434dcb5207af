"""A page as a tree: parsed by libxml2's events, without its limit of depth, with what is counted of each element."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any

from lxml import etree

EMPTY = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)  # elements without an end
NO_TEXT = frozenset(
    {"script", "style", "template", "title", "datalist", "desc", "metadata"}
)  # what they hold is never shown on the page
HEADINGS = {f"h{level}": level for level in range(1, 7)}
CODE = frozenset({"pre", "listing", "xmp", "plaintext"})
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|[^A-Za-z0-9]+")
_NOTHING: Mapping[str, str] = {}


class Node:
    """An element. ``size``: its characters of text without white space; ``linked``: how many of them are links.

    ``last``: the last of them. ``links``, ``tables``, ``tops`` and ``heads`` count links, tables, h1 and all headings,
    itself among them. ``line``: where its first tag ends in the file.
    """

    __slots__ = ("attributes", "children", "heads", "last", "line", "linked", "links", "size", "tables", "tag", "tops")

    def __init__(self, tag: str, attributes: Mapping[str, str] = _NOTHING, line: int = 1) -> None:
        """An element without content."""
        self.tag = tag
        self.line = line
        self.attributes = attributes
        self.children: list[Node | str] = []
        self.last = ""
        self.size = self.linked = self.links = self.tables = self.tops = self.heads = 0

    def get(self, name: str) -> str:
        """An attribute without white space around it; "" where there is none."""
        return (self.attributes.get(name) or "").strip()

    def names(self) -> set[str]:
        """The words of its id and classes, in lower case: "siteHeader nav-bar" is site, header, nav, bar."""
        if "class" not in self.attributes and "id" not in self.attributes:
            return set()
        return {word.lower() for word in _CAMEL.split(f"{self.get('id')} {self.get('class')}"[:1000]) if word}

    def descendants(self) -> Iterator[Node]:
        """Itself and all elements in it, in order."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += [child for child in reversed(node.children) if isinstance(child, Node)]


def parse(source: str, line: int = 1) -> Node:
    """The tree of a page or of a fragment, however deep; time and memory are linear in its length.

    ``line``: the number of its first line. libxml2 tells no lines to those who build their own tree: it is given one
    after the other, and an element is on the line with which its tag was whole.
    """
    builder = _Builder()
    parser = etree.HTMLParser(target=builder, no_network=True, huge_tree=True)
    parser.feed("")  # a page without anything is one
    for builder.line, text in enumerate(StringIO(source, newline="\n"), line):
        parser.feed(text)
    root: Node = parser.close()
    return root


class _Builder:
    """Makes nodes of the parser's events, which close every element in order."""

    def __init__(self) -> None:
        self.line = 1
        self._root = Node("")
        self._open = [self._root]

    def start(self, tag: str, attributes: Any) -> None:
        node = Node(tag, dict(attributes) if attributes else _NOTHING, self.line)
        self._open[-1].children.append(node)
        if tag not in EMPTY:
            self._open.append(node)

    def end(self, tag: str) -> None:
        if tag not in EMPTY and len(self._open) > 1:
            self._end()

    def data(self, text: str) -> None:
        node = self._open[-1]
        node.children.append(text)
        words = text.split()
        if words:
            node.size += sum(map(len, words))
            node.last = words[-1][-1]

    def close(self) -> Node:
        while len(self._open) > 1:
            self._end()
        return self._root

    def _end(self) -> None:
        node = self._open.pop()
        if node.tag in NO_TEXT:
            return
        if node.tag == "a" and "href" in node.attributes:
            node.linked, node.links = node.size, node.links + 1
        if node.tag == "figure" and node.tables == 1:
            _caption(node)
        node.tables += node.tag == "table"
        node.tops += node.tag == "h1"
        node.heads += node.tag in ("h1", "h2", "h3", "h4", "h5", "h6")
        above = self._open[-1]
        if node.size:
            above.size += node.size
            above.last = node.last
        above.linked += node.linked
        above.links += node.links
        above.tables += node.tables
        above.tops += node.tops
        above.heads += node.heads


def _caption(figure: Node) -> None:
    """Make the caption of a figure that is a table the table's own."""
    inside = [child for child in figure.children if isinstance(child, Node)]
    table = next((child for child in inside if child.tag == "table"), None)
    told = next((child for child in inside if child.tag == "figcaption"), None)
    if table is not None and told is not None:
        figure.children.remove(told)
        told.tag = "caption"
        table.children.insert(0, told)
