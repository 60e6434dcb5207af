"""Ready pairs from files as spreadsheets, services and people write them."""

from __future__ import annotations

import gzip
import json
import re
import time
import tracemalloc
from pathlib import Path

import pytest

from quipu.corpus.lines import LONGEST_LINE
from quipu.corpus.pairs import LONGEST_ANSWER, read_pairs
from quipu.datasets.io import read_jsonl, read_text
from quipu.datasets.questions import read_examples
from quipu.errors import InputError
from quipu.records import QAPair
from quipu.text import LONGEST_QUESTION

POOL = (
    ("When does the pool open?", "At 6.30 on weekdays"),
    ("What does a towel cost?", "€ 2,50; deposit € 5"),
    ('Who teaches the "aqua fit" course?', "Zoë Brömmel"),
    ("Which rules apply?", "1. Shower first\n2. No running\n3. No glass"),
)
TABLE = """question{s}answer
When does the pool open?{s}At 6.30 on weekdays
What does a towel cost?{s}"€ 2,50; deposit € 5"
"Who teaches the ""aqua fit"" course?"{s}Zoë Brömmel
Which rules apply?{s}"1. Shower first
2. No running
3. No glass"
"""

Found = list[tuple[int, str | tuple[str, str]]]


def found(folder: Path, name: str, data: str | bytes) -> Found:
    """What is read of a file of this name: line, and question with answer or the reason."""
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return [
        (line, (made.question, made.answer) if isinstance(made, QAPair) else made)
        for line, made in read_pairs(folder / name)
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["pool.csv", "pool.tsv", "pool.txt"])
def test_the_separator_is_the_one_that_names_both_columns(tmp_path: Path, separator: str, name: str) -> None:
    """Spreadsheets write a semicolon where the comma is decimal, and call the file .csv all the same."""
    rows = found(tmp_path, name, TABLE.format(s=separator))
    assert [made for _, made in rows] == list(POOL)
    assert [line for line, _ in rows] == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("encoding", "newline"),
    [("utf-8-sig", "\r\n"), ("cp1252", "\r\n"), ("utf-16", "\r\n"), ("utf-16-le", "\n"), ("utf-8", "\r")],
)
def test_encodings_and_line_ends_of_spreadsheets(tmp_path: Path, encoding: str, newline: str) -> None:
    """A file that has to be converted first is a file that is not imported."""
    text = TABLE.format(s=";").replace("\n", newline)
    rows = found(tmp_path, "pool.csv", text.encode(encoding))
    assert [(made[0], made[1].replace(newline, "\n")) for _, made in rows] == list(POOL)


@pytest.mark.parametrize(
    "head",
    [
        "Question,Answer", " QUESTION , ANSWER ", '"question","answer"', "Prompt,Response", "q,a", "Frage,Antwort",
        "Query,Reply", "question_text,answer_text", "Questions:,Answers:", "instruction,output", "Pregunta,Respuesta",
        "sep=,\nquestion,answer", "\n\nquestion,answer",
    ],
)  # fmt: skip
def test_columns_are_known_in_any_case_and_by_their_usual_names(tmp_path: Path, head: str) -> None:
    """A capital letter in a header must not cost a user an hour."""
    assert [made for _, made in found(tmp_path, "a.csv", f"{head}\nWho?,Ann\n")] == [("Who?", "Ann")]


def test_further_columns_in_any_order(tmp_path: Path) -> None:
    """Exports carry ids, authors and dates; "answer id" is not the answer."""
    table = "id,answer id,Answer,author,Question\n7,12,at noon,Ann,When does the bar open?\n"
    assert found(tmp_path, "a.csv", table) == [(2, ("When does the bar open?", "at noon"))]


def test_rows_without_a_pair_are_named_and_the_others_read(tmp_path: Path) -> None:
    """One empty cell in a thousand rows must not stop an import, nor go unseen."""
    table = (
        "question,answer\n,orphan\nonly question?,\n  ,  \nWhen does the bar open?,at noon\nWho?,Ann, Bob and Cem\n"
        "alone?\nWhere?,here,,\n"
    )
    assert found(tmp_path, "a.csv", table) == [
        (2, "no question"), (3, "no answer"), (4, "no question"), (5, ("When does the bar open?", "at noon")),
        (6, "3 cells, 2 in the first row; a cell with ',' needs quotes"), (7, "no answer"), (8, ("Where?", "here")),
    ]  # fmt: skip


def test_quotes_that_do_not_enclose_a_cell_are_text(tmp_path: Path) -> None:
    """A sign's words lost their quotes, and an open one swallowed the rows below it."""
    table = (
        'question\tanswer\nWhere is the sauna?\t"Next to the lockers" says the sign\nWhat is 12" in cm?\tabout 30 cm\n'
        'Is there a "kids" pool?\tYes, "Splash\nWhat is it called?\t"Splash\nWho cleans the pool?\tFirm Blank\n'
        'How wide is it?\t"12"\nHow long?\t"Two\nlanes"\nWho swims?\t"We" and "you"\n'
    )
    assert found(tmp_path, "a.tsv", table) == [
        (2, ("Where is the sauna?", '"Next to the lockers" says the sign')),
        (3, ('What is 12" in cm?', "about 30 cm")),
        (4, ('Is there a "kids" pool?', 'Yes, "Splash')),
        (5, ("What is it called?", '"Splash')),
        (6, ("Who cleans the pool?", "Firm Blank")),
        (7, ("How wide is it?", "12")),
        (8, ("How long?", "Two\nlanes")),
        (10, ("Who swims?", '"We" and "you"')),
    ]


def test_a_quote_that_closes_many_rows_below_keeps_those_rows(tmp_path: Path) -> None:
    """The row that it makes has not the table's number of cells: the quote was a character."""
    table = 'question,answer\n"Splash" is what?,a pool\n"Splash is what?,a pool\nHow wide?,12"\nWho?,Ann\n'
    assert found(tmp_path, "a.csv", table) == [
        (2, ('"Splash" is what?', "a pool")), (3, ('"Splash is what?', "a pool")), (4, ("How wide?", '12"')),
        (5, ("Who?", "Ann")),
    ]  # fmt: skip


def test_blanks_around_quotes(tmp_path: Path) -> None:
    """People write a blank after the comma."""
    table = 'question, answer\n"Who, then?" , "Ann, Bob"\n'
    assert found(tmp_path, "a.csv", table) == [(2, ("Who, then?", "Ann, Bob"))]


def test_json_lines_of_many_makers(tmp_path: Path) -> None:
    """The key that holds the answer, and whether it is a list, differs from maker to maker."""
    rows = [
        {"question": "when was it opened", "answer": ["1869", "in 1869"]},
        {"question": "who dug it", "subsets": ["L1"], "answer": "Lesseps", "answers": []},
        {"Question": "How deep?", "Answer": 1.8},
        {"q": "How many lanes?", "a": 0},
        {"prompt": "Is it heated?", "completion": True},
        {"id": "x", "question": "Who won?", "answers": {"text": ["Ann", "Bo"], "answer_start": [4, 9]}},
        {"Question": "Who lost?", "Answer": {"Value": "Bo", "Aliases": ["Bob"]}},
        {"question": "What is inside?", "content": "A bar"},
        {"title": "Pool", "paragraphs": [{"qas": [{"question": "Who?", "answers": [{"text": "Ann"}]}]}]},
    ]
    assert [made for _, made in found(tmp_path, "a.jsonl", "\n".join(map(json.dumps, rows)))] == [
        ("when was it opened", "1869"), ("who dug it", "Lesseps"), ("How deep?", "1.8"), ("How many lanes?", "0"),
        ("Is it heated?", "yes"), ("Who won?", "Ann"), ("Who lost?", "Bo"), ("What is inside?", "A bar"),
        ("Who?", "Ann"),
    ]  # fmt: skip


def test_bad_json_lines_are_named_and_the_others_read(tmp_path: Path) -> None:
    """Each of these stopped an import, some of them with a traceback."""
    good = '{"question": "Who?", "answer": "Ann"}'
    lines = [
        good, '{"question": "Who owns it?", "answer": null}', "", "not json", "[1]", '{"question": "a?", "answer": []}',
        '{"question": "\\ud800?", "answer": "b"}', "[" * 100_000, '{"question": "a?", "answer": ' + "9" * 5000 + "}",
        '{"question": "a?", "answer": NaN}', '{"question": "a?", "answer": 1e999}', "null",
        json.dumps({"question": "w" * (LONGEST_QUESTION + 1), "answer": "b"}),
        json.dumps({"question": "a?", "answer": "w" * (LONGEST_ANSWER + 1)}),
        json.dumps({"question": "a?", "answer": "w" * LONGEST_LINE}), good.replace("Who", "When"),
    ]  # fmt: skip
    rows = found(tmp_path, "a.jsonl", "\n".join(lines))
    assert [(line, made) for line, made in rows if isinstance(made, tuple)] == [
        (1, ("Who?", "Ann")), (16, ("When?", "Ann")),
    ]  # fmt: skip
    bad = {line: made for line, made in rows if isinstance(made, str)}
    assert sorted(bad) == [2, *range(4, 16)]
    for line, words in {
        2: "no answer", 4: "not JSON", 5: "not an object", 6: "no answer", 7: "lone surrogate", 8: "too deeply",
        9: "too many digits", 10: "no answer", 11: "no answer", 12: "not an object", 13: "10,000", 14: "100,000",
        15: "1,000,000",
    }.items():  # fmt: skip
        assert words in bad[line], (line, bad[line])
        assert len(bad[line]) < 120


@pytest.mark.parametrize("name", ["a.json", "a.txt"])
def test_a_list_of_pairs_with_broken_entries(tmp_path: Path, name: str) -> None:
    """An entry has the line on which it begins, and its number where all stand on one line."""
    text = (
        '[\n  {"qText": "where is it?", "answers": ["Egypt"]},\n  {"qText": "who?"},\n'
        '  {"qText": oops, "answers": 1},\n  {"qText": "when?",\n   "answers": [1869]}\n]\n'
    )
    assert found(tmp_path, name, text) == [
        (2, ("where is it?", "Egypt")), (3, "entry 2: no answer"),
        (4, "entry 3: not JSON (expecting value, line 4, column 13)"), (5, ("when?", "1869")),
    ]  # fmt: skip


def test_an_object_around_the_pairs(tmp_path: Path) -> None:
    """SQuAD's own form, pretty-printed; and a .json that holds JSON lines."""
    squad = {"version": "1", "data": [{"paragraphs": [{"qas": [
        {"question": "Who is é?", "answers": [{"text": "Ann", "answer_start": 3}]},
        {"question": "Why?", "answers": [], "is_impossible": True},
    ]}]}]}  # fmt: skip
    rows = found(tmp_path, "squad.json", json.dumps(squad, indent=1))
    assert [made for _, made in rows] == [("Who is é?", "Ann"), "no answer"]
    line = rows[0][0]
    assert "Who is" in (tmp_path / "squad.json").read_text().splitlines()[line - 1]
    lines = '{"question": "a?", "answer": "b"}\n{"question": "c?", "answer": "d"}\n'
    assert len(found(tmp_path, "lines.json", lines)) == 2


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.csv", b"one,two\na,b\n", 'columns "question" and "answer" are needed in the first row, found one, two'),
        ("a.csv", b"", "empty"),
        ("a.csv", b"\x00\x01\x02\x03" * 9, "binary"),
        ("a.json", b'[{"question": "a?", "answer": "b"}', "does not end"),
        ("a.json", b'[{"question": "a?", "answer": oops', "no entry can be read after entry 1"),
        ("a.json", b'{"question": "a?",\n "answer": oops}', "not JSON"),
        ("a.jsonl.gz", b"no gzip at all", "broken gzip"),
        ("a.jsonl.gz", gzip.compress(b'{"question": "a?", "answer": "b"}\n' * 99, mtime=0)[:-12], "broken gzip"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_with_its_name(
    tmp_path: Path, name: str, data: bytes, words: str
) -> None:
    """One line, whatever library met it first."""
    with pytest.raises(InputError, match=re.escape(words)) as raised:
        found(tmp_path, name, data)
    assert name in str(raised.value) and "\n" not in str(raised.value)


def test_a_missing_file(tmp_path: Path) -> None:
    """It is named."""
    with pytest.raises(InputError, match=r"none\.csv: no such file"):
        list(read_pairs(tmp_path / "none.csv"))


def test_a_gzip_with_a_flipped_byte_is_an_error(tmp_path: Path) -> None:
    """The decompressor has an error of its own for this, which is not that of a truncated file."""
    data = bytearray(gzip.compress(b"".join(b'{"question": "q%d?", "answer": "b"}\n' % n for n in range(3000))))
    for at in range(20, len(data), 397):
        spoilt = bytearray(data)
        spoilt[at] ^= 0xFF
        with pytest.raises(InputError, match=r"a\.jsonl\.gz"):
            found(tmp_path, "a.jsonl.gz", bytes(spoilt))


def test_gzip_is_told_by_the_bytes_in_every_reader_of_published_files(tmp_path: Path) -> None:
    """A browser takes the ".gz" off the name; and a broken file of training data ended in a traceback."""
    data = gzip.compress(b'{"question": "Who is it?", "answer": ["Zo\xc3\xab"]}\n' * 9, mtime=0)
    (tmp_path / "a.jsonl").write_bytes(data)
    assert [pair.answer for _, pair in read_pairs(tmp_path / "a.jsonl") if isinstance(pair, QAPair)] == ["Zoë"] * 9
    assert read_text(tmp_path / "a.jsonl").count("Zoë") == len(read_examples(tmp_path / "a.jsonl")) == 9
    assert len(list(read_jsonl(tmp_path / "a.jsonl"))) == 9
    (tmp_path / "a.jsonl").write_bytes(data[:-8] + bytes(8))
    for read in (read_text, read_examples, lambda path: list(read_jsonl(path))):
        with pytest.raises(InputError, match=r"a\.jsonl: broken gzip file"):
            read(tmp_path / "a.jsonl")


def test_bytes_that_are_not_text_are_named_by_row(tmp_path: Path) -> None:
    """In a file of UTF-8 a cell in another encoding must not be stored garbled."""
    good = "Who is it?,Zoë\n" * 20_000
    rows = found(tmp_path, "a.csv", b"question,answer\n" + good.encode() + b"Where?,caf\xe9\nWho?,Bob\n")
    assert rows[-2:] == [
        (20_002, "the answer holds a character that cannot be read in the encoding of the file"),
        (20_003, ("Who?", "Bob")),
    ]  # fmt: skip


def test_a_packed_line_is_not_held(tmp_path: Path) -> None:
    """Half a megabyte of gzip that is one line of 500 MB took 2.4 GB."""
    path = tmp_path / "a.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(64):
            file.write(b"x" * 1_000_000)
        file.write(b'\n{"question": "Who?", "answer": "Ann"}\n')
    tracemalloc.start()
    rows = list(read_pairs(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [line for line, _ in rows] == [1, 2] and "longer than" in str(rows[0][1])
    assert peak < 16_000_000


@pytest.mark.parametrize("cell", ['"a', '"a""', '""', '"', '"""', 'a"', '" "x'])
def test_quotes_cost_no_more_than_their_length(tmp_path: Path, cell: str) -> None:
    """Looking for the end of every quote that opens would take minutes for a file of a few megabytes."""
    path = tmp_path / "a.csv"
    path.write_text("question,answer\n" + f"Who?,{cell}\n" * 8_000, encoding="utf-8")
    began = time.process_time()
    count = sum(1 for _ in read_pairs(path))
    assert count > 0
    assert time.process_time() - began < 10
