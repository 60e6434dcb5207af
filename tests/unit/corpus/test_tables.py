"""Rows of JSONL, CSV and TSV: each is read or named with its line, and no two have the same name."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from quipu.corpus.limits import Limits, current, use
from quipu.corpus.readers import Bad, Extract, reader_for


def found(tmp_path: Path, name: str, source: str | bytes) -> tuple[dict[str, tuple[str, str, int]], dict[str, str]]:
    """(title, text, line) of each part, and the reason of each part that is none."""
    path = tmp_path / name
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    reader = reader_for(path)
    assert reader is not None
    read: dict[str, tuple[str, str, int]] = {}
    bad: dict[str, str] = {}
    for item in reader(path):
        if isinstance(item, Bad):
            assert item.part not in bad
            bad[item.part] = item.reason
        else:
            assert item.part not in read and {block.line for block in item.blocks} and isinstance(item, Extract)
            text = "\n".join(block.text for block in item.blocks)
            read[item.part] = (item.title, text, item.blocks[0].line or 0 if item.blocks else 0)
    return read, bad


def test_rows_with_the_same_id_or_none_have_names_of_their_own(tmp_path: Path) -> None:
    """Two rows were called "None", so that removing one removed both."""
    rows = [
        {"id": "a1", "title": "Bees", "text": "Bees."}, {"id": "a1", "text": "Wasps."}, {"id": None, "text": "Flies."},
        {"text": "Gnats."}, {"_id": 7, "text": "Moths."},
    ]  # fmt: skip
    read, bad = found(tmp_path, "a.jsonl", "\n".join(map(json.dumps, rows)))
    assert not bad and read == {
        "a1": ("Bees", "Bees.", 1), "a1 (line 2)": ("a", "Wasps.", 2), "line 3": ("a", "Flies.", 3),
        "line 4": ("a", "Gnats.", 4), "7": ("a", "Moths.", 5),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("row", "title", "text"),
    [
        ({"content": "A lamp."}, "a", "A lamp."),
        ({"Body": "A lamp.", "headline": "Lamps"}, "Lamps", "A lamp."),
        ({"page_content": "A lamp.", "metadata": {"Title": "Lamps", "page": 3}}, "Lamps", "A lamp."),
        ({"pageContent": "A lamp."}, "a", "A lamp."),
        ({"question": "What?", "contexts": ["A lamp.", "", "A moth."], "answer": "A lamp"}, "a", "A lamp.\nA moth."),
        ({"question": "What is it?", "answers": ["A lamp"]}, "a", "What is it?\nA lamp"),
        ({"question": "What is it?", "answers": {"text": ["A lamp"]}}, "a", "What is it?\nA lamp"),
        ({"plan": "Silver", "price": 12, "open": True, "tags": ["a", "b"], "none": None}, "a",
         "plan Silver: price: 12; open: yes; tags: a, b"),
    ],
)  # fmt: skip
def test_the_usual_names_of_fields(tmp_path: Path, row: dict[str, object], title: str, text: str) -> None:
    """A text under "content" was refused."""
    assert found(tmp_path, "a.jsonl", json.dumps(row)) == ({"line 1": (title, text, 1)}, {})


def test_a_bad_row_is_named_by_its_line_and_the_others_are_read(tmp_path: Path) -> None:
    """A row nested two thousand deep ended the build of its folder."""
    good = '{"id": "good", "text": "The gate."}'
    source = ["[" * 2000, '{"text": ' + "9" * 5000 + "}", '{"text": null}', '{"text": 42}', "[1]", "{oops", "", good]
    read, bad = found(tmp_path, "a.jsonl", "\ufeff" + "\r\n".join(source))
    assert list(read) == ["good"] and list(bad) == [f"line {number}" for number in range(1, 7)]
    assert "deep" in bad["line 1"] and "digits" in bad["line 2"] and bad["line 4"] == 'no "text"'


def test_a_long_line_is_named_and_not_held(tmp_path: Path) -> None:
    before = current()
    use(Limits(line=1000))
    try:
        read, bad = found(tmp_path, "a.jsonl", json.dumps({"text": "x" * 5000}) + '\n{"text": "The gate."}\n')
        assert list(read) == ["line 2"] and bad == {"line 1": "longer than 1,000 characters"}
    finally:
        use(before)


def test_passages_with_and_without_names(tmp_path: Path) -> None:
    rows = '7\t"The ""canal"" is\nlong."\tSuez\n8\tonly\n9\t\tNone\n'
    expected = {"7": ("Suez", 'The "canal" is\nlong.', 1), "8": ("a", "only", 3)}
    read, bad = found(tmp_path, "a.tsv", rows)
    assert read == expected and bad == {"line 4": "3 columns, no text in column 2"}
    read, bad = found(tmp_path, "a.tsv", "id\ttext\ttitle\n" + rows)
    assert read == {name: (title, text, line + 1) for name, (title, text, line) in expected.items()}
    assert found(tmp_path, "b.csv", "Title;Content\nSuez;It is long.\n") == ({"line 2": ("Suez", "It is long.", 2)}, {})


def test_a_bare_carriage_return_and_a_huge_cell(tmp_path: Path) -> None:
    """Both raised an error of Python's reader, which ended the build."""
    read, bad = found(tmp_path, "a.tsv", b"1\ta\rb\tT\n2\tok\tT\n3\t" + b"x" * 200_000 + b"\tT\n")
    assert not bad and read["1"] == ("T", "a b", 1) and read["2"] == ("T", "ok", 2) and len(read["3"][1]) == 200_000
    read, _ = found(tmp_path, "b.tsv", b"1\ta\tT\r2\tok\tT\r")
    assert list(read) == ["1", "2"]


def test_a_table_of_data_is_rows_with_names(tmp_path: Path) -> None:
    source = "Plan;Price;Storage\nSilver;12 euros;100 GB\n\nGold;;1 TB\n"
    text = "Plan Silver: Price: 12 euros; Storage: 100 GB\nPlan Gold: Storage: 1 TB"
    assert found(tmp_path, "price_list.csv", source) == ({"": ("price list", text, 2)}, {})
    assert found(tmp_path, "price_list.tsv", source.replace(";", "\t"))[0][""][1] == text
    assert found(tmp_path, "x.csv", "1,2\n3,4\n")[0][""][1] == "1: 2\n3: 4"
    read, _ = found(tmp_path, "long.csv", "Name,Size\n" + "Ship,12 metres\n" * 60_000)
    assert list(read) == ["part-1", "part-2"] and sum(text.count("Ship") for _, text, _ in read.values()) == 60_000


def test_questions_with_answers_in_a_table(tmp_path: Path) -> None:
    path = tmp_path / "faq.csv"
    path.write_text("Question,Answer\nWho?,Ann\nWhere?,\n")
    reader = reader_for(path)
    assert reader is not None
    bad, extract = list(reader(path))
    assert bad == Bad("line 3", "no answer") and isinstance(extract, Extract)
    assert [(block.kind, block.text, block.line) for block in extract.blocks] == [
        ("question", "Who?", 2), ("paragraph", "Ann", 2),
    ]  # fmt: skip


@pytest.mark.parametrize("unit", ['"', "\t", '"\n', "a\tb\n", '"a\t', "\r"])
def test_the_time_is_linear(tmp_path: Path, unit: str) -> None:
    def seconds(size: int) -> float:
        start = time.process_time()
        found(tmp_path, "a.tsv", "1\tx\n" + unit * (size // len(unit)))
        return time.process_time() - start

    assert seconds(40_000) < 1 + 8 * seconds(10_000)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            "Account statement\nIBAN;DE00\n\nDate;Text;Amount\n01.03.2024;Rent;-500,00\n02.03.2024;Pay;2.000,00\n",
            "Account statement\nIBAN: DE00\nDate 01.03.2024: Text: Rent; Amount: -500,00\n"
            "Date 02.03.2024: Text: Pay; Amount: 2.000,00",
        ),
        (
            "Prices 2024\nItem,Price,Unit\nSand,12,bag\nGravel,14,bag\n",
            "Prices 2024\nItem Sand: Price: 12; Unit: bag\nItem Gravel: Price: 14; Unit: bag",
        ),
        ("Item;Price\nSand;12;\nGravel;14;\n", "Item Sand: Price: 12\nItem Gravel: Price: 14"),
        ("Just one\nfirst\nsecond\n", "Just one\nfirst\nsecond"),
    ],
)
def test_what_stands_above_a_table_names_no_column(tmp_path: Path, source: str, text: str) -> None:
    """Of a bank's export the commas of the amounts parted the cells: "Rent;-500: 00"."""
    read, bad = found(tmp_path, "bank.csv", source)
    assert not bad
    assert [part[1] for part in read.values()] == [text]


def test_html_in_a_field_is_read_as_a_page(tmp_path: Path) -> None:
    """Help desks export their articles with tags, which stood in the answers."""
    body = "<p>Press <b>reset</b> for 5 s.</p><ul><li>Wait</li></ul>"
    texts = "Press reset for 5 s.\nWait"
    rows = [{"id": 1, "body": body}, {"id": 2, "question": "How?", "answer": body}, {"id": 3, "text": "a < b </c>"}]
    read, _ = found(tmp_path, "a.jsonl", "\n".join(map(json.dumps, rows)))
    assert [part[1] for part in read.values()] == [texts, f"How?\n{texts}", "a < b </c>"]
    read, _ = found(tmp_path, "b.csv", f"id,content\n1,{body}\n")
    assert read["1"][1] == texts
    read, _ = found(tmp_path, "c.csv", f"question,answer\nHow?,{body}\n")
    assert [part[1] for part in read.values()] == [f"How?\n{texts}"]
