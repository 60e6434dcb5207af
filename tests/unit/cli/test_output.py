"""What reaches a terminal or a script: nothing in a text, a title or a file's name acts on either."""

from __future__ import annotations

import ast
import io
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from quipu.cli import terminal
from quipu.cli.main import run
from quipu.cli.terminal import print_json, print_table, remark, show, visible
from quipu.models.encoder import Encoder
from quipu.records import Document, Passage, QAPair, Span, Verdict
from quipu.storage.index import Index
from quipu.storage.store import Store

ANSWERS = [
    "\x1b]52;c;AGVsbG8=\x07copied", "\x1b]0;owned\x07done", "\x1b]8;;http://x.example\x07here\x1b]8;;\x07",
    "\x1b[2Jprobability 0.99", "abc\u202efdp.exe", "\x9b31mred", "wrong\b\b\b\b\bright", "over\rwritten",
    "\u2067isolated\u2069", "tag\U000e0041\U000e007f", "line\u2028par\u2029nel\x85end", "[bold red]markup[/bold red]",
    "del\x7fnul\x00bom",
]  # fmt: skip
ACTING = {
    *map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), *"\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c",
    *"\u202d\u202e\u2066\u2067\u2068\u2069", *map(chr, range(0xE0000, 0xE0080)), *map(chr, range(0xD800, 0xE000)),
}  # fmt: skip


def acting(text: str) -> set[str]:
    """The characters of an output that a terminal acts on."""
    return {letter for letter in text if letter in ACTING} - {"\n"}


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_acts_on_a_terminal_is_shown(answer: str) -> None:
    """A document must not write to the clipboard, hide a probability or turn letters round."""
    assert not acting(visible(answer))


def test_escapes_are_those_that_people_know() -> None:
    """The bytes of a file name that is not UTF-8 are shown as bytes."""
    assert visible("\x1b[2J") == r"\x1b[2J"
    assert visible("a\u202eb\n") == r"a\u202eb\x0a"
    assert visible("\U000e0041") == r"\U000e0041"
    assert visible("caf\udce9.txt") == r"caf\xe9.txt"
    assert visible("Åland, 日本, 👩‍🚀, שלום\t»1869«") == "Åland, 日本, 👩‍🚀, שלום\t»1869«"


@pytest.mark.parametrize("text", [*ANSWERS, "half \ud800 a pair", "caf\udce9.txt", "Åland\nislands"])
def test_json_lines_are_valid_and_inert(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line for every way to split lines, and the same text for who reads it."""
    print_json({"answer": text, "score": 1.5})
    out = capsys.readouterr().out
    assert not acting(out)
    assert len(out.splitlines()) == 1
    assert json.loads(out) == {"answer": text, "score": 1.5}


def test_json_has_no_infinite_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """NaN and Infinity are no JSON: strict readers refuse the line."""
    print_json({"a": [math.nan, -math.inf, 1.5], "b": {"c": math.inf}})
    assert capsys.readouterr().out == '{"a": [null, null, 1.5], "b": {"c": null}}\n'


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_stream_that_lacks_letters(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback at the first quotation mark, where the locale is not UTF-8."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    show("»1869« in 日本")
    print_table([("日本", 1)])
    print_json({"answer": "日本 \U0001f680"})
    stream.flush()
    lines = stream.buffer.getvalue().decode(encoding).splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 3
    assert json.loads(lines[2]) == {"answer": "日本 \U0001f680"}


def test_a_remark_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A line break in a file's name must not make a second message."""
    remark("a\nquipu: all is well\x1b[0m: no such file")
    assert capsys.readouterr().err == "quipu: a quipu: all is well\\x1b[0m: no such file\n"


def test_progress_does_not_read_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    """rich takes "[red]" in a text for a colour, and an unknown "[/x]" for an error."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with terminal.progress() as report:
        report({"stage": "read", "done": 1, "total": 2, "[/x] \x1b]0;owned\x07": 3})
    assert "\x1b]0;" not in stream.getvalue()


def test_a_system_that_refuses_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is too long, a file where a folder should be, links in a circle: nobody can mend a traceback."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "circle").symlink_to("circle")
    for memory in (tmp_path / ("x" * 300), tmp_path / "file" / "m", tmp_path / "circle" / "m"):
        assert run(["build", "-o", str(memory), "--pairs", str(tmp_path / "none.csv")]) == 2
        assert run(["info", str(memory)]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 2 and all(line.startswith("quipu: ") for line in lines)


def test_every_line_of_every_verb_goes_through_the_terminal() -> None:
    """One print beside it is one hole."""
    for path in Path(terminal.__file__).parent.glob("*.py"):
        if path.name == "terminal.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                place = f"{path}, line {node.lineno}"
                assert called not in ("print", "typer.echo", "sys.stdout.write", "sys.stderr.write"), place


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memory whose title, source, text, questions, answers and verdicts hold what acts on a terminal."""
    folder = tmp_path_factory.mktemp("hostile") / "m\x1b[2J.quipu"
    encoder = Encoder.from_pretrained("quipu-small/encoder")
    text = "The gate is \x1b[31mred\x1b[0m and \u202ewide. It was \b\b\b painted by \x9b31mAnn\u2069 in 1869."
    document = Document.make("docs/\x1b]0;owned\x07.txt", "Gate \u202e\x1b[2J", text)
    passage = Passage.make(document, Span(0, len(text)))
    start = text.index("Ann")
    pairs = [
        QAPair.make(
            "Who \x1b[1mpainted the gate?", "Ann", document_id=document.id, span=Span(start, start + 3),
            origin="generated", generator="quipu\x07",
        ),
        *(QAPair.make(f"What is number {at}\u202e?", answer) for at, answer in enumerate(ANSWERS)),
    ]  # fmt: skip
    with Store.create(folder, width=encoder.width, models={encoder.name: encoder.sha256}) as store:
        texts = [pair.question for pair in pairs]
        with store.transaction():
            store.add_documents([document], [passage])
            verdicts = [Verdict(pair.id, "local", True, 0.5, "good\x1b[2J", "\u202eelse") for pair in pairs]
            dropped = Verdict("f" * 32, "dedup", False, None, "bad\x1b[2J", "\x9b2J")
            store.add(
                pairs, encoder.encode(texts).astype(np.float32), texts, [*verdicts, dropped],
                [document.id] * (len(pairs) + 1), [passage.id] * (len(pairs) + 1),
            )  # fmt: skip
            store.journal_mark("finished")
        Index.bring_up_to_date(store)
    return folder


def ids(memory: Path) -> list[str]:
    """The ids of its pairs."""
    with Store.open(memory, read_only=True) as store:
        return [pair.id for _, pair in store.pairs()]


def verbs(memory: Path, folder: Path) -> Iterator[list[str]]:
    """Every verb that prints something of a memory, in words and as JSON."""
    bad = folder / "no\x1b[2J\u202e.txt"
    questions = folder / "questions.txt"
    asked = ["Who painted the gate?", "\x9b31mred", *(f"What is \x1b[2Jnumber {at}?" for at in range(len(ANSWERS)))]
    questions.write_text("\n".join(asked), encoding="utf-8")
    lookup = ["--method", "lookup"]  # the other steps would take minutes
    for as_json in ([], ["--json"]):
        yield ["ask", str(memory), "Who painted the gate?", "--explain", "--min-probability", "0", *lookup, *as_json]
        yield ["ask", str(memory), "Who wrote \x1b[2JFaust?", *lookup, *as_json]
        yield ["ask", str(memory), "--questions", str(questions), "--min-probability", "0", *lookup, *as_json]
        yield ["ask", str(memory), "--questions", str(bad), *as_json]
        for method in ("vector", "words", "both"):
            yield ["search", str(memory), "What is number?", "-k", "1000000000", "--method", method, *as_json]
        for pair in [*ids(memory)[:4], "f" * 32]:
            yield ["why", str(memory), pair, *as_json]
        yield ["why", str(memory), "\x1b[2J", *as_json]
        yield ["info", str(memory), *as_json]
        yield ["yield", str(memory), *as_json]
        yield ["verify", str(memory), *as_json]
        yield ["export", str(memory), str(folder / f"out{len(as_json)}.jsonl"), *as_json]
        yield ["remove", str(memory), "--document", "no\x1b[2J", *as_json]
        yield ["build", str(bad), "-o", str(folder / "new.quipu"), *as_json]
        yield ["\x1b[2J", *as_json]
        yield ["ask", "--\x1b[2J", *as_json]


def test_no_verb_lets_a_text_act(hostile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Titles, sources, passages, questions, answers, reasons, names of files, arguments: all come from elsewhere."""
    escaped = 0
    for arguments in verbs(hostile, tmp_path):
        run(arguments)
        out, err = capsys.readouterr()
        assert not acting(out + err), (arguments, acting(out + err))
        escaped += "\\x1b" in out or "\\u001b" in out
        if "--json" in arguments:
            for line in out.split("\n"):
                assert not line or json.loads(line) is not None
    assert escaped > 12


def test_the_prompt_ends_at_exit_and_goes_on_after_a_bad_question(
    hostile: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who types exit wants out; a question that is too long must not end the session."""
    for goodbye in ("exit", "quit", "EXIT", "quit()"):
        lines = iter(["Who painted the gate?", "", "w" * 20_000, "Who painted the gate?", goodbye, "never asked"])
        monkeypatch.setattr("builtins.input", lambda _: next(lines))  # noqa: B023 - used at once
        monkeypatch.setattr(sys, "stdin", type("Tty", (), {"isatty": lambda self: True})())
        assert run(["ask", str(hostile), "--method", "lookup", "--min-probability", "0"]) == 0
        out, err = capsys.readouterr()
        assert out.count("Ann") >= 2 and "20,000 characters" in err
        assert next(lines) == "never asked"
