"""A table of a page: its cells by row, and whether it only lays out the page."""

from __future__ import annotations

from collections.abc import Iterator

from quipu.corpus.readers.html.tree import CODE, HEADINGS, Node
from quipu.corpus.readers.html.visible import Page

PAGE_LAYOUT = 600  # characters of a cell that is laid out by a table, not a value in one
_MUCH = 200  # elements of such a cell; of tables in tables each is in as many cells as there are tables around it


class Table:
    """A table's cells by row, with whatever else stands between them; cells need no row around them.

    ``heads``: how many of the first rows name columns. ``is_layout``: it lays out a page and holds no data.
    """

    def __init__(self, page: Page, node: Node, *, in_article: bool, in_details: bool) -> None:
        """``in_article``, ``in_details``: whether the table is in an article, or in a part that folds."""
        self.strays: list[Node | str] = []
        self.caption: Node | None = None
        self.rows: list[list[Node]] = []
        self.heads = 0  # rows in a head
        loose = False  # the last row has none around it
        waiting: list[tuple[Node | str | None, bool]] = []

        def push(inner: Node, head: bool) -> None:
            shown = page.shown(inner, in_article=in_article, in_details=in_details)
            waiting.extend((child, head) for child in reversed(list(shown)))

        push(node, False)
        while waiting:
            item, head = waiting.pop()
            if item is None:
                loose = False
            elif isinstance(item, str) or item.tag in ("table", "p", "div", "ul", "h1", "h2", "h3"):
                if not isinstance(item, str) or item.strip():
                    self.strays.append(item)
            elif item.tag == "caption":
                self.caption = item
            elif item.tag == "tr":
                self.heads += head and self.heads == len(self.rows)
                self.rows.append([])
                loose = True
                waiting.append((None, head))
                push(item, head)
            elif item.tag in ("td", "th"):
                if not loose:
                    self.rows.append([])
                    loose = True
                self.rows[-1].append(item)
            else:
                push(item, head or item.tag == "thead")
        self.is_layout = (
            (node.tables > 1 and not self._names_columns())
            or node.get("role") in ("presentation", "none")
            or max(map(len, self.rows), default=0) < 2
            or any(_is_laid_out(cell) for row in self.rows for cell in row)
        )

    def _names_columns(self) -> bool:
        """Whether a row of names is at the top, as it is in a table of data that has small tables in its cells."""
        first = self.rows[0] if self.rows else []
        return len(first) > 1 and all(cell.tag == "th" and not cell.tables for cell in first)

    def contents(self) -> Iterator[Node | str]:
        """Caption, cells and what stands between them, last first."""
        yield from (cell for row in reversed(self.rows) for cell in reversed(row))
        yield from reversed(self.strays)
        if self.caption is not None:
            yield self.caption


def _is_laid_out(cell: Node) -> bool:
    """Whether a cell holds a part of the page: a heading, long text in several paragraphs, code, or very much."""
    if not any(isinstance(child, Node) for child in cell.children):
        return False
    paragraphs = 0
    for count, node in enumerate(cell.descendants()):
        if count == _MUCH or node.tag in CODE or (node.tag in HEADINGS and node.size < cell.size):
            return True
        paragraphs += node.tag in ("p", "li", "div", "dd")
    return paragraphs > 2 and cell.size > PAGE_LAYOUT
