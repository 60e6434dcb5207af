"""The formats of public sets, each read by one reader: values are worked out by hand from small files."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from importlib import resources
from pathlib import Path

import pytest

from quipu.datasets import contexts, fairytaleqa, mrqa, published, squad, trivia
from quipu.datasets.contexts import Asked, Context
from quipu.datasets.io import existing, read_jsonl, read_lines
from quipu.datasets.questions import dpr, dpr_questions, webquestions
from quipu.errors import InputError

DATA = Path(os.environ.get("QUIPU_DATA", Path(__file__).parents[4] / "shared" / "data"))
TEXT = "The mill was built in 1902. Ada ran it."
SQUAD = {
    "data": [
        {"title": "Old_mill", "paragraphs": [{"context": TEXT, "qas": [
            {"id": 1, "question": "When?", "answers": [
                {"text": "1902", "answer_start": 22}, {"text": "in 1902", "answer_start": 19},
                {"text": "1902", "answer_start": 22}]},
            {"id": 2, "question": "Who? ", "answers": [{"text": "Ada", "answer_start": 27}]},
            {"id": 3, "question": " Why?", "answers": [], "is_impossible": True},
        ]}]},
        {"title": "Warsaw", "paragraphs": [{"context": "W.", "qas": []}]},
    ],
}  # fmt: skip


def test_squad(tmp_path: Path) -> None:
    """An offset that is off by one would teach the wrong span; an unanswerable question must not get an answer."""
    path = tmp_path / "a.json"
    path.write_text(json.dumps(SQUAD))
    found = squad.paragraphs(path)
    first, second, third = squad.examples(found)
    assert (first.id, first.answers, first.passages) == ("1", ("1902", "in 1902"), (TEXT,))
    assert (second.answers, third.answers) == (("Ada",), ())
    assert squad.contexts(found, "mills") == [Context("Old_mill", TEXT, (Asked("When?", 22, 26),), "mills")]
    assert TEXT[27:30] == " Ad"  # why the second question has no span
    assert published.unanswerable(path) == [("Why?", TEXT)]
    path.write_text('{"data": 4}')
    with pytest.raises(InputError, match=r"a\.json is no SQuAD file"):
        squad.paragraphs(path)


def test_the_halves_of_squad(tmp_path: Path) -> None:
    """Questions of the other half are kept for a final measurement: not one may come into a benchmark."""
    titles = resources.files("quipu.datasets").joinpath("squad_half.txt").read_bytes()
    assert hashlib.sha256(titles).hexdigest() == "0eecb3e9d6c18df932f8abf0a70952397c5434899e05bfbf107b30a14d3cc3be"
    assert len(squad.half_titles()) == 16 and "Warsaw" in squad.half_titles()
    (tmp_path / "squad").mkdir()
    (tmp_path / squad.WHOLE).write_text(json.dumps(SQUAD))
    assert [part.title for part in squad.half(tmp_path)] == ["Warsaw"]
    assert squad.other_half(tmp_path) == [("Old_mill", TEXT)]
    (tmp_path / squad.OTHER_HALF).write_text(json.dumps(SQUAD).replace("Old_mill", "Rhine"))
    assert squad.other_half(tmp_path) == [("Rhine", TEXT)]
    (tmp_path / squad.OTHER_PASSAGES).write_text('{"title": "Geology", "text": "g"}\n')
    assert squad.other_half(tmp_path) == [("Geology", "g")]
    (tmp_path / squad.HALF).write_text(json.dumps({"data": SQUAD["data"][:1]}))
    assert [part.title for part in squad.half(tmp_path)] == ["Old_mill"]


@pytest.mark.skipif(not (DATA / "squad").is_dir(), reason=f"no SQuAD in {DATA}; set QUIPU_DATA")
def test_the_published_halves() -> None:
    """The counts of every page: 646 paragraphs of 16 articles with 2,910 answerable questions, and 570 others."""
    found = squad.half(DATA)
    asked = list(squad.examples(found))
    assert (len(found), len(asked), sum(bool(item.answers) for item in asked)) == (646, 6078, 2910)
    assert {part.title for part in found} == squad.half_titles()
    others = squad.other_half(DATA)
    assert len(others) == 570 and not {title for title, _ in others} & squad.half_titles()


def test_mrqa(tmp_path: Path) -> None:
    """The last character of an MRQA span is inside it; texts are stripped where no offsets count."""
    path = tmp_path / "Mills.jsonl"
    row = {"context": " Ada ran it. ", "qas": [
        {"qid": "q", "question": " Who? ", "answers": ["Ada"], "detected_answers": [{"char_spans": [[1, 3]]}]},
        {"qid": "r", "question": "Why?", "answers": ["?"]},
    ]}  # fmt: skip
    path.write_text('{"header": {}}\n' + json.dumps(row) + "\n")
    (context,) = mrqa.contexts(path)
    assert context == Context("Mills:0", " Ada ran it. ", (Asked("Who?", 1, 4), Asked("Why?", -1, -1)), "Mills")
    assert context.text[1:4] == "Ada" and published.read_contexts(path) == [context]
    first, _ = mrqa.examples(path)
    assert (first.question, first.passages) == ("Who?", ("Ada ran it.",))
    path.write_text('{"header": {}}\n{"context": "x"}\n')
    with pytest.raises(InputError, match=r"Mills\.jsonl, line 2: no MRQA record"):
        mrqa.examples(path)


def test_lines_and_compression(tmp_path: Path) -> None:
    """U+2028 is a character of an answer and no end of a line; a message must name the line that a person sees."""
    path = tmp_path / "a.jsonl"
    plain = '\ufeff{"a": "x\u2028y"}\r\n\n[1]\n'
    path.with_name("a.jsonl.gz").write_bytes(gzip.compress(plain.encode()))
    assert existing(path) == tmp_path / "a.jsonl.gz"
    rows = read_jsonl(path)
    assert next(rows) == {"a": "x\u2028y"}
    with pytest.raises(InputError, match=r"a\.jsonl, line 3: not a JSON object"):
        next(rows)
    assert read_lines(path) == ['{"a": "x\u2028y"}', "[1]"]
    (tmp_path / "b.txt").write_bytes(b"caf\xe9\n")
    assert read_lines(tmp_path / "b.txt", older=True) == ["café"]
    with pytest.raises(InputError, match=r"b\.txt: not UTF-8"):
        read_lines(tmp_path / "b.txt")
    with pytest.raises(InputError, match=r"none: no such file, compressed or not.*quipu datasets list"):
        existing(tmp_path / "none")


def test_questions_without_passages(tmp_path: Path) -> None:
    """A list of answers that is not well-formed costs the answers, not the question."""
    (tmp_path / "dev.tsv").write_text("who ran it\t['Ada', \"Ada's\"]\nwhen\t['1902\n")
    assert list(dpr(tmp_path / "dev.tsv")) == [("who ran it", ["Ada", "Ada's"])]
    assert dpr_questions(tmp_path / "dev.tsv") == ["who ran it", "when"]
    rows = [{"qId": "w1", "qText": "who?", "answers": ["Ada"]}, {"qId": "w2", "qText": "why?", "answers": []}]
    (tmp_path / "web.json").write_text(json.dumps(rows))
    (found,) = webquestions(tmp_path / "web.json")
    assert (found.id, found.question, found.answers) == ("w1", "who?", ("Ada",))


def test_trivia_as_published_and_as_one_file(tmp_path: Path) -> None:
    """Options must not be taken for questions, nor an answer for the next question's."""
    folder = tmp_path / trivia.CATEGORIES
    folder.mkdir(parents=True)
    (folder / "mills").write_bytes(
        b"\n#Q Which of these mills\nstands in Alby?\n^ The old one\nA The old one\nB The new one\n\n"
        b"#Q Caf\xe9 or mill?\n^ Mill\nA Mill\n"
    )
    wanted = [("Which of these mills stands in Alby?", "The old one"), ("Café or mill?", "Mill")]
    assert trivia.read(tmp_path) == wanted and trivia.alone(tmp_path) == wanted[:1]  # the other has three words
    rows = [{"question": "Is it old or is it new?", "answer": answer} for answer in ("old", "new")]
    (tmp_path / trivia.FILE).write_text("\n".join(map(json.dumps, rows)))
    assert len(trivia.read(tmp_path)) == 2 and trivia.alone(tmp_path) == [("Is it old or is it new?", "new")]


def test_stories(tmp_path: Path) -> None:
    """A story is its sections, each once; a question is marked only where an answer stands in its section."""
    path = tmp_path / "val.jsonl"
    rows = [
        ("the-old-mill", "Ada ran.", "Who ran?", ["ada.", "ada.", "she"]),
        ("the-old-mill", "Bo sat.", "Who?", ["Cy"]),
        ("the-old-mill", "Ada ran.", "What did she do?", ["She ran."]),
    ]
    names = ("story", "context", "question", "answers")
    path.write_text("\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in rows))
    found = fairytaleqa.read(path)
    assert found[0].answers == ("ada.", "she")
    assert fairytaleqa.stories(found) == {"the-old-mill": "Ada ran.\n\nBo sat."}
    assert fairytaleqa.title_of("the-old-mill") == "The old mill"
    (context,) = fairytaleqa.contexts(path)
    assert context == Context("the-old-mill", "Ada ran.", (Asked("Who ran?", 0, 3),), "fairytaleqa")


def test_contexts_name_the_line_that_is_none(tmp_path: Path) -> None:
    """One line of thousands without its group would otherwise be looked for by hand."""
    path = tmp_path / "c.jsonl"
    path.write_text('{"group": "g", "text": "t", "asked": [["Q?", 0, 1]], "source": "s"}\n{"text": "t"}\n')
    with pytest.raises(InputError, match=r"c\.jsonl, line 2: no context"):
        contexts.read(path)
