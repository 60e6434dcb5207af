"""HTML: what a person reads on the page comes once and in order; menus, hidden and struck-out text stay out."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

from quipu.corpus.readers import Extract
from quipu.corpus.readers.html import blocks_of, read

CASES = Path(__file__).parents[2] / "cases" / "html"


def extract(folder: Path, page: str | bytes, name: str = "page.html") -> Extract:
    path = folder / name
    path.write_bytes(page.encode() if isinstance(page, str) else page)
    (found,) = read(path)
    assert isinstance(found, Extract)
    return found


def texts(page: str) -> list[str]:
    return [block.text for block in blocks_of(page)]


def kinds(page: str) -> list[tuple[str, str, int]]:
    return [(block.text, block.kind, block.level) for block in blocks_of(page)]


def test_a_page_inside_a_form_is_a_page() -> None:
    """Programs for pages wrap all of them in one form; such pages were "no text"."""
    page = "<form><div><h1>Permits</h1><p>A day costs 9 pounds.</p><label>Name</label><input value='Ann'></form>"
    assert texts(page) == ["Permits", "A day costs 9 pounds.", "Name Ann"]


def test_menus_banners_and_the_sites_header_and_footer_are_counted(tmp_path: Path) -> None:
    """They stand on every page of a site, and would make pairs of every page."""
    found = extract(
        tmp_path,
        "<title>Delivery | Kestrel</title><header class='site-header'>Kestrel</header><nav>Home</nav>"
        "<div id='cookie-banner'>We use cookies.</div><div id=menu><a href=/>Home</a><a href=/b>Bikes</a></div>"
        "<article><header><h1>Delivery</h1><p>Free from 60 euros.</p></header><p>It takes a day.</p>"
        "<footer>Written by Ann.</footer></article><footer>Mill Row 4</footer>",
    )
    assert found.title == "Delivery | Kestrel"
    assert [block.text for block in found.blocks] == [
        "Delivery",
        "Free from 60 euros.",
        "It takes a day.",
        "Written by Ann.",
    ]
    assert found.left_out == {"page header": 1, "menu": 2, "cookie banner": 1, "page footer": 1}


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<div id=menu><a href=1>Home</a><a href=2>Bikes</a></div>", "Home Bikes"),  # no other text, nothing glued
        ("<header><h1>Mill</h1><p>Built in 1731.</p></header><main><p>It burnt.</p></main>",
         "Mill Built in 1731. It burnt."),
        ("<body style='display:none'><p>Shown by a script.</p>", "Shown by a script."),
        ("<div hidden id=app>Shown by a script.</div>", "Shown by a script."),
        ("<h1>Menu</h1><div id=menu><p>Leek soup costs 4 pounds.</p></div>", "Menu Leek soup costs 4 pounds."),
        ("<p>Cookies</p><article class=cookie-notice><p>We use them.</p></article><main><p>More.</p></main>",
         "Cookies More."),
    ],
)  # fmt: skip
def test_a_pages_text_is_never_taken_for_a_menu(page: str, expected: str) -> None:
    """Better a menu too many than a page without text."""
    assert " ".join(texts(page)) == expected


@pytest.mark.parametrize(
    "page",
    [
        "<p style='color:red; display : none'>{}</p>", "<p hidden>{}</p>",
        "<div style='visibility:hidden'><p>{}</p></div>",
        "<style>@media print{{p{{}}}} .old, p.x {{ color:red; display:none }}</style><p class='a old'>{}</p>",
        "<template><p>{}</p></template>", "<span aria-hidden=true>{}</span>", "<script>{}</script>", "<del>{}</del>",
        "<p style='text-decoration: line-through'>{}</p>", "<dialog>{}</dialog>", "<p class=sr-only>{}</p>",
        "<noscript>{}</noscript>", "<iframe>{}</iframe>", "<!-- {} -->", "<p style='left:-9999px'>{}</p>",
    ],
)  # fmt: skip
def test_what_is_not_seen_is_not_read(page: str) -> None:
    """Old prices and margins stood in answers because they stand in the source of the page."""
    assert texts("<p>Shown.</p>" + page.format("It costs 3.50 euros.") + "<p>Last.</p>") == ["Shown.", "Last."]


@pytest.mark.parametrize(
    "page",
    [
        "<button aria-controls=a1>Who pays?</button><div id=a1 hidden>The customer.</div>",
        "<h3><button aria-expanded=false>Who pays?</button></h3><div style='display:none'>The customer.</div>",
        "<details><summary>Who pays?</summary><p class=hidden>The customer.</p></details>",
        "<style>.panel{display:none}</style><button class=accordion>Who pays?</button><div class=panel>The customer."
        "</div>",
        "<a data-toggle=collapse href='#c' role=button>Who pays?</a>"
        "<div id=c class=collapse style='display:none'>The customer.</div>",
        "<div onclick=show()>Who pays?</div><div hidden>The customer.</div>",
    ],
)  # fmt: skip
def test_an_answer_that_folds_away_is_text(page: str) -> None:
    """Questions and answers are folded on most pages of help; without the answers nothing can be answered."""
    question, answer = blocks_of(page)
    assert question.text == "Who pays?" and question.kind in ("question", "heading") and answer.text == "The customer."


def test_buttons_that_do_something_are_no_text(tmp_path: Path) -> None:
    """ "Buy now" answers nothing, but the name of a key in a sentence belongs to it."""
    found = extract(tmp_path, "<p>Press <button>OK</button> to go on.</p><button>Buy now</button>")
    assert [block.text for block in found.blocks] == ["Press OK to go on."] and found.left_out == {"button": 1}


def test_kinds_and_levels() -> None:
    """Passages take headings, lists and questions from these."""
    assert kinds(
        "<h2>Care<a class=headerlink href='#c'>¶</a></h2><ul><li>one<ul><li><p>two</p></ul><li>three</ul>"
        "<dl><dt>Founder<dd>Lieke</dl><p><b>Who pays?</b></p><p><strong>When?</strong><br>In May.</p>"
        "<pre>x = 1\n  y = 2</pre><div role=heading aria-level=3>Deep</div><p>a<br>b<br><br>c</p>"
    ) == [
        ("Care", "heading", 2), ("one", "item", 1), ("two", "item", 2), ("three", "item", 1), ("Founder", "term", 0),
        ("Lieke", "definition", 0), ("Who pays?", "question", 0), ("When?", "question", 0), ("In May.", "paragraph", 0),
        ("x = 1\n  y = 2", "code", 0), ("Deep", "heading", 3), ("a\nb", "paragraph", 0), ("c", "paragraph", 0),
    ]  # fmt: skip


def test_questions_and_answers_by_their_marks() -> None:
    """A question and its answer in one paragraph are two things."""
    assert kinds("<p><b>Q: Who pays?</b></p><p>A: The customer.</p><p>Q: When?<br>A: In May.</p>") == [
        ("Q: Who pays?", "question", 0), ("A: The customer.", "paragraph", 0), ("Q: When?", "question", 0),
        ("A: In May.", "paragraph", 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "words", "others"),
    [
        ("permit.html", ["costs 9 pounds", "Mr Tarrant"], []),
        ("shop.html", ["Delivery & returns", "Orders over 60", "Who pays the return postage?", "Price: 22 euros"],
         ["3.50 euros", "41 percent", "Template price", "HomeBikes"]),
        ("lies.html", ["Jürgen Müller", "crème brûlée", "6 €"], ["\ufffd"]),
        ("inline.html", ["25 euros", "A map of the route to Lund", "10^6 users", "12 m2"],
         ["106 users", "30 25 euros"]),
        ("wordhtml.html", ["Row one: 42 kg", "Row two: 77 kg", "at desk 5."], ["one42"]),
    ],
)  # fmt: skip
def test_pages_that_lost_text(file: str, words: list[str], others: list[str]) -> None:
    """Each of these pages lost an answer, or gave one that nobody sees."""
    (found,) = read(CASES / file)
    assert isinstance(found, Extract)
    text = " ".join(" ".join(block.text for block in found.blocks).split())
    assert [word for word in words if word not in text] == [word for word in others if word in text] == []


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("10<sup>6</sup> users", "10^6 users"), ("12 m<sup>2</sup>", "12 m2"), ("E = mc<sup>2</sup>", "E = mc^2"),
        ("1<sup>st</sup>", "1st"), ("100<sup>o</sup>C", "100°C"), ("$9<sup>99</sup>", "$9.99"),
        ("10<sup>-3</sup>", "10^-3"),
        ("It is so<sup><a href='#f'>[1]</a></sup>.", "It is so[1]."), ("<sup>14</sup>C", "14C"),
        ("H<sub>2</sub>O", "H2O"),
        ("Price: <del>30</del> <ins>25</ins> euros", "Price: 25 euros"), ("<b>Bo</b>ld", "Bold"), ("a<wbr>b", "ab"),
        ("<img alt='A map to Lund'>", "A map to Lund"), ("<img alt='map.png'>x", "x"),
        ("He said <q>no</q>.", "He said “no”."),
        ("<math><msup><mn>10</mn><mn>6</mn></msup></math>", "10^6"), ("x<![if !s]> y<![endif]>", "x y"),
        ("<svg><title>t</title><text>North</text><text>gate</text></svg>", "North gate"),
        ("<select><option>A<option selected>B</select>", "B"), ("<textarea>typed text</textarea>", "typed text"),
    ],
)  # fmt: skip
def test_marks_in_a_line(page: str, expected: str) -> None:
    """ "10" with a raised "6" is not 106; a struck-out price is not the price."""
    assert texts(f"<p>{page}</p>") == [expected]


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<table><caption>Delivery</caption><tr><th>Country<th>Price<tr><td>Malta<td>22 euros</table>",
         ["Delivery, Country Malta: Price: 22 euros"]),
        ("<table><td>Row one<td>42 kg<tr><td>Row two<td>77 kg</table>",
         ["Row one: 42 kg", "Row two: 77 kg"]),
        ("<table><tr><th>Phone<td>12<tr><th>Post<td>34</table>",
         ["Phone: 12", "Post: 34"]),
        ("<table><thead><tr><td>Plan<td>Cost</thead><tr><td>A<td>9</table>",
         ["Plan A: Cost: 9"]),
        ("<table><tr><th>Plan<th colspan=2>Cost<tr><th><th>month<th>year<tr><td>A<td>9<td>99</table>",
         ["Plan A: Cost month: 9; Cost year: 99"]),
        ("<table><tr><th>Zone<th>Plan<th>Cost<tr><td rowspan=2>North<td>A<td>9<tr><td>B<td>8</table>",
         ["Zone North: Plan: A; Cost: 9", "Zone North: Plan: B; Cost: 8"]),
        ("<table><tr><td>Left<table><tr><td>in<td>1</table><td>Right</table>",
         ["Left", "in: 1", "Right"]),
        ("<table role=presentation><tr><td>Left<td>Right</table>",
         ["Left", "Right"]),
        ("<table><tr><td>One box.</table>",
         ["One box."]),
        ("<table><tr><th>Town<th>Since<th>People<tr><th colspan=3>North<tr><td>Arden<td>1200<td>9</table>",
         ["North, Town Arden: Since: 1200; People: 9"]),
        ("<table><tr hidden><td>old<td>1<tr><td>new<td>2</table>",
         ["new: 2"]),
    ],
)  # fmt: skip
def test_rows_carry_the_names_of_their_columns(page: str, expected: list[str]) -> None:
    """ "22 euros" alone does not say for which country, nor for what."""
    assert texts(page) == expected


@pytest.mark.parametrize(
    ("head", "encoding"),
    [("<meta charset='utf-8'>", "cp1252"), ("<meta charset='iso-8859-1'>", "utf-8"), ("<meta charset='idna'>", "utf-8"),
     ("<meta charset='no-such'>", "cp1252"),
     ("<meta http-equiv=x content='text/html; charset=windows-1252'>", "cp1252"),
     ("<?xml version='1.0' encoding='ISO-8859-15'?>", "iso-8859-15"), ("<meta charset='utf-16'>", "utf-8"),
     ("", "utf-16")],
)  # fmt: skip
def test_the_bytes_decide_about_the_declared_encoding(tmp_path: Path, head: str, encoding: str) -> None:
    """A false declaration put U+FFFD into the answer; a name of no encoding for text ended the build."""
    found = extract(tmp_path, f"{head}<p>The café was opened by Jürgen Müller. It costs 6 €.</p>".encode(encoding))
    assert [block.text for block in found.blocks] == ["The café was opened by Jürgen Müller. It costs 6 €."]


@pytest.mark.parametrize(
    ("page", "title"),
    [("<title>Untitled Document</title><h1>Harbour rules</h1>", "Harbour rules"), ("<p>x", "harbour notes"),
     ("<title> Harbour &amp;\n tides </title><p>x", "Harbour & tides"),
     ("<title>index.html</title><h2>Tides</h2>", "Tides")],
)  # fmt: skip
def test_a_title_says_something(tmp_path: Path, page: str, title: str) -> None:
    """Titles are shown as sources and go into keys."""
    assert extract(tmp_path, page, "harbour_notes.html").title == title


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<div>" * 30_000 + "<p>word", 1), ("<p>" + "<b>word " * 50_000, 50_000), ("<table><tr><td>word " * 5000, 5000),
        ("<p>" + "word<br>" * 50_000, 50_000), ("<table><tr>" + "<td>word</td>" * 50_000, 50_000),
        ("<p " + " ".join(f"a{n}=1" for n in range(50_000)) + ">word", 1), ("<b>" + "word?<br>x" * 30_000, 30_000),
        ("<div role=button>word? " * 5000, 5000),
        ("<table><tr>" + "<td rowspan=60000>x" * 300 + "<tr><td>word" * 9000, 9000),
        ("<button>word?</button><p hidden>word</p>" * 5000, 10_000), ("<style>" + "/*" * 50_000 + "</style>word", 1),
        ("<p><sup>word" * 5000, 5000),
    ],
    ids=["depth", "bold", "tables", "breaks", "cells", "attributes", "questions", "controls", "rowspans", "hidden",
         "style", "raised"],
)  # fmt: skip
def test_all_is_read_in_linear_time(page: str, words: int) -> None:
    """Pages of 200 kB took minutes, or ended without a word at a depth of 2,048."""
    start = process_time()
    assert sum(block.text.count("word") for block in blocks_of(page)) == words
    assert process_time() - start < 5


def test_numbered_lists_have_their_numbers() -> None:
    """What step 2 is could not be asked, as the browser counts and the file does not."""
    page = "<ol><li>Open<li><p>Turn</p><ol type=a><li>left</ol><li value=7>Close</ol><ul><li>Bag</ul>"
    assert kinds(page) == [
        ("1. Open", "item", 1), ("2. Turn", "item", 1), ("a. left", "item", 2), ("7. Close", "item", 1),
        ("Bag", "item", 1),
    ]  # fmt: skip
    assert texts("<ol reversed><li>x<li>y</ol><ol style='list-style: none'><li>z</ol>") == ["2. x", "1. y", "z"]


def test_boxes_say_whether_they_are_ticked() -> None:
    """Both lines of a choice were read as if they were true."""
    page = "<ul><li><input type=checkbox checked> Order</li><li><input type=checkbox> Call</li></ul>"
    assert texts(page) == ["Order (ticked)", "Call (not ticked)"]
    assert texts("<p><label><input type=radio checked>Yes</label><label><input type=radio>No</label></p>") == [
        "\u2612 Yes \u2610 No"
    ]


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>It costs 12<sup><a href='#fn1'>1</a></sup> euros.", "It costs 12 euros."),
        ("<p>It costs 12<a href='#fn1'><sup>1</sup></a> euros.", "It costs 12 euros."),
        ("<p>Bolts up to M12. <a href='#r'>\u21a9\ufe0e</a>", "Bolts up to M12."),
        ("<p>Built in 1950<sup><a href='#c'>[3]</a></sup>.", "Built in 1950[3]."),
        ("<p>39<sup>90</sup> \u20ac", "39.90 \u20ac"),
        ("<p><span class='row-label'>Flow</span><span class='row-value'>12 l/s</span>", "Flow 12 l/s"),
        ("<p><label>Name</label><span>Jo</span>", "Name Jo"),
        ("<p><span>frob.</span><span>load</span>", "frob.load"),
    ],
)
def test_numbers_do_not_grow_by_what_stands_beside_them(page: str, text: str) -> None:
    """12 euros with note 1 were 121 euros, and 39 euros 90 were 39 to the power of 90."""
    assert texts(page) == [text]


def test_a_table_in_a_figure_has_its_caption_and_one_with_tables_in_cells_its_rows() -> None:
    """A caption below the table named no row; a list of sizes in one cell tore all rows apart."""
    table = "<table><tr><th>Room<th>Seats<tr><td>Main<td>{}</table>"
    figure = f"<figure>{table.format(120)}<figcaption>Rooms</figcaption></figure>"
    assert texts(figure) == ["Rooms, Room Main: Seats: 120"]
    assert texts(table.format("<table><tr><td>old<td>90</table>")) == ["Room Main: Seats: old: 90"]


def test_what_an_expander_hides_is_text() -> None:
    """Wikis export what folds away with the class "hidden"."""
    page = "<div class='expand-control'><span>More</span></div><div class='expand-content hidden'><p>In the safe.</div>"
    assert texts(page) == ["More", "In the safe."]


def test_blocks_know_their_lines(tmp_path: Path) -> None:
    """A source in a page of a thousand lines named the file and nothing more."""
    page = (
        "\n<?xml version='1.0'\n?><html>\n<body><h1>The\ngate</h1>\n<p\nclass='x'>One &amp;\ntwo <b>three</b>\n"
        "<p>Four<br>\n<br>five\n<ul>\n<li>six\n<li>\nseven</ul>\n<table>\n<tr><th>Day<th>Price\n<tr><td>Monday<td>3\n"
        "</table>\n<pre>\nx = 1\n</pre>\n<button aria-expanded='false'>Why?</button>\n<p>Ämne\u2028\x0b8</p>\n"
    )
    assert [(block.line, block.kind) for block in extract(tmp_path, page).blocks] == [
        (4, "heading"), (7, "paragraph"), (9, "paragraph"), (9, "paragraph"), (12, "item"), (13, "item"), (17, "row"),
        (19, "code"), (22, "question"), (23, "paragraph"),
    ]  # fmt: skip
