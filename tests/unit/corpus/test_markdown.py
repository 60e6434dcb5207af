"""Markdown: what a browser shows is read, in order, once, and each block says what it is and on which line."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from quipu.corpus.readers import Block, Extract
from quipu.corpus.readers.dialects import plain_markdown
from quipu.corpus.readers.markdown import read


def extract(tmp_path: Path, source: str | bytes) -> Extract:
    path = tmp_path / "page_one.md"
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    [found] = read(path)
    assert isinstance(found, Extract)
    return found


def blocks(tmp_path: Path, source: str | bytes) -> list[tuple[str, int, str]]:
    """(kind, line, text) of each block."""
    return [(block.kind, block.line or 0, block.text) for block in extract(tmp_path, source).blocks]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("rule", ["---", "+++"])
def test_front_matter_is_fields_whatever_the_line_ends(tmp_path: Path, rule: str, end: str) -> None:
    """With CRLF it became the title and the first passage; and nobody could ask for the author."""
    sign = ": " if rule == "---" else " = "
    fields = [("title", '"Harbour rules"'), ("draft", "false"), ("weight", "20"), ("author", "'Oda Lindgren'")]
    lines = [rule, *(name + sign + value for name, value in fields), rule, "# Stay", "", "Ten nights."]
    found = extract(tmp_path, end.join(lines))
    assert found.title == "Harbour rules"
    assert found.blocks == (
        Block("author: Oda Lindgren", "row", line=5),
        Block("Stay", "heading", 1, line=7),
        Block("Ten nights.", "paragraph", line=9),
    )


def test_lists_and_long_values_of_front_matter(tmp_path: Path) -> None:
    source = (
        "---\n# of the site\nauthors:\n  - Ann Lee\n  - 'Bo Ek'\ntags: [pumps, 'valves']  # two\nsummary: >\n"
        "  One line\n  and another.\nlast_reviewed: 2024-08-19\nlayout: page\n---\nText.\n"
    )
    assert blocks(tmp_path, source) == [
        ("row", 3, "authors: Ann Lee, Bo Ek"),
        ("row", 6, "tags: pumps, valves"),
        ("row", 7, "summary: One line and another."),
        ("row", 10, "last reviewed: 2024-08-19"),
        ("paragraph", 13, "Text."),
    ]


@pytest.mark.parametrize(
    "head",
    ["---\n\nIt was founded by Ellen Marsh.\n\n---\n\n", "---\nIt was founded by Ellen Marsh.\n\n---\n", "---\n"],
)
def test_a_rule_as_first_line_opens_nothing(tmp_path: Path, head: str) -> None:
    """Everything up to the next rule was lost."""
    found = extract(tmp_path, head + "## Access\n\nA ticket costs 5 euros.\n")
    text = " ".join(block.text for block in found.blocks)
    assert "A ticket costs 5 euros." in text and ("Ellen Marsh" in text) == ("Ellen" in head)
    assert found.title == "Access"


def test_headings_lists_code_and_their_lines(tmp_path: Path) -> None:
    source = (
        "Tank *works*\n===\n\nText of\ntwo lines.\n\n## Alarms\n\n- Level 1\n  - to the porter\n- Level 2\n\n"
        "3. First\n4. Then\n\n   and more\n\n```python\nx = 1\n\n# no heading\n```\n\n    indented\n\n"
        "- [x] oiled\n- [ ] painted\n\n> [!NOTE]\n> Mind the step.\n"
    )
    found = extract(tmp_path, source)
    assert found.title == "Tank works"
    assert [(block.kind, block.level, block.line, block.text) for block in found.blocks] == [
        ("heading", 1, 1, "Tank works"), ("paragraph", 0, 4, "Text of two lines."), ("heading", 2, 7, "Alarms"),
        ("item", 1, 9, "Level 1"), ("item", 2, 10, "to the porter"), ("item", 1, 11, "Level 2"),
        ("item", 1, 13, "3. First"), ("item", 1, 14, "4. Then"), ("item", 1, 16, "and more"),
        ("code", 0, 19, "x = 1\n\n# no heading"), ("code", 0, 24, "indented"),
        ("item", 1, 26, "oiled (ticked)"), ("item", 1, 27, "painted (not ticked)"),
        ("paragraph", 0, 29, "Note: Mind the step."),
    ]  # fmt: skip


def test_rows_carry_their_columns_and_caption(tmp_path: Path) -> None:
    """A row of bare cells answered "per month" for a plan that does not exist."""
    table = "| Tank | Volume |\n|---|--:|\n| T1<br>north | `1,200 l` |\n| T2 | |\n"
    assert blocks(tmp_path, f"# Works\n\n{table}\n## Tanks\n\n{table}\nTable 2: Old tanks\n\n{table}") == [
        ("heading", 1, "Works"), ("row", 5, "Tank T1 north: Volume: 1,200 l"), ("row", 6, "T2"),
        ("heading", 8, "Tanks"), ("row", 12, "Tanks, Tank T1 north: Volume: 1,200 l"), ("row", 13, "Tanks, T2"),
        ("paragraph", 15, "Table 2: Old tanks"), ("row", 19, "Table 2: Old tanks, Tank T1 north: Volume: 1,200 l"),
        ("row", 20, "Table 2: Old tanks, T2"),
    ]  # fmt: skip
    assert blocks(tmp_path, "|a|b|\n|-|-|\n") == [("row", 1, "a: b")]
    [*_, row, _] = blocks(tmp_path, f"# Works\n\n## Which tanks are there?\n\n{table}")
    assert row == ("row", 7, "Tank T1 north: Volume: 1,200 l")  # "Which tanks are there?, Tank T1 ..."


def test_html_is_read_as_html(tmp_path: Path) -> None:
    """The answer in <details> and the table vanished."""
    source = (
        "<details>\n<summary>How hot may it get?</summary>\n\nUp to **85** degrees.\n\n</details>\n\n"
        "<!-- not\n\nshown -->\n<table><tr>\n\n    <td>Inspector</td><td>Mr Valcke</td>\n\n</tr></table>\n\n"
        "Pay <b>5</b> euros &amp; go.<br>Then <!-- hidden --> wait & <kbd>press</kbd> a < b.\n\n<div>Lower hall</div>\n"
    )
    found = blocks(tmp_path, source)
    text = " ".join(text for _, _, text in found)
    for words in ("How hot may it get?", "Up to 85 degrees.", "Inspector", "Mr Valcke", "Lower hall"):
        assert text.count(words) == 1
    assert ("paragraph", 17, "Pay 5 euros & go. Then wait & press a < b.") in found
    assert "hidden" not in text and "shown" not in text and "<" not in text.replace("a < b", "")
    lines = {words.split(" ")[0].strip(":"): line for _, line, words in found}
    assert (lines["How"], lines["Up"], lines["Inspector"], lines["Lower"]) == (2, 4, 13, 19)


def test_struck_out_text_pictures_and_notes(tmp_path: Path) -> None:
    """A limit that was struck out was given as the limit."""
    source = (
        "The limit is ~~30 bar~~ 45 bar.[^1] See [the manual](http://x/) [here][m], <http://y.example> and "
        "![the pump](p.png). Use `[^1]` and `[^a-z]`, 5 \\* 6 &copy;.\n\n[^1]: Raised in 2022\n    by the board.\n\n"
        "    Twice.\n[^b]: http://z.example\n\n[m]: http://m\n"
    )
    found = extract(tmp_path, source)
    assert [(block.kind, block.line, block.text) for block in found.blocks] == [
        ("paragraph", 1, "The limit is 45 bar. See the manual here, http://y.example and the pump. "
         "Use [^1] and [^a-z], 5 * 6 ©."),
        ("note", 3, "Raised in 2022 by the board. Twice."),
        ("note", 7, "http://z.example"),
    ]  # fmt: skip
    assert found.left_out == {"struck-out text": 1, "picture": 1}


def test_questions_stand_apart_from_their_answers(tmp_path: Path) -> None:
    """Asked word for word, four of five were refused."""
    source = (
        "**How do I pay?**\nBy card or\nin cash.\n\n**Is it *open*?**\n\nYes.\n\n"
        "Q: Do you ship\nto Iceland?\nA: No.\n\n**Q: And Malta?**\n\nA: Yes, we do.\n\n"
        "1. **Who\n   pays?**\n   You do.\n\n**Note:** why? A: is a letter.\n\n"
        "A: 5 volts\n\nQ1. Is it new?\nA1. It is.\n"
    )
    assert blocks(tmp_path, source) == [
        ("question", 1, "How do I pay?"), ("paragraph", 2, "By card or in cash."),
        ("question", 5, "Is it open?"), ("paragraph", 7, "Yes."),
        ("question", 9, "Q: Do you ship to Iceland?"), ("paragraph", 11, "A: No."),
        ("question", 13, "Q: And Malta?"), ("paragraph", 15, "A: Yes, we do."),
        ("question", 17, "Who pays?"), ("item", 19, "You do."),
        ("paragraph", 21, "Note: why? A: is a letter."), ("paragraph", 23, "A: 5 volts"),
        ("question", 25, "Q1. Is it new?"), ("paragraph", 26, "A1. It is."),
    ]  # fmt: skip


def test_definitions(tmp_path: Path) -> None:
    assert blocks(tmp_path, "Bar\n: A unit of\n  pressure.\n: A place.\n\nLeat\n\n: A channel.\n") == [
        ("term", 1, "Bar"), ("definition", 2, "A unit of pressure."), ("definition", 4, "A place."),
        ("term", 6, "Leat"), ("definition", 8, "A channel."),
    ]  # fmt: skip


def test_nothing_is_lost_in_the_depth(tmp_path: Path) -> None:
    """The parser drops without a word what is nested more deeply than it counts."""
    lists = "".join(f"{' ' * 2 * depth}- level {depth} end\n" for depth in range(80))
    text = " ".join(
        text for _, _, text in blocks(tmp_path, lists + "\n" + "> " * 200 + "quoted\n\n" + "- " * 200 + "last")
    )
    assert all(f"level {depth} end" in text for depth in range(80)) and "quoted" in text and "last" in text


@pytest.mark.parametrize(
    "unit",
    ["![a](", "[", "[a](b) ", "<a ", "*a ", "**a_", "~~a", "> ", "- ", "[^1]: a\n", "|a|b|\n|-|-|\n", "a\n: b\n"],
)
def test_the_time_is_linear(tmp_path: Path, unit: str) -> None:
    """Twice as many opening brackets took four times as long."""

    def seconds(size: int) -> float:
        start = time.process_time()
        extract(tmp_path, "x\n\n" + unit * (size // len(unit)))
        return time.process_time() - start

    small = seconds(5_000)
    assert min(seconds(20_000) for _ in range(3)) < 0.5 + 7 * small


def test_runs_of_backticks_of_every_length(tmp_path: Path) -> None:
    start = time.process_time()
    [block] = extract(tmp_path, b"".join(b"`" * count + b"e " for count in range(1, 501))).blocks
    assert block.text.count("e") == 500 and time.process_time() - start < 2


def test_boxes_and_tabs_of_page_makers_have_a_title_and_their_text(tmp_path: Path) -> None:
    """Their marks stood in the text, and what a tab or a box of MkDocs holds was taken for code."""
    source = (
        ":::tip Use the script\n\nIt needs root.\n\n:::\n\n!!! note\n    The gate is shut.\n\n    - bell\n\n"
        '??? question "Where is the key?"\n    In the safe.\n\n=== "Linux"\n\n    Use tar.\n\n    ```sh\n    tar x\n'
        "    ```\n\n> [!tip]+ Bleeding\n> Open the valve.\n\n> [!WARNING]\n> Hot.\n\n:::{note}\nAfter all.\n:::\n"
    )
    assert blocks(tmp_path, source) == [
        ("paragraph", 1, "Use the script:"), ("paragraph", 3, "It needs root."),
        ("paragraph", 7, "Note: The gate is shut."), ("item", 10, "bell"),
        ("question", 12, "Where is the key?"), ("paragraph", 13, "In the safe."),
        ("paragraph", 15, "Linux:"), ("paragraph", 17, "Use tar."), ("code", 20, "tar x"),
        ("paragraph", 23, "Bleeding: Open the valve."), ("paragraph", 26, "Warning: Hot."),
        ("paragraph", 29, "Note: After all."),
    ]  # fmt: skip


def test_links_comments_and_marks_of_note_books_and_mdx_are_not_text(tmp_path: Path) -> None:
    """A person sees the words of a link and no comment; code keeps every sign."""
    source = (
        "import Tabs from '@theme/Tabs';\n\n# Pump {#pump}\n\n"
        "See [[Plan|the plan]], [[Valves#Small]] and ![[a.png]].\n\n"
        "%% not seen %%{/* nor this */}\n\n%%\nhidden\n%%\n\nIt has ==1.5 bar==, H~2~O and m^2^. ^anchor\n\n[TOC]\n\n"
        "{: .lead }\n\nIn `a[[0]]==b==` and [[1]](x) all stays.\n\n```\n[[x]] ==y==\n%%\n```\n\n100 %%\n"
    )
    assert [(kind, text) for kind, _, text in blocks(tmp_path, source)] == [
        ("heading", "Pump"), ("paragraph", "See the plan, Valves > Small and ."),
        ("paragraph", "It has 1.5 bar, H2O and m2."), ("paragraph", "In a[[0]]==b== and [1] all stays."),
        ("code", "[[x]] ==y==\n%%"), ("paragraph", "100 %%"),
    ]  # fmt: skip


@pytest.mark.parametrize("part", ["!!! a " + " " * 200, "[[", "==a", "%%\n", "`[", "::: ", "^a", "x~1", "> [!a] "])
def test_marks_of_page_makers_take_linear_time(tmp_path: Path, part: str) -> None:
    """A few kilobytes of them must not hold up a build."""
    began = time.process_time()
    plain_markdown(part * (100_000 // len(part)))
    assert time.process_time() - began < 3
