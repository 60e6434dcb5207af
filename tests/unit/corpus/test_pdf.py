"""PDF: all that a person sees, in order, once, without running heads; tables, forms, columns; scans and locks named."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from quipu.corpus.readers import Block, Extract
from quipu.corpus.readers.pdf import read
from quipu.errors import ReadError

CASES = Path(__file__).parents[2] / "cases" / "pdf"
FONTS = {"F1": "Helvetica", "F2": "Helvetica-Bold", "F3": "Courier"}
STORY = (
    "The harbour master collects the dues every Friday morning before the ferries leave the northern quay for the",
    "islands and writes them into a blue ledger that his grandmother bought in Bergen when the harbour was still new.",
)


def text(
    x: float, y: float, words: str, size: float = 10, font: str = "F1", extra: str = "", turn: str = "1 0 0 1"
) -> str:
    """Words at a place; ``extra``: operators before them, ``turn``: the first four numbers of the text's matrix."""
    coded = words.encode("cp1252" if words.isprintable() else "latin-1").hex()
    return f"q BT {extra} /{font} {size} Tf {turn} {x} {y} Tm <{coded}> Tj ET Q\n"


def lines(x: float, y: float, *rows: str, size: float = 10, font: str = "F1", step: float = 1.3) -> str:
    """Lines below each other."""
    return "\n".join(text(x, y - at * step * size, row, size, font) for at, row in enumerate(rows) if row)


def picture(x: float, y: float, width: float, height: float) -> str:
    return f"q {width} 0 0 {height} {x} {y} cm /I1 Do Q\n"


def pdf(
    path: Path, *pages: str, title: str = "", page: str = "", fields: Sequence[str] = (), remarks: Sequence[str] = (),
    outline: str = "",
) -> Path:  # fmt: skip
    """A file of pages (A4) from their drawing operators, with form fields and remarks on the first."""
    kids = " ".join(f"{200 + 2 * at} 0 R" for at in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R /Outlines 6 0 R /AcroForm << /Fields ["
        + " ".join(f"{20 + at} 0 R" for at in range(len(fields)))
        + "] /DA (/F1 10 Tf) >> >>",
        f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>",
        f"<< /Title ({title}) >>",
        "<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /BitsPerComponent 8 /ColorSpace /DeviceGray /Length 1 >>"
        "\nstream\nA\nendstream",
        f"<< /Title ({outline}) /Parent 6 0 R /Dest [200 0 R /Fit] >>",
        "<< /First 5 0 R /Last 5 0 R /Count 1 >>" if outline else "<< /Count 0 >>",
    ]
    numbered = dict(enumerate(objects, start=1))
    for at, name in enumerate(FONTS.values()):
        numbered[10 + at] = f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>"
    fonts = " ".join(f"/{key} {10 + at} 0 R" for at, key in enumerate(FONTS))
    for at, extra in enumerate([*fields, *remarks]):
        numbered[20 + at] = f"<< /Type /Annot {extra} /P 200 0 R >>"
    marks = " ".join(f"{20 + at} 0 R" for at in range(len(fields) + len(remarks)))
    for at, drawn in enumerate(pages):
        numbered[200 + 2 * at] = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] {page} /Contents {201 + 2 * at} 0 R "
            f"/Resources << /Font << {fonts} >> /XObject << /I1 4 0 R >> >> "
            + (f"/Annots [{marks}] " if at == 0 else "")
            + ">>"
        )
        numbered[201 + 2 * at] = f"<< /Length {len(drawn.encode())} >>\nstream\n{drawn}\nendstream"
    out = b"%PDF-1.7\n"
    places = {}
    for number, item in sorted(numbered.items()):
        places[number] = len(out)
        out += f"{number} 0 obj\n{item}\nendobj\n".encode()
    start, size = len(out), max(numbered) + 1
    out += f"xref\n0 {size}\n".encode()
    for number in range(size):
        out += b"%010d 00000 n \n" % places[number] if number in places else b"0000000000 65535 f \n"
    out += f"trailer << /Size {size} /Root 1 0 R /Info 3 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    path.write_bytes(out)
    return path


def extract(path: Path) -> Extract:
    (found,) = read(path)
    assert isinstance(found, Extract)
    return found


def blocks(path: Path) -> list[Block]:
    return list(extract(path).blocks)


def texts(path: Path, *kinds: str) -> list[str]:
    return [block.text for block in blocks(path) if not kinds or block.kind in kinds]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "report.pdf"


def test_the_cases_hold_what_a_person_sees() -> None:
    assert texts(CASES / "allotment.pdf")[1:] == [
        "Name of the tenant: Runa Holmgren",
        "Size of the plot: 145 square metres",
    ]
    manual = extract(CASES / "manual.pdf")
    assert "The waste oil is collected in a red container and brought to depot 9." in manual.blocks[0].text
    assert "must never exceed 6.5 bar, and the safety valve opens at 7.1 bar." in manual.blocks[0].text
    assert [block.text for block in manual.blocks if block.kind == "note"] == [
        "Hydra 2200 Service Manual - Confidential - Rev. D",
        "Copyright 2016 Aquadyne Corp.",
    ]
    assert manual.left_out == {"repeated header or footer": 6}
    (office,) = texts(CASES / "office.pdf")
    assert "finance office on the fifth floor" in office and "Fiona Griffith" in office
    assert "valid for eighteen months. The well-known Saint-Malo branch" in office
    paper = extract(CASES / "paper.pdf")
    assert paper.title == "paper"
    assert [(block.page, block.text[:14]) for block in paper.blocks] == [(1, "The tower of E"), (2, "The keeper in ")]
    assert "added in 1706 by the watchmaker Simon Thorne" in paper.blocks[0].text
    assert texts(CASES / "prices.pdf", "row")[1:] == [
        "Ticket Return: Adult: 7.50; Child: 3.75; Dog: 2.00",
        "Ticket Day pass: Adult: 12.00; Child: 6.00; Dog: free",
    ]


def test_encryption_without_a_password_is_read_and_with_one_is_named() -> None:
    """Most encrypted files only forbid printing; such a one ended the build of its folder."""
    assert "The tender closes on 14 May 2025." in texts(CASES / "owner-aes256.pdf")[0]
    with pytest.raises(ReadError, match="encrypted"):
        list(read(CASES / "password-aes256.pdf"))


def test_a_false_filter_ends_in_text_or_in_a_reason() -> None:
    try:
        assert texts(CASES / "filter-jbig2.pdf") == ["The gate was painted by Nora Quill in 1931."]
    except ReadError as error:
        assert "no text" in str(error)


class TestRunningHeads:
    def test_two_pages(self, file: Path) -> None:
        first = lines(60, 800, "Byelaws of the Skerry Yacht Club", size=8) + lines(60, 760, *STORY)
        second = lines(60, 800, "Byelaws of the Skerry Yacht Club", size=8) + lines(60, 760, "It is kept in the safe.")
        pdf(file, first + lines(280, 30, "- 1 -", size=8), second + lines(280, 30, "- 2 -", size=8))
        assert texts(file) == [" ".join(STORY), "It is kept in the safe.", "Byelaws of the Skerry Yacht Club"]

    def test_mirrored_pages_and_chapters(self, file: Path) -> None:
        """Left and right pages put the number at the outer edge; the chapter's title stands beside it."""
        pages = []
        for number in range(1, 9):
            title = "Ropes" if number < 5 else "Sails and their care"
            outer, inner = (500, 60) if number % 2 else (60, 400)
            head = text(outer, 810, str(number + 20)) + text(inner, 810, title)
            pages.append(head + lines(60, 760, f"Fact {number * 7} is told here, and the hull has {number * 9} ribs."))
        pdf(file, *pages)
        found = texts(file)
        assert found[:8] == [f"Fact {n * 7} is told here, and the hull has {n * 9} ribs." for n in range(1, 9)]
        assert set(found[8:]) == {"Ropes", "Sails and their care"}

    def test_column_names_at_the_top_of_each_page_stay(self, file: Path) -> None:
        def page(start: int) -> str:
            rows = [("Berth", "Length", "Rent")]
            rows += [(f"B{n}", f"{n + 3} m", f"{n * 11} euros") for n in range(start, start + 5)]
            return "\n".join(
                text(x, 780 - 14 * at, cell)
                for at, row in enumerate(rows)
                for x, cell in zip((60, 200, 300), row, strict=True)
            )

        pdf(file, page(1), page(6), page(11))
        rows = texts(file, "row")
        assert len(rows) == 15
        assert rows[0] == "Berth B1: Length: 4 m; Rent: 11 euros"
        assert rows[12] == "Berth B13: Length: 16 m; Rent: 143 euros"

    def test_numbers_that_do_not_count_the_pages_stay(self, file: Path) -> None:
        pages = [lines(60, 800, f"Depth at buoy {7 * n % 5}: {3 * n * n} m", "", "Checked.") for n in range(1, 5)]
        pdf(file, *pages)
        assert "Depth at buoy 1: 27 m" in " ".join(texts(file))


class TestLines:
    @pytest.mark.parametrize(
        ("first", "second", "joined"),
        [
            ("The fee is valid for eigh-", "teen months.", "eighteen months"),
            ("It is a well-", "known rule of the port.", "well-known rule"),
            ("He is self-", "employed as a rigger.", "self-employed"),
            ("A long-", "term lease costs less.", "long-term lease"),
            ("The sub-", "letting of a berth is forbidden. Subletting is fined.", "The subletting of"),
            ("The deep-", "water quay is closed. The deep-water quay opens in May.", "The deep-water quay"),
            ("She came from Saint-", "Malo in 1920.", "Saint-Malo"),
            ("It costs 20-", "25 euros in May.", "20-25 euros"),
        ],
    )
    def test_hyphens(self, file: Path, first: str, second: str, joined: str) -> None:
        pdf(file, lines(60, 700, first, second))
        assert joined in texts(file)[0]

    def test_paragraphs(self, file: Path) -> None:
        pdf(
            file,
            lines(60, 700, *STORY, "", *STORY[:1], "quay.")
            + lines(
                60, 600, STORY[0], "The watch ends at six.", "Another paragraph follows the short line at once here."
            ),
        )
        assert [len(part.split()) for part in texts(file)] == [38, 19, 23, 9]

    def test_a_sentence_goes_on_over_the_page_and_past_a_footnote(self, file: Path) -> None:
        note = lines(60, 60, "1 See the annex of 1987.", size=7)
        pdf(file, lines(60, 700, *STORY, "The waste oil is stored in") + note, lines(60, 780, "Shed 4 by the slipway."))
        found = blocks(file)
        assert found[0].text.endswith("The waste oil is stored in Shed 4 by the slipway.") and found[0].page == 1
        assert [(block.kind, block.text) for block in found[1:]] == [("note", "1 See the annex of 1987.")]

    def test_scrambled_order_is_read_from_top_to_bottom(self, file: Path) -> None:
        rows = [text(60, 700 - 13 * at, f"Line {at} of the story goes on with") for at in range(6)]
        random.Random(3).shuffle(rows)
        pdf(file, "\n".join(rows))
        assert texts(file) == [" ".join(f"Line {at} of the story goes on with" for at in range(6))]

    def test_raised_letters(self, file: Path) -> None:
        drawn = text(60, 700, "There are 10") + text(118, 704, "6", 6) + text(124, 700, "cells on 12 m")
        pdf(file, drawn + text(185, 704, "2", 6) + text(190, 700, "of floor."))
        assert texts(file) == ["There are 10^6 cells on 12 m2 of floor."]


class TestColumns:
    LEFT = ("The tower of Elmsworth was built in", "1412 by Walter Finch. It has five", "bells, of which the largest",
            "is called Old Meg. The clock was")  # fmt: skip
    RIGHT = ("added in 1706 by the watchmaker", "Simon Thorne. In 1853 a storm", "destroyed the spire of the tower",
             "that had stood for 400 years.")  # fmt: skip

    @pytest.mark.parametrize("shift", [0, 5])
    def test_drawn_row_by_row(self, file: Path, shift: float) -> None:
        rows = [text(60, 700 - 13 * at, one) + text(320, 700 - shift - 13 * at, two)
                for at, (one, two) in enumerate(zip(self.LEFT, self.RIGHT, strict=True))]  # fmt: skip
        pdf(file, "\n".join([text(60, 740, "A guide to the town and to its oldest building, by the wardens"), *rows,
                             lines(60, 600, *STORY)]))  # fmt: skip
        assert texts(file) == [
            "A guide to the town and to its oldest building, by the wardens",
            " ".join([*self.LEFT, *self.RIGHT]),
            " ".join(STORY),
        ]


class TestTables:
    def test_drawn_cells_with_a_caption(self, file: Path) -> None:
        cells = [
            ("Room", "Key", "Use"),
            ("Attic", "17", "Storage of the sails and of the spare ropes"),
            ("Cellar", "23", "Wine"),
        ]
        drawn = [text(60, 720, "Table 3: Keys of the club house")]
        for at, row in enumerate(cells):
            drawn += [text(x, 690 - 20 * at, cell, 9) for x, cell in zip((64, 144, 204), row, strict=True)]
        drawn += [f"60 {y} m 420 {y} l S" for y in (705, 685, 665, 645)]
        drawn += [f"{x} 705 m {x} 645 l S" for x in (60, 140, 200, 420)]
        pdf(file, "\n".join([*drawn, lines(60, 600, *STORY)]))
        assert texts(file) == [
            "Table 3: Keys of the club house, Room Attic: Key: 17; Use: Storage of the sails and of the spare ropes",
            "Table 3: Keys of the club house, Room Cellar: Key: 23; Use: Wine",
            " ".join(STORY),
        ]

    def test_two_columns_without_names(self, file: Path) -> None:
        rows = [("Landlord", "Harbour Board"), ("Tenant", "Runa Holmgren"), ("Deposit", "two months' rent")]
        pdf(
            file,
            "\n".join(
                text(x, 700 - 15 * at, cell)
                for at, row in enumerate(rows)
                for x, cell in zip((60, 200), row, strict=True)
            ),
        )
        assert texts(file) == ["Landlord: Harbour Board", "Tenant: Runa Holmgren", "Deposit: two months' rent"]

    def test_a_table_goes_on_over_the_page(self, file: Path) -> None:
        def rows(*cells: tuple[str, str, str], top: float) -> str:
            return "\n".join(
                text(x, top - 15 * at, cell)
                for at, row in enumerate(cells)
                for x, cell in zip((60, 200, 300), row, strict=True)
            )

        pdf(
            file,
            rows(("Ship", "Tons", "Year"), ("Alba", "300", "1901"), ("Brio", "410", "1911"), top=120),
            rows(("Cala", "520", "1922"), ("Dora", "620", "1931"), ("Etna", "130", "1932"), top=780),
        )
        assert texts(file)[2:4] == ["Ship Cala: Tons: 520; Year: 1922", "Ship Dora: Tons: 620; Year: 1931"]

    def test_tables_that_follow_each_other(self, file: Path) -> None:
        """Numbers that end at one edge, a sentence between, a list without names, dots that lead to a price."""
        fares = [
            ("Vehicle", "Single", "Return"),
            ("Bicycle", "2.00", "3.50"),
            ("Car up to 5 m", "24.00", "free on Sundays"),
        ]
        drawn = [text(60, 790, "Ferry fares of the summer")]
        for at, row in enumerate(fares):
            drawn += [
                text(x - 5 * len(cell) * (x > 60), 760 - 16 * at, cell)
                for x, cell in zip((60, 260, 400), row, strict=True)
            ]
        drawn.append(text(60, 692, "Children below six travel free."))
        for at, (name, value) in enumerate(
            [("Opening hours", "9 to 17"), ("Telephone", "01856 850209"), ("Manager", "Ida Krogh")]
        ):
            drawn += [text(60, 660 - 14 * at, name), text(180, 660 - 14 * at, value)]
        for at, (name, price) in enumerate([("Coffee", "2.50"), ("Soup", "6")]):
            drawn.append(text(60, 560 - 14 * at, f"{name} {'.' * 40} {price}"))
        assert texts(pdf(file, "\n".join(drawn))) == [
            "Ferry fares of the summer",
            "Vehicle Bicycle: Single: 2.00; Return: 3.50",
            "Vehicle Car up to 5 m: Single: 24.00; Return: free on Sundays",
            "Children below six travel free.",
            "Opening hours: 9 to 17",
            "Telephone: 01856 850209",
            "Manager: Ida Krogh",
            "Coffee: 2.50",
            "Soup: 6",
        ]

    def test_cells_of_several_lines(self, file: Path) -> None:
        rows = [(700, "Group", "Summer", "Winter"), (680, "Schools with more than", "free on Tuesdays, else", ""),
                (668, "twenty pupils", "two pounds", "closed"), (648, "Adults", "6 pounds", "4 pounds")]  # fmt: skip
        drawn = lines(60, 760, *STORY)
        drawn += "".join(
            text(x, y, cell) for y, *row in rows for x, cell in zip((60, 220, 360), row, strict=True) if cell
        )
        assert texts(pdf(file, drawn), "row") == [
            "Group Schools with more than twenty pupils: Summer: free on Tuesdays, else two pounds; Winter: closed",
            "Group Adults: Summer: 6 pounds; Winter: 4 pounds",
        ]

    def test_an_invoice(self, file: Path) -> None:
        """An address beside a number and dates is no table; sums are named in the column before them."""
        drawn = ""
        for at, (one, two) in enumerate(
            [("Skerry Chandlers", "Invoice 117"), ("4 Fish Row", "Date: 12 May"), ("Oban", "Due: 2 June")]
        ):
            drawn += text(60, 800 - 13 * at, one) + text(535 - 5 * len(two), 800 - 13 * at, two)
        rows = [
            ("Item", "Quantity", "Price"),
            ("Rope, 12 mm", "40 m", "48.00"),
            ("Shackles", "6", "27.00"),
            ("", "Sum", "75.00"),
        ]
        for at, row in enumerate(rows):
            drawn += "".join(text(x, 720 - 15 * at, cell) for x, cell in zip((60, 250, 400), row, strict=True) if cell)
        assert texts(pdf(file, drawn)) == [
            "Skerry Chandlers", "4 Fish Row", "Oban", "Invoice 117", "Date: 12 May", "Due: 2 June",
            "Item Rope, 12 mm: Quantity: 40 m; Price: 48.00",
            "Item Shackles: Quantity: 6; Price: 27.00",
            "Item Sum: Price: 75.00",
        ]  # fmt: skip

    def test_a_table_of_contents_is_left_out_and_counted(self, file: Path) -> None:
        entries = [("1 Ropes", 3), ("2 Sails", 5), ("3 Anchors", 9)]
        drawn = text(60, 780, "Contents", 16) + lines(60, 750, *(f"{name} {'. ' * 30}{page}" for name, page in entries))
        found = extract(pdf(file, drawn, lines(60, 700, *STORY)))
        assert [block.text for block in found.blocks] == ["Contents", " ".join(STORY)]
        assert found.left_out == {"line of the table of contents": 3}


class TestStructure:
    def test_headings_lists_code_questions(self, file: Path) -> None:
        drawn = [
            text(60, 780, "Rules of the yard", 20),
            text(60, 750, "Opening", 14),
            lines(60, 725, *STORY),
            lines(60, 690, "Prices in winter", font="F2"),
            lines(60, 675, *STORY),
            lines(60, 640, "Before you leave:"),
            lines(70, 625, "\u2022 Lock the gate at the north end of", "   the yard.", "\u2022 Switch off the crane."),
            lines(90, 584, "\u2022 The key is in the office."),
            lines(60, 560, "1. Open the valve.", "2. Wait for ten minutes."),
            lines(60, 520, "Who has the key?", font="F2"),
            lines(60, 505, "The night watchman has it."),
            lines(60, 480, "pump --start", font="F3"),
            lines(72, 467, "--wait 30", font="F3"),
            lines(60, 440, "4.2 Waste", "") + lines(60, 415, *STORY),
        ]
        pdf(file, "\n".join(drawn))
        found = extract(file)
        assert found.title == "Rules of the yard"
        assert [(block.kind, block.level, block.text[:30]) for block in found.blocks] == [
            ("heading", 1, "Rules of the yard"),
            ("heading", 2, "Opening"),
            ("paragraph", 0, STORY[0][:30]),
            ("heading", 3, "Prices in winter"),
            ("paragraph", 0, STORY[0][:30]),
            ("paragraph", 0, "Before you leave:"),
            ("item", 1, "Lock the gate at the north end"),
            ("item", 1, "Switch off the crane."),
            ("item", 2, "The key is in the office."),
            ("item", 1, "1. Open the valve."),
            ("item", 1, "2. Wait for ten minutes."),
            ("question", 0, "Who has the key?"),
            ("paragraph", 0, "The night watchman has it."),
            ("code", 0, "pump --start\n  --wait 30"),
            ("heading", 4, "4.2 Waste"),
            ("paragraph", 0, STORY[0][:30]),
        ]
        assert found.blocks[6].text == "Lock the gate at the north end of the yard."

    def test_clauses_of_a_contract(self, file: Path) -> None:
        clauses = ["1. Term", "1.1 The lease runs to 31 March 2026.", "1.2 Either party may end it in writ-", "ing.",
                   "2. Rent", "2.1 The rent is 465 euros a quarter and is paid in advance."]  # fmt: skip
        assert [(block.kind, block.text) for block in blocks(pdf(file, lines(60, 700, *clauses)))] == [
            ("heading", "1. Term"),
            ("paragraph", "1.1 The lease runs to 31 March 2026."),
            ("paragraph", "1.2 Either party may end it in writing."),
            ("heading", "2. Rent"),
            ("paragraph", "2.1 The rent is 465 euros a quarter and is paid in advance."),
        ]

    def test_recognised_lines_of_unequal_sizes_are_no_headings(self, file: Path) -> None:
        drawn = picture(0, 0, 595, 842)
        for at, (row, size) in enumerate(
            zip((*STORY, "It is kept in the safe of the harbour office."), (9, 11, 10), strict=True)
        ):
            drawn += text(60, 700 - 13 * at, row, size, extra="3 Tr")
        assert [block.kind for block in blocks(pdf(file, drawn))] == ["paragraph"]

    def test_a_letter(self, file: Path) -> None:
        rows = ["Hotel Fjordblick", "Strandveien 4", "", "12 June 2024", "", "Dear Ms Okafor,", "",
                "Thank you for your booking. We have reserved room 214 for you from 3 to 7 July.",
                "The price is 140 euros a night. Check-in is from three in the after-", "noon."]  # fmt: skip
        found = blocks(pdf(file, lines(60, 700, *rows)))
        assert {block.kind for block in found} == {"paragraph"}
        assert [block.text for block in found][:4] == [rows[0], rows[1], rows[3], rows[5]]
        assert found[4].text.endswith("Check-in is from three in the afternoon.")

    def test_the_outline_names_headings(self, file: Path) -> None:
        pdf(file, lines(60, 700, "Fees", "The berth costs 40 euros a week."), outline="Fees")
        assert [(block.kind, block.level) for block in blocks(file)] == [("heading", 1), ("paragraph", 0)]

    @pytest.mark.parametrize(
        ("title", "expected"),
        [
            ("Rules of 1987", "Rules of 1987"),
            ("Microsoft Word - draft3_FINAL.docx", "Harbour rules"),
            ("untitled", "Harbour rules"),
            ("Slide 3", "Harbour rules"),
            ("--- 2024", "Harbour rules"),
            ("Untitled Document 4", "Harbour rules"),
            ("scan0012.pdf", "Harbour rules"),
            ("", "Harbour rules"),
        ],
    )
    def test_title(self, file: Path, title: str, expected: str) -> None:
        pdf(file, text(60, 780, "Harbour rules", 18) + lines(60, 750, *STORY), title=title)
        assert extract(file).title == expected

    def test_the_title_of_a_page_in_one_type_is_the_name_of_the_file(self, file: Path) -> None:
        pdf(file, lines(60, 750, *STORY), title="Document1")
        assert extract(file).title == "report"


class TestSeen:
    def test_what_nobody_sees_is_left_out_and_counted(self, file: Path) -> None:
        drawn = lines(60, 700, *STORY)
        drawn += text(60, 600, "White on white.", extra="1 1 1 rg")
        drawn += text(60, 580, "Not painted.", extra="3 Tr")
        drawn += text(60, -40, "Below the page.")
        drawn += "0 0 0.5 rg 50 540 200 30 re f " + text(60, 550, "White on blue is read.", extra="1 1 1 rg")
        found = extract(pdf(file, drawn))
        assert [block.text for block in found.blocks] == [" ".join(STORY), "White on blue is read."]
        assert found.left_out["hidden character"] == len("Whiteonwhite.Notpainted.Belowthepage.")

    def test_text_recognised_under_a_scan_is_read(self, file: Path) -> None:
        found = extract(pdf(file, picture(0, 0, 595, 842) + text(60, 700, "Deed of 1871 for the mill.", extra="3 Tr")))
        assert [block.text for block in found.blocks] == ["Deed of 1871 for the mill."] and not found.left_out

    def test_letters_that_the_font_does_not_name(self, file: Path) -> None:
        """A ligature whose letters are lost shows a sign for it; a page of such signs is named."""
        lost = "\x81\x8d\x8f\x90 \x9d\x81\x8d\x8f"

        def unnamed(*pages: str) -> Path:
            data = pdf(file, *pages).read_bytes()
            file.write_bytes(data.replace(b"/Encoding /WinAnsiEncoding", b"/Encoding << /Differences [129 /g1] >>"))
            return file

        assert texts(unnamed(text(60, 700, "The o\x81ce is open on Monday."))) == ["The o\ufffdce is open on Monday."]
        found = extract(unnamed(text(60, 700, lost), lines(60, 700, *STORY)))
        assert found.left_out == {"page of unknown letters": 1}
        with pytest.raises(ReadError, match="text recognition"):
            blocks(unnamed(text(60, 700, lost)))

    def test_scans_are_named(self, file: Path) -> None:
        with pytest.raises(ReadError, match="text recognition"):
            blocks(pdf(file, picture(0, 0, 595, 842), picture(0, 0, 595, 842)))
        found = extract(pdf(file, picture(0, 0, 595, 842), lines(60, 700, *STORY) + picture(60, 300, 200, 100)))
        assert found.left_out == {"scanned page": 1, "picture": 1}
        with pytest.raises(ReadError, match="no text"):
            blocks(pdf(file, ""))

    @pytest.mark.parametrize("rotation", [90, 180, 270])
    def test_turned_pages(self, file: Path, rotation: int) -> None:
        turn = {90: "0 1 -1 0", 180: "-1 0 0 -1", 270: "0 -1 1 0"}[rotation]
        places = {90: [(100, 60), (113, 60)], 180: [(500, 700), (500, 713)], 270: [(413, 800), (400, 800)]}[rotation]
        drawn = "".join(
            text(*place, row, turn=turn) for place, row in zip(places, ("The gate was", "painted green."), strict=True)
        )
        pdf(file, drawn, page=f"/Rotate {rotation}")
        assert texts(file) == ["The gate was painted green."]

    def test_text_of_other_directions_comes_last(self, file: Path) -> None:
        drawn = text(30, 300, "Draft of the council", turn="0 1 -1 0") + lines(60, 700, *STORY)
        pdf(file, drawn + text(200, 300, "SPECIMEN", 60, turn="0.7 0.7 -0.7 0.7"))
        assert texts(file) == [" ".join(STORY), "SPECIMEN", "Draft of the council"]


class TestForms:
    @staticmethod
    def field(name: str, box: str, kind: str = "Tx", **more: str) -> str:
        rest = " ".join(f"/{key} {value}" for key, value in more.items())
        return f"/Subtype /Widget /FT /{kind} /T ({name}) /Rect [{box}] /F 4 {rest}"

    def test_values_stand_with_their_labels(self, file: Path) -> None:
        drawn = [
            text(60, 705, "Name of the tenant"), text(60, 675, "Boat"), text(320, 675, "Harbour:"),
            text(60, 655, "Remarks of the harbour master"), text(90, 605, "Electricity wanted"),
            text(90, 585, "Water wanted"), text(90, 545, "in cash"), text(190, 545, "by card"),
            lines(60, 400, *STORY),
        ]  # fmt: skip
        fields = [
            self.field("f1", "200 700 400 718", V="(Runa Holmgren)"),
            self.field("f2", "200 670 300 688", V="(Sea Thrift)"),
            self.field("f3", "400 670 500 688", "Ch", V="(TB)", Opt="[[(TB) (Tobermory)] [(OB) (Oban)]]"),
            self.field("f4", "60 620 400 650", V="(Needs a ladder.)"),
            self.field("f5", "70 600 84 614", "Btn", V="/On", AS="/On", AP="<< /N << /On 4 0 R /Off 4 0 R >> >>"),
            self.field("f6", "70 580 84 594", "Btn", V="/Off", AS="/Off", AP="<< /N << /On 4 0 R /Off 4 0 R >> >>"),
            self.field("payment", "170 540 184 554", "Btn", Ff="32768", V="/Card", AS="/Card",
                       AP="<< /N << /Card 4 0 R /Off 4 0 R >> >>"),
            self.field("emergencyContact", "60 480 300 500", V="(Per Nygaard)"),
            self.field("secret", "60 450 300 470", V="(larkspur)", Ff="8192"),
            self.field("empty", "60 430 300 450"),
        ]  # fmt: skip
        pdf(file, "\n".join(drawn), fields=fields)
        assert texts(file) == [
            "Name of the tenant: Runa Holmgren",
            "Boat: Sea Thrift",
            "Harbour: Tobermory",
            "Remarks of the harbour master: Needs a ladder.",
            "Electricity wanted: yes",
            "Water wanted: no",
            "in cash",
            "Payment: by card",
            "Emergency contact: Per Nygaard",
            " ".join(STORY),
        ]

    def test_remarks_are_read(self, file: Path) -> None:
        remarks = [
            "/Subtype /Text /Rect [400 700 420 720] /Contents (The fee was raised to 44 euros.)",
            "/Subtype /FreeText /Rect [60 300 200 320] /Contents (Paid on 3 May) /DA (/F1 10 Tf)",
            "/Subtype /Link /Rect [60 700 90 712] /Contents (a link)",
        ]
        pdf(file, lines(60, 700, *STORY), remarks=remarks)
        assert texts(file, "note") == ["The fee was raised to 44 euros.", "Paid on 3 May"]


class TestHostile:
    def test_cut_and_changed_files_are_read_or_named(self, file: Path) -> None:
        whole = (CASES / "manual.pdf").read_bytes()
        rng = random.Random(5)
        for _ in range(60):
            data = bytearray(whole[: rng.randrange(len(whole))] if rng.random() < 0.3 else whole)
            for _ in range(rng.randrange(1, 20)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            file.write_bytes(data)
            try:
                extract(file)
            except ReadError as error:
                assert str(error)

    @pytest.mark.parametrize(
        "drawn",
        [
            "BT /F1 12 Tf " + "(a) Tj 1 0 Td " * 20_000 + "ET",
            "BT /F1 8 Tf 0 800 Td " + "(ab) Tj 0 -0.03 Td (c) Tj 40 0 Td (d) Tj -40 0 Td " * 6_000 + "ET",
            "".join(f"{n % 500} {n // 30} m {n % 500 + 5} {n // 30} l S " for n in range(20_000)),
        ],
    )
    def test_growth_is_about_linear(self, file: Path, drawn: str) -> None:
        pdf(file, drawn + text(60, 700, "End."))
        start = time.process_time()
        extract(file)
        assert time.process_time() - start < 4
