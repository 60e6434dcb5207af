"""Sources that disagree: said beside an answer, chosen between, and listed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.handmade import WordEncoder, models

import quipu
from quipu.cli.ask import described
from quipu.cli.main import run
from quipu.cli.outcome import outcome_of, print_outcome
from quipu.errors import InputError
from quipu.memory import Memory
from quipu.records import Dated, QAPair
from quipu.storage.verify import verify

ASKED = "What number follows hotel limit is?"
OLD = "# Travel policy 2021\n\nThe hotel limit is 95 a night. The meal limit is 31 euros a day."
NEW = "# Travel policy 2024\n\nThis replaces the old one. The hotel limit is 131 a night. The taxi limit is 47 euros."


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Memory]:
    """Two editions of a policy, the older one changed last, and one of another subject."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    for number, (name, text) in enumerate(
        (("new.md", NEW), ("old.md", OLD), ("rooms.md", "# House rules\n\nThe hotel limit is 17 a night."))
    ):
        (tmp_path / "docs" / name).write_text(text)
        os.utime(tmp_path / "docs" / name, (1_700_000_000 + number, 1_700_000_000 + number))
    with quipu.build("docs", "m", **models()) as made:  # type: ignore[arg-type]
        yield made


def pair_of(memory: Memory, answer: str) -> str:
    return next(pair.id for _, pair in memory.store.pairs() if pair.answer == answer)


def test_what_other_sources_say_is_said_with_their_dates(memory: Memory) -> None:
    """A replaced price that is given without a word about the newer document is worse than none."""
    answers = {}
    for prefer in (None, "first", "newest", "both"):
        answers[prefer] = memory.ask(ASKED, method="lookup", prefer=prefer)  # type: ignore[arg-type]
    plain = answers[None]
    assert {plain.text, *(item.text for item in plain.elsewhere)} == {"131", "95", "17"}
    assert answers["newest"].text == "131" and answers["newest"].date == Dated("2024", "document")
    assert [(item.text, item.newer) for item in answers["newest"].elsewhere][-1] == ("95", False)
    assert answers["both"].text is not None and sorted(answers["both"].text.split("; ")) == ["131", "17", "95"]
    assert answers["both"].generated and len(answers["both"].evidence) == 3
    for answer in answers.values():
        assert answer.date is not None and len(answer.elsewhere) == 2
        assert all(item.evidence.document and item.date for item in answer.elsewhere)
    with pytest.raises(InputError, match="newest, both, first can be preferred, not 'old'"):
        memory.ask(ASKED, prefer="old")  # type: ignore[arg-type]


def test_a_sentence_says_it_where_no_pair_does(memory: Memory) -> None:
    """A build keeps few of a passage's questions: that of the newer price may not be among them."""
    memory.remove(pair=pair_of(memory, "131"))
    memory.remove(document="docs/rooms.md")
    answer = memory.ask(ASKED, method="lookup")
    assert answer.text == "95" and [(item.text, item.newer) for item in answer.elsewhere] == [("131", True)]
    found = answer.elsewhere[0].evidence
    assert found.document == "docs/new.md" and found.span is not None and found.quote == "131" and found.pair is None
    newest = memory.ask(ASKED, method="lookup", prefer="newest")
    assert newest.text == newest.evidence[0].quote == "131" and not newest.generated
    assert [(item.text, item.newer) for item in newest.elsewhere] == [("95", False)]


def test_other_subjects_and_asked_editions_are_no_conflict(memory: Memory) -> None:
    """The same sentence below another title speaks of another thing; who asks for 2021 is not told of 2024."""
    memory.remove(pair=pair_of(memory, "131"))
    memory.remove(pair=pair_of(memory, "17"))
    texts = [item.text for item in memory.ask(ASKED, method="lookup").elsewhere]
    assert texts == ["131"]
    of_2021 = memory.ask("What number follows hotel limit is in 2021?", method="lookup")
    assert of_2021.text == "95" and of_2021.elsewhere == ()


def test_both_are_shown_and_printed_as_json(memory: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    """A person must see which is newer, a program every field."""
    memory.remove(document="docs/rooms.md")
    answer = memory.ask(ASKED, method="lookup", prefer="first")
    lines = described(answer)
    assert lines[0].startswith("95 ") and "old.md" in lines[-2] and lines[-2].endswith("(of 2021)")
    assert lines[-1] == "    elsewhere 131 (newer: docs/new.md, line 3, Travel policy 2024, of 2024)"
    row = answer.to_json()
    assert row["date"] == {"text": "2021", "by": "document"}
    left_out = dict.fromkeys(("passage", "passage_start", "stored_pair", "blocks"))
    assert row["elsewhere"][0] | left_out == {
        "text": "131", "pair": pair_of(memory, "131"), "date": {"text": "2024", "by": "document"}, "newer": True,
        "document": "docs/new.md", "title": "Travel policy 2024", "start": 66, "end": 69, "page": None, "line": 3,
        "headings": ("Travel policy 2024",), "quote": "131", **left_out,
    }  # fmt: skip
    json.dumps(row)


def test_conflicts_are_listed_once_each(memory: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    """Listed from both sides every conflict comes twice; a list that loads all keys ends where the memory is large."""
    memory.remove(document="docs/rooms.md")
    told: list[dict[str, int | float | str]] = []
    (found,) = memory.conflicts(progress=told.append)
    assert [side.text for side in found.sides] == ["131", "95"] and found.ordered
    assert told[-1] == {"stage": "conflicts", "done": memory.store.count(), "total": memory.store.count(), "found": 1}
    memory.close()
    assert run(["conflicts", "m"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[1] == "    newer 131 (docs/new.md, line 3, Travel policy 2024, of 2024)"
    assert shown[-1] == "m: 1 conflict"
    assert run(["conflicts", "m", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["newer_first"] and [side["answer"] for side in row["answers"]] == ["131", "95"]


def test_ready_pairs_of_two_files(tmp_path: Path) -> None:
    """The pair that was added first wins every tie: the other one must be heard of."""
    for name, said in (("p1.csv", "bluebird7"), ("p2.csv", "greenfrog9")):
        (tmp_path / name).write_text(f"question,answer\nWhat is the wifi password?,{said}\n")
        os.utime(tmp_path / name, (1_700_000_000 + (name == "p2.csv"),) * 2)
    with quipu.build([], tmp_path / "m", pairs=tmp_path / "p1.csv", encoder=WordEncoder()) as memory:
        memory.add_pairs_file(tmp_path / "p2.csv")
        answer = memory.ask("What is the wifi password?", method="lookup")
        assert answer.text == "bluebird7"
        assert [(item.text, item.newer) for item in answer.elsewhere] == [("greenfrog9", True)]
        assert memory.ask("What is the wifi password?", method="lookup", prefer="newest").text == "greenfrog9"
        assert len(list(memory.conflicts())) == 1


def test_a_pair_that_is_added_again_with_another_answer_replaces_the_former(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The pair that came first would win every tie, so that what was corrected is never heard of."""
    file, other = tmp_path / "p.csv", tmp_path / "q.csv"
    file.write_text("question,answer\nWhat is the wifi password?,bluebird7\nWho is on duty?,Ana\n")
    other.write_text("question,answer\nWhat is the wifi password?,redfox1\n")
    question = "What is the wifi password?"
    with quipu.build([], tmp_path / "m", pairs=file, encoder=WordEncoder()) as memory:
        memory.add_pairs_file(other)
        assert memory.report.replaced == 0 and memory.store.count() == 3
        row = memory.store.last_row()
        file.write_text("question,answer\nWhat is the WIFI password,greenfrog9\nWho is on duty?,Ana\n")
        memory.add_documents([], pairs=file)
        print_outcome(outcome_of(memory), [], as_json=False)
        assert memory.report.replaced == 1 and memory.report.to_json()["replaced"] == 1
        assert "1 pair replaced: the same question has another answer now" in capsys.readouterr().out
        assert 1 in memory.store.gone() and row not in memory.store.gone()
        answers = sorted(pair.answer for _, pair in memory.store.pairs())
        assert answers == ["Ana", "greenfrog9", "redfox1"]
        made = [QAPair.make("Who keeps the key?", "Ana"), QAPair.make("Who keeps the key?", "Ben")]
        assert memory.add(made) == 2 and memory.report.replaced == 0  # one call, one opinion
        assert memory.add([QAPair.make("who keeps the key", "Cleo")]) == 1 and memory.report.replaced == 2
        assert [pair.answer for _, pair in memory.store.pairs() if pair.document_id is None] == ["Cleo"]
        assert memory.add([QAPair.make(question, "whitecat2")]) == 1 and memory.report.replaced == 0
    assert verify(tmp_path / "m").problems == []
