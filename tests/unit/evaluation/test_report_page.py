"""The report of a memory: figures that were worked out by hand, the same bytes, and nothing in it that acts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.full_memory import made
from tests.handmade import WordEncoder
from tests.hostile import HOSTILE

import quipu
from quipu.evaluation import report_facts
from quipu.evaluation.metrics import wilson
from quipu.evaluation.report import Report
from quipu.evaluation.report_charts import Point, curve, histogram
from quipu.evaluation.report_facts import (
    DOCUMENTS,
    LISTED,
    PASSAGES,
    Asked,
    DocumentYield,
    Facts,
    Sample,
    binned,
    gather,
)
from quipu.evaluation.report_page import page
from quipu.evaluation.tasks.selective import Said
from quipu.records import Example, Score
from quipu.storage.reviews import Review, keep_review

TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "section", "div", "h1", "h2", "h3", "p", "bdi", "br",
    "code", "span", "table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary", "svg", "rect",
    "line", "text", "g", "circle", "polygon",
}  # fmt: skip
SAID = [Said(at / 10, at % 4 != 1, True, 0.0) for at in range(10)]  # wrong: 0.1, 0.5, 0.9
ASKED = Asked(Report("selective", "cascade", (Score("AURC", 0.25, 10, None, False),)), SAID, 3, (2.5, 9.75))


class Read(HTMLParser):
    """Tags, attributes and text, as a browser reads them."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self._style = False
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._style &= tag != "style"

    def handle_data(self, data: str) -> None:
        self.text += "" if self._style else f"{data} "


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("reported") / "harbour.quipu")


@pytest.fixture(scope="module")
def facts(harbour: Path) -> Facts:
    with quipu.open(harbour, read_only=True, encoder=WordEncoder()) as memory:
        found = gather(memory)
        assert page("m", gather(memory), "c") == page("m", found, "c")
        rows = list(memory.coverage())
    assert sum(item.made for _, item in found.documents) == sum(row["made"] for row in rows) == found.total["made"]
    assert found.total["made"] - found.total["kept"] == sum(found.dropped.values())
    return found


def hostile(facts: Facts, text: str) -> Facts:
    """The same facts, every text that comes from documents, people or settings replaced."""
    sides = [
        replace(item, question=text, sides=tuple(replace(side, text=text) for side in item.sides))
        for item in facts.conflicts[:1]
    ]
    return replace(
        facts, documents=[(text, facts.documents[0][1])], dropped={text: 3}, conflicts=sides, wrong=[(text, text)],
        barest=[{**facts.barest[0], "text": text, "document": text}],
        asked=ASKED, info={**facts.info, "models": {text: text}, "settings": {"writer": text}},
    )  # fmt: skip


def test_wilsons_interval() -> None:
    """A normal interval of 0 of 15 is empty: it would claim that nothing is ever wrong."""
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 15) == pytest.approx((0.0, 0.2039), abs=1e-4)
    assert wilson(15, 15) == pytest.approx((0.7961, 1.0), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_risk_and_reliability_by_hand() -> None:
    """Counted over all questions, or from the least sure on, the curves would praise any memory."""
    risk = {point.n: point for point in ASKED.risk()}
    # surest first: 0.9 wrong, 0.8, 0.7, 0.6 right, 0.5 wrong, 0.4, 0.3, 0.2 right, 0.1 wrong, 0.0 right
    assert list(risk) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert [risk[n].y for n in (1, 2, 5, 10)] == [1.0, 0.5, 0.4, 0.3]
    assert (risk[5].x, risk[5].low, risk[5].high) == (0.5, *wilson(2, 5))
    points = Asked(ASKED.report, [*SAID, *SAID]).reliability()
    assert [(round(point.x, 6), point.n, point.y) for point in points] == [(0.2, 10, 0.8), (0.7, 10, 0.6)]
    ties = Asked(ASKED.report, [Said(0.5, True, True, 0.0), Said(0.5, False, True, 0.0)]).risk()
    assert [(point.n, point.y) for point in ties] == [(2, 0.5)]  # equal probabilities are answered together


def test_histograms_hold_every_value() -> None:
    """A score of exactly 1, or one just beyond, would fall out of the last part and be missing."""
    counts = binned([0.0, 0.049, 0.05, 0.999, 1.0, 1.2, -0.1])
    assert (counts[0], counts[1], counts[-1], sum(counts)) == (3, 1, 3, 7)
    assert {name: sum(row) for name, row in ASKED.histogram().items()} == {"right": 7, "wrong": 3}


def test_charts_draw_what_they_are_given() -> None:
    """Bars that are not stacked, or a band upside down, show other figures than the table beside them."""
    bars = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" class="(\w+)"',
                      histogram("t", {"a": [4, 0], "b": [4, 2]}, "x"))  # fmt: skip
    (_, low_y, _, low, _), (_, high_y, _, high, _), (_, _, _, right, _) = bars
    assert float(low) == float(high) == 86.0 and float(right) == 43.0  # of 172 for the 8 that are most
    assert float(high_y) + float(high) == float(low_y)
    drawn = curve("t", [Point(0.0, 0.5, 0.25, 0.75, 9), Point(1.0, 1.0, 0.5, 1.0, 9)], "x", "y")
    (edge,) = re.findall(r'points="([^"]+)"', drawn)
    assert edge == "44.0,51.0 332.0,8.0 332.0,94.0 44.0,137.0"


def test_the_page_shows_what_was_gathered(facts: Facts) -> None:
    """A figure that is gathered and not shown, or shown in another's place, is believed all the same."""
    shown = Read(page("harbour", replace(facts, asked=ASKED), "quipu report m -o r.html", "q.jsonl (sha256 ab)"))
    words = " ".join(shown.text.split())
    total = facts.total
    for part in (
        f"{total['bare']} of {total['passages']} passages", f"{total['made']} pairs that were made {total['kept']} ",
        "20", "imported pairs", "1 of 2 marked answers are right, 1 wrong", "What of house 4? 5 rooms",
        "quipu report m -o r.html", "q.jsonl (sha256 ab)", "10 questions", "latency, 95th percentile 9.8 ms 3",
        "AURC 0.25 10", "0.50 5 0.400 0.118 to 0.769", "words", "docs/0.md, from character 0",
        f"{len(facts.conflicts) + facts.more_conflicts}",
        *facts.dropped,
    ):  # fmt: skip
        assert part in words, part


def test_it_says_what_is_not_there(facts: Facts, tmp_path: Path) -> None:
    """An empty chart would be read as a measured nothing."""
    (tmp_path / "pairs.csv").write_text("question,answer\nWho?,she\n")
    with quipu.build([], tmp_path / "m.quipu", pairs=tmp_path / "pairs.csv", encoder=WordEncoder()) as memory:
        bare = page("m", gather(memory, [Example("1", "Who?", ("she",))]), "c")
    words = " ".join(Read(bare).text.split())
    for part in (
        "holds no passages, only ready pairs", "none has a score", "None were found", "its models have no calibration",
    ):  # fmt: skip
        assert part in words, part
    assert "<svg" not in bare
    assert "None were given" in page("m", facts, "c")


@pytest.mark.parametrize("text", [*HOSTILE, "\x00\x1b[31m\x85\ud800"])
def test_nothing_of_a_document_acts(facts: Facts, text: str) -> None:
    """The page is sent to others: what a document brings along would run before people who never opened it."""
    content = page(text, hostile(facts, text), text, text)
    assert re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", content) is None
    read = Read(content)
    assert read.tags <= TAGS, read.tags - TAGS
    names = {name for name, _ in read.attributes}
    assert not {name for name in names if name.startswith("on")} and names.isdisjoint({"href", "src", "style"})
    assert content.count("<style") == 1  # ours
    assert content.index("default-src 'none'; style-src 'unsafe-inline'") < content.index("<title>")


def test_it_stays_small_whatever_the_memory_holds(facts: Facts) -> None:
    """A memory of a million long texts must not make a page that no mail takes."""
    text = "\U0001f6a2" * 20_000  # four bytes each
    side = replace(facts.conflicts[0], sides=tuple(replace(s, text=text) for s in facts.conflicts[0].sides))
    most = replace(
        hostile(facts, text), documents=[(text + str(n), DocumentYield(9, 9, 9, 0)) for n in range(DOCUMENTS)],
        dropped={f"{text}{n}": 1 for n in range(40)}, conflicts=[replace(side, question=text)] * LISTED,
        barest=[{**facts.barest[0], "text": text, "document": text}] * PASSAGES, wrong=[(text, text)] * LISTED,
    )  # fmt: skip
    assert len(page(text, most, text, text).encode()) < 1_000_000


def test_questions_are_asked_and_timed_only_when_wanted(harbour: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A time on every page would make each page another, and nobody could compare two of them."""
    seen: list[Any] = []

    def evaluate(memory: Any, examples: Any, **options: Any) -> tuple[Report, list[Said]]:
        seen.append((len(examples), options))
        return ASKED.report, SAID

    monkeypatch.setattr(report_facts, "evaluate", evaluate)
    examples = [Example(str(n), f"What of house {n}?", (f"{n} rooms",)) for n in range(3)]
    with quipu.open(harbour, read_only=True, encoder=WordEncoder()) as memory:
        monkeypatch.setattr(memory.answerer, "fitted", lambda name: object())
        monkeypatch.setattr(type(memory), "ask", lambda memory, question: None)
        plain, timed = gather(memory, examples), gather(memory, examples, timed=True)
    assert seen == [(3, {"method": "cascade"})] * 2
    assert plain.asked is not None and plain.asked.milliseconds is None and "latency" not in page("m", plain, "c")
    assert timed.asked is not None and timed.asked.timed == 3 and timed.asked.milliseconds is not None


def test_a_sample_of_reviews_counts_each_pair_once(tmp_path: Path) -> None:
    """Whoever judges a pair twice would weigh it twice, and an earlier slip would stay in the precision."""
    (tmp_path / "pairs.csv").write_text("question,answer\n" + "".join(f"Who {n}?,she {n}\n" for n in range(4)))
    with quipu.build([], tmp_path / "m.quipu", pairs=tmp_path / "pairs.csv", encoder=WordEncoder()) as memory:
        pairs = [pair for _, pair in memory.store.pairs()]
        for at, right in ((0, False), (1, True), (2, True), (3, True), (0, True), (3, False)):
            keep_review(memory.store, Review(pairs[at].id, "sample", "q", "a", True, right))
        keep_review(memory.store, Review(pairs[2].id, "accept", "q", "a"))
        found = gather(memory)
    assert found.sample == Sample(4, 4, 3)
    words = " ".join(Read(page("m", found, "c")).text.split())
    assert "right 4 0.750 0.301 to 0.954" in words and "well-formed 4 1.000 0.510 to 1.000" in words
    assert "accept 1" in words


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    pytest.importorskip("fastapi")
    pytest.importorskip("playwright", reason="playwright is not installed")
    from tests.serving.browser import CHROMIUM, WITHOUT, playwright_browser

    if CHROMIUM is None:
        pytest.skip(WITHOUT)
    yield from playwright_browser()


@pytest.mark.browser
def test_a_browser_shows_it_without_a_request(browser: Any, facts: Facts, tmp_path: Path) -> None:
    """A script of a document, a font from elsewhere, letters that cannot be read, or a page that is too wide."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    from tests.serving.browser import opened

    every = hostile(facts, "".join(HOSTILE))
    file = tmp_path / "report.html"
    file.write_text(page("harbour", replace(every, unasked=""), "c", "q"), encoding="utf-8")
    with opened(browser, file.as_uri(), color_scheme="dark", offline=True) as watched:
        watched.page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
        for width in (1200, 320):
            watched.page.set_viewport_size({"width": width, "height": 800})
            assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
        assert [item["id"] for item in axe.run(watched.page).response["violations"]] == []
        assert watched.requests == [file.as_uri()]
