"""The global filter, merged evidence, why, coverage and grow, on documents of a sentence each with hand-made models."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.handmade import NumberReader, NumberWriter, WordEncoder, models
from tests.old_memories import as_format

import quipu
from quipu.errors import InputError
from quipu.models.protocols import Reading
from quipu.storage.index import Index
from quipu.storage.interchange import import_memory
from quipu.storage.schema import FORMAT_VERSION
from quipu.storage.store import Store
from quipu.storage.verify import verify

CANAL = "The canal was opened in 1869."
ANOTHER = "Surely the canal was opened in 1914."
TWICE = "People say that the canal was opened in 1869."


class SureReader(NumberReader):
    """As the reader of the other tests, but much surer where the passage says "surely"."""

    def read(self, questions: Sequence[str], passages: Sequence[str]) -> list[Reading]:
        found = super().read(questions, passages)
        return [
            replace(reading, score=6.0) if reading.score > 0 and "Surely" in passage else reading
            for reading, passage in zip(found, passages, strict=True)
        ]


def parts() -> dict[str, Any]:
    return {"encoder": WordEncoder(), "writer": NumberWriter(), "reader": SureReader()}


def written(folder: Path, **texts: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)
    return folder


def pairs(memory: quipu.Memory) -> list[tuple[str, str]]:
    return sorted((pair.question, pair.answer) for _, pair in memory.store.pairs())


def test_a_question_that_another_passage_answers_otherwise_is_dropped(tmp_path: Path) -> None:
    """ "When was the canal opened?" is no question for a memory of two canals."""
    docs = written(tmp_path / "docs", a=CANAL, b=ANOTHER)
    with quipu.build([docs], tmp_path / "local", **parts()) as memory:
        assert [answer for _, answer in pairs(memory)] == ["1869", "1914"]
        ids = {pair.answer: pair.id for _, pair in memory.store.pairs()}
    with quipu.build([docs], tmp_path / "global", filter="global", **parts()) as memory:
        assert [answer for _, answer in pairs(memory)] == ["1914"]
        assert memory.report.kept == memory.report.pairs == 1
        assert memory.report.asked == 1 + memory.report.dropped.total()
        assert memory.report.dropped["another passage answers otherwise"] == 1
        known = memory.why(ids["1869"])
        assert not known["stored"] and known["verdicts"][-1]["stage"] == "global"
        assert known["verdicts"][-1]["because_of"].startswith("1914 (")
    with quipu.build([docs], tmp_path / "marked", filter="global", ambiguous="mark", **parts()) as memory:
        assert [answer for _, answer in pairs(memory)] == ["1869", "1914"]
        assert memory.why(ids["1869"])["ambiguous"].startswith("1914") and memory.why(ids["1914"])["ambiguous"] is None
    assert verify(tmp_path / "global").problems == []


def test_what_was_checked_is_not_checked_again_and_what_comes_later_is(tmp_path: Path) -> None:
    docs = written(tmp_path / "docs", a=CANAL)
    with quipu.build([docs], tmp_path / "m", filter="global", **parts()) as memory:
        assert len(pairs(memory)) == 1
    written(docs, b=ANOTHER)
    memory = quipu.open(tmp_path / "m", encoder=WordEncoder())
    memory._models._given |= parts()
    with memory:
        memory.add_documents([docs])
        assert [answer for _, answer in pairs(memory)] == ["1869", "1914"]  # the old pair was checked when it came
        stages = Counter(v.stage for _, pair in memory.store.pairs() for v in memory.store.verdicts(pair.id))
        assert stages["global"] == 2


def test_one_pair_keeps_every_place_that_says_it_and_outlives_the_first(tmp_path: Path) -> None:
    """Two documents with one fact: removing one of them must not make the other's fact unknown."""
    docs = written(tmp_path / "docs", a=CANAL, b=TWICE)
    with quipu.build([docs], tmp_path / "m", **parts()) as memory:
        question = "What number follows was opened in?"
        assert pairs(memory) == [(question, "1869")]
        said = memory.ask(question)
        assert [Path(item.document or "").name for item in said.evidence] == ["a.txt", "b.txt"]
        assert [item.quote for item in said.evidence] == ["1869", "1869"]
        known = memory.why((said.evidence[0].pair or pytest.fail()).id[:12])
        assert [Path(place["document"]).name for place in known["evidence"]] == ["a.txt", "b.txt"]
        assert known["evidence"][1]["passage"] == TWICE
        memory.export(tmp_path / "whole.jsonl")
        assert memory.remove(document=str(docs / "a.txt")) == 0
        moved = memory.ask(question)
        assert moved.text == "1869" and [item.passage.text for item in moved.evidence if item.passage] == [TWICE]
        assert memory.remove(document=str(docs / "b.txt")) == 1 and pairs(memory) == []
    assert verify(tmp_path / "m").problems == []
    import_memory(tmp_path / "whole.jsonl", tmp_path / "again")
    with quipu.open(tmp_path / "again", encoder=WordEncoder()) as memory:
        assert len(memory.ask(question).evidence) == 2
    assert verify(tmp_path / "again").problems == []


def test_coverage_adds_up_for_every_passage(tmp_path: Path) -> None:
    docs = written(tmp_path / "docs", a=CANAL, b=TWICE, c="The tower is 120 metres high.", d="Nothing to count here.")
    with quipu.build([docs], tmp_path / "m", filter="global", **parts()) as memory:
        rows = list(memory.coverage())
        assert len(rows) == 4 and all(row["made"] == row["kept"] + sum(row["dropped"].values()) for row in rows)
        by_name = {Path(row["document"]).name: row for row in rows}
        assert by_name["a.txt"]["kept"] == 1 and by_name["b.txt"]["dropped"]["same question and answer"] == 1
        assert by_name["c.txt"]["kept"] == 0 and by_name["c.txt"]["dropped"]["reader found no answer"] >= 1
        assert sum(row["made"] for row in rows) == memory.report.asked


def test_why_wants_one_pair(tmp_path: Path) -> None:
    with quipu.build([written(tmp_path / "docs", a=CANAL)], tmp_path / "m", **parts()) as memory:
        for wrong, message in (("", "no pair's id"), ("xyz", "no pair's id"), ("0" * 32, "no pair's id begins")):
            with pytest.raises(InputError, match=message):
                memory.why(wrong)


def test_a_log_grows_what_was_refused_and_only_once(tmp_path: Path) -> None:
    """The passage says it, no pair does: the question that was refused becomes a pair."""
    docs = written(tmp_path / "docs", a=CANAL + " A map follows.")

    class Silent(NumberWriter):
        def write(self, *arguments: Any, **options: Any) -> Any:
            return [[[] for _ in row] for row in arguments[1]]

    log = tmp_path / "log.jsonl"
    question = "What number follows opened in?"
    rows = [
        {"question": "Who dug it?", "text": None}, {"question": question, "text": None},
        {"question": "Other?", "text": "known"}, {"question": question, "text": None},
    ]  # fmt: skip
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with quipu.build([docs], tmp_path / "m", **{**parts(), "writer": Silent()}) as memory:
        assert pairs(memory) == []
        report = memory.grow(log)
        assert report == {
            "questions": 4, "refused": 2, "answered_now": 0, "grown": 1, "pairs": 1, "unanswered": 1,
        }  # fmt: skip
        assert pairs(memory) == [(question, "1869")] and memory.ask(question).text == "1869"
        again = memory.grow(log)
        assert again["pairs"] == 0 and len(pairs(memory)) == 1
        log.write_text('{"question": "x"}\n')
        with pytest.raises(InputError, match="line 1"):
            memory.grow(log)
        with pytest.raises(InputError, match="cannot be read"):
            memory.grow(tmp_path / "none.jsonl")


def test_a_memory_of_the_first_format_is_read_as_it_is_and_brought_up_when_written(tmp_path: Path) -> None:
    """People keep memories for years; the tables of version 1 must open."""
    path = tmp_path / "m"
    docs = written(tmp_path / "docs", a=CANAL, b="Tea came to India in 1848.")
    with quipu.build([docs], path, **models()) as memory:
        first, second = (pair.id for _, pair in memory.store.pairs())
        memory.remove(pair=first)
    as_format(path, 1)
    with Store.open(path, read_only=True) as store:
        assert store.format == 1 and store.gone().tolist() == [1]
    with quipu.open(path, read_only=True, encoder=WordEncoder()) as memory:
        assert memory.ask("What number follows India in?").text == "1848"
        assert memory.why(second)["stored"] and [row["passage"] for row in memory.coverage()] == [None]
    with quipu.open(path, encoder=WordEncoder()) as memory:
        assert memory.store.format == FORMAT_VERSION and memory.store.gone().tolist() == [1]
        assert memory.ask("What number follows India in?").text == "1848"
    assert verify(path).problems == []


def test_keys_are_made_anew_for_another_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An update of the encoder must not cost the hours of a build, nor leave keys that do not compare."""
    docs = written(tmp_path / "docs", a=CANAL, b="Tea came to India in 1848.")
    with quipu.build([docs], tmp_path / "m", **models()) as memory:
        before = pairs(memory)

    class Backwards(WordEncoder):
        def encode(self, texts: Sequence[str], *, batch_size: int = 64) -> Any:
            return super().encode([text[::-1] for text in texts])

    question = "What number follows India in?"
    with (
        quipu.open(tmp_path / "m", encoder=Backwards("backwards")) as memory,
        pytest.raises(InputError, match="reencode"),
    ):
        memory.ask(question)
    with quipu.open(tmp_path / "m", encoder=Backwards("backwards")) as memory:
        assert memory.reencode() == 2 and pairs(memory) == before and memory.ask(question).text == "1848"
    assert verify(tmp_path / "m").problems == []

    class Stopped(WordEncoder):
        def encode(self, texts: Sequence[str], *, batch_size: int = 64) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), quipu.open(tmp_path / "m", encoder=Stopped("words")) as memory:
        memory.reencode()
    assert "rekeying" in json.loads((tmp_path / "m" / "manifest.json").read_text())  # as former versions wrote it
    with quipu.open(tmp_path / "m", encoder=Backwards("backwards")) as memory:
        with pytest.raises(InputError, match="interrupted"):
            memory.ask(question)
        assert memory.reencode() == 2 and memory.ask(question).text == "1848"
    with quipu.open(tmp_path / "m", encoder=WordEncoder()) as memory:
        assert memory.reencode() == 2 and memory.ask(question).text == "1848"

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, quipu.open(tmp_path / "m", encoder=Backwards("backwards")) as memory:
        patch.setattr(Index, "rebuild", killed)  # the keys are stored, the index of the former ones is not made anew
        with pytest.raises(KeyboardInterrupt):
            memory.reencode()
    assert verify(tmp_path / "m").problems == []
    with quipu.open(tmp_path / "m", encoder=Backwards("backwards")) as memory:
        assert memory.reencode() == 0
        with pytest.warns(DeprecationWarning, match=r"Memory\.reencode"):
            assert memory.rekey() == 0
    assert verify(tmp_path / "m").problems == [] and (tmp_path / "m" / "index.json").exists()
