"""Word documents: what is printed on the page is read once and in order, what is not printed stays out."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from time import process_time

import pytest

from quipu.corpus import Limits, limits
from quipu.corpus.readers import Extract
from quipu.corpus.readers.docx import read
from quipu.errors import ReadError

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
NAMESPACES = (
    f'{W} xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" xmlns:v="urn:v" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" xmlns:wps="urn:wps" xmlns:pic="urn:pic" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
)
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def write(path: Path, body: str, parts: Mapping[str, str] = {}, core: str = "") -> Path:
    """A Word file; ``parts``: contents of further parts by kind, each with the relation id of that name."""
    related = "".join(f'<Relationship Id="{kind}" Type="{OFFICE}/{kind}" Target="{kind}.xml"/>' for kind in parts)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(
            "_rels/.rels",
            f'<Relationships><Relationship Id="a" Type="{OFFICE}/officeDocument" Target="word/document.xml"/>'
            '<Relationship Id="b" Type="x/core-properties" Target="docProps/core.xml"/></Relationships>',
        )
        file.writestr("docProps/core.xml", f"<p><title>{core}</title></p>")
        file.writestr("word/_rels/document.xml.rels", f"<Relationships>{related}</Relationships>")
        file.writestr("word/document.xml", f"<w:document {NAMESPACES}><w:body>{body}</w:body></w:document>")
        for kind, text in parts.items():
            file.writestr(f"word/{kind}.xml", text)
    return path


def extract(path: Path) -> Extract:
    (found,) = read(path)
    assert isinstance(found, Extract)
    return found


def texts(path: Path) -> list[str]:
    return [block.text for block in extract(path).blocks]


def p(text: str, properties: str = "", run: str = "") -> str:
    return (
        f'<w:p><w:pPr>{properties}</w:pPr><w:r><w:rPr>{run}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'
    )


def cell(content: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{content}</w:tc>"


def table(*rows: list[str]) -> str:
    return "<w:tbl>" + "".join("<w:tr>" + "".join(cells) + "</w:tr>" for cells in rows) + "</w:tbl>"


def test_tracked_changes_are_read_as_accepted(tmp_path: Path) -> None:
    """A rent that was changed is lost, or the old one is answered, where insertions and deletions are mixed up."""
    path = write(
        tmp_path / "lease.docx",
        "<w:p><w:r><w:t>The fee is </w:t></w:r><w:del><w:r><w:delText>10</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>12</w:t></w:r></w:ins><w:r><w:t> euros.</w:t></w:r></w:p>"
        "<w:p><w:ins><w:r><w:t>A whole new line.</w:t></w:r></w:ins></w:p>"
        f"<w:moveFrom>{p('Moved.')}</w:moveFrom><w:moveTo>{p('Moved.')}</w:moveTo>"
        f"{p('It ends ', '<w:rPr><w:del/></w:rPr>')}{p('in May.')}"
        + "<w:tbl><w:tr><w:trPr><w:del/></w:trPr>" + cell(p("gone")) + cell(p("1")) + "</w:tr>"
        + "<w:tr>" + cell(p("kept")) + cell(p("2")) + "</w:tr></w:tbl>",
    )  # fmt: skip
    assert texts(path) == ["The fee is 12 euros.", "A whole new line.", "Moved.", "It ends in May.", "kept: 2"]


def test_content_controls_links_and_fields_are_read(tmp_path: Path) -> None:
    """Forms are made of these; without them a contract has gaps where its values stand."""
    control = "<w:sdt><w:sdtPr>{}</w:sdtPr><w:sdtContent>{}</w:sdtContent></w:sdt>"
    run = "<w:r><w:t>{}</w:t></w:r>"
    field = '<w:r><w:fldChar w:fldCharType="{}">{}</w:fldChar></w:r>'
    path = write(
        tmp_path / "form.docx",
        control.format("", p("The owner is Ann."))
        + f"<w:p>{run.format('Paid: ')}{control.format('', run.format('75'))}{run.format('!')}</w:p>"
        + f"<w:p>{run.format('Left')}{control.format('<w:showingPlcHdr/>', run.format('Click here'))}</w:p>"
        + f"<w:p><w:hyperlink>{run.format('A link')}</w:hyperlink>{run.format(', ')}"
        + f"{field.format('begin', '')}<w:r><w:instrText>REF x</w:instrText></w:r>{field.format('separate', '')}"
        + f"{run.format('see page 4')}{field.format('end', '')}</w:p>"
        + "<w:p>"
        + field.format("begin", '<w:ffData><w:checkBox><w:default w:val="0"/><w:checked/></w:checkBox></w:ffData>')
        + f"<w:r><w:instrText>FORMCHECKBOX</w:instrText></w:r>{field.format('end', '')}{run.format(' paid')}</w:p>"
        + table([control.format("", cell(p("Key"))), cell(control.format("", p("Value")))]),
    )
    assert texts(path) == ["The owner is Ann.", "Paid: 75!", "Left", "A link, see page 4", "☒ paid", "Key: Value"]
    assert extract(path).left_out == {"placeholder": 1}


def test_what_a_picture_shows_is_a_note(tmp_path: Path) -> None:
    """A diagram that its author described for the blind was only counted; a file's name describes nothing."""
    told = ["The lock has two\u00a0gates of oak", "", "C:\\Users\\Ann Lee\\lock.PNG",
            "A boat&#10;Description automatically generated"]  # fmt: skip
    picture = '<w:drawing><w:anchor><w:docPr w:id="1" w:name="Picture 1" descr="{}"/><pic:pic/></w:anchor></w:drawing>'
    runs = "".join(f"<w:r>{picture.format(words)}</w:r>" for words in told)
    path = write(tmp_path / "lock.docx", f"<w:p>{runs}<w:r><w:t>See above.</w:t></w:r></w:p>")
    assert [(block.kind, block.text) for block in extract(path).blocks] == [
        ("paragraph", "See above."), ("note", "The lock has two gates of oak"),
    ]  # fmt: skip
    assert extract(path).left_out == {"picture": 4}


def test_bold_paragraphs_over_others_are_headings(tmp_path: Path) -> None:
    """Most Word documents have no other headings than these."""
    bold = "<w:b/>"
    path = write(tmp_path / "house.docx", p("Hours", run=bold) + p("Nine to five.") + p("Never.", run=bold) + p("No."))
    assert [(block.kind, block.level) for block in extract(path).blocks] == [
        ("heading", 1), ("paragraph", 0), ("paragraph", 0), ("paragraph", 0),
    ]  # fmt: skip


def test_a_text_box_is_read_once_and_notes_follow_their_paragraph(tmp_path: Path) -> None:
    """Word writes each box twice, for old and new programs; notes hold the exceptions that contracts turn on."""
    box = f"<w:txbxContent>{p('At most six canoes.')}</w:txbxContent>"
    note = "<w:footnotes {}><w:footnote w:id='-1'><w:p/></w:footnote><w:footnote w:id='2'>{}</w:footnote></w:footnotes>"
    path = write(
        tmp_path / "box.docx",
        "<w:p><w:r><w:t>Heating</w:t><w:footnoteReference w:id='2'/></w:r><w:r><w:t> is free.</w:t></w:r>"
        f"<w:r><mc:AlternateContent><mc:Choice><wps:txbx>{box}</wps:txbx></mc:Choice>"
        f"<mc:Fallback><w:pict><v:textbox>{box}</v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>"
        f"<w:p><w:r><w:t>Next</w:t><w:endnoteReference w:id='2'/><w:pict><v:imagedata/></w:pict></w:r></w:p>",
        {
            "footnotes": note.format(W, p("From October to March.")),
            "endnotes": f"<w:endnotes {W}><w:endnote w:id='2'>{p('See the act.')}</w:endnote></w:endnotes>",
        },
    )
    blocks = [(block.text, block.kind) for block in extract(path).blocks]
    assert blocks == [
        ("Heating is free.", "paragraph"), ("At most six canoes.", "paragraph"), ("From October to March.", "note"),
        ("Next", "paragraph"), ("See the act.", "note"),
    ]  # fmt: skip
    assert extract(path).left_out == {"picture": 1}


def test_page_headers_and_footers_come_once_and_only_those_in_use(tmp_path: Path) -> None:
    """The contract's number stands nowhere else; a page number is no text."""
    reference = '<w:{}Reference w:type="{}" r:id="{}"/>'
    section = (
        f"<w:sectPr>{reference.format('header', 'default', 'header')}{reference.format('footer', 'default', 'footer')}"
    )
    page = "<w:p><w:r><w:t>Page </w:t></w:r><w:fldSimple w:instr=' PAGE '><w:r><w:t>7</w:t></w:r></w:fldSimple></w:p>"
    path = write(
        tmp_path / "sections.docx",
        f"<w:p><w:pPr>{section}</w:sectPr></w:pPr><w:r><w:t>One.</w:t></w:r></w:p>{p('Two.')}{section}"
        f"{reference.format('header', 'first', 'unused')}</w:sectPr>",
        {
            "header": f"<w:hdr {W}>{p('Contract 2024-117')}</w:hdr>",
            "footer": f"<w:ftr {W}>{p('Signed at Eckern')}{page}</w:ftr>",
            "unused": f"<w:hdr {W}>{p('Never printed')}</w:hdr>",
        },
    )
    assert texts(path) == ["One.", "Two.", "Contract 2024-117", "Signed at Eckern"]
    assert extract(path).blocks[-1].kind == "note"


def test_merged_and_nested_tables_are_read_once(tmp_path: Path) -> None:
    """A heading cell over three columns came three times, and the table in a cell not at all."""
    three, down, more = '<w:gridSpan w:val="3"/>', '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    path = write(
        tmp_path / "tables.docx",
        table(
            [cell(p("Opening hours"), three)], [cell(p("Weekdays 7 to 19")), cell(p("Sunday closed")), cell("<w:p/>")]
        )
        + table([cell("<w:p/>" + table([cell(p("Policy")), cell(p("KX-1"))]))])
        + table(
            [cell(p("Region", run="<w:b/>")), cell(p("Plan", run="<w:b/>")), cell(p("Price", run="<w:b/>"))],
            [cell(p("North"), down), cell(p("Gold")), cell(p("9 euros"), down)],
            [cell("<w:p/>", more), cell(p("Blue")), cell(p("x"), more)],
        ),
    )
    assert texts(path) == [
        "Opening hours, Weekdays 7 to 19: Sunday closed", "Policy: KX-1",
        "Region North: Plan: Gold; Price: 9 euros", "Region North: Plan: Blue",
    ]  # fmt: skip


def test_rows_carry_the_names_of_their_columns_and_the_caption(tmp_path: Path) -> None:
    """ "12 euros" alone answers nothing: of which plan, per what."""
    styles = f"<w:styles {W}><w:style w:type='paragraph' w:styleId='C'><w:name w:val='caption'/></w:style></w:styles>"
    head = "<w:tr><w:trPr><w:tblHeader/></w:trPr>" + cell(p("Plan")) + cell(p("Per month")) + "</w:tr>"
    row = "<w:tr>" + cell(p("Silver")) + cell(p("12 euros") + p("or 130 a year")) + "</w:tr>"
    path = write(
        tmp_path / "plans.docx",
        p("Table 1: Plans", '<w:pStyle w:val="C"/>') + f"<w:tbl>{head}{row}</w:tbl>",
        {"styles": styles},
    )
    assert texts(path) == ["Table 1: Plans, Plan Silver: Per month: 12 euros, or 130 a year"]


def test_a_lease_that_lost_half_of_its_text() -> None:
    """Nine of ten questions about it were refused."""
    text = " ".join(texts(Path(__file__).parents[2] / "cases" / "docx" / "lease.docx"))
    for words in (
        "The monthly rent is 465 euros and", "The notice period is three months", "The landlord is Beatrix Vollmer",
        "The key deposit is 75 euros.", "at most six canoes", "only from October to March", "number: KX-88213",
        "Contract 2024-117", "Signed at Eckern on 3 April 2024", "Opening hours of the slipway", "Sunday closed",
    ):  # fmt: skip
        assert text.count(words) == 1, words
    assert "410 euros" not in text


def test_headings_items_questions_and_code_by_style(tmp_path: Path) -> None:
    """Headings go with passages into keys; the level comes from the style, also where it is based on another."""
    style = "<w:style w:type='paragraph' w:styleId='{}'><w:name w:val='{}'/>{}</w:style>"
    styles = f"<w:styles {W}>" + "".join(
        [style.format("berschrift2", "heading 2", ""), style.format("Own", "My", "<w:basedOn w:val='berschrift2'/>"),
         style.format("Loop", "Loop", "<w:basedOn w:val='Loop'/>"), style.format("B2", "List Bullet 2", ""),
         style.format("Code", "Source Code", ""), style.format("T1", "toc 1", "")]
    ) + "</w:styles>"  # fmt: skip
    listed = '<w:numPr><w:ilvl w:val="1"/><w:numId w:val="3"/></w:numPr>'
    path = write(
        tmp_path / "my_notes.docx",
        p("Rent\t3", '<w:pStyle w:val="T1"/>') + p("Rent", '<w:pStyle w:val="Own"/>')
        + p("Deep", '<w:outlineLvl w:val="3"/>') + p("Looped", '<w:pStyle w:val="Loop"/>')
        + p("first", listed) + p("second", '<w:pStyle w:val="B2"/>')
        + p("Who pays?", run="<w:b/>") + p("x = 1", '<w:pStyle w:val="Code"/>')
        + p("  y = 2", '<w:pStyle w:val="Code"/>'),
        {"styles": styles},
        core="Microsoft Word - draft3_FINAL(2).docx",
    )  # fmt: skip
    found = extract(path)
    assert [(block.text, block.kind, block.level) for block in found.blocks] == [
        ("Rent", "heading", 2), ("Deep", "heading", 4), ("Looped", "paragraph", 0), ("first", "item", 2),
        ("second", "item", 2), ("Who pays?", "question", 0), ("x = 1\n  y = 2", "code", 0),
    ]  # fmt: skip
    assert found.title == "Rent" and found.left_out == {"line of the table of contents": 1}


def test_signs_breaks_powers_and_what_is_not_printed(tmp_path: Path) -> None:
    """ "10" with a raised "6" is not 106; hidden and struck-out prices must not be answered."""
    raised = '<w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>{}</w:t></w:r>'
    run = '<w:r><w:t xml:space="preserve">{}</w:t></w:r>'
    path = write(
        tmp_path / "signs.docx",
        f"<w:p>{run.format('10')}{raised.format('6')}{run.format(' users on 12 m')}{raised.format('2')}</w:p>"
        "<w:p><w:r><w:t>Name:</w:t><w:tab/><w:t>Nora</w:t><w:br/><w:t>well</w:t><w:noBreakHyphen/><w:t>known</w:t>"
        "<w:sym w:font='Wingdings' w:char='F0FE'/><w:sym w:font='Symbol' w:char='F062'/></w:r></w:p>"
        + p("secret", run="<w:vanish/>") + p("old price", run="<w:strike/>") + p("shown", run='<w:vanish w:val="0"/>')
        + "<w:p><m:oMath><m:r><m:t>E=m</m:t></m:r><m:sSup><m:e><m:r><m:t>c</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t>"
        "</m:r></m:sup></m:sSup></m:oMath></w:p>",
    )  # fmt: skip
    assert texts(path) == ["10^6 users on 12 m2", "Name: Nora\nwell-known☑β", "shown", "E=mc^2"]
    assert extract(path).left_out == {"hidden text": 1, "struck-out text": 1}


NUMBERING = (
    f"<w:numbering {W}>"
    '<w:abstractNum w:abstractNumId="0">'
    '<w:lvl w:ilvl="0"><w:numFmt w:val="decimal"/><w:pStyle w:val="H1"/><w:lvlText w:val="%1"/></w:lvl>'
    '<w:lvl w:ilvl="1"><w:numFmt w:val="decimal"/><w:pStyle w:val="H2"/><w:lvlText w:val="%1.%2"/></w:lvl>'
    '</w:abstractNum><w:abstractNum w:abstractNumId="1">'
    '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1)"/></w:lvl>'
    '<w:lvl w:ilvl="1"><w:numFmt w:val="bullet"/><w:lvlText w:val="o"/></w:lvl></w:abstractNum>'
    '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>'
    '<w:num w:numId="3"><w:abstractNumId w:val="1"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/>'
    "</w:lvlOverride></w:num></w:numbering>"
)


def test_numbers_that_word_prints_before_headings_and_items_are_read(tmp_path: Path) -> None:
    """They are counted when the page is printed: nobody could ask for section 2.1 or for step b."""
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="H{level}"><w:name w:val="heading {level}"/><w:pPr><w:numPr>'
        f'<w:numId w:val="1"/></w:numPr><w:outlineLvl w:val="{level - 1}"/></w:pPr></w:style>'
        for level in (1, 2)
    )

    def item(text: str, level: int = 0, of: int = 2) -> str:
        return p(text, f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{of}"/></w:numPr>')

    def heading(text: str, level: int) -> str:
        return p(text, f'<w:pStyle w:val="H{level}"/>')

    body = "".join([
        heading("Hours", 1), heading("Weekdays", 2), heading("Sundays", 2),
        item("wash"), item("soap", 1), item("dry"), "<w:p/>", item("again", of=3),
        heading("Fines", 1), heading("Noise", 2), item("unknown list", of=9),
    ])  # fmt: skip
    path = write(
        tmp_path / "a.docx", body, {"styles": f"<w:styles {W}>{styles}</w:styles>", "numbering": NUMBERING}
    )  # fmt: skip
    found = extract(path)
    assert [block.text for block in found.blocks] == [
        "1 Hours", "1.1 Weekdays", "1.2 Sundays", "a) wash", "soap", "b) dry", "a) again",
        "2 Fines", "2.1 Noise", "unknown list",
    ]  # fmt: skip
    assert found.title == "Hours"


def test_a_small_table_in_a_cell_leaves_the_rows_of_the_outer_one(tmp_path: Path) -> None:
    """The outer table fell into single words, and no price belonged to anything any more."""
    head = [cell(p(name, run="<w:b/>")) for name in ("Item", "Price", "Note")]
    inner = table([cell(p("size")), cell(p("large"))])
    path = write(tmp_path / "a.docx", table(head, [cell(p("Sand")), cell(p("12")), cell(p("Sizes") + inner)]))
    assert texts(path) == ["Item Sand: Price: 12; Note: Sizes, size: large"]


@pytest.mark.parametrize(
    ("core", "title"),
    [("untitled", "lease of 1931"), ("Word Document", "lease of 1931"), ("Harbour rules", "Harbour rules")],
)
def test_a_title_says_something(tmp_path: Path, core: str, title: str) -> None:
    """Titles are shown as sources and go into keys; a program's default names nothing."""
    assert extract(write(tmp_path / "lease_of_1931.docx", p("x"), core=core)).title == title


def test_parts_without_text_are_never_unpacked_and_others_only_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of one megabyte with an unused picture took two gigabytes of memory."""
    monkeypatch.setattr(limits, "_current", Limits(expanded=6000))
    picture = write(tmp_path / "picture.docx", p("Text."), {"image": "x" * 1_000_000})
    assert texts(picture) == ["Text."]
    with pytest.raises(ReadError, match="unpacks to more than 6,000 bytes"):
        extract(write(tmp_path / "long.docx", p("Text.") * 100))
    broken = write(tmp_path / "styles.docx", p("Text."), {"styles": "<oops", "footnotes": "x" * 6000})
    assert texts(broken) == ["Text."] and extract(broken).left_out == {"broken part": 2}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (p("Text.") * 10_000, 10_000),
        (table(*[[cell(p("a"), "<w:vMerge/>"), cell(p("b"), "<w:vMerge/>")]] * 5000), 0),
        (table([cell(p("Text."), '<w:gridSpan w:val="10000000"/>')] * 50), 1),
        ("<w:p>" + '<w:r><w:fldChar w:fldCharType="begin"/><w:t>x</w:t></w:r>' * 20_000 + "</w:p>", 0),
    ],
    ids=["paragraphs", "merged", "spans", "fields"],
)
def test_growth_is_linear(tmp_path: Path, body: str, expected: int) -> None:
    """Looking things up again for each paragraph or cell made hours of what takes a second."""
    path = write(tmp_path / "many.docx", body)
    start = process_time()
    assert len(extract(path).blocks) == expected
    assert process_time() - start < 5
