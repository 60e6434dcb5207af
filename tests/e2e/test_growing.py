"""Which pairs a log leaves in a memory: only those that are read back and that lookup answers with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.handmade import NumberReader, NumberWriter, models

import quipu
from quipu.answering.scoring import Calibration, LinearScorer, Odds
from quipu.answering.steps.lookup import Lookup
from quipu.memory import Memory
from quipu.models.protocols import Reading

QUESTION = "What number follows opened in?"


class Silent(NumberWriter):
    """Asks nothing, so that a memory begins without pairs."""

    def write(self, *arguments: Any, **options: Any) -> Any:
        return [[[] for _ in row] for row in arguments[1]]


class Wavering(NumberReader):
    """Says something else when it is asked for the fourth time, after `grow`, a step of answering and the filter."""

    calls = 0

    def read(self, questions: Sequence[str], passages: Sequence[str]) -> list[Reading]:
        self.calls += 1
        found = super().read(questions, passages)
        return found if self.calls < 4 else [Reading(0, 3, "The", 2.0, 0.9) for _ in found]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """One question that was refused, and the document that answers it."""
    (tmp_path / "canal.txt").write_text("The canal was opened in 1869. A map follows.")
    (tmp_path / "log.jsonl").write_text(json.dumps({"question": QUESTION, "text": None}) + "\n")
    return tmp_path / "log.jsonl"


def built(log: Path, **others: Any) -> Memory:
    return quipu.build(log.parent / "canal.txt", log.parent / "m", **{**models(), "writer": Silent(), **others})


def calibrated(memory: Memory, shift: float) -> None:
    """Lookup is as sure of everything as ``shift`` says, in log-odds."""
    names, weights = Lookup.FEATURES, (0.0,) * len(Lookup.FEATURES)
    scorer = LinearScorer(names, weights, Odds(1.0, shift), 0.5, models=memory.answerer.uses("lookup"))
    memory.keep_calibration(Calibration({"lookup": scorer}, "by hand"))


def dropped(memory: Memory) -> Iterator[tuple[str, str | None]]:
    yield from memory.store.connection.execute("SELECT reason, because_of FROM verdicts WHERE kept = 0")


def test_a_pair_that_is_not_read_back_is_not_kept(log: Path) -> None:
    """What a reader says once and not again is a guess, which would answer for ever."""
    with built(log, reader=Wavering()) as memory:
        report = memory.grow(log)
        assert report["pairs"] == report["grown"] == memory.store.count() == 0 and report["unanswered"] == 1
        assert list(dropped(memory)) == [("not read back from its passage", "The")]
        assert memory.report.asked == memory.report.kept + memory.report.dropped.total() == 1


def test_a_passage_must_speak_of_all_that_is_asked(log: Path) -> None:
    """A reader gives the year of the opening to whoever asks for the year of something that stands nowhere."""
    (log.parent / "canal.txt").write_text("The canal was opened in 1869.")
    with built(log) as memory:
        assert memory.grow(log)["pairs"] == 0
        assert list(dropped(memory)) == [("its passage does not speak of all that is asked", "follows")]


def test_a_pair_that_look_up_would_hold_back_is_not_kept(log: Path) -> None:
    """A pair below the memory's threshold answers nothing and stands in the way of others."""
    with built(log) as memory:
        calibrated(memory, -5.0)
        assert memory.grow(log)["pairs"] == 0 and memory.store.count() == 0
        assert list(dropped(memory)) == [("lookup would not answer with it", "1869")]
        calibrated(memory, 5.0)
        assert memory.grow(log)["pairs"] == 1
        assert memory.ask(QUESTION, method="lookup").text == "1869"


def test_what_was_marked_as_wrong_does_not_grow_again(log: Path) -> None:
    """The mark is what refuses the question: growing from the log must not undo it."""
    with built(log) as memory:
        memory.mark_text(QUESTION, "1869", False)
        assert memory.grow(log)["pairs"] == 0 and memory.store.count() == 0
