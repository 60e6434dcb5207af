"""What a notebook shows: the right words, the span marked, and nothing of a document that acts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from tests.handmade import models
from tests.hostile import HOSTILE

import quipu
from quipu.building.outcome import BuildReport
from quipu.corpus import Skipped
from quipu.records import Answer, Dated, Document, Elsewhere, Evidence, Hit, NearestSentence, Passage, QAPair, Span

HTML = {"div", "p", "strong", "bdi", "mark", "blockquote", "table", "thead", "tbody", "tr", "th", "td"}
MARKDOWN = HTML - {"div", "bdi"}


class Read(HTMLParser):
    """All tags, all attributes, and the text, as a browser reads them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text, self.marked, self._inside = "", "", False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        self._inside |= tag == "mark"

    def handle_endtag(self, tag: str) -> None:
        self._inside &= tag != "mark"

    def handle_data(self, data: str) -> None:
        self.text += data
        self.marked += data if self._inside else ""

    def handle_comment(self, data: str) -> None:
        self.tags.add("comment")

    def unknown_decl(self, data: str) -> None:
        self.tags.add("declaration")


def answer(text: str = "22 metres", other: str = "21 metres") -> Answer:
    """One with evidence, and another source that says otherwise."""
    document = Document.make(f"{other}.md", text, f"Before it. The pier {text} is long. {other} after.")
    passage = Passage.make(document, Span(11, len(document.text)))
    start = document.text.index(text)
    pair = QAPair.make(f"How long {other}?", text)
    evidence = Evidence(pair, passage, Span(start, start + len(text)), 0.9, document.source, text)
    said = Answer("How long?", text, 0.9, 0.875, (evidence,), "lookup", "a reason", 4.25)
    return replace(
        said, date=Dated("2024", "document"), elsewhere=(Elsewhere(other, evidence, Dated(text, "file"), True),)
    )


def shown(value: object) -> tuple[Read, Read]:
    """As HTML, and as Markdown that was turned into HTML, raw HTML let through as notebooks do."""
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table").render(value._repr_markdown_())  # type: ignore[attr-defined]
    return Read(value._repr_html_()), Read(markdown)  # type: ignore[attr-defined]


def test_an_answer_shows_its_words_its_trust_and_its_span() -> None:
    """A span that is counted in the document, not in the passage, marks other words than the answer."""
    for page in shown(answer()):
        assert page.marked == "22 metres"
        assert "The pier 22 metres is long. 21 metres after." in page.text
        for part in ("probability 0.88, 4.2 ms, lookup", "21 metres.md, characters 20-29", "of 2024", "asked as “How"):
            assert part in page.text, page.text
        assert "Elsewhere: 21 metres (newer, 21 metres.md, characters 20-29, 22 metres, changed 22 metres)" in " ".join(
            page.text.split()
        )


def test_a_refusal_shows_its_reason_and_never_what_was_held_back() -> None:
    """An answer that was not sure enough would be read as the answer."""
    near = NearestSentence("It may be 21.", "a.md", "Title", 3, 16, line=4)
    refused = replace(Answer.abstained("How long?", reason="not sure", probability=0.3, held="a guess"), nearest=near)
    for page in shown(refused):
        assert "No answer (not sure; probability 0.30, 0.0 ms)" in " ".join(page.text.split())
        assert "It may be 21." in page.text and "a.md, line 4, Title" in page.text and "a guess" not in page.text


def test_a_hit_a_build_and_a_memory_show_their_figures(tmp_path: Path) -> None:
    """A count that is missing where it is not 0 hides that something was dropped or could not be read."""
    hit = Hit(QAPair.make("How long?", "22 metres"), 0.5, 3, "both")
    report = BuildReport(documents=1200, asked=5, kept=3, dropped=Counter({"not a question": 2}))
    report.skipped += [Skipped("broken.pdf", "cut off")] * 21
    for page in shown(hit):
        assert "How long? 22 metres (3. by both, score 0.500" in page.text
    for page in shown(report):
        words = " ".join(page.text.split())
        assert "dropped: not a question" in words and "1,200" in words and "and 1 more" in words
        assert "unchanged" not in words
    (tmp_path / "pairs.csv").write_text("question,answer\nWho?,she\nWhere?,there\n")
    with quipu.build([], tmp_path / "m.quipu", pairs=tmp_path / "pairs.csv", **models()) as memory:
        for page in shown(memory):
            assert str(tmp_path) in page.text and "pairs2" in "".join(page.text.split())
    for page in shown(memory):
        assert "was closed" in page.text


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_a_document_acts(text: str) -> None:
    """A question, an answer, a title or a file's name with a script in it would run in the notebook of who asks."""
    report = BuildReport(skipped=[Skipped(text, text)], remarks=[text], dropped=Counter({text: 1}))
    refused = replace(
        Answer.abstained("Who?", reason=text), nearest=NearestSentence(text, text, text, 0, 1, headings=(text,))
    )
    for value in (answer(text, text), Hit(QAPair.make(text, text), 0.5, 1, "both"), report, refused):
        for page, allowed in zip(shown(value), (HTML, MARKDOWN), strict=True):
            assert page.tags <= allowed, page.tags - allowed
            assert page.attributes == []
            assert " ".join(text.split()) in " ".join(page.text.split())


def test_markdown_stays_words() -> None:
    """Stars, links, pictures, code and mathematics of a document would change what is shown, or call a server."""
    text = "*a* _b_ `c` [d](http://e) ![f](http://g) $h$ | ~~i~~ # j \\k <l> &amp; 1. m"
    for value in (answer(text), BuildReport(remarks=[text], dropped=Counter({text: 1}))):
        page = shown(value)[1]
        assert text in page.text and page.tags <= MARKDOWN
        assert "$" not in value._repr_markdown_()
