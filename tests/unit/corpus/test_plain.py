"""Plain text: its layout says what a line is, and the number of each line is known."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from quipu.corpus.readers import Extract
from quipu.corpus.readers.layout import blocks_of
from quipu.corpus.readers.pages import blocks_on_pages
from quipu.corpus.readers.plain import PART, read


def extracts(tmp_path: Path, source: str | bytes) -> list[Extract]:
    path = tmp_path / "pump_manual.txt"
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    found = list(read(path))
    assert all(isinstance(item, Extract) for item in found)
    return [item for item in found if isinstance(item, Extract)]


def kinds(source: str) -> list[tuple[str, int, int, str]]:
    """(kind, level, line, text) of each block."""
    return [(block.kind, block.level, block.line or 0, block.text) for block in blocks_of(source)]


def test_lines_wrapped_at_a_margin_are_joined_and_others_stay() -> None:
    """A quote with line ends inside reads badly; a verse, an address and a table joined read worse."""
    prose = (
        "The lock was built in 1911 of oak and iron, and it was\nrepaired twice; the gates are now of steel. A well-\n"
        "known smith made the hinges.\n"
    )
    address = "Brindle & Howe Ltd\n12 Mill Lane\nEckern\n"
    verse = "The gate stands open\nto the sea\nand nobody\ngoes in\n"
    assert kinds(f"{prose}\n\n{address}\n{verse}") == [
        ("paragraph", 0, 1, " ".join(prose.split()).replace("well- known", "well-known")),
        ("paragraph", 0, 6, address.strip()),
        ("paragraph", 0, 10, verse.strip()),
    ]


def test_headings_are_told_by_more_than_one_sign() -> None:
    source = (
        "The Pump\n========\n\nUse\n---\nPress the head.\n\nCARE AND OIL\nGrease it twice a year.\n\n3.1 Returns\n\n"
        "Send it back.\n\n2. Storage\n\nKeep it dry.\n\n*** Parts ***\n\nA piston.\n\n### Bolts ###\n\nFour.\n\n"
        "Chapter IV\n\nThe end.\n\n=====\nNotes\n=====\n\nNone.\n"
    )
    assert [item[1:] for item in kinds(source) if item[0] == "heading"] == [
        (1, 1, "The Pump"), (2, 4, "Use"), (1, 8, "CARE AND OIL"), (2, 11, "3.1 Returns"), (1, 15, "2. Storage"),
        (1, 19, "Parts"), (3, 23, "Bolts"), (1, 27, "Chapter IV"), (1, 32, "Notes"),
    ]  # fmt: skip
    assert ("paragraph", 0, 9, "Grease it twice a year.") in kinds(source)


@pytest.mark.parametrize(
    "source",
    [
        "3.2 Limits\nThe lorry may carry\nfive tonnes.",
        "3.2 Limits\n5 tonnes are allowed.",
        "1.1.  Terms\n\n   A lorry is long.",
        "1.  Limits\n\n   A lorry is long.",
        "Section 4 Limits\nThe lorry may carry five tonnes.",
        "§ 3 Limits\n“Lorry” is a car of more than five tonnes.",
        "Article 5\n1. A lorry may carry five tonnes.\n2. It has to be red.",
    ],
)
def test_a_numbered_heading_may_have_its_text_right_below(source: str) -> None:
    """ "Section 4 Limits The lorry may carry" was one sentence, and the section had no name."""
    assert [text for kind, *_, text in kinds(source) if kind == "heading"] == [source.split("\n")[0]]


@pytest.mark.parametrize(
    "source",
    [
        "Article 5 of the Treaty gives\nMember States the right to leave the Union.",
        "Section 4 The fee is due in May and paid by\nAnn Lee.",
        "2.1 Scope\n2.2 Terms\n2.3 Fees and charges\n",
        "THE SOFTWARE IS PROVIDED AS IT IS,\nWITHOUT WARRANTY OF ANY KIND.",
        "It was opened in\n1869. It was long.",
        "1. Switch off the mains.",
        "1. Fill the tank\n\n2. Close the lid\n\n3. Press the head",
        "3.1 million people live there.",
        "----------\n\nIt was founded by Ellen Marsh.\n\n----------",
        "USA",
        "Name  Price\n-----------\nTea   5\nMilk  6",
    ],
)
def test_no_heading(source: str) -> None:
    """A line taken for a heading by mistake stands over all that follows."""
    assert all(kind != "heading" for kind, *_ in kinds(source)[:-1])


def test_lists() -> None:
    source = (
        "You need:\n- a key\n- a cloth,\n  clean and dry\n  * of cotton\n- oil\n\n1. Open A\n2. Close B\n   slowly\n"
        "3) Wait\n\n"
        "The canal was opened in\n1869. It is long - very\n- and wide.\n\n(a) first\n(b) second\n\n– No, he said.\n"
    )
    assert kinds(source) == [
        ("paragraph", 0, 1, "You need:"), ("item", 1, 2, "a key"), ("item", 1, 3, "a cloth, clean and dry"),
        ("item", 2, 5, "of cotton"), ("item", 1, 6, "oil"),
        ("item", 1, 8, "1. Open A"), ("item", 1, 9, "2. Close B slowly"), ("item", 1, 11, "3) Wait"),
        ("paragraph", 0, 13, "The canal was opened in\n1869. It is long - very\n- and wide."),
        ("item", 1, 17, "(a) first"), ("item", 1, 18, "(b) second"), ("paragraph", 0, 20, "– No, he said."),
    ]  # fmt: skip


def test_a_comment_is_prose_and_a_notice_no_item() -> None:
    source = (
        " * The lock was built in 1911 of oak and iron, and\n * was repaired twice; the gates are now of steel. A\n"
        " * smith made the hinges.\n\n(c) 1911 Ann Lee\n\n* a key\n* a cloth\n* oil\n"
    )
    assert [(kind, text[:8]) for kind, _, _, text in kinds(source)] == [
        ("paragraph", "The lock"), ("paragraph", "(c) 1911"), ("item", "a key"), ("item", "a cloth"), ("item", "oil"),
    ]  # fmt: skip


def test_questions_and_answers() -> None:
    source = "Q: Do you ship to Malta?\nA: No.\nNever.\n\nQ: Is it new?\n\nA: Yes.\n\nA: a letter\nB: another\n"
    assert kinds(source) == [
        ("question", 0, 1, "Q: Do you ship to Malta?"), ("paragraph", 0, 2, "A: No. Never."),
        ("question", 0, 5, "Q: Is it new?"), ("paragraph", 0, 7, "A: Yes."),
        ("paragraph", 0, 9, "A: a letter\nB: another"),
    ]  # fmt: skip


def test_a_mail_keeps_its_fields_and_says_what_is_quoted(tmp_path: Path) -> None:
    """The author of the quoted mail was given as the author."""
    source = (
        "From: Petra Hahn\r\nTo: team,\r\n office\r\nSubject: Re: AW: the server\r\n\r\n"
        "Hi all,\r\nit moves on "
        "22 June.\r\n\r\nOn 2 June Bo Ek wrote:\r\n> It moves on 15 June.\r\n> We need a van.\r\n>\r\n"
        "> Ann Lee wrote:\r\n> > Who comes?\r\n"
        "> I do.\r\n"
    )
    [found] = extracts(tmp_path, source)
    assert found.title == "the server"
    assert [(block.line, block.text) for block in found.blocks] == [
        (1, "From: Petra Hahn"), (2, "To: team, office"), (4, "Subject: Re: AW: the server"),
        (6, "Hi all,\nit moves on 22 June."), (9, "On 2 June Bo Ek wrote:"),
        (10, "Quoted: On 2 June Bo Ek wrote: It moves on 15 June. We need a van."),
        (14, "Quoted: Ann Lee wrote: Who comes?"), (15, "Quoted: On 2 June Bo Ek wrote: I do."),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Plan    Price   Storage\n"
         "-----   -----   -------\nBronze  5 euros  10 GB\n",
         [("row", 0, 3, "Plan Bronze: Price: 5 euros; Storage: 10 GB")]),
        ("| Plan | Price |\n+------+-------+\n| Gold | 30    |\n", [("row", 0, 3, "Plan Gold: Price: 30")]),
        ("Plan\tPrice\nGold\t30\nIron\t3\n",
         [("row", 0, 2, "Plan Gold: Price: 30"), ("row", 0, 3, "Plan Iron: Price: 3")]),
        ("cpp    :  cpp-12\ngcc    :  gcc-12\ngdc    :  gdc-12\n",
         [("row", 0, 1, "cpp: cpp-12"), ("row", 0, 2, "gcc: gcc-12"), ("row", 0, 3, "gdc: gdc-12")]),
        ("First part.  And so on.\nSecond part.  And so.\nThird part.  Yes.\n",
         [("paragraph", 0, 1, "First part.  And so on.\nSecond part.  And so.\nThird part.  Yes.")]),
    ],
)  # fmt: skip
def test_tables(source: str, expected: list[tuple[str, int, int, str]]) -> None:
    assert kinds(source) == expected


def test_code_below_a_colon_stays_whole() -> None:
    source = "Run this:\n\n    make all\n    make install\n\n>>> print(1)\n1\n"
    code = "    make all\n    make install"
    assert kinds(source)[1:] == [("code", 0, 3, code), ("paragraph", 0, 6, ">>> print(1)\n1")]


def test_parts_know_their_lines(tmp_path: Path) -> None:
    """The second part of a long file began with line 1 again."""
    line = "Paragraph of the canal.\r\n\r\n"
    found = extracts(tmp_path, line * 100_000)
    assert len(found) > 2 and [item.part for item in found] == [f"part-{at}" for at in range(1, len(found) + 1)]
    lines = [block.line for item in found for block in item.blocks]
    assert lines == list(range(1, 200_001, 2))
    assert all(sum(len(block.text) for block in item.blocks) <= PART for item in found)


@pytest.mark.parametrize("text", ["Harbour rules\n=====\n\nNo fires.", "HARBOUR RULES\n\nNo fires."])
def test_a_heading_at_the_head_is_the_title(tmp_path: Path, text: str) -> None:
    assert extracts(tmp_path, text)[0].title.lower() == "harbour rules"
    assert extracts(tmp_path, "No fires.")[0].title == "pump manual"


@pytest.mark.parametrize(
    "unit",
    ["- ", "a  b\n", "> ", "> a\n\n", "a\n===\n", "Q: a?\nA: b\n", "1. A\n", "|", "|a|b\n", "= ", "a wrote: ", "\t",
     "a\n\n\f", "x [Page 1]\n", "page 1  "],
)  # fmt: skip
def test_the_time_is_linear(unit: str) -> None:
    def seconds(size: int) -> float:
        start = time.process_time()
        blocks_on_pages(unit * (size // len(unit)))
        return time.process_time() - start

    small = seconds(50_000)
    assert min(seconds(200_000) for _ in range(3)) < 1 + 8 * small


RFC_PAGES = (
    "Abstract\n\n   This memo defines the transfer of widgets between two hosts\n   of one network and\n\n\n\n"
    "Ames, et al.                 Standards Track                    [Page 1]\n{0}"
    "RFC 9999                       Widgets                       March 2024\n\n\n   says who pays.\n\n"
    "   None is free.\n\n\n"
    "Ames, et al.                 Standards Track                    [Page 2]\n{0}"
    "RFC 9999                       Widgets                       March 2024\n\n\n   A widget moves.\n\n\n"
    "Ames, et al.                 Standards Track                    [Page 3]\n{1}"
)


@pytest.mark.parametrize(("feed", "end"), [("\f\n", "\f\n"), ("\f", ""), ("", "")])
def test_heads_and_feet_of_pages_are_no_sentences(tmp_path: Path, feed: str, end: str) -> None:
    """ "Ames, et al. Standards Track [Page 2]" stood in the middle of sentences, and no answer said its page."""
    [found] = extracts(tmp_path, RFC_PAGES.format(feed, end))
    more = feed.count("\n")
    assert [(block.page, block.line, block.text.strip()) for block in found.blocks] == [
        (1, 1, "Abstract"),
        (1, 3, "This memo defines the transfer of widgets between two hosts of one network and says who pays."),
        (2, 14 + more, "None is free."),
        (3, 21 + 2 * more, "A widget moves."),
        (1, 8, "Ames, et al. Standards Track"),
        (2, 9 + more, "RFC 9999 Widgets March 2024"),
    ]
    assert [block.kind for block in found.blocks[-2:]] == ["note", "note"]
    assert found.left_out == {"repeated header or footer": 5}


@pytest.mark.parametrize(
    ("source", "taken"),
    [
        ("Chapter 1\n\nOne.\n\fChapter 2\n\nTwo.\n\fChapter 3\n\nThree.\n", 0),  # headings
        ("Name  Price\nTea   5\n\fName  Price\nMilk  6\n", 0),  # of a table
        ("One page.\n\n- 1 -\n\fTwo.\n\n- 2 -\n\fThree.\n\n- 3 -\n", 3),
        ("ACME\n\nOne.\n\fACME\n\nTwo.\n", 2),
        ("One ends here.\nPage 1 of 2\fTwo ends here.\nPage 2 of 2", 2),
        ("One.\n\n\f\n\n\fThree.", 0),
        ("Alone.\f", 0),
        ("See [Page 3]", 0),
    ],
)
def test_only_what_stands_at_the_edge_of_pages_is_taken(tmp_path: Path, source: str, taken: int) -> None:
    """A chapter's heading or the first row of a table that goes on must stay."""
    [found] = extracts(tmp_path, source)
    assert sum(found.left_out.values()) == taken
    said = " ".join(block.text for block in found.blocks)
    for words in ("One", "Two", "Three", "Chapter 2", "Alone", "See [Page 3]"):
        assert words in said or words not in source


def test_pages_go_on_in_the_next_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages of a long file's second part began with 1 again."""
    monkeypatch.setattr("quipu.corpus.readers.plain.PART", 1000)
    found = extracts(tmp_path, "\f".join(f"The gate {number} is open.\n\n" * 3 for number in range(1, 101)))
    assert len(found) > 2
    for block in (block for item in found for block in item.blocks):
        assert block.text.startswith(f"The gate {block.page} is")
