"""The engine with a clock that stands still: what is answered together, in what order, and what is not answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

pytest.importorskip("fastapi")

from quipu.errors import InputError
from quipu.serving.engine import HEAD_START, Engine
from quipu.serving.problems import Problem


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Recorder:
    """Stands for a memory that was opened: keeps what it was asked, and answers with the question reversed."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.asked: list[tuple[str, list[str], float | None]] = []

    def refresh(self) -> Recorder:
        return self


@dataclass(frozen=True)
class Reversing:
    name: str = "a"
    budget_ms: float | None = None

    def run(self, memory: Any, questions: Sequence[str], budget_ms: float | None) -> list[str]:
        memory.asked.append((self.name, list(questions), budget_ms))
        memory.clock.now += 0.01 * len(questions)
        if "poison" in questions:
            raise InputError("poisoned")
        return [question[::-1] for question in questions]


@pytest.fixture
def made() -> tuple[Engine, Recorder, Clock]:
    clock = Clock()
    memory = Recorder(clock)
    engine = Engine({"m": memory, "n": memory}, queue=8, queue_ms=1000, batch=3, clock=clock)  # type: ignore[dict-item]
    engine.why_not_ready = None
    return engine, memory, clock


def test_what_waits_is_answered_together_at_most_a_batch(made: tuple[Engine, Recorder, Clock]) -> None:
    """One call a question would waste the processor; one call for all would make everybody wait for the last."""
    engine, memory, _ = made
    futures = [engine.submit("m", Reversing(), [f"q{n}"]) for n in range(4)]
    assert (engine.work(), engine.work(), engine.work()) == (3, 1, 0)
    assert [asked for _, asked, _ in memory.asked] == [["q0", "q1", "q2"], ["q3"]]
    assert [future.result(0).results for future in futures] == [["0q"], ["1q"], ["2q"], ["3q"]]


def test_only_the_same_memory_and_options_share_a_batch(made: tuple[Engine, Recorder, Clock]) -> None:
    """A question asked with its neighbour's options, or of its memory, would be answered wrongly without a sign."""
    engine, memory, _ = made
    for name, operation, question in (("m", "a", "1"), ("n", "a", "2"), ("m", "b", "3"), ("m", "a", "4")):
        engine.submit(name, Reversing(operation), [question])
    while engine.work():
        pass
    assert [(name, asked) for name, asked, _ in memory.asked] == [("a", ["1", "4"]), ("a", ["2"]), ("b", ["3"])]


def test_a_single_question_passes_a_list_and_a_list_does_not_starve(made: tuple[Engine, Recorder, Clock]) -> None:
    """Without lanes a list of 64 makes a person wait a minute; with strict ones a list never ends."""
    engine, memory, clock = made
    many = engine.submit("m", Reversing("list"), ["l1", "l2"])
    clock.now += HEAD_START / 2
    engine.submit("m", Reversing("single"), ["s1"])
    engine.work()
    assert memory.asked[-1][1] == ["s1"]
    clock.now = 100.0 + HEAD_START + 0.001
    engine._queue_ms = 10_000
    engine.submit("m", Reversing("single"), ["s2"])
    engine.work()
    assert memory.asked[-1][1] == ["l1", "l2"]
    assert many.result(0).results == ["1l", "2l"]


def test_items_of_a_list_fill_the_batch_behind_single_questions(made: tuple[Engine, Recorder, Clock]) -> None:
    """A batch with room that leaves a list waiting is time lost."""
    engine, memory, _ = made
    engine.submit("m", Reversing(), ["l1", "l2", "l3"])
    engine.submit("m", Reversing(), ["s"])
    engine.work()
    assert memory.asked[0][1] == ["s", "l1", "l2"]


def test_a_full_queue_refuses_with_the_time_to_wait(made: tuple[Engine, Recorder, Clock]) -> None:
    """A queue without an end makes everybody's wait longer than anybody waits."""
    engine, _, _ = made
    engine.submit("m", Reversing(), ["q"] * 6)
    with pytest.raises(Problem) as caught:
        engine.submit("m", Reversing(), ["q"] * 3)
    assert caught.value.code == "queue_full"
    assert int((caught.value.headers or {})["Retry-After"]) >= 1
    engine.submit("m", Reversing(), ["q"] * 2)
    assert engine.size == 8


def test_questions_of_clients_that_left_make_room(made: tuple[Engine, Recorder, Clock]) -> None:
    """Work for nobody would keep out those who are still there."""
    engine, memory, _ = made
    engine.submit("m", Reversing(), ["gone"] * 8).cancel()
    engine.submit("m", Reversing(), ["here"])
    assert engine.work() == 1
    assert memory.asked == [("a", ["here"], None)]


def test_a_question_that_waited_too_long_is_dropped_unworked(made: tuple[Engine, Recorder, Clock]) -> None:
    """Its client has given up; answering it makes the next ones late as well."""
    engine, memory, clock = made
    late = engine.submit("m", Reversing(), ["late"])
    clock.now += 1.001
    assert engine.work() == 0
    error = late.exception(0)
    assert isinstance(error, Problem) and error.code == "deadline" and error.status_code == 504
    assert memory.asked == []


def test_a_list_that_was_begun_is_finished(made: tuple[Engine, Recorder, Clock]) -> None:
    """The bound is for the wait before the first question: else no long list could ever be answered."""
    engine, _, clock = made
    many = engine.submit("m", Reversing(), ["a", "b", "c", "d"])
    engine.work()
    clock.now += 5
    engine.work()
    assert many.result(0).results == ["a", "b", "c", "d"]
    assert many.result(0).queue_ms == 0.0
    assert many.result(0).together == 3


def test_a_budget_includes_the_wait(made: tuple[Engine, Recorder, Clock]) -> None:
    """A budget of 200 ms that begins after 150 ms of waiting would be answered after 350."""
    engine, memory, clock = made
    engine.submit("m", Reversing(budget_ms=200), ["q1"])
    clock.now += 0.1
    engine.submit("m", Reversing(budget_ms=200), ["q2"])
    clock.now += 0.05
    assert engine.work() == 2
    assert memory.asked[0][2] == pytest.approx(50)
    spent = engine.submit("m", Reversing(budget_ms=200), ["q3"])
    clock.now += 0.2
    assert engine.work() == 0
    error = spent.exception(0)
    assert isinstance(error, Problem) and error.code == "deadline"


def test_one_bad_question_harms_no_other(made: tuple[Engine, Recorder, Clock]) -> None:
    """Strangers are answered together; one of them must not take the others' answers away."""
    engine, _, _ = made
    good, bad = engine.submit("m", Reversing(), ["good"]), engine.submit("m", Reversing(), ["poison"])
    engine.work()
    assert good.result(0).results == ["doog"]
    assert isinstance(bad.exception(0), InputError)


def test_what_waits_is_answered_before_the_engine_ends(made: tuple[Engine, Recorder, Clock]) -> None:
    """A restart that drops questions is an outage; one that takes new ones never ends."""
    engine, memory, _ = made
    memory.warm = lambda: None  # type: ignore[attr-defined]
    waiting = engine.submit("m", Reversing(), ["ab", "cd", "ef", "gh"])
    engine.drain()
    with pytest.raises(Problem) as caught:
        engine.submit("m", Reversing(), ["late"])
    assert caught.value.code == "draining" and caught.value.status_code == 503
    engine.start()
    assert engine.close(5.0)
    assert waiting.result(0).results == ["ba", "dc", "fe", "hg"]


def test_the_wait_and_the_work_are_told_apart(made: tuple[Engine, Recorder, Clock]) -> None:
    """Server-Timing that counts the wait as work sends an operator looking for slow models."""
    engine, _, clock = made
    future = engine.submit("m", Reversing(), ["q"])
    clock.now += 0.3
    engine.work()
    ticket = future.result(0)
    assert ticket.queue_ms == pytest.approx(300)
    assert ticket.answer_ms == pytest.approx(10)
